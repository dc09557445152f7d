//! A node dies with a message in its hands: another sends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use countersign_peers::shared;
use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::cluster::{Cluster, text, until};
use crate::faults::send;

#[derive(Clone)]
struct Shared {
    messages: UnboundedSender<Value>,
    silent: Arc<AtomicBool>,
}

/// A gateway that answers nothing while it is told to be silent.
struct Gateway {
    url: String,
    messages: UnboundedReceiver<Value>,
    silent: Arc<AtomicBool>,
}

impl Gateway {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/send", listener.local_addr().unwrap());
        let (sender, messages) = unbounded_channel();
        let silent = Arc::new(AtomicBool::new(true));
        let shared = Shared { messages: sender, silent: Arc::clone(&silent) };
        let router = Router::new().route("/send", post(take)).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, messages, silent }
    }
}

async fn take(State(shared): State<Shared>, Json(message): Json<Value>) -> Json<Value> {
    shared.messages.send(message).unwrap();
    if shared.silent.load(Ordering::Relaxed) {
        std::future::pending::<()>().await;
    }
    Json(json!({}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_the_hands_of_a_killed_node_is_sent_by_another() {
    let mut gateway = Gateway::start().await;
    let cluster = Cluster::on(shared());
    cluster.configure(&format!(
        "[providers.gateway]\ntype = \"http\"\nurl = \"{}\"\nbody = {{ json = {{ to = \"{{{{ to }}}}\", code = \"{{{{ code }}}}\" }} }}\n\
         [[routes]]\nchannel = \"sms\"\nproviders = [\"gateway\"]\n",
        gateway.url
    ));
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let live = Some(cluster.live_key.as_str());
    let body = Some(json!({ "to": "+48600800001" }));
    let created = a.call_as(live, Method::POST, "/v1/verifications", body, &[]).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let path = format!("/v1/verifications/{}", created.text("id"));
    let first = gateway.messages.recv().await.unwrap();
    send(&a, Signal::KILL);
    gateway.silent.store(false, Ordering::Relaxed);
    let leased = shared().psql(&cluster.database, "SELECT count(*) FROM delivery WHERE due IS NOT NULL");
    assert_eq!(leased, "1", "its lease outlives the node");
    // The lease is 30 s: moved into the past, so that nobody has to wait for its end.
    shared().psql(&cluster.database, "UPDATE delivery SET due = 1 WHERE due IS NOT NULL");
    let second = tokio::time::timeout(crate::cluster::PATIENCE, gateway.messages.recv()).await;
    let second = second.expect("the other node takes it over").unwrap();
    assert_eq!(first, second, "the same message with the same code");
    let sent = async || {
        let shown = b.call_as(live, Method::GET, &path, None, &[]).await;
        (shown.body["delivery"]["state"] == "sent").then_some(())
    };
    until("the outcome to be recorded", sent).await;
    let code = Some(json!({ "code": text(&second, "code") }));
    let approved = b.call_as(live, Method::POST, &format!("{path}/check"), code, &[]).await;
    assert_eq!(approved.status, 200, "{}", approved.body);
}
