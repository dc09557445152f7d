//! Authenticators that exist, against the real binary: oathtool, pyotp and otpauth make the codes, zbarimg reads the QR code.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use countersign_core::oath::ocra::{Input, Suite};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Server, wrong};
use crate::races::at_once;

/// Runs a program and answers what it printed; a missing one is an error that says what installs it.
pub(crate) fn printed(program: &str, arguments: &[&str]) -> String {
    let ran = Command::new(program).args(arguments).output();
    let ran = ran.unwrap_or_else(|why| panic!("{program} does not run ({why}): run `cargo xtask setup`"));
    assert!(ran.status.success(), "{program}: {}", String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap().trim().to_owned()
}

pub(crate) fn tools() -> PathBuf {
    let default = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    std::env::var_os("COUNTERSIGN_TOOLS").map_or(default, PathBuf::from)
}

pub(crate) fn python(program: &str, arguments: &[&str]) -> String {
    let python = tools().join("venv/bin/python");
    printed(&python.display().to_string(), &[&["-c", program], arguments].concat())
}

fn node(program: &str, arguments: &[&str]) -> String {
    let module = tools().join("node/node_modules/otpauth/dist/otpauth.node.mjs");
    assert!(module.is_file(), "otpauth is missing: run `cargo xtask setup`");
    let program = program.replace("OTPAUTH", &format!("'{}'", module.display()));
    printed("node", &[&["--input-type=module", "-e", &program, "--"], arguments].concat())
}

/// The server's test clock, in seconds since 1970, after so many more of them.
pub(crate) async fn later(server: &Server, seconds: u64) -> i64 {
    let moved = server.post("/v1/test/clock/advance", json!({ "seconds": seconds })).await;
    assert_eq!(moved.status, 200, "{}", moved.body);
    let now = python(
        "import sys,datetime as d; print(int(d.datetime.fromisoformat(sys.argv[1]).timestamp()))",
        &[&moved.text("now")],
    );
    now.parse().unwrap()
}

/// What oathtool shows for a Base32 secret at an instant.
pub(crate) fn oathtool(algorithm: &str, digits: &str, period: &str, secret: &str, at: i64) -> String {
    let (totp, period, at) =
        (format!("--totp={algorithm}"), format!("--time-step-size={period}s"), format!("--now=@{at}"));
    printed("oathtool", &[&totp, "--digits", digits, &period, &at, "--base32", secret])
}

async fn enrol(server: &Server, subject: &str, body: Value) -> Value {
    let made = server.post(&format!("/v1/subjects/ext:{subject}/factors"), body).await;
    assert_eq!(made.status, 201, "{}", made.body);
    made.body
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}"))
}

async fn activate(server: &Server, factor: &Value, code: &str) {
    let path = format!("/v1/factors/{}/activate", text(factor, "id"));
    let activated = server.post(&path, json!({ "code": code })).await;
    assert_eq!(activated.status, 200, "{}", activated.body);
    assert_eq!(activated.text("status"), "active");
}

/// The claims of a proof; that its signature holds is tested where it is made.
fn claims(proof: &str) -> Value {
    let claims = proof.split('.').nth(1).unwrap();
    serde_json::from_slice(&data_encoding::BASE64URL_NOPAD.decode(claims.as_bytes()).unwrap()).unwrap()
}

#[tokio::test]
async fn oathtool_makes_codes_that_are_accepted_once_each() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for (algorithm, digits, period) in [("SHA1", "6", "30"), ("SHA256", "8", "60"), ("SHA512", "7", "15")] {
        let subject = format!("ann-{algorithm}");
        let (wanted_digits, wanted_period): (u8, u16) = (digits.parse().unwrap(), period.parse().unwrap());
        let body = json!({ "type": "totp", "algorithm": algorithm, "digits": wanted_digits, "period": wanted_period });
        let factor = enrol(&server, &subject, body).await;
        assert_eq!(factor["warnings"].as_array().unwrap().is_empty(), algorithm == "SHA1");
        let show = |at| oathtool(algorithm, digits, period, text(&factor, "secret"), at);
        activate(&server, &factor, &show(later(&server, 1).await)).await;
        let code = show(later(&server, 60).await);
        let begun = server.post("/v1/challenges", json!({ "subject": subject, "session": "s-1" })).await;
        assert_eq!(begun.status, 201, "{}", begun.body);
        let check = format!("/v1/challenges/{}/check", begun.text("id"));
        let refused = server.post(&check, json!({ "code": wrong(&code), "session": "s-1" })).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (422, "code_incorrect"));
        let other = server.post(&check, json!({ "code": code })).await;
        assert_eq!(
            (other.status.as_u16(), other.code()),
            (400, "parameter_missing"),
            "the session must be named"
        );
        let approved = server.post(&check, json!({ "code": code, "session": "s-1" })).await;
        assert_eq!(approved.status, 200, "{}", approved.body);
        let claims = claims(&approved.text("proof"));
        assert_eq!((&claims["sub"], &claims["amr"]), (&json!(subject), &json!(["otp"])));
        assert_eq!((&claims["chl"], &claims["session"]), (&approved.body["id"], &json!("s-1")));
        let spaced = format!("{} {}", &code[..3], &code[3..]);
        for spelling in [code.as_str(), &spaced] {
            let again = server.post("/v1/checks", json!({ "subject": subject, "code": spelling })).await;
            assert_eq!((again.status.as_u16(), again.code()), (422, "code_incorrect"), "a used step");
        }
    }
}

#[tokio::test]
async fn apps_read_the_qr_code_and_their_codes_are_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for (subject, body) in [
        ("usual", json!({ "type": "totp", "account": "ann@example.com" })),
        ("zażółć gęślą", json!({ "type": "totp", "algorithm": "SHA256", "digits": 8, "period": 60 })),
    ] {
        let path = subject.replace(' ', "%20");
        let factor = enrol(&server, &path, body).await;
        let png = directory.path().join("qr.png");
        std::fs::write(&png, data_encoding::BASE64.decode(text(&factor, "qr_png").as_bytes()).unwrap())
            .unwrap();
        let url = printed("zbarimg", &["--quiet", "--raw", "--nodbus", &png.display().to_string()]);
        assert_eq!(url, text(&factor, "otpauth_url"));
        assert!(text(&factor, "qr_svg").contains("<svg"), "the SVG is one");
        let pyotp = |at: i64| {
            python(
                "import sys,pyotp; print(pyotp.parse_uri(sys.argv[1]).at(int(sys.argv[2])))",
                &[&url, &at.to_string()],
            )
        };
        let program = "import { URI } from OTPAUTH; const [url, at] = process.argv.slice(-2); console.log(URI.parse(url).generate({ timestamp: at * 1000 }));";
        let otpauth = |at: i64| node(program, &[&url, &at.to_string()]);
        activate(&server, &factor, &pyotp(later(&server, 1).await)).await;
        let at = later(&server, 120).await;
        assert_eq!(pyotp(at), otpauth(at), "both apps agree");
        let approved = server.post("/v1/checks", json!({ "subject": subject, "code": otpauth(at) })).await;
        assert_eq!(
            (approved.status.as_u16(), &approved.body["external_id"]),
            (200, &json!(subject)),
            "{}",
            approved.body
        );
    }
}

#[tokio::test]
async fn secrets_of_others_are_brought_along() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let base32 = python("import pyotp; print(pyotp.random_base32())", &[]);
    let hex = node("import { Secret } from OTPAUTH; console.log(new Secret({ size: 20 }).hex);", &[]);
    let at = later(&server, 1).await;
    for (subject, body, secret) in [
        ("by-pyotp", json!({ "type": "totp", "secret": base32, "confirmed": true }), base32.clone()),
        (
            "by-otpauth",
            json!({ "type": "totp", "secret": hex, "secret_encoding": "hex", "confirmed": true }),
            data_encoding::BASE32_NOPAD
                .encode(&data_encoding::HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).unwrap()),
        ),
    ] {
        let factor = enrol(&server, subject, body).await;
        assert_eq!((text(&factor, "status"), text(&factor, "secret")), ("active", secret.as_str()));
        let code = oathtool("SHA1", "6", "30", &secret, at);
        let approved = server.post("/v1/challenges", json!({ "subject": subject, "code": code })).await;
        assert_eq!(approved.status, 200, "{}", approved.body);
    }
}

#[tokio::test]
async fn a_counter_based_token_runs_ahead_and_is_set_right() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let body = json!({ "type": "hotp", "counter": 3, "serial": "GT-1" });
    let factor = enrol(&server, "ann", body).await;
    assert!(text(&factor, "otpauth_url").ends_with("&counter=3"));
    let show = |counter: u64| {
        printed(
            "oathtool",
            &["--hotp", "--counter", &counter.to_string(), "--base32", text(&factor, "secret")],
        )
    };
    activate(&server, &factor, &show(3)).await;
    let check =
        async |code: String| server.post("/v1/checks", json!({ "subject": "ann", "code": code })).await;
    assert_eq!(check(show(3)).await.code(), "code_incorrect", "used");
    assert_eq!(check(show(9)).await.status, 200, "five ahead");
    assert_eq!(check(show(16)).await.code(), "code_incorrect", "six ahead");
    let resync = format!("/v1/factors/{}/resync", text(&factor, "id"));
    let right = server.post(&resync, json!({ "codes": [show(40), show(41)] })).await;
    assert_eq!(
        (right.status.as_u16(), &right.body["parameters"]["counter"]),
        (200, &json!(42)),
        "{}",
        right.body
    );
    assert_eq!(check(show(42)).await.status, 200);
}

#[tokio::test]
async fn a_token_answers_the_question_of_its_challenge_only() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let suite = Suite::parse("OCRA-1:HOTP-SHA256-8:QN08-PSHA1").unwrap();
    let body = json!({ "type": "ocra", "suite": suite.as_str(), "pin": "1234" });
    let factor = enrol(&server, "ann", body).await;
    let secret = data_encoding::BASE32_NOPAD.decode(text(&factor, "secret").as_bytes()).unwrap();
    let pin = suite.hashed_pin("1234").unwrap();
    let answer = |question: &str| {
        let input = Input { counter: 0, question, pin: &pin.0, step: 0 };
        suite.response(&secret, &input).unwrap().reveal().to_owned()
    };
    activate(&server, &factor, &answer(text(&factor, "activation_question"))).await;
    let transaction = |amount| json!({ "amount": amount, "currency": "EUR", "payee": "NORD PARTS LTD" });
    let begin = async |amount: u64| {
        let body = json!({ "subject": "ann", "purpose": "transaction", "transaction": transaction(amount) });
        let begun = server.post("/v1/challenges", body).await;
        assert_eq!(begun.status, 201, "{}", begun.body);
        let question = begun.body["question"][text(&factor, "id")].as_str().unwrap().to_owned();
        (format!("/v1/challenges/{}/check", begun.text("id")), question)
    };
    let ((first, question), (second, _)) = (begin(100).await, begin(200).await);
    let code = answer(&question);
    let elsewhere = server.post(&second, json!({ "code": code, "transaction": transaction(200) })).await;
    assert_eq!(elsewhere.code(), "code_incorrect", "another transaction has another question");
    let approved = server.post(&first, json!({ "code": code, "transaction": transaction(100) })).await;
    assert_eq!(approved.status, 200, "{}", approved.body);
    assert_eq!(claims(&approved.text("proof"))["txn"]["amount"], 100);
    let changed = server.post(&second, json!({ "code": code, "transaction": transaction(201) })).await;
    assert_eq!((changed.status.as_u16(), changed.code()), (422, "binding_mismatch"));
    assert_eq!(changed.body["challenge"]["reason"], "binding_changed");
}

#[tokio::test]
async fn backup_codes_are_shown_once_and_good_once() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let path = "/v1/subjects/ext:ann/factors";
    let once = [("idempotency-key", "codes-1")];
    let body = json!({ "type": "backup_codes" });
    let make =
        async || server.call_as(Some(&server.key), Method::POST, path, Some(body.clone()), &once).await;
    let (made, again) = (make().await, make().await);
    assert_eq!(made.body["codes"], again.body["codes"], "the repetition shows the same");
    let codes: Vec<_> =
        made.body["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned()).collect();
    assert_eq!(codes.len(), 10);
    let shown = server.get(&format!("/v1/factors/{}", made.text("id"))).await;
    assert!(shown.body.get("codes").is_none() && shown.body["codes_remaining"] == 10, "{}", shown.body);
    let check = async |code: &str| server.post("/v1/checks", json!({ "subject": "ann", "code": code })).await;
    let small = codes[0].to_lowercase().replace('-', " ");
    assert_eq!(check(&small).await.status, 200);
    assert_eq!(check(&codes[0]).await.code(), "code_incorrect");
    let renew = format!("/v1/factors/{}/regenerate", made.text("id"));
    let renewed = server.post(&renew, json!({})).await;
    assert_eq!((renewed.status.as_u16(), &renewed.body["codes_remaining"]), (200, &json!(10)));
    assert_eq!(check(&codes[1]).await.code(), "code_incorrect", "the old set is dead");
    assert_eq!(check(renewed.body["codes"][1].as_str().unwrap()).await.status, 200);
}

#[tokio::test]
async fn a_message_answers_a_challenge_that_allows_it() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (to, mail) = ("+48600700217", "ann@example.com");
    let put =
        server.call(Method::PUT, "/v1/subjects/ext:ann", Some(json!({ "recipients": [to, mail] }))).await;
    assert_eq!(put.status, 201, "{}", put.body);
    let body = json!({ "subject": "ann", "methods": ["totp", "sms"], "session": "s-1" });
    let begun = server.post("/v1/challenges", body).await;
    assert_eq!((begun.status.as_u16(), &begun.body["methods"]), (201, &json!(["sms"])), "{}", begun.body);
    let path = format!("/v1/challenges/{}", begun.text("id"));
    let refused = server.post(&format!("{path}/fallback"), json!({ "channel": "email" })).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (403, "channel_not_allowed"));
    let elsewhere =
        server.post(&format!("{path}/fallback"), json!({ "channel": "sms", "to": "+48600700999" })).await;
    assert_eq!((elsewhere.status.as_u16(), elsewhere.code()), (409, "factor_required"), "only to known ones");
    let sent =
        server.post(&format!("{path}/fallback"), json!({ "channel": "sms", "to": "+48••••••17" })).await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    let code = server.code_of(to, &sent.text("verification")).await;
    let other = server.post(&format!("{path}/check"), json!({ "code": code, "session": "s-2" })).await;
    assert_eq!((other.status.as_u16(), other.code()), (422, "binding_mismatch"));
    assert!(other.body["challenge"].is_object() && other.body["verification"].is_object());
    let once = [("idempotency-key", "check-1")];
    let check = format!("{path}/check");
    let check = async || {
        let body = Some(json!({ "code": code, "session": "s-1" }));
        server.call_as(Some(&server.key), Method::POST, &check, body, &once).await
    };
    let (approved, again) = (check().await, check().await);
    assert_eq!(
        (approved.status.as_u16(), again.status.as_u16()),
        (200, 200),
        "{} {}",
        approved.body,
        again.body
    );
    assert_eq!(approved.text("proof"), again.text("proof"), "the repetition tells the same");
    let other = [("idempotency-key", "check-2")];
    let body = Some(json!({ "code": code, "session": "s-1" }));
    let late = server.call_as(Some(&server.key), Method::POST, &format!("{path}/check"), body, &other).await;
    assert_eq!((late.status.as_u16(), late.code()), (409, "challenge_already_approved"));
    let claims = claims(&approved.text("proof"));
    assert_eq!((&claims["amr"], &claims["restricted"]), (&json!(["otp", "sms"]), &json!(true)));
    assert_eq!(claims["vrf"], sent.body["verification"]);
}

#[tokio::test]
async fn an_approved_verification_makes_its_recipient_known() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    server.call(Method::PUT, "/v1/subjects/ext:ann", Some(json!({}))).await;
    let mut ids = Vec::new();
    for (to, subject) in [("+48600700301", "ann"), ("+48600700302", "ben")] {
        let created = server.post("/v1/verifications", json!({ "to": to, "subject": subject })).await;
        let code = server.code_of(to, &created.text("id")).await;
        assert_eq!(server.check(&created.text("id"), &code).await.status, 200);
        ids.push(created.text("id"));
    }
    let noted = tokio::time::timeout(std::time::Duration::from_secs(30), async {
        // The server notes it beside its answer, so ask until it did.
        loop {
            let subject = server.get("/v1/subjects/ext:ann").await.body;
            if subject["recipients"].as_array().is_some_and(|known| !known.is_empty()) {
                return subject;
            }
        }
    });
    let noted = noted.await.expect("the recipient is noted");
    assert_eq!(noted["recipients"][0]["verification"], json!(ids[0]));
    // The sure way meets what is noted already, and changes nothing.
    let noted = server.post("/v1/subjects/ext:ann/recipients", json!({ "verification": ids[0] })).await;
    assert_eq!(noted.status, 200, "{}", noted.body);
    assert_eq!(noted.body["recipients"].as_array().unwrap().len(), 1);
    assert_eq!(noted.body["recipients"][0]["verification"], json!(ids[0]));
    assert_eq!(noted.body["recipients"][0]["masked"], "+48••••••01");
    let foreign = server.post("/v1/subjects/ext:ann/recipients", json!({ "verification": ids[1] })).await;
    assert_eq!((foreign.status.as_u16(), foreign.code()), (400, "parameter_invalid"));
    let pending = server.post("/v1/verifications", json!({ "to": "+48600700303", "subject": "ann" })).await;
    let early =
        server.post("/v1/subjects/ext:ann/recipients", json!({ "verification": pending.text("id") })).await;
    assert_eq!((early.status.as_u16(), early.code()), (409, "state_conflict"));
    assert_eq!(server.get("/v1/subjects/ext:ben").await.status, 404, "no subject is made by a check");
}

#[tokio::test]
async fn a_lost_factor_goes_on_the_strength_of_another_once() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let codes = enrol(&server, "ann", json!({ "type": "backup_codes" })).await;
    let lost = enrol(&server, "ann", json!({ "type": "totp", "confirmed": true })).await;
    let other = enrol(&server, "ann", json!({ "type": "totp", "confirmed": true })).await;
    let remove = |challenge: &str| format!("/v1/factors/{}{challenge}", text(&lost, "id"));
    let delete = async |path: String| server.call(Method::DELETE, &path, None).await;
    let bare = delete(remove("")).await;
    assert_eq!((bare.status.as_u16(), bare.code()), (403, "removal_unproven"));
    let proof = server.post("/v1/checks", json!({ "subject": "ann", "code": codes["codes"][0] })).await;
    let query = format!("?challenge={}", proof.text("id"));
    let gone = delete(remove(&query)).await;
    assert_eq!((gone.status.as_u16(), &gone.body["status"]), (200, &json!("removed")), "{}", gone.body);
    let again = delete(format!("/v1/factors/{}{query}", text(&other, "id"))).await;
    assert_eq!((again.status.as_u16(), again.code()), (403, "removal_unproven"), "it serves once");
    let subject = server.get("/v1/subjects/ext:ann").await;
    let states: Vec<_> =
        subject.body["factors"].as_array().unwrap().iter().map(|factor| factor["status"].clone()).collect();
    assert_eq!(states, ["active", "removed", "active"], "the record keeps its name");
}

#[tokio::test]
async fn a_key_without_factors_manage_strips_nobody_by_a_factor_of_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let owners = enrol(&server, "ann", json!({ "type": "totp", "confirmed": true })).await;
    let own = enrol(&server, "ann", json!({ "type": "backup_codes" })).await;
    let proof = server.post("/v1/checks", json!({ "subject": "ann", "code": own["codes"][0] })).await;
    assert_eq!(proof.status, 200, "{}", proof.body);
    for path in [format!("/v1/factors/{}", text(&owners, "id")), "/v1/subjects/ext:ann".to_owned()] {
        let path = format!("{path}?challenge={}", proof.text("id"));
        let refused = server.call(Method::DELETE, &path, None).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (403, "removal_unproven"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_100_parallel_entries_of_one_code_one_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::start(directory.path()));
    let factor = enrol(&server, "ann", json!({ "type": "totp", "confirmed": true })).await;
    let code = oathtool("SHA1", "6", "30", text(&factor, "secret"), later(&server, 1).await);
    let enter = |nth: usize| {
        let (server, mut code) = (Arc::clone(&server), code.clone());
        code.insert(nth % 6, ' ');
        async move { server.post("/v1/checks", json!({ "subject": "ann", "code": code })).await }
    };
    let answers = at_once((0..100).map(enter)).await;
    let approved = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(approved, 1);
    let told = |answer: &&crate::harness::Answer| matches!(answer.code(), "code_incorrect" | "factor_locked");
    assert_eq!(answers.iter().filter(told).count(), 99);
}

#[tokio::test]
async fn nothing_secret_stands_in_the_log_or_in_a_later_answer() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let app = enrol(&server, "canary-person", json!({ "type": "totp", "name": "canary-name" })).await;
    let list = enrol(&server, "canary-person", json!({ "type": "backup_codes" })).await;
    let phone = enrol(&server, "canary-person", json!({ "type": "push" })).await;
    let code = oathtool("SHA1", "6", "30", text(&app, "secret"), later(&server, 1).await);
    activate(&server, &app, &code).await;
    let used = list["codes"][0].as_str().unwrap();
    let checked = server.post("/v1/checks", json!({ "subject": "canary-person", "code": used })).await;
    assert_eq!(checked.status, 200, "{}", checked.body);
    let mut later_answers = checked.body.to_string();
    for path in ["/v1/subjects/ext:canary-person", "/v1/subjects", "/v1/challenges"] {
        later_answers.push_str(&server.get(path).await.body.to_string());
    }
    let plain = used.replace('-', "");
    let token = phone["enrollment"]["token"].as_str().unwrap();
    let log = server.log();
    for secret in [text(&app, "secret"), used, &plain, token, "otpauth://"] {
        assert!(!log.contains(secret) && !later_answers.contains(secret), "{secret} is shown");
    }
    assert!(!log.contains("canary-person") && !log.contains("canary-name"), "the log names somebody");
}
