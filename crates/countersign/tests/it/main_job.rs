use reqwest::Method;
use serde_json::json;

use crate::harness::{Server, wrong};

#[tokio::test]
async fn a_code_is_sent_checked_and_proved() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for to in ["+48600100217", "Alice.Smith+shop@example.com"] {
        let id = server.create(to).await;
        let code = server.code_of(to, &id).await;
        let refused = server.check(&id, &wrong(&code)).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (422, "code_incorrect"));
        assert_eq!(refused.body["verification"]["attempts_remaining"], 4);
        let approved = server.check(&id, &code).await;
        assert_eq!(approved.status, 200, "{}", approved.body);
        assert_eq!(approved.body["status"], "approved");
        assert_eq!(approved.text("proof").split('.').count(), 3);
        let again = server.check(&id, &code).await;
        assert_eq!((again.status.as_u16(), again.code()), (409, "verification_already_approved"));
        let timeline = server.get(&format!("/v1/verifications/{id}/timeline")).await;
        assert_eq!(timeline.status, 200);
        let told = timeline.body.to_string();
        for fact in ["verification.created", "check.rejected", "verification.approved", "test_outbox"] {
            assert!(told.contains(fact), "no {fact} in {told}");
        }
    }
}

#[tokio::test]
async fn the_test_clock_expires_a_code() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let id = server.create("+48600100218").await;
    let code = server.code_of("+48600100218", &id).await;
    let advanced = server.post("/v1/test/clock/advance", json!({ "seconds": 600 })).await;
    assert_eq!(advanced.status, 200, "{}", advanced.body);
    let refused = server.check(&id, &code).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (410, "verification_expired"));
}

#[tokio::test]
async fn a_changed_amount_kills_the_code() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let transaction = json!({ "amount": 125_000, "currency": "EUR", "payee": "NORD PARTS LTD" });
    let started = json!({ "to": "+48600100219", "purpose": "transaction", "transaction": transaction });
    let created = server.post("/v1/verifications", started).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let id = created.text("id");
    let code = server.code_of("+48600100219", &id).await;
    let path = format!("/v1/verifications/{id}/check");
    let missing = server.post(&path, json!({ "code": code })).await;
    assert_eq!((missing.status.as_u16(), missing.code()), (400, "parameter_missing"));
    let changed = json!({ "amount": 125_001, "currency": "EUR", "payee": "NORD PARTS LTD" });
    let refused = server.post(&path, json!({ "code": code, "transaction": changed })).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (422, "binding_mismatch"));
    let ended = server.post(&path, json!({ "code": code, "transaction": transaction })).await;
    assert_eq!((ended.status.as_u16(), ended.code()), (410, "verification_canceled"));
}

#[tokio::test]
async fn an_idempotency_key_tells_the_same_outcome_again() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let once = [("idempotency-key", "order-42")];
    let body = json!({ "to": "+48600100220" });
    let call = |body| server.call_as(Some(&server.key), Method::POST, "/v1/verifications", Some(body), &once);
    let first = call(body.clone()).await;
    let second = call(body).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 201), "{}", second.body);
    assert_eq!(first.body["id"], second.body["id"]);
    assert_eq!(second.headers["idempotent-replayed"], "true");
    let other = call(json!({ "to": "+48600100221" })).await;
    assert_eq!((other.status.as_u16(), other.code()), (422, "idempotency_key_reused"));
}

#[tokio::test]
async fn a_restart_forgets_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (id, key) = (server.create("+48600100222").await, server.key.clone());
    let code = server.code_of("+48600100222", &id).await;
    server.kill();
    let server = Server::start(directory.path());
    assert_eq!(server.key, key);
    assert_eq!(server.check(&id, &code).await.status, 200);
}
