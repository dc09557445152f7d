//! The token of a service account: fetched once, renewed in time, dropped when it was refused.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use countersign_core::time::{Clock, Timestamp};
use countersign_delivery::http_gateway::{HttpGatewayConfig, HttpGatewayProvider, Node};
use countersign_delivery::provider::{ErrorClass, Provider as _};
use serde_json::json;
use tokio::net::TcpListener;

use crate::http_gateway::{NOW, Sevens};
use crate::outgoing::sms;
use crate::service_account;

/// A clock that the test moves, in seconds after [`NOW`].
#[derive(Default)]
struct Moved(AtomicI64);

impl Clock for Moved {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(NOW.millis() + self.0.load(Ordering::SeqCst) * 1000)
    }
}

/// Google's two endpoints.
#[derive(Default)]
struct Google {
    tokens: AtomicUsize,
    /// What `messages` was asked with.
    authorizations: Mutex<Vec<String>>,
    /// Status of the token endpoint and of the API.
    answers: Mutex<(u16, u16)>,
}

struct World {
    google: Arc<Google>,
    clock: Arc<Moved>,
    provider: HttpGatewayProvider,
}

impl World {
    async fn new() -> Self {
        let google = Arc::new(Google { answers: Mutex::new((200, 200)), ..Google::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Arc::clone(&google);
        let routes = axum::Router::new().fallback(move |request: Request| {
            let google = Arc::clone(&shared);
            async move { google.answer(&request) }
        });
        tokio::spawn(async move { axum::serve(listener, routes).await });

        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("key.json");
        std::fs::write(&file, service_account::key_file(port)).expect("written");
        let config = format!(
            "url = 'http://127.0.0.1:{port}/messages'
             secrets = {{ key = {{ file = '{}' }} }}
             auth = {{ google_service_account = {{ key = 'key', scope = 'x' }} }}",
            file.display()
        );
        let config: HttpGatewayConfig = toml::from_str(&config).expect("a configuration");
        assert_eq!(config.validate(), []);
        let clock = Arc::new(Moved::default());
        let node = Node { clock: Arc::clone(&clock) as _, entropy: Arc::new(Sevens), public_url: None };
        let provider = HttpGatewayProvider::new("fcm", &config, &node).expect("a provider");
        Self { google, clock, provider }
    }

    async fn send(&self) -> Result<(), (ErrorClass, bool)> {
        let sent = self.provider.send(&sms("+48600100217")).await;
        sent.map(drop).map_err(|error| {
            assert!(!error.detail.contains("token-"), "{error}");
            (error.class, error.retry)
        })
    }

    fn tokens(&self) -> usize {
        self.google.tokens.load(Ordering::SeqCst)
    }

    fn answers(&self, token: u16, api: u16) {
        *self.google.answers.lock().expect("unpoisoned") = (token, api);
    }
}

impl Google {
    fn answer(&self, request: &Request) -> Response {
        let (token, api) = *self.answers.lock().expect("unpoisoned");
        let status = |status| axum::http::StatusCode::from_u16(status).expect("a status");
        if request.uri().path() == "/google/token" {
            let n = self.tokens.fetch_add(1, Ordering::SeqCst) + 1;
            let body =
                json!({ "access_token": format!("token-{n}"), "expires_in": 3600, "token_type": "Bearer" });
            return (status(token), axum::Json(body)).into_response();
        }
        let sent = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        self.authorizations.lock().expect("unpoisoned").extend(sent.map(str::to_owned));
        (status(api), axum::Json(json!({}))).into_response()
    }
}

#[tokio::test]
async fn one_token_serves_until_five_minutes_before_its_end() {
    let world = World::new().await;
    let (first, second, third) = tokio::join!(world.send(), world.send(), world.send());
    assert_eq!([first, second, third], [Ok(()), Ok(()), Ok(())]);
    assert_eq!(world.tokens(), 1, "all waited for one");
    for (seconds, tokens) in [(3299, 1), (3300, 2), (3301, 2)] {
        world.clock.0.store(seconds, Ordering::SeqCst);
        world.send().await.expect("sent");
        assert_eq!(world.tokens(), tokens, "{seconds}");
    }
    let sent = world.google.authorizations.lock().expect("unpoisoned").clone();
    assert_eq!(sent.last().map(String::as_str), Some("Bearer token-2"));
}

#[tokio::test]
async fn a_refused_token_is_replaced_and_the_message_tried_again() {
    let world = World::new().await;
    world.send().await.expect("sent");
    world.answers(200, 401);
    assert_eq!(world.send().await, Err((ErrorClass::Authentication, true)));
    world.answers(200, 200);
    world.send().await.expect("sent");
    assert_eq!(world.tokens(), 2);
}

#[tokio::test]
async fn without_a_token_nothing_is_sent() {
    let world = World::new().await;
    for (status, class, retry) in [
        (400, ErrorClass::Authentication, false),
        (401, ErrorClass::Authentication, false),
        (429, ErrorClass::Unavailable, true),
        (500, ErrorClass::Unavailable, true),
        (307, ErrorClass::Unavailable, true),
    ] {
        world.answers(status, 200);
        assert_eq!(world.send().await, Err((class, retry)), "{status}");
    }
    assert!(world.google.authorizations.lock().expect("unpoisoned").is_empty());
    assert_eq!(world.provider.verify().await.map_err(|error| error.class), Err(ErrorClass::Unavailable));
}
