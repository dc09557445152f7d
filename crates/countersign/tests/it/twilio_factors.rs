//! Factors of the native API and of Twilio's dialect are the same ones: races over both doors, scopes, what there is not.

use std::process::Command;
use std::sync::Arc;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::factors::{later, oathtool};
use crate::harness::{Answer, Server};
use crate::races::at_once;
use crate::twilio::{Caller, Pair, pair};

const IDENTITY: &str = "ann-0000-0001";

/// The path of the person of these tests, with this behind it.
fn entity(pair: &Pair, behind: &str) -> String {
    format!("/v2/Services/{}/Entities/{IDENTITY}{behind}", pair.service)
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_else(|| panic!("no {field} in {value}")).to_owned()
}

/// A verified factor: its SID, its secret, and a code of it that was not used yet.
async fn verified(server: &Server, pair: &Pair) -> (String, String, String) {
    let caller = Caller { server, pair };
    let form = [("FriendlyName", "phone"), ("FactorType", "totp")];
    let (status, made) = caller.send(Method::POST, &entity(pair, "/Factors"), &form).await;
    assert_eq!(status, 201, "{made}");
    let (sid, secret) = (text(&made, "sid"), text(&made["binding"], "secret"));
    let first = oathtool("SHA1", "6", "30", &secret, later(server, 1).await);
    let path = entity(pair, &format!("/Factors/{sid}"));
    let (_, told) = caller.send(Method::POST, &path, &[("AuthPayload", &first)]).await;
    assert_eq!(told["status"], "verified", "{told}");
    let code = oathtool("SHA1", "6", "30", &secret, later(server, 60).await);
    (sid, secret, code)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_100_parallel_entries_of_one_code_at_both_doors_one_is_accepted() {
    let directory = tempfile::tempdir().unwrap();
    let server = Arc::new(Server::start(directory.path()));
    let pair = Arc::new(pair(&server).await);
    let (sid, _, code) = verified(&server, &pair).await;
    let enter = |nth: usize| {
        let (server, pair, sid, code) = (Arc::clone(&server), Arc::clone(&pair), sid.clone(), code.clone());
        async move {
            if nth.is_multiple_of(2) {
                return server.post("/v1/checks", json!({ "subject": IDENTITY, "code": code })).await;
            }
            let caller = Caller { server: &server, pair: &pair };
            let form = [("FactorSid", sid.as_str()), ("AuthPayload", code.as_str())];
            let (status, body) = caller.send(Method::POST, &entity(&pair, "/Challenges"), &form).await;
            Answer { status, body, headers: reqwest::header::HeaderMap::default() }
        }
    };
    let answers = at_once((0..100).map(enter)).await;
    let approved = |answer: &&Answer| answer.body["status"] == "approved";
    assert_eq!(answers.iter().filter(approved).count(), 1);
    let refused = |answer: &&Answer| {
        matches!(answer.code(), "code_incorrect" | "factor_locked")
            || answer.body["status"] == "pending"
            || answer.body["code"] == 60308
    };
    assert_eq!(answers.iter().filter(refused).count(), 99);
    let wrong = |answer: &&Answer| answer.code() == "code_incorrect" || answer.body["status"] == "pending";
    assert!(answers.iter().filter(wrong).count() <= 10, "one counter for both doors locks it");
}

#[tokio::test]
async fn what_is_in_use_is_removed_only_with_the_scope_for_it() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let owner = pair(&server).await;
    let (sid, _, code) = verified(&server, &owner).await;
    let scopes = ["subjects:read", "subjects:write", "factors:write", "challenges:write"];
    let mut create = Command::new(env!("CARGO_BIN_EXE_countersign"));
    create.args(["keys", "create", "--twilio", "--test", "--json", "--data"]);
    create.arg(directory.path().join("data")).args(scopes.iter().flat_map(|scope| ["--scope", scope]));
    let made = create.output().expect("the binary starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let of = |field: &str| text(&made["twilio"], field);
    let (key, secret) = (of("api_key_sid"), of("api_key_secret"));
    let less = Pair {
        base: owner.base.clone(),
        account: owner.account.clone(),
        key,
        secret,
        service: owner.service.clone(),
    };
    let caller = Caller { server: &server, pair: &less };
    let (factor, factors) = (entity(&less, &format!("/Factors/{sid}")), entity(&less, "/Factors"));
    for path in [&factor, &entity(&less, "")] {
        let (status, body) = caller.send(Method::DELETE, path, &[]).await;
        assert_eq!((status.as_u16(), &body["code"]), (403, &json!(20403)), "{path}");
    }
    let form = [("FriendlyName", "spare"), ("FactorType", "totp")];
    let (_, spare) = caller.send(Method::POST, &factors, &form).await;
    let spare = entity(&less, &format!("/Factors/{}", text(&spare, "sid")));
    assert_eq!(caller.send(Method::DELETE, &spare, &[]).await.0, StatusCode::NO_CONTENT, "never in use");
    let form = [("FactorSid", sid.as_str()), ("AuthPayload", code.as_str())];
    let (status, body) = caller.send(Method::POST, &entity(&less, "/Challenges"), &form).await;
    assert_eq!(
        (status.as_u16(), &body["code"]),
        (403, &json!(20403)),
        "a code is checked with its scope: {body}"
    );
    let (status, begun) = caller.send(Method::POST, &entity(&less, "/Challenges"), &form[..1]).await;
    assert_eq!((status.as_u16(), &begun["status"]), (201, &json!("pending")));
    let check = entity(&less, &format!("/Challenges/{}", text(&begun, "sid")));
    let (status, _) = caller.send(Method::POST, &check, &form[1..]).await;
    assert_eq!(status, 403);
    let caller = Caller { server: &server, pair: &owner };
    assert_eq!(caller.send(Method::POST, &check, &form[1..]).await.1["status"], "approved");
    assert_eq!(caller.send(Method::DELETE, &factor, &[]).await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn push_and_passkeys_are_refused_in_the_vendors_form() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let pair = pair(&server).await;
    let service = format!("{}/v2/Services/{}", pair.base, pair.service);
    for (path, expected) in [
        ("Passkeys/Factors", (403, 60313)),
        ("Passkeys/VerifyFactor", (404, 60390)),
        ("Passkeys/Challenges", (403, 60313)),
        ("Passkeys/ApproveChallenge", (404, 60391)),
    ] {
        let request = server.client.post(format!("{service}/{path}")).json(&json!({ "identity": IDENTITY }));
        let answer = request.basic_auth(&pair.key, Some(&pair.secret)).send().await.unwrap();
        let status = answer.status().as_u16();
        let body: Value = answer.json().await.unwrap();
        assert_eq!((status, body["code"].as_u64().unwrap_or_default()), expected, "{path}");
    }
}

#[tokio::test]
async fn other_kinds_of_factors_are_not_seen_and_switched_off_ones_verify_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let pair = pair(&server).await;
    let caller = Caller { server: &server, pair: &pair };
    let enrol = format!("/v1/subjects/ext:{IDENTITY}/factors");
    for kind in ["hotp", "backup_codes", "push"] {
        assert_eq!(server.post(&enrol, json!({ "type": kind })).await.status, 201, "{kind}");
    }
    let (status, none) = caller.send(Method::GET, &entity(&pair, "/Factors"), &[]).await;
    assert_eq!((status.as_u16(), &none["factors"]), (200, &json!([])));
    let app = server.post(&enrol, json!({ "type": "totp", "name": "native", "confirmed": true })).await;
    let (_, list) = caller.send(Method::GET, &entity(&pair, "/Factors"), &[]).await;
    let seen = &list["factors"][0];
    assert_eq!((&seen["status"], &seen["friendly_name"]), (&json!("verified"), &json!("native")));
    assert!(seen.get("binding").is_none(), "{seen}");
    let (sid, secret) = (text(seen, "sid"), app.text("secret"));
    let code = oathtool("SHA1", "6", "30", &secret, later(&server, 60).await);
    let form = [("FactorSid", sid.as_str()), ("AuthPayload", code.as_str())];
    let (_, told) = caller.send(Method::POST, &entity(&pair, "/Challenges"), &form).await;
    assert_eq!(told["status"], "approved", "what was enrolled natively answers here: {told}");
    let manage = ["keys", "create", "--test", "--kind", "restricted", "--json", "--data"];
    let mut create = Command::new(env!("CARGO_BIN_EXE_countersign"));
    create.args(manage).arg(directory.path().join("data"));
    create.args(["--scope", "factors:write", "--scope", "factors:manage"]);
    let made = create.output().expect("the binary starts");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let path = format!("{}/v1/factors/{}", server.base, app.text("id"));
    let off = server.client.patch(path).bearer_auth(text(&made, "secret")).json(&json!({ "enabled": false }));
    assert_eq!(off.send().await.unwrap().status(), 200);
    let factor = entity(&pair, &format!("/Factors/{sid}"));
    assert_eq!(caller.send(Method::GET, &factor, &[]).await.1["status"], "unverified");
    let (status, body) = caller.send(Method::POST, &factor, &form[1..]).await;
    assert_eq!((status.as_u16(), &body["code"]), (403, &json!(60311)), "it is not switched on by a code");
    let (status, body) = caller.send(Method::POST, &entity(&pair, "/Challenges"), &form).await;
    assert_eq!((status.as_u16(), &body["code"]), (403, &json!(60318)));
}
