//! Every call about subjects, factors, challenges and devices: whom it refuses, what it writes down, how it says no.

use std::collections::BTreeSet;

use axum::http::Method;
use countersign_core::factor::device::Verdict;
use countersign_core::journal::Actor;
use countersign_core::time::Clock as _;
use serde_json::{Value, json};

use crate::edge::{Answer, As, Edge, Phone};

const PATHS: [&str; 4] = ["/v1/subjects", "/v1/factors", "/v1/challenges", "/v1/devices"];

/// The operations of the API below these paths: method, path and id.
fn operations() -> Vec<(Method, String, String)> {
    let document: Value = serde_json::from_str(&countersign_http::openapi()).unwrap();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if PATHS.iter().any(|mine| path.starts_with(mine)) {
                let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
                let id = operation["operationId"].as_str().unwrap().to_owned();
                found.push((method, path.clone(), id));
            }
        }
    }
    found
}

fn body_of(id: &str) -> Value {
    match id {
        "addRecipient" | "removeRecipient" => json!({ "to": "+48600100217" }),
        "createFactor" => json!({ "type": "totp" }),
        "activateFactor" => json!({ "code": "123456" }),
        "resyncFactor" => json!({ "codes": ["123456", "654321"] }),
        "updateFactor" => json!({ "name": "Mine" }),
        "checkChallenge" => json!({ "code": "123456" }),
        "fallBackChallenge" => json!({ "channel": "sms" }),
        _ => Value::Null,
    }
}

#[tokio::test]
async fn another_project_sees_and_changes_nothing() {
    let edge = Edge::new().await;
    let (factor, _) = edge.totp("ann").await;
    let begun = edge.post("/v1/challenges", json!({ "subject": "ann" })).await.fine();
    let (challenge, subject) = (begun.text("id"), begun.text("subject"));
    let entries = edge.store.entries().len();
    for (method, path, id) in operations() {
        if !path.contains("{id}") || id == "respondToChallenge" || id == "putSubject" {
            continue;
        }
        let ours = if path.starts_with("/v1/subjects") {
            &subject
        } else if path.starts_with("/v1/factors") {
            &factor
        } else {
            &challenge
        };
        let answer = edge.call(As::Stranger, method.clone(), &path.replace("{id}", ours), body_of(&id)).await;
        assert_eq!(answer.problem(), (404, "resource_not_found"), "{method} {path}: {}", answer.body);
    }
    for path in ["/v1/subjects", "/v1/challenges"] {
        let list = edge.call(As::Stranger, Method::GET, path, Value::Null).await.fine();
        assert_eq!(list.body["data"], json!([]), "{path}");
    }
    let by_name = edge.call(As::Stranger, Method::POST, "/v1/challenges", json!({ "subject": "ann" })).await;
    assert_eq!(by_name.problem(), (404, "resource_not_found"));
    assert_eq!(edge.store.entries().len(), entries, "nothing was written");
}

/// Calls, and notes which operation it was and what it wrote.
struct Audit<'a> {
    edge: &'a Edge,
    operations: Vec<(Method, String, String)>,
    seen: BTreeSet<&'static str>,
}

impl Audit<'_> {
    async fn call(&mut self, id: &'static str, path: &str, body: Value) -> Answer {
        let before = self.edge.store.entries().len();
        let (method, _, _) = self.operations.iter().find(|(_, _, known)| known == id).unwrap();
        let device =
            ["enrollDevice", "listDeviceChallenges", "tellPushToken", "respondToChallenge"].contains(&id);
        let who = if device { As::Nobody } else { As::Owner };
        let answer = self.edge.call(who, method.clone(), path, body).await.fine();
        let entries = self.edge.store.entries();
        let fresh = entries[before..].iter().filter(|entry| entry.place.is_some());
        let of = |actor: &Actor| matches!((actor, device), (Actor::Device(_), true) | (Actor::Key(_), false));
        let reads = *method == Method::GET || id == "listDeviceChallenges";
        let wrote = fresh.filter(|entry| of(&entry.actor) && entry.request.is_some()).count();
        assert_eq!(wrote == 0, reads, "{id} wrote {wrote} entries");
        self.seen.insert(id);
        answer
    }
}

#[tokio::test]
async fn every_change_is_in_the_journal_and_every_call_is_tried() {
    let edge = Edge::new().await;
    let mut audit = Audit { edge: &edge, operations: operations(), seen: BTreeSet::new() };
    let ann = "/v1/subjects/ext:ann";
    audit.call("putSubject", ann, json!({ "metadata": { "plan": "gold" } })).await;
    audit.call("addRecipient", &format!("{ann}/recipients"), json!({ "to": "+48600100217" })).await;
    audit.call("getSubject", ann, Value::Null).await;
    audit.call("listSubjects", "/v1/subjects", Value::Null).await;
    factors(&edge, &mut audit, ann).await;
    challenges(&edge, &mut audit).await;
    devices(&edge, &mut audit).await;
    audit.call("removeRecipient", &format!("{ann}/recipients?to=%2B48600100217"), Value::Null).await;
    audit.call("deleteSubject", ann, Value::Null).await;
    let all: BTreeSet<_> = audit.operations.iter().map(|(_, _, id)| id.clone()).collect();
    let seen: BTreeSet<_> = audit.seen.iter().map(|id| (*id).to_owned()).collect();
    assert_eq!(seen, all);
}

async fn factors(edge: &Edge, audit: &mut Audit<'_>, ann: &str) {
    let enrol = format!("{ann}/factors");
    let made = audit.call("createFactor", &enrol, json!({ "type": "totp" })).await;
    let (path, secret) = (format!("/v1/factors/{}", made.text("id")), made.text("secret"));
    let secret = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    audit.call("activateFactor", &format!("{path}/activate"), json!({ "code": edge.code(&secret) })).await;
    audit.call("updateFactor", &path, json!({ "name": "Phone" })).await;
    audit.call("getFactor", &path, Value::Null).await;
    let wrong = json!({ "subject": "ann", "code": edge.wrong(&secret) });
    assert_eq!(edge.post("/v1/challenges", wrong).await.status, 422);
    audit.call("unlockFactor", &format!("{path}/unlock"), Value::Null).await;
    audit.call("deleteFactor", &path, Value::Null).await;
    let seed = json!({ "type": "hotp", "secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "confirmed": true });
    let token = edge.post(&enrol, seed).await.fine();
    let codes = json!({ "codes": ["162583", "399871"] });
    audit.call("resyncFactor", &format!("/v1/factors/{}/resync", token.text("id")), codes).await;
    let list = edge.post(&enrol, json!({ "type": "backup_codes" })).await.fine();
    let path = format!("/v1/factors/{}/regenerate", list.text("id"));
    audit.call("regenerateFactor", &path, Value::Null).await;
}

async fn challenges(edge: &Edge, audit: &mut Audit<'_>) {
    let begun = audit.call("createChallenge", "/v1/challenges", json!({ "subject": "ann" })).await;
    let path = format!("/v1/challenges/{}", begun.text("id"));
    audit.call("getChallenge", &path, Value::Null).await;
    audit.call("listChallenges", "/v1/challenges?subject=ann", Value::Null).await;
    audit.call("cancelChallenge", &format!("{path}/cancel"), Value::Null).await;
    let begun = edge.post("/v1/challenges", json!({ "subject": "ann", "methods": ["sms"] })).await.fine();
    let path = format!("/v1/challenges/{}", begun.text("id"));
    let sent =
        audit.call("fallBackChallenge", &format!("{path}/fallback"), json!({ "channel": "sms" })).await;
    let code = edge.message_code(&sent.text("verification")).await;
    audit.call("checkChallenge", &format!("{path}/check"), json!({ "code": code })).await;
}

async fn devices(edge: &Edge, audit: &mut Audit<'_>) {
    let made = edge.post("/v1/subjects/ext:ann/factors", json!({ "type": "push" })).await.fine();
    let phone = Phone::enrolled(edge, "ann").await;
    let waiting = Phone::of(&made.text("id"));
    let token = made.body["enrollment"]["token"].as_str().unwrap();
    audit.call("enrollDevice", "/v1/devices/enroll", waiting.enrolment(token)).await;
    let begun = edge.post("/v1/challenges", json!({ "subject": "ann", "methods": ["push"] })).await.fine();
    let (id, number) = (begun.text("id"), begun.text("number"));
    audit.call("listDeviceChallenges", "/v1/devices/challenges", phone.poll(edge.clock.now())).await;
    let told = phone.push_token(Some("t0ken"), None, edge.clock.now());
    audit.call("tellPushToken", "/v1/devices/push_token", told).await;
    let answer = phone.answer(&id, Verdict::Approve, &number);
    audit.call("respondToChallenge", &format!("/v1/challenges/{id}/respond"), answer).await;
    audit.call("redeemChallenge", &format!("/v1/challenges/{id}/redeem"), Value::Null).await;
}

#[tokio::test]
async fn devices_see_no_number_and_no_proof_and_strangers_see_nothing() {
    let edge = Edge::new().await;
    let phone = Phone::enrolled(&edge, "ann").await;
    let body = json!({ "subject": "ann", "methods": ["push"], "message": "Sign in?", "details": { "Browser": "Firefox" } });
    let begun = edge.post("/v1/challenges", body).await.fine();
    let (id, number) = (begun.text("id"), begun.text("number"));
    let poll = |body| edge.call(As::Nobody, Method::POST, "/v1/devices/challenges", body);
    let open = poll(phone.poll(edge.clock.now())).await.fine();
    assert_eq!(open.body["data"][0]["message"], "Sign in?");
    assert_eq!(open.body["data"][0]["details"], json!({ "Browser": "Firefox" }));
    assert_eq!((&open.body["data"][0]["id"], open.body["data"][0].get("number")), (&json!(id), None));
    let respond = format!("/v1/challenges/{id}/respond");
    let answered = edge
        .call(As::Nobody, Method::POST, &respond, phone.answer(&id, Verdict::Approve, &number))
        .await
        .fine();
    assert_eq!((answered.text("status").as_str(), answered.body.get("proof")), ("approved", None));
    let shown = edge.get(&format!("/v1/challenges/{id}?wait=20")).await.fine();
    assert_eq!((shown.text("status").as_str(), &shown.body["proof"]), ("approved", &Value::Null));
    let redeem = format!("/v1/challenges/{id}/redeem");
    let once = [("idempotency-key", "redeem-1")];
    let [first, again] = [
        edge.call_with(As::Server, Method::POST, &redeem, Value::Null, &once).await.fine(),
        edge.call_with(As::Server, Method::POST, &redeem, Value::Null, &once).await.fine(),
    ];
    assert_eq!(
        (first.text("proof"), again.headers["idempotent-replayed"].to_str().unwrap()),
        (again.text("proof"), "true")
    );
    assert_eq!(edge.post(&redeem, Value::Null).await.problem(), (409, "challenge_already_approved"));
    let mut unknown = phone.poll(edge.clock.now());
    unknown["factor"] = json!(countersign_core::ids::FactorId::from_bytes([9; 16]).to_string());
    let (totp, _) = edge.totp("ben").await;
    let mut no_device = phone.poll(edge.clock.now());
    no_device["factor"] = json!(totp);
    let mut nonsense = phone.poll(edge.clock.now());
    nonsense["factor"] = json!("fct_x");
    for body in [unknown, no_device, nonsense] {
        assert_eq!(poll(body).await.problem(), (404, "resource_not_found"));
    }
    for (ahead, fine) in [(120, true), (121, false)] {
        let at = edge.clock.now().plus(std::time::Duration::from_secs(ahead));
        assert_eq!(poll(phone.poll(at)).await.status == 200, fine, "{ahead}");
    }
    let large = json!({ "factor": phone.factor, "at": 0, "signature": "A".repeat(16 * 1024) });
    assert_eq!(poll(large).await.problem(), (413, "payload_too_large"));
}

#[tokio::test]
async fn each_error_is_provoked() {
    let edge = Edge::new().await;
    let mut provoked = BTreeSet::new();
    let mut expect = |answer: Answer, status: u16, code: &'static str| {
        assert_eq!(answer.problem(), (status, code), "{}", answer.body);
        provoked.insert(code);
        answer
    };
    let check = async |id: &str, code: &str| {
        edge.post(&format!("/v1/challenges/{id}/check"), json!({ "code": code })).await
    };
    let begin = async |body: Value| edge.post("/v1/challenges", body).await;
    edge.call(As::Owner, Method::PUT, "/v1/subjects/ext:nobody", Value::Null).await.fine();
    expect(begin(json!({ "subject": "nobody" })).await, 409, "factor_required");
    let (factor, secret) = edge.totp("ann").await;
    let remove = edge.call(As::Server, Method::DELETE, &format!("/v1/factors/{factor}"), Value::Null).await;
    expect(remove, 403, "removal_unproven");
    let id = begin(json!({ "subject": "ann" })).await.fine().text("id");
    check(&id, &edge.code(&secret)).await.fine();
    expect(check(&id, &edge.code(&secret)).await, 409, "challenge_already_approved");
    let id = begin(json!({ "subject": "ann", "expires_in": 30 })).await.fine().text("id");
    edge.pass(30);
    expect(check(&id, &edge.code(&secret)).await, 410, "challenge_expired");
    let id = begin(json!({ "subject": "ann" })).await.fine().text("id");
    edge.post(&format!("/v1/challenges/{id}/cancel"), Value::Null).await.fine();
    expect(check(&id, &edge.code(&secret)).await, 410, "challenge_canceled");
    let id = begin(json!({ "subject": "ann" })).await.fine().text("id");
    for left in (0..5).rev() {
        let refused = check(&id, &edge.wrong(&secret)).await;
        assert_eq!(refused.problem(), (422, "code_incorrect"));
        assert_eq!(refused.body["challenge"]["attempts_remaining"], left);
    }
    expect(check(&id, &edge.code(&secret)).await, 410, "challenge_max_attempts");
    let locked = begin(json!({ "subject": "ann", "code": edge.code(&secret) })).await;
    assert_eq!(expect(locked, 423, "factor_locked").headers["retry-after"], "60");
    let phone = Phone::enrolled(&edge, "ben").await;
    let push = || json!({ "subject": "ben", "methods": ["push"] });
    let id = begin(push()).await.fine().text("id");
    let respond = async |id: &str, body: Value| {
        edge.call(As::Nobody, Method::POST, &format!("/v1/challenges/{id}/respond"), body).await
    };
    let mut forged = phone.answer(&id, Verdict::Approve, "10");
    forged["number"] = json!("11");
    expect(respond(&id, forged).await, 403, "signature_invalid");
    respond(&id, phone.answer(&id, Verdict::Deny, "")).await.fine();
    expect(respond(&id, phone.answer(&id, Verdict::Deny, "")).await, 410, "challenge_denied");
    for _ in 0..2 {
        begin(push()).await.fine();
    }
    assert_eq!(expect(begin(push()).await, 429, "push_rate_limited").headers["retry-after"], "600");
    for nth in 0..16 {
        let to = format!("a{nth}@example.com");
        edge.post("/v1/subjects/ext:ben/recipients", json!({ "to": to })).await.fine();
    }
    let more = edge.post("/v1/subjects/ext:ben/recipients", json!({ "to": "b@example.com" })).await;
    expect(more, 409, "limit_reached");
    assert_eq!(provoked.len(), 11, "{provoked:?}");
}

#[tokio::test]
async fn whoever_waits_for_an_answer_hears_of_it_at_once() {
    let edge = Edge::new().await;
    let phone = Phone::enrolled(&edge, "ann").await;
    let begun = edge.post("/v1/challenges", json!({ "subject": "ann", "methods": ["push"] })).await.fine();
    let (path, number) = (format!("/v1/challenges/{}", begun.text("id")), begun.text("number"));
    let answer = async {
        // The one who waits is polled first, so it listens already.
        tokio::task::yield_now().await;
        let body = phone.answer(&begun.text("id"), Verdict::Approve, &number);
        edge.call(As::Nobody, Method::POST, &format!("{path}/respond"), body).await.fine()
    };
    let waiting = format!("{path}?wait=30");
    let both = async { tokio::join!(edge.get(&waiting), answer) };
    let heard = tokio::time::timeout(std::time::Duration::from_secs(20), both).await;
    let (shown, _) = heard.expect("it does not wait to the end");
    assert_eq!(shown.text("status"), "approved");
    let over = edge.get(&format!("{path}?wait=31")).await;
    assert_eq!(over.problem(), (400, "parameter_invalid"));
}

#[tokio::test]
async fn a_crash_between_the_code_of_a_message_and_the_challenge_approves_nothing() {
    let edge = Edge::new().await;
    let recipients = json!({ "recipients": ["+48600100217"] });
    edge.call(As::Owner, Method::PUT, "/v1/subjects/ext:ann", recipients).await.fine();
    let begun = edge.post("/v1/challenges", json!({ "subject": "ann", "methods": ["sms"] })).await.fine();
    let (id, path) = (begun.text("id"), format!("/v1/challenges/{}", begun.text("id")));
    let send = async || edge.post(&format!("{path}/fallback"), json!({ "channel": "sms" })).await.fine();
    let sent = send().await;
    let verification = sent.text("verification");
    let code = edge.message_code(&verification).await;
    // What the edge does first, alone: the server died behind it.
    let first = json!({ "code": code, "session": id, "subject": "ann" });
    edge.post(&format!("/v1/verifications/{verification}/check"), first).await.fine();
    let refused = edge.post(&format!("{path}/check"), json!({ "code": code })).await;
    assert_eq!(refused.problem(), (409, "verification_already_approved"));
    assert_eq!(edge.get(&path).await.text("status"), "pending");
    let again = send().await;
    let code = edge.message_code(&again.text("verification")).await;
    let approved = edge.post(&format!("{path}/check"), json!({ "code": code })).await.fine();
    assert_eq!(approved.text("status"), "approved");
}

#[tokio::test]
async fn keys_do_what_their_scopes_say() {
    let edge = Edge::new().await;
    let (factor, _) = edge.totp("ann").await;
    let path = format!("/v1/factors/{factor}");
    for (method, path, body) in [
        (Method::POST, format!("{path}/unlock"), Value::Null),
        (Method::PATCH, path.clone(), json!({ "enabled": false })),
    ] {
        let refused = edge.call(As::Server, method, &path, body).await;
        assert_eq!(refused.problem(), (403, "scope_missing"), "{path}");
    }
    edge.call(As::Server, Method::PATCH, &path, json!({ "name": "Phone" })).await.fine();
    let off = edge.call(As::Owner, Method::PATCH, &path, json!({ "enabled": false })).await.fine();
    assert_eq!(off.text("status"), "disabled");
    let nothing = edge.post("/v1/challenges", json!({ "subject": "ann" })).await;
    assert_eq!(nothing.problem(), (409, "factor_required"));
    let gone = edge.call(As::Server, Method::DELETE, "/v1/subjects/ext:ann", Value::Null).await;
    assert_eq!(gone.problem(), (403, "removal_unproven"), "else it could be made anew without its factor");
    let gone = edge.call(As::Owner, Method::DELETE, "/v1/subjects/ext:ann", Value::Null).await.fine();
    assert_eq!((&gone.body["external_id"], gone.body["deleted_at"].is_string()), (&Value::Null, true));
    assert_eq!(edge.get(&path).await.problem(), (404, "resource_not_found"));
}
