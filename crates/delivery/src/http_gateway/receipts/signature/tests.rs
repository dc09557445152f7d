//! Signatures that the vendors' own libraries or documents made, not we.

use std::collections::BTreeMap;

use super::*;

/// 2026-11-24T12:00:00Z.
const NOW: i64 = 1_795_521_600;
const URL: &str = "https://codes.example/receipts/x/0123456789abcdef0123456789abcdef";

fn check(scheme: &str, key: &str) -> Check {
    let scheme: Signature = toml::from_str::<BTreeMap<String, Signature>>(&format!("signature = {scheme}"))
        .expect(scheme)
        .remove("signature")
        .expect("a signature");
    Check::new(&scheme, Secret::new(key.to_owned())).unwrap_or_else(|problem| panic!("{problem}"))
}

#[derive(Clone)]
struct Request {
    url: String,
    headers: BTreeMap<String, String>,
    body: String,
}

impl Request {
    fn form(url: &str, body: &str) -> Self {
        let request = Self { url: url.to_owned(), headers: BTreeMap::new(), body: body.to_owned() };
        request.with("content-type", "application/x-www-form-urlencoded; charset=UTF-8")
    }

    fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    fn holds(&self, check: &Check, at: i64) -> bool {
        let posted = Posted { url: &self.url, headers: &self.headers, body: self.body.as_bytes() };
        check.holds(&posted, Timestamp::from_millis(at * 1000))
    }

    /// Nothing of it may change, and no other key fits.
    fn is_sound(&self, good: &Check, other: &Check, at: i64) {
        assert!(self.holds(good, at));
        assert!(!self.holds(other, at), "another key");
        for change in 0..self.body.len() {
            let mut bytes = self.body.clone().into_bytes();
            bytes[change] ^= 1;
            if let Ok(body) = String::from_utf8(bytes) {
                // A form may be written in more than one way; what matters is what is read.
                let same = !self.body.starts_with('{')
                    && super::super::fields::form(body.as_bytes())
                        == super::super::fields::form(self.body.as_bytes());
                assert!(same || !Self { body, ..self.clone() }.holds(good, at), "byte {change}");
            }
        }
        for name in self.headers.keys().filter(|name| *name != "content-type") {
            let mut without = self.clone();
            without.headers.remove(name);
            assert!(!without.holds(good, at), "without {name}");
            for wrong in ["", "=", "AAAA", "é", "sha256=", "Bearer x.y.z", "a.b.c"] {
                assert!(!self.clone().with(name, wrong).holds(good, at), "{name}: {wrong}");
            }
        }
    }
}

/// By `RequestValidator` of twilio-python 9.13.
#[test]
fn twilio_signs_address_and_fields() {
    let url = "https://codes.example/receipts/tw/0123456789abcdef0123456789abcdef";
    let body = "SmsSid=SM0123456789abcdef0123456789abcdef&MessageStatus=delivered&To=%2B48600100217\
                &MessageSid=SM0123456789abcdef0123456789abcdef&AccountSid=AC0123456789abcdef0123456789abcdef\
                &From=%2B15005550006&ApiVersion=2010-04-01";
    let scheme = "{ twilio = { key = 'auth_token' } }";
    let request = Request::form(url, body).with("x-twilio-signature", "4Dm0sWw7SAdkQZc0g+L/2lOcSCI=");
    let good = check(scheme, "twilio-token");
    request.is_sound(&good, &check(scheme, "other"), NOW);
    assert!(!Request { url: format!("{url}?x=1"), ..request.clone() }.holds(&good, NOW));
    // A body that the signature would not cover is not read at all.
    assert!(!request.with("content-type", "application/json").holds(&good, NOW));
}

/// By `signature_v3` of plivo-python 4.63.
#[test]
fn plivo_signs_address_fields_and_nonce() {
    let url = "https://codes.example/receipts/pl/0123456789abcdef0123456789abcdef";
    let body = "Status=delivered&From=15005550006&To=48600100217&MessageUUID=m-1&ParentMessageUUID=m-1&ErrorCode=000";
    let scheme = "{ plivo = { key = 'auth_token' } }";
    let (good, other) = (check(scheme, "plivo-token"), check(scheme, "other"));
    let signed = |request: Request, signature: &str| {
        request.with("x-plivo-signature-v3", signature).with("x-plivo-signature-v3-nonce", "nonce-1")
    };
    let plain = signed(Request::form(url, body), "Y9IRzVR9B2VTUQJ7ncHu9vImC7smsU5mE4t4fkEd1vI=");
    plain.is_sound(&good, &other, NOW);
    let query = format!("{url}?b=2&a=1");
    let both = signed(Request::form(&query, body), "okvmyRzHxXXU8jZZCYT0LBBYxbSXRxwvEsKu9gezjk4=");
    both.is_sound(&good, &other, NOW);
    let get = signed(Request::form(&query, ""), "ieFpjBk+DOBL18oqCHRCtoWbzzWmNMylnzA8U15XlKk=");
    get.is_sound(&good, &other, NOW);
    let two = "AAAA, Y9IRzVR9B2VTUQJ7ncHu9vImC7smsU5mE4t4fkEd1vI=";
    assert!(signed(Request::form(url, body), two).holds(&good, NOW), "one of two is ours");
}

#[test]
fn plivo_2_is_taken_only_where_it_is_said_so() {
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"plivo-token");
    let signature = BASE64.encode(hmac::sign(&key, format!("{URL}nonce-1").as_bytes()).as_ref());
    let request = Request::form(&format!("{URL}?a=1"), "Status=sent")
        .with("x-plivo-signature-v2", &signature)
        .with("x-plivo-signature-v2-nonce", "nonce-1");
    assert!(request.holds(&check("{ plivo = { key = 'k', v2 = true } }", "plivo-token"), NOW));
    assert!(!request.holds(&check("{ plivo = { key = 'k' } }", "plivo-token"), NOW));
    let both = request.with("x-plivo-signature-v3", "AAAA").with("x-plivo-signature-v3-nonce", "nonce-1");
    let good = check("{ plivo = { key = 'k', v2 = true } }", "plivo-token");
    assert!(!both.holds(&good, NOW), "the stronger one decides when it is there");
}

/// By the steps of Vonage's "Signing messages", in Python.
#[test]
fn vonage_signs_the_sorted_fields() {
    let body = "msisdn=48600100217&to=Acme&network-code=26003&messageId=0A0000000123ABCD1&price=0.0333\
                &status=delivered&scts=2611241200&err-code=0&api-key=abcd1234\
                &message-timestamp=2026-11-24+12%3A00%3A00&timestamp=1795521600&nonce=a%26b%3Dc\
                &sig=3C4729D0adc576e35f44db14f624afbf11fe490c84d08ac19e6dfe2bb92f95d0";
    let scheme = "{ vonage = { key = 'signature_secret' } }";
    let (good, other) = (check(scheme, "vonage-secret"), check(scheme, "other"));
    let request = Request::form(URL, body);
    assert!(request.holds(&good, NOW) && !request.holds(&other, NOW));
    assert!(Request::form(&format!("{URL}?{body}"), "").holds(&good, NOW), "by GET");
    let fields: serde_json::Map<String, serde_json::Value> =
        super::super::fields::form(body.as_bytes()).into_iter().map(|(k, v)| (k, v.into())).collect();
    let json = serde_json::Value::Object(fields).to_string();
    let as_json = Request::form(URL, &json).with("content-type", "application/json");
    assert!(as_json.holds(&good, NOW), "by POST-JSON");
    let forged = as_json.body.replace("delivered", "failed");
    assert!(!Request { body: forged, ..as_json }.holds(&good, NOW));
    for (seconds, fresh) in [(-301, false), (-300, true), (300, true), (301, false)] {
        assert_eq!(request.holds(&good, NOW + seconds), fresh, "{seconds}");
    }
}

/// The example of Sinch's own .NET library.
#[test]
fn sinch_signs_body_nonce_and_time() {
    let body = r#"{"app_id":"","accepted_time":"2021-10-18T17:49:13.813615Z","project_id":"e2df3a34-a71b-4448-9db5-a8d2baad28e4","contact_create_notification":{"contact":{"id":"01FJA8B466Y0R2GNXD78MD9SM1","channel_identities":[{"channel":"SMS","identity":"48123456789","app_id":""}],"display_name":"New Test Contact","email":"new.contact@email.com","external_id":"","metadata":"","language":"EN_US"}},"message_metadata":""}"#;
    let scheme = "{ hmac = { key = 'k', header = 'X-Sinch-Webhook-Signature', encoding = 'base64', \
                  signed = '{body}.{x-sinch-webhook-signature-nonce}.{x-sinch-webhook-signature-timestamp}', \
                  timestamp = 'x-sinch-webhook-signature-timestamp' } }";
    let request = Request::form(URL, body)
        .with("x-sinch-webhook-signature", "6bpJoRmFoXVjfJIVglMoJzYXxnoxRujzR4k2GOXewOE=")
        .with("x-sinch-webhook-signature-nonce", "01FJA8B4A7BM43YGWSG9GBV067")
        .with("x-sinch-webhook-signature-timestamp", "1634579353");
    let good = check(scheme, "foo_secret1234");
    request.is_sound(&good, &check(scheme, "other"), 1_634_579_353);
    for (seconds, fresh) in [(-301, false), (-300, true), (300, true), (301, false)] {
        assert_eq!(request.holds(&good, 1_634_579_353 + seconds), fresh, "{seconds}");
    }
}

/// By `Ed25519PrivateKey` of Python's cryptography 50.
#[test]
fn telnyx_signs_time_and_body() {
    let scheme = "{ ed25519 = { key = 'k', header = 'telnyx-signature-ed25519', \
                  signed = '{telnyx-timestamp}|{body}', timestamp = 'telnyx-timestamp' } }";
    let request = Request::form(URL, "{\"data\":{\"event_type\":\"message.finalized\"}}")
        .with("telnyx-timestamp", "1795521600")
        .with(
            "telnyx-signature-ed25519",
            "gAHkuERxDUFBADeeCcO2xeajJKOhWH99Zti+ud42Um9sOKUbdV8aqpJ0I3HNxq8o/EdOtPH2ZG8vBdBO/jbSDg==",
        );
    let good = check(scheme, "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=");
    request.is_sound(&good, &check(scheme, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), NOW);
    assert!(!request.holds(&good, NOW + 301) && !request.holds(&check(scheme, "no key"), NOW));
}

/// RFC 4231, test case 2, in the form of Meta's `X-Hub-Signature-256`.
#[test]
fn meta_signs_the_body() {
    let scheme = "{ hmac = { key = 'app_secret', header = 'x-hub-signature-256', prefix = 'sha256=' } }";
    let signature = "sha256=5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    let request = Request::form(URL, "what do ya want for nothing?").with("x-hub-signature-256", signature);
    let (good, other) = (check(scheme, "Jefe"), check(scheme, "other"));
    assert!(request.holds(&good, NOW) && !request.holds(&other, NOW));
    let forged = Request { body: "what do ya want for something?".to_owned(), ..request.clone() };
    assert!(!forged.holds(&good, NOW));
    assert!(!request.with("x-hub-signature-256", &signature[7..]).holds(&good, NOW), "without its prefix");
}

/// By PyJWT 2, accepted by `RequestValidator` of messagebird 2.2.
#[test]
fn messagebird_signs_hashes_in_a_token() {
    let scheme = "{ jwt = { key = 'k', header = 'messagebird-signature-jwt', \
                  body_claim = 'payload_hash', url_claim = 'url_hash' } }";
    let url = "https://codes.example/receipts/mb/0123456789abcdef0123456789abcdef?id=1&status=delivered";
    let token = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJNZXNzYWdlQmlyZCIsIm5iZiI6MTc5NTUyMTYwMCwiZXhwIjox\
                 Nzk1NTIxNjYwLCJqdGkiOiJqLTEiLCJ1cmxfaGFzaCI6ImJjZWJlYzQ4ZWJlMTU1ZWQxNmZhYzEyMjg1YmE2N2M2OTRiMjhmYTRj\
                 NmZmODQ5Y2M0YzA3NGQwYWJhMmU0NmYifQ.vkan_gbGrmapXa_FTV8UaERKqcb4CamHrKyuRAi93Nk";
    let (good, other) = (
        check(scheme, "signing-key-of-messagebird-32byte"),
        check(scheme, "another-key-another-key-another-k"),
    );
    let request = Request::form(url, "").with("messagebird-signature-jwt", token);
    request.is_sound(&good, &other, NOW);
    let elsewhere = Request { url: url.replace("delivered", "failed"), ..request.clone() };
    assert!(!elsewhere.holds(&good, NOW));
    assert!(!Request { body: "x=1".to_owned(), ..request.clone() }.holds(&good, NOW), "an uncovered body");
    for (seconds, fresh) in [(-301, false), (-300, true), (300, true), (301, false)] {
        assert_eq!(request.holds(&good, NOW + seconds), fresh, "{seconds}");
    }
    let none = "eyJhbGciOiJub25lIn0.".to_owned() + token.split('.').nth(1).expect("claims") + ".";
    assert!(!request.with("messagebird-signature-jwt", &none).holds(&good, NOW), "alg none");
}

#[test]
fn what_is_signed_is_said_in_full() {
    let wrong = |scheme: &str| {
        let scheme: BTreeMap<String, Signature> = toml::from_str(&format!("s = {scheme}")).expect(scheme);
        Check::parts_of(&scheme["s"]).expect_err("a problem").to_string()
    };
    assert!(wrong("{ hmac = { key = 'k', header = 'h', signed = '{body' } }").contains("unpaired"));
    assert!(wrong("{ hmac = { key = 'k', header = 'h', signed = '{url}' } }").contains("the body"));
    let untimed = "{ ed25519 = { key = 'k', header = 'h', timestamp = 't' } }";
    assert!(wrong(untimed).contains("its timestamp"));
}
