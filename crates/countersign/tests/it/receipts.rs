//! Two nodes of the real binary, two gateways described by configuration, and their receipts, which come to the other node.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::Uri;
use axum::routing::post;
use axum::{Json, Router};
use countersign_peers::shared;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::cluster::{Cluster, until};
use crate::harness::Server;

const TOKEN: &str = "9c56cc51b374c3ba189210d5b6d4bf57790d351c96c47c02190ecf1e430635ab";

type Taken = Arc<Mutex<Vec<(String, Value)>>>;

/// Both gateways: each message gets the next number for its name.
async fn gateways(taken: &Taken) -> String {
    async fn take(State(taken): State<Taken>, uri: Uri, Json(message): Json<Value>) -> Json<Value> {
        let mut taken = taken.lock().unwrap();
        taken.push((uri.path().to_owned(), message));
        Json(json!({ "id": format!("m{}", taken.len()) }))
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(post(take)).with_state(Arc::clone(taken));
    tokio::spawn(async move { axum::serve(listener, router).await });
    base
}

fn configuration(base: &str) -> String {
    let gateway = |name: &str, channel: &str| {
        format!(
            "[providers.{name}]\ntype = \"http\"\nurl = \"{base}/{name}\"\nmessage_id = {{ pointer = \"/id\" }}\n\
             body = {{ json = {{ to = \"{{{{ to }}}}\", code = \"{{{{ code }}}}\" }} }}\n\
             secrets = {{ receipt_token = {{ env = \"RECEIPT_TOKEN\" }} }}\n\
             receipt = {{ id = \"/id\", state = \"/state\", states = [\
             {{ state = \"arrived\", means = \"delivered\" }}, {{ state = \"lost\", means = \"unavailable\" }}] }}\n\
             [[routes]]\nchannel = \"{channel}\"\nproviders = [\"{name}\"]\n"
        )
    };
    [gateway("texts", "sms"), gateway("calls", "voice")].concat()
}

async fn call(cluster: &Cluster, node: &Server, method: Method, path: &str, body: Option<Value>) -> Value {
    let path = format!("/v1/verifications{path}");
    node.call_as(Some(&cluster.live_key), method, &path, body, &[]).await.body
}

/// Brings a receipt to a node.
async fn bring(node: &Server, provider: &str, token: &str, message: &str, state: &str) -> StatusCode {
    let url = format!("{}/receipts/{provider}/{token}", node.base);
    let posted = node.client.post(url).json(&json!({ "id": message, "state": state }));
    posted.send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_message_is_followed_by_a_call_whichever_node_is_told_what() {
    let taken = Taken::default();
    let base = gateways(&taken).await;
    let cluster = Cluster::on(shared());
    cluster.configure(&configuration(&base));
    let [a, b] = ["a", "b"].map(|name| cluster.node_with(name, &[("RECEIPT_TOKEN", TOKEN)]));
    let steps = json!([{ "channel": "sms", "wait": 60 }, { "channel": "voice" }]);
    let body = json!({ "to": "+48600100217", "channel": steps });
    let begun = call(&cluster, &a, Method::POST, "", Some(body)).await;
    let id = begun["id"].as_str().unwrap_or_else(|| panic!("{begun}")).to_owned();
    let reached = async |channel: &str, state: &str| {
        until("the delivery", async || {
            let shown = call(&cluster, &b, Method::GET, &format!("/{id}"), None).await;
            (shown["channel"] == channel && shown["delivery"]["state"] == state).then_some(shown)
        })
        .await
    };
    reached("sms", "sent").await;
    assert_eq!(bring(&b, "texts", "wrong", "m1", "lost").await, StatusCode::NOT_FOUND);
    assert_eq!(bring(&b, "mail", TOKEN, "m1", "lost").await, StatusCode::NOT_FOUND);
    assert_eq!(bring(&b, "texts", TOKEN, "m9", "lost").await, StatusCode::OK, "somebody else's");
    assert_eq!(bring(&b, "texts", TOKEN, "m1", "lost").await, StatusCode::OK);
    reached("voice", "sent").await;
    for _ in 0..2 {
        assert_eq!(bring(&a, "calls", TOKEN, "m2", "arrived").await, StatusCode::OK);
    }
    let shown = reached("voice", "delivered").await;
    assert_eq!(shown["status"], "pending", "no receipt approves anything");
    let timeline = call(&cluster, &b, Method::GET, &format!("/{id}/timeline"), None).await;
    let facts: Vec<_> =
        timeline["data"].as_array().unwrap().iter().map(|fact| fact["type"].as_str().unwrap()).collect();
    let told = [
        "verification.created",
        "delivery.accepted",
        "delivery.undelivered",
        "workflow.stepped",
        "delivery.accepted",
        "delivery.delivered",
    ];
    assert_eq!(facts, told);
    let messages = taken.lock().unwrap().clone();
    let [(texts, sms), (calls, voice)] = messages.as_slice() else { panic!("{messages:?}") };
    assert_eq!((texts.as_str(), calls.as_str()), ("/texts", "/calls"));
    assert_eq!(sms["code"], voice["code"], "always the same code");
    let body = json!({ "code": sms["code"] });
    let checked = call(&cluster, &b, Method::POST, &format!("/{id}/check"), Some(body)).await;
    assert_eq!(checked["status"], "approved", "{checked}");
}
