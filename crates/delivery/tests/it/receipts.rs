//! Receipts of a gateway that nobody here knows: described by configuration alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use countersign_core::receipt::{About, Fate, NotAReceipt, Posted, Receipt, ReceiptReader as _};
use countersign_delivery::config::ConfigProblem;
use countersign_delivery::http_gateway::HttpGatewayConfig;
use countersign_delivery::http_gateway::receipts::Readers;
use countersign_delivery::limits;
use proptest::strategy::Strategy as _;
use serde_json::json;

use crate::http_gateway::{At, NOW};

const DELIVERY: &str = "dlv_01m83n1fqkeat9ryjx42vfks43";

fn config(receipt: &str, token: &str) -> (HttpGatewayConfig, tempfile::TempDir) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("token");
    std::fs::write(&file, token).expect("written");
    let secrets = format!("secrets = {{ receipt_token = {{ file = '{}' }} }}", file.display());
    let text = format!("url = 'https://a.example/'\n{secrets}\n{receipt}");
    (toml::from_str(&text).expect(receipt), folder)
}

fn try_readers(receipt: &str, token: &str) -> Result<Readers, ConfigProblem> {
    let (config, _folder) = config(receipt, token);
    assert_eq!(config.validate(), []);
    let mut readers = Readers::new(Arc::new(At(NOW)));
    readers.add("x", &config).map(|()| readers)
}

fn read(readers: &Readers, token: &str, json: &serde_json::Value) -> Result<Vec<Receipt>, NotAReceipt> {
    let headers = BTreeMap::from([("content-type".to_owned(), "application/json".to_owned())]);
    let body = json.to_string();
    readers.read("x", token, &Posted { url: "https://a.example/", headers: &headers, body: body.as_bytes() })
}

const RECEIPT: &str = "receipt = { each = '/list/*', id = ['/a', '/b'], state = '/s', code = '/c', states = [
    { state = 'ok', means = 'delivered' },
    { code = [1, 'x'], means = 'recipient_rejected' },
    { state = 'bad', means = 'message_rejected' },
] }";

fn token() -> String {
    "a".repeat(32)
}

#[test]
fn the_first_rule_that_matches_decides_and_the_first_id_counts() {
    let readers = try_readers(RECEIPT, &token()).expect("readers");
    let list = json!({ "list": [
        { "a": "m1", "s": "ok", "c": 1 },
        { "b": 7, "s": "bad", "c": "1" },
        { "a": null, "b": "m3", "s": "bad" },
        { "a": "m4", "s": "other news" },
        { "s": "other news without id" },
    ] });
    let failed =
        |class: &str, detail: &str| Fate::Failed { class: class.to_owned(), detail: detail.to_owned() };
    let receipt = |id: &str, fate| Receipt { about: About::Message(id.to_owned()), fate };
    assert_eq!(
        read(&readers, &token(), &list),
        Ok(vec![
            receipt("m1", Fate::Delivered),
            receipt("7", failed("recipient_rejected", "the gateway reports bad, code 1")),
            receipt("m3", failed("message_rejected", "the gateway reports bad")),
        ])
    );
    let nameless = json!({ "list": [{ "s": "ok" }] });
    assert_eq!(read(&readers, &token(), &nameless), Err(NotAReceipt::Malformed));
}

#[test]
fn what_looks_like_a_number_is_not_told_on() {
    let loose = "receipt = { id = '/a', state = '/s', code = '/c', states = [
        { state = ['48600100217', 'of +48600100217', 'REJECTED by 26003'], means = 'unavailable' }] }";
    let readers = try_readers(loose, &token()).expect("readers");
    for (state, detail) in [
        ("48600100217", "the gateway reports a failure"),
        ("of +48600100217", "the gateway reports a failure"),
        ("REJECTED by 26003", "the gateway reports REJECTED by 26003"),
    ] {
        let receipts =
            read(&readers, &token(), &json!({ "a": "m", "s": state, "c": "600100217" })).expect("one");
        assert!(
            matches!(&receipts[0].fate, Fate::Failed { detail: told, .. } if told == detail),
            "{receipts:?}"
        );
    }
}

#[test]
fn a_gateway_without_ids_names_our_delivery() {
    let named = "receipt = { id = '/ref', names = 'delivery', state = '/s', states = [{ state = 'ok', means = 'delivered' }] }";
    let readers = try_readers(named, &token()).expect("readers");
    let receipts = read(&readers, &token(), &json!({ "ref": DELIVERY, "s": "ok" }));
    let about = About::Delivery(DELIVERY.parse().expect("an id"));
    assert_eq!(receipts, Ok(vec![Receipt { about, fate: Fate::Delivered }]));
    for wrong in ["dlv_", "vrf_01m83n1fqkeat9ryjx42vfks43", ""] {
        let receipts = read(&readers, &token(), &json!({ "ref": wrong, "s": "ok" }));
        assert_eq!(receipts, Err(NotAReceipt::Malformed), "{wrong}");
    }
}

#[test]
fn a_request_holds_as_many_receipts_as_the_limit_says() {
    let readers = try_readers(RECEIPT, &token()).expect("readers");
    let most = limits::RECEIPTS_IN_ONE_REQUEST;
    for (count, taken) in [(most - 1, true), (most, true), (most + 1, false)] {
        let list = json!({ "list": vec![json!({ "a": "m", "s": "ok" }); count] });
        assert_eq!(read(&readers, &token(), &list).is_ok(), taken, "{count}");
    }
}

#[test]
fn the_secret_of_the_address_is_long_and_plain() {
    let good = |token: &str| try_readers(RECEIPT, token).is_ok();
    for (length, taken) in [(31, false), (32, true), (33, true), (127, true), (128, true), (129, false)] {
        assert_eq!(good(&"a".repeat(length)), taken, "{length}");
    }
    for wrong in ["/", "?", " ", "%", "é", "."] {
        assert!(!good(&format!("{}{wrong}", token())), "{wrong}");
    }
}

#[test]
fn without_the_secret_there_is_no_door() {
    let text = format!("url = 'https://a.example/'\n{RECEIPT}");
    let config: HttpGatewayConfig = toml::from_str(&text).expect("a configuration");
    let mut readers = Readers::new(Arc::new(At(NOW)));
    readers.add("x", &config).expect("nothing to complain about");
    for token in ["", "receipt_token"] {
        assert_eq!(read(&readers, token, &json!({})), Err(NotAReceipt::Unknown));
    }
}

#[test]
fn each_problem_of_a_receipt_names_its_key() {
    for (receipt, key) in [
        (
            "receipt = { id = 'a', state = '/s', states = [{ state = 'a', means = 'delivered' }] }",
            "receipt.id",
        ),
        (
            "receipt = { id = '/a', state = 's', states = [{ state = 'a', means = 'delivered' }] }",
            "receipt.state",
        ),
        ("receipt = { id = '/a', state = '/s', states = [] }", "receipt.states"),
        ("receipt = { id = '/a', state = '/s', states = [{ means = 'delivered' }] }", "receipt.states[0]"),
        (
            "receipt = { id = '/a', state = '/s', states = [{ code = 1, means = 'delivered' }] }",
            "receipt.states[0]",
        ),
        (
            "receipt = { id = '/a', state = '/s', states = [{ state = 1, means = 'delivered' }], signature = { twilio = { key = 'k' } } }",
            "receipt.signature",
        ),
    ] {
        let problems = config(receipt, &token()).0.validate();
        assert_eq!(
            problems.iter().map(|problem| problem.key.as_str()).collect::<Vec<_>>(),
            [key],
            "{receipt}"
        );
    }
    for wrong in ["means = 'lost'", "means = 7", "means = 'delivered', fate = 'x'"] {
        let text = format!(
            "url = 'https://a.example/'\nreceipt = {{ id = '/a', state = '/s', states = [{{ state = 1, {wrong} }}] }}"
        );
        assert!(toml::from_str::<HttpGatewayConfig>(&text).is_err(), "{wrong}");
    }
}

const SIGNATURES: [&str; 7] = [
    "{ hmac = { key = 'k', header = 'sig', signed = '{t}.{body}', timestamp = 't' } }",
    "{ hmac = { key = 'k', header = 'sig', encoding = 'base64', hash = 'sha1' } }",
    "{ ed25519 = { key = 'k', header = 'sig' } }",
    "{ jwt = { key = 'k', header = 'sig', body_claim = 'b', url_claim = 'u' } }",
    "{ twilio = { key = 'k' } }",
    "{ vonage = { key = 'k' } }",
    "{ plivo = { key = 'k', v2 = true } }",
];

proptest::proptest! {
    /// Whatever comes: an answer, and never a receipt that is believed.
    #[test]
    fn no_bytes_break_a_door_or_open_it(
        scheme in proptest::sample::select(&SIGNATURES[..]),
        body in proptest::prop_oneof![
            proptest::collection::vec(proptest::num::u8::ANY, 0..200),
            "[a-z0-9=&%+{}\\[\\]\":,]{0,200}".prop_map(String::into_bytes),
        ],
        content_type in proptest::sample::select(&["application/json", "application/x-www-form-urlencoded", ""][..]),
        signature in "[ -~é]{0,80}|([A-Za-z0-9_-]{0,40}\\.){2}[A-Za-z0-9_-]{0,40}|[0-9a-f]{64}|[A-Za-z0-9+/]{43}=",
        url in "https://a\\.example/[ -~]{0,80}",
    ) {
        let text = format!("account = {{ k = 'AAAA' }}\nreceipt = {{ id = '/a', state = '/s', states = [{{ state = 'ok', means = 'delivered' }}], signature = {scheme} }}");
        let readers = try_readers(&text, &token()).expect("readers");
        let headers: BTreeMap<String, String> = [
            ("content-type", content_type),
            ("sig", &signature),
            ("t", "1795521600"),
            ("x-twilio-signature", &signature),
            ("x-plivo-signature-v3", &signature),
            ("x-plivo-signature-v3-nonce", "1"),
            ("x-plivo-signature-v2", &signature),
            ("x-plivo-signature-v2-nonce", "1"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let posted = Posted { url: &url, headers: &headers, body: &body };
        proptest::prop_assert_eq!(readers.read("x", &token(), &posted), Err(NotAReceipt::Forged));
    }
}
