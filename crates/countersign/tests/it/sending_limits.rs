use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Server};

/// Starts a verification with the limits on, which test mode leaves off.
async fn start(server: &Server, body: Value, once: Option<&str>) -> Answer {
    let mut headers = vec![("countersign-simulate-limits", "true")];
    headers.extend(once.map(|key| ("idempotency-key", key)));
    server.call_as(Some(&server.key), Method::POST, "/v1/verifications", Some(body), &headers).await
}

#[tokio::test]
async fn an_address_has_twenty_starts_an_hour_and_a_replay_is_none_of_them() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let body = |n: u32| json!({ "to": format!("+486001{n:05}"), "context": { "ip": "203.0.113.9" } });
    for _ in 0..25 {
        let answer = start(&server, body(0), Some("the first")).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    for n in 1..20 {
        let answer = start(&server, body(n), None).await;
        assert_eq!(answer.status, 201, "start {n}: {}", answer.body);
    }
    let one_too_many = start(&server, body(20), None).await;
    assert_eq!((one_too_many.status.as_u16(), one_too_many.code()), (429, "ip_rate_limited"));
    let replayed = start(&server, body(0), Some("the first")).await;
    assert_eq!(replayed.status, 201, "a replay is answered although the address is used up");
    let later = server.post("/v1/test/clock/advance", json!({ "seconds": 3600 })).await;
    assert_eq!(later.status, 200, "{}", later.body);
    assert_eq!(start(&server, body(20), None).await.status, 201);
}

#[tokio::test]
async fn spellings_of_an_email_share_five_sends_in_ten_minutes() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for to in
        ["ann@example.com", "ANN@example.com", "ann+a@example.com", "Ann+b@Example.Com", "ann+@example.com"]
    {
        let answer = start(&server, json!({ "to": to }), None).await;
        assert_eq!(answer.status, 201, "{to}: {}", answer.body);
    }
    let sixth = start(&server, json!({ "to": "aNN+c@example.com" }), None).await;
    assert_eq!((sixth.status.as_u16(), sixth.code()), (429, "recipient_rate_limited"));
    assert!(sixth.headers.contains_key("retry-after"));
    assert_eq!(start(&server, json!({ "to": "anna@example.com" }), None).await.status, 201);
}
