//! Devices that are woken: the real server with the fcm preset, over a gateway of this test in Google's place.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::{Json, Router};
use countersign_core::factor::device::Verdict;
use countersign_core::time::{Clock as _, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::edge::{As, Edge, Phone};
use crate::harness::{Answer, Server};
use crate::site::Site;

/// Google's place: takes tokens in hand by name, answers as that name wants.
struct Google {
    url: String,
    messages: UnboundedReceiver<Value>,
}

#[derive(Clone)]
struct Shared {
    messages: UnboundedSender<Value>,
    /// How often each token was asked for.
    asked: Arc<Mutex<BTreeMap<String, usize>>>,
}

async fn take(State(shared): State<Shared>, uri: Uri, Json(body): Json<Value>) -> (StatusCode, Json<Value>) {
    assert_eq!(uri.path(), "/v1/projects/acme-app/messages:send");
    let token = body["message"]["token"].as_str().unwrap().to_owned();
    *shared.asked.lock().unwrap().entry(token.clone()).or_default() += 1;
    shared.messages.send(body).unwrap();
    match token.split('-').next().unwrap() {
        "hangs" => std::future::pending().await,
        "fails" => (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "error": { "status": "UNAVAILABLE" } }))),
        "gone" => {
            let details = json!([{ "@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": "UNREGISTERED" }]);
            let error = json!({ "code": 404, "message": format!("no {token}"), "status": "NOT_FOUND", "details": details });
            (StatusCode::NOT_FOUND, Json(json!({ "error": error })))
        }
        _ => (StatusCode::OK, Json(json!({ "name": "projects/acme-app/messages/1" }))),
    }
}

impl Google {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/projects/acme-app/messages:send", listener.local_addr().unwrap());
        let (sender, messages) = unbounded_channel();
        let shared = Shared { messages: sender, asked: Arc::default() };
        let router = Router::new().fallback(take).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, messages }
    }

    /// A server that wakes devices through it. A token of its own stands for the login with a service account, which has its
    /// tests in the delivery crate.
    fn site(&self) -> Site {
        let site = Site::new(&format!(
            "[push]\nprovider = \"phone\"\n\
             [providers.phone]\ntype = \"http\"\npreset = \"fcm\"\naccount = {{ project_id = \"acme-app\" }}\n\
             url = \"{}\"\nauth = {{ bearer = {{ file = \"token\" }} }}\n\
             secrets.service_account = {{ file = \"token\" }}\n",
            self.url
        ));
        std::fs::write(site.path().join("token"), "ya29.token").unwrap();
        site
    }

    async fn next(&mut self) -> Value {
        let next = tokio::time::timeout(Duration::from_secs(30), self.messages.recv()).await;
        next.expect("a message comes").expect("it runs")
    }
}

/// The present of the machine, which is that of a server of `serve`.
#[expect(clippy::disallowed_methods, reason = "real programs live in real time")]
fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

async fn as_device(server: &Server, path: &str, body: Value) -> Answer {
    server.call_as(None, Method::POST, path, Some(body), &[]).await
}

/// A phone of this person, with or without a push token.
async fn phone(server: &Server, subject: &str, push_token: Option<&str>) -> Phone {
    let path = format!("/v1/subjects/ext:{subject}/factors");
    let made = server.post(&path, json!({ "type": "push" })).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let phone = Phone::of(&made.text("id"));
    let mut body = phone.enrolment(made.body["enrollment"]["token"].as_str().unwrap());
    body["push_token"] = json!(push_token);
    let enrolled = as_device(server, "/v1/devices/enroll", body).await;
    assert_eq!(enrolled.status, 200, "{}", enrolled.body);
    assert_eq!(enrolled.body["push"], json!({ "wakes": push_token.is_some() }));
    phone
}

async fn begin(server: &Server, subject: &str) -> Answer {
    let paid = json!({ "amount": 98_700, "currency": "EUR", "payee": "NORD PARTS", "reference": "INV-77" });
    let body = json!({
        "subject": subject, "methods": ["push"], "purpose": "transaction", "transaction": paid, "session": "s-secret",
        "message": "Pay the parts?", "details": { "Browser": "Firefox" },
    });
    let begun = server.post("/v1/challenges", body).await;
    assert_eq!(begun.status, 201, "{}", begun.body);
    begun
}

#[tokio::test]
async fn a_challenge_wakes_the_device_and_tells_google_nothing() {
    let mut google = Google::start().await;
    let site = google.site();
    let server = site.serve();
    let phone = phone(&server, "ann", Some("first-token")).await;
    let begun = begin(&server, "ann").await;
    let woken = google.next().await;
    let message = &woken["message"];
    assert_eq!(message["token"], "first-token");
    assert_eq!(message["data"], json!({ "challenge": begun.text("id"), "factor": phone.factor }));
    assert_eq!(message["notification"]["body"], "A request waits for you. Open the app to answer it.");
    let text = woken.to_string();
    let mut without_ids = text.clone();
    for id in [begun.text("id"), phone.factor.clone()] {
        without_ids = without_ids.replace(&id, "");
    }
    let title = message["notification"]["title"].as_str().unwrap();
    assert!(!title.is_empty() && title != "acme-app", "the project's brand: {title}");
    for secret in ["987", "NORD", "INV-77", "s-secret", "Pay the parts", "Firefox", "ann"] {
        assert!(!without_ids.contains(secret), "{secret} in {text}");
    }
    let number = format!("\"{}\"", begun.text("number"));
    assert!(
        !message["notification"].to_string().contains(&number)
            && !message["data"].to_string().contains(&number)
    );

    let told = phone.push_token(Some("second-token"), Some("de-AT"), now());
    let changed = as_device(&server, "/v1/devices/push_token", told).await;
    assert_eq!((changed.status.as_u16(), &changed.body["push"]), (200, &json!({ "wakes": true })));
    begin(&server, "ann").await;
    let woken = google.next().await;
    assert_eq!(woken["message"]["token"], "second-token");
    assert_eq!(
        woken["message"]["notification"]["body"],
        "Eine Anfrage wartet auf Sie. Öffnen Sie die App, um zu antworten."
    );

    let silent = as_device(&server, "/v1/devices/push_token", phone.push_token(None, None, now())).await;
    assert_eq!((silent.status.as_u16(), &silent.body["push"]), (200, &json!({ "wakes": false })));
    let begun = begin(&server, "ann").await;
    let open = as_device(&server, "/v1/devices/challenges", phone.poll(now())).await;
    let ids: Vec<_> = open.body["data"].as_array().unwrap().iter().map(|open| open["id"].clone()).collect();
    assert!(ids.contains(&begun.body["id"]), "it polls: {}", open.body);
    // What comes next is for another device: the silent one was left alone.
    self::phone(&server, "ben", Some("other-token")).await;
    begin(&server, "ben").await;
    assert_eq!(google.next().await["message"]["token"], "other-token");

    let shown = server.get(&format!("/v1/factors/{}", phone.factor)).await;
    assert_eq!(shown.body["push"], json!({ "wakes": false }));
    let everything = format!("{}{}", server.log(), server.get("/v1/subjects/ext:ben").await.body);
    for token in ["first-token", "second-token", "other-token"] {
        assert!(!everything.contains(token), "{token} is shown");
    }
    for file in std::fs::read_dir(site.path()).unwrap().flatten().filter(|file| file.path().is_file()) {
        let bytes = std::fs::read(file.path()).unwrap();
        assert!(!bytes.windows(11).any(|part| part == b"other-token"), "{:?} holds a token", file.path());
    }
}

#[tokio::test]
async fn a_provider_that_hangs_or_fails_costs_a_challenge_nothing() {
    let mut google = Google::start().await;
    let server = google.site().serve();
    for (subject, token) in [("hal", "hangs-token"), ("flo", "fails-token")] {
        let phone = phone(&server, subject, Some(token)).await;
        let begun = tokio::time::timeout(Duration::from_secs(5), begin(&server, subject)).await;
        let begun = begun.expect("the answer does not wait for the provider, which has ten seconds");
        assert_eq!(google.next().await["message"]["token"], token);
        let mut body = json!({ "subject": subject, "methods": ["push"] });
        body["session"] = json!("s-2");
        assert_eq!(server.post("/v1/challenges", body).await.status, 201);
        google.next().await;
        let path = format!("/v1/challenges/{}/respond", begun.text("id"));
        let denied = as_device(&server, &path, phone.answer(&begun.text("id"), Verdict::Deny, "")).await;
        // The transaction that was shown is part of what is signed, so a no without it is none.
        assert_eq!((denied.status.as_u16(), denied.code()), (403, "signature_invalid"));
    }
    server.until_logged("a device was not woken; it polls").await;
    assert!(!server.log().contains("fails-token"));
}

#[tokio::test]
async fn a_token_of_an_app_that_is_gone_is_told_once_and_left() {
    let mut google = Google::start().await;
    let server = google.site().serve();
    let (ann, line) =
        (phone(&server, "ann", Some("gone-token")).await, "does not know this device's push token");
    for _ in 0..2 {
        begin(&server, "ann").await;
        assert_eq!(google.next().await["message"]["token"], "gone-token");
        server.until_logged(line).await;
    }
    // Another device's dead token is told as well; by then the second time of the first would have been.
    phone(&server, "ben", Some("gone-too")).await;
    begin(&server, "ben").await;
    google.next().await;
    let ben = tokio::time::timeout(Duration::from_secs(30), async {
        while server.log().matches(line).count() < 2 {
            tokio::task::yield_now().await;
        }
    });
    ben.await.expect("it is told");
    assert_eq!(server.log().matches(line).count(), 2, "once for each device");
    assert!(server.log().contains("recipient_rejected") && !server.log().contains("gone-t"));
    assert!(server.log().contains(&ann.factor));
    let shown = server.get(&format!("/v1/factors/{}", ann.factor)).await;
    assert_eq!(
        shown.body["push"],
        json!({ "wakes": true }),
        "the app tells another, or somebody removes the factor"
    );
}

#[tokio::test]
async fn test_mode_wakes_nobody() {
    let mut google = Google::start().await;
    let site = google.site();
    let server = site.serve();
    let made = site.cli(&["keys", "create", "--test"]);
    let key = made["key"].as_str().or_else(|| made["secret"].as_str()).unwrap_or_else(|| panic!("{made}"));
    let as_test =
        async |path: &str, body: Value| server.call_as(Some(key), Method::POST, path, Some(body), &[]).await;
    let made = as_test("/v1/subjects/ext:ann/factors", json!({ "type": "push" })).await;
    let device = Phone::of(&made.text("id"));
    let mut body = device.enrolment(made.body["enrollment"]["token"].as_str().unwrap());
    body["push_token"] = json!("test-token");
    assert_eq!(as_device(&server, "/v1/devices/enroll", body).await.body["push"], json!({ "wakes": true }));
    assert_eq!(as_test("/v1/challenges", json!({ "subject": "ann", "methods": ["push"] })).await.status, 201);
    phone(&server, "ben", Some("live-token")).await;
    begin(&server, "ben").await;
    assert_eq!(google.next().await["message"]["token"], "live-token", "the first one that comes");
}

#[tokio::test]
async fn what_a_device_says_of_its_token_is_bounded_and_signed() {
    let edge = Edge::new().await;
    let phone = Phone::enrolled(&edge, "ann").await;
    let tell = |body| edge.call(As::Nobody, Method::POST, "/v1/devices/push_token", body);
    let said = |token: &str| phone.push_token(Some(token), None, edge.clock.now());
    for (length, fine) in [(1, true), (4095, true), (4096, true)] {
        assert_eq!(tell(said(&"t".repeat(length))).await.status == 200, fine, "{length}");
    }
    for (change, status, code) in [
        (json!({ "push_token": "" }), 400, "parameter_invalid"),
        (json!({ "push_token": "t".repeat(4097) }), 400, "parameter_invalid"),
        (json!({ "push_token": "é".repeat(2049) }), 400, "parameter_invalid"),
        (json!({ "push_token": "a\nb" }), 400, "parameter_invalid"),
        (json!({ "push_token": 7 }), 400, "parameter_invalid"),
        (json!({ "locale": "not a tag" }), 400, "parameter_invalid"),
        (json!({ "push_token": null, "locale": "pl" }), 400, "parameter_invalid"),
        (json!({ "push_token": "another" }), 403, "signature_invalid"),
        (json!({ "push_token": null }), 403, "signature_invalid"),
        (json!({ "locale": "pl" }), 403, "signature_invalid"),
        (json!({ "factor": "fct_x" }), 404, "resource_not_found"),
        (json!({ "more": 1 }), 400, "parameter_unknown"),
    ] {
        let mut body = said("token");
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(tell(body).await.problem(), (status, code), "{change}");
    }
    let mut unnamed = said("token");
    unnamed.as_object_mut().unwrap().remove("push_token");
    assert_eq!(tell(unnamed).await.problem(), (400, "parameter_missing"), "left out is not taken away");
    for (ahead, fine) in [(120, true), (121, false)] {
        let at = edge.clock.now().plus(Duration::from_secs(ahead));
        assert_eq!(tell(phone.push_token(Some("t"), None, at)).await.status == 200, fine, "{ahead}");
    }
    let (totp, _) = edge.totp("ben").await;
    let none = Phone::of(&totp).push_token(Some("t"), None, edge.clock.now());
    assert_eq!(tell(none).await.problem(), (404, "resource_not_found"));
    let shown = edge.get(&format!("/v1/factors/{}", phone.factor)).await;
    assert_eq!(shown.body["push"], json!({ "wakes": true }));
    assert_eq!(edge.get(&format!("/v1/factors/{totp}")).await.body["push"], Value::Null);
}
