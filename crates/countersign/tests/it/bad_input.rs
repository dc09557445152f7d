use reqwest::Method;
use serde_json::json;

use crate::harness::Server;

#[tokio::test]
async fn every_malformed_body_names_what_is_wrong_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let cases = [
        (json!({}), 400, "parameter_missing", "to"),
        (json!({ "to": 5 }), 400, "parameter_invalid", "to"),
        (json!({ "to": "+48600100217", "colour": "red" }), 400, "parameter_unknown", "colour"),
        (json!({ "to": "+48600100217", "purpose": "fun" }), 400, "parameter_invalid", "purpose"),
        (json!({ "to": "+48600100217", "expires_in": 29 }), 400, "parameter_invalid", "expires_in"),
        (json!({ "to": "+48600100217", "expires_in": 601 }), 400, "parameter_invalid", "expires_in"),
        (json!({ "to": "+48600100217", "code": { "length": 11 } }), 400, "parameter_invalid", "code.length"),
        (
            json!({ "to": "+48600100217", "transaction": { "amount": 1, "currency": "EUR", "payee": "A" } }),
            400,
            "parameter_invalid",
            "transaction",
        ),
        (json!({ "to": "600100217" }), 422, "recipient_invalid", "to"),
        (json!({ "to": "nobody@" }), 422, "recipient_invalid", "to"),
        (json!({ "to": "a@example.com\r\nBcc: b@example.com" }), 422, "recipient_invalid", "to"),
    ];
    for (body, status, code, param) in cases {
        let answer = server.post("/v1/verifications", body.clone()).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{body}: {}", answer.body);
        assert_eq!(answer.body["param"], param, "{body}");
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        assert_eq!(answer.body["status"], status);
    }
    let listed = server.get("/v1/verifications").await;
    assert_eq!(listed.body["data"], json!([]), "nothing was kept");
}

#[tokio::test]
async fn raw_bodies_that_are_no_json_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let post = |body: Vec<u8>, kind: &'static str| {
        let url = format!("{}/v1/verifications", server.base);
        server.client.post(url).bearer_auth(&server.key).header("content-type", kind).body(body).send()
    };
    let deep = format!("{}1{}", "[".repeat(20), "]".repeat(20)).into_bytes();
    let twice = br#"{"to":"+48600100217","to":"+48600100218"}"#.to_vec();
    for (body, kind, status) in [
        (b"{".to_vec(), "application/json", 400),
        (b"[]".to_vec(), "application/json", 400),
        (vec![0xff, 0xfe], "application/json", 400),
        (deep, "application/json", 400),
        (twice, "application/json", 400),
        (b"to=%2B48600100217".to_vec(), "text/plain", 415),
        (vec![b' '; 64 * 1024 + 1], "application/json", 413),
    ] {
        let answer = post(body, kind).await.unwrap();
        assert_eq!(answer.status(), status);
    }
    for form in [b"to=%2B48600100217".as_slice(), b"to=+48600100217"] {
        let answer = post(form.to_vec(), "application/x-www-form-urlencoded").await.unwrap();
        assert_eq!(answer.status(), 201, "curl does not escape the plus");
    }
}

#[tokio::test]
async fn ids_codes_paths_and_methods_that_are_wrong_get_their_own_problem() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let id = server.create("+48600100230").await;
    assert_eq!(server.get("/v1/verifications/vrf_nonsense").await.code(), "resource_not_found");
    assert_eq!(server.get("/v1/nothing").await.code(), "endpoint_not_found");
    let deleted = server.call(Method::DELETE, &format!("/v1/verifications/{id}"), None).await;
    assert_eq!((deleted.status.as_u16(), deleted.code()), (405, "method_not_allowed"));
    for malformed in ["12345", "1234567", "abcdef", ""] {
        let answer = server.check(&id, malformed).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (422, "code_malformed"), "{malformed:?}");
    }
    let shown = server.get(&format!("/v1/verifications/{id}")).await;
    assert_eq!(shown.body["attempts_remaining"], 5, "a malformed code costs no try");
    assert_eq!(server.get("/v1/verifications?colour=red").await.code(), "parameter_unknown");
    assert_eq!(server.get("/v1/verifications?cursor=%21%21").await.code(), "cursor_invalid");
    assert_eq!(server.get("/v1/verifications?limit=101").await.code(), "parameter_invalid");
}

#[tokio::test]
async fn scenario_numbers_provoke_what_they_promise() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for (number, status, code) in [
        ("+15005550001", 422, "recipient_invalid"),
        ("+15005550002", 502, "no_route"),
        ("+15005550003", 403, "country_not_allowed"),
        ("+15005550004", 403, "blocked_by_list"),
        ("+15005550009", 422, "recipient_cannot_receive"),
    ] {
        let answer = server.post("/v1/verifications", json!({ "to": number })).await;
        assert_eq!((answer.status.as_u16(), answer.code()), (status, code), "{number}: {}", answer.body);
    }
    let expired = server.create("+15005550015").await;
    assert_eq!(server.check(&expired, "123456").await.code(), "verification_expired");
    let used_up = server.create("+15005550014").await;
    assert_eq!(server.check(&used_up, "123456").await.code(), "verification_max_attempts");
    let failed_over = server.create("+15005550012").await;
    let code = server.code_of("+15005550012", &failed_over).await;
    assert_eq!(server.check(&failed_over, &code).await.status, 200);
}
