//! An HTTP gateway that misbehaves. It takes `POST /messages` with `to`, `text` and `callback` as JSON, answers with an id,
//! and posts signed receipts to `callback`; `GET /messages` shows what it took.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::hmac;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use countersign_core::recipient::Recipient;
use data_encoding::HEXLOWER;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Fate, Habits, Receipts};
use crate::problem::{Outcome, Problem};

/// Messages that `GET /messages` remembers.
const REMEMBERED: usize = 1000;
/// Receipts that may be on their way; more are lost, as with a vendor that is overrun.
const ON_THEIR_WAY: usize = 10_000;
/// How long a receiver of receipts may take.
const RECEIVER_TIME: Duration = Duration::from_secs(10);
/// How much later than its receipt the answer of a message comes whose receipt is early.
const BEHIND_RECEIPT: Duration = Duration::from_millis(200);
/// What receipts are signed with. No secret: whoever runs a sandbox shows it.
const KEY: &str = "sandbox";

/// The provider's table that fits this gateway; `ADDRESS` stands for where it listens.
const PROVIDER: &str = r#"[providers.sandbox]
type = "http"
url = "http://ADDRESS/messages"
account = { receipt_key = "sandbox" }
body = { json = { to = "{{ to }}", text = "{{ text }}", callback = "{{ receipt_url }}" } }
success = { status = [202], json = [{ pointer = "/id" }] }
message_id = { pointer = "/id" }
errors = [
  { pointer = "/code", equals = "throttled", class = "throttled" },
  { pointer = "/code", equals = "unreachable", class = "recipient_rejected" },
]
# With receipts, besides server.public_url:
# secrets = { receipt_token = { file = "countersign-data/receipt-token" } }

[providers.sandbox.receipt]
id = "/id"
state = "/state"
code = "/code"
signature = { hmac = { key = "receipt_key", header = "x-sandbox-signature" } }
states = [
  { state = "delivered", means = "delivered" },
  { state = "undelivered", means = "recipient_rejected" },
]

[[routes]]
channel = "sms"
providers = ["sandbox"]"#;

/// The gateway's state.
struct Gateway {
    habits: Habits,
    taken: Mutex<Taken>,
    client: reqwest::Client,
    on_their_way: Arc<tokio::sync::Semaphore>,
}

#[derive(Default)]
struct Taken {
    count: u64,
    latest: VecDeque<Value>,
}

/// A message as it is handed over.
#[derive(Deserialize)]
struct Message {
    to: String,
    text: String,
    callback: Option<String>,
}

/// A gateway that runs.
pub(crate) struct Running {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Ends when no connection can be taken any more.
    pub(crate) task: JoinHandle<std::io::Result<()>>,
}

/// Starts a gateway, on this machine only: what it is sent holds codes.
pub(crate) async fn start(address: SocketAddr, habits: Habits) -> Outcome<Running> {
    if !address.ip().is_loopback() {
        let fix = "use 127.0.0.1 or ::1, port 0 for a free one";
        return Err(Problem::usage("the sandbox listens on this machine only", address.to_string(), fix));
    }
    let unusable = |error: std::io::Error| {
        let fix = "stop what listens there, or choose another address (port 0 takes a free one)";
        Problem::new(format!("{address} cannot be listened on"), error, fix)
    };
    let listener = TcpListener::bind(address).await.map_err(unusable)?;
    let address = listener.local_addr().map_err(unusable)?;
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(RECEIVER_TIME)
        .build()
        .map_err(|error| Problem::new("receipts cannot be sent", error, "look at the certificates"))?;
    let gateway = Arc::new(Gateway {
        habits,
        taken: Mutex::default(),
        client,
        on_their_way: Arc::new(tokio::sync::Semaphore::new(ON_THEIR_WAY)),
    });
    let routes = Router::new().route("/messages", post(take).get(show)).with_state(gateway);
    let task = tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok(Running { address, task })
}

/// How to point a provider at it.
pub(crate) fn greeting(address: SocketAddr) -> String {
    format!(
        "An HTTP gateway listens on {address}; http://{address}/messages shows what it took. The provider for it:\n\n{}",
        PROVIDER.replace("ADDRESS", &address.to_string())
    )
}

async fn show(State(gateway): State<Arc<Gateway>>) -> Response {
    let latest: Vec<Value> =
        gateway.taken.lock().map(|taken| taken.latest.iter().cloned().collect()).unwrap_or_default();
    Json(json!({ "messages": latest })).into_response()
}

async fn take(State(gateway): State<Arc<Gateway>>, body: Bytes) -> Response {
    let Ok(message) = serde_json::from_slice::<Message>(&body) else {
        return refusal(StatusCode::BAD_REQUEST, "malformed");
    };
    if Recipient::parse(&message.to).is_err() {
        return refusal(StatusCode::BAD_REQUEST, "unreachable");
    }
    let callback = match message.callback.as_deref().map(here) {
        None => None,
        Some(Some(url)) => Some(url),
        Some(None) => return refusal(StatusCode::BAD_REQUEST, "callback_elsewhere"),
    };
    let n = gateway.remember(&message);
    let id = format!("sandbox-{n}");
    match gateway.habits.fate(n) {
        Fate::Throttled => refusal(StatusCode::TOO_MANY_REQUESTS, "throttled"),
        Fate::Refused => refusal(StatusCode::BAD_REQUEST, "unreachable"),
        Fate::Dropped => cut(),
        Fate::Hung => std::future::pending().await,
        Fate::Garbage => (StatusCode::ACCEPTED, "<html>\u{0}garbage").into_response(),
        Fate::Taken(receipts) => {
            if let Some(callback) = callback {
                gateway.report(&id, callback, receipts).await;
            }
            (StatusCode::ACCEPTED, Json(json!({ "id": id, "state": "queued" }))).into_response()
        }
    }
}

fn refusal(status: StatusCode, code: &str) -> Response {
    (status, Json(json!({ "code": code }))).into_response()
}

/// An answer that breaks off.
fn cut() -> Response {
    let broken = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut")) });
    Response::new(Body::from_stream(broken))
}

/// The address, if it is on this machine: a sandbox is no way to make requests elsewhere.
fn here(callback: &str) -> Option<reqwest::Url> {
    let url = reqwest::Url::parse(callback).ok()?;
    let host = url.host_str()?.trim_matches(['[', ']']).to_owned();
    let local = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    (local && ["http", "https"].contains(&url.scheme())).then_some(url)
}

impl Gateway {
    /// The number of this message.
    fn remember(&self, message: &Message) -> u64 {
        let Ok(mut taken) = self.taken.lock() else { return 0 };
        taken.count += 1;
        if taken.latest.len() == REMEMBERED {
            taken.latest.pop_front();
        }
        let count = taken.count;
        taken.latest.push_back(json!({ "n": count, "to": message.to, "text": message.text }));
        count
    }

    /// Sends what is to be reported: before the answer when it is early, else later.
    async fn report(self: &Arc<Self>, id: &str, callback: reqwest::Url, receipts: Receipts) {
        let (state, code) = if receipts.arrived { ("delivered", 0) } else { ("undelivered", 27) };
        let body = json!({ "id": id, "state": state, "code": code }).to_string();
        if receipts.early {
            for _ in 0..receipts.count {
                self.post(callback.clone(), body.clone()).await;
            }
            tokio::time::sleep(BEHIND_RECEIPT).await;
            return;
        }
        let millis = if receipts.late { self.habits.late_after } else { self.habits.receipt_after };
        let Ok(place) = Arc::clone(&self.on_their_way).try_acquire_owned() else { return };
        let gateway = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(millis)).await;
            for _ in 0..receipts.count {
                gateway.post(callback.clone(), body.clone()).await;
            }
            drop(place);
        });
    }

    async fn post(&self, callback: reqwest::Url, body: String) {
        let key = hmac::Key::new(hmac::HMAC_SHA256, KEY.as_bytes());
        let signature = HEXLOWER.encode(hmac::sign(&key, body.as_bytes()).as_ref());
        let request = self
            .client
            .post(callback)
            .header("content-type", "application/json")
            .header("x-sandbox-signature", signature)
            .body(body);
        if let Err(error) = request.send().await {
            tracing::warn!(error = %error.without_url(), "a receipt was not taken");
        }
    }
}

#[cfg(test)]
mod tests;
