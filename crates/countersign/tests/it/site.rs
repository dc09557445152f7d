//! A server for real people: made by `init`, with gateways of this test and routes to them.

use std::path::{Path, PathBuf};
use std::process::Command;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::harness::{Answer, Server};

#[derive(Clone)]
struct Shared {
    messages: UnboundedSender<Value>,
    status: u16,
}

/// A gateway that answers everything with one status.
pub(crate) struct Gateway {
    pub(crate) url: String,
    pub(crate) messages: UnboundedReceiver<Value>,
}

impl Gateway {
    pub(crate) async fn start(status: u16) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/send", listener.local_addr().unwrap());
        let (sender, messages) = unbounded_channel();
        let shared = Shared { messages: sender, status };
        let router = Router::new().route("/send", post(take)).with_state(shared);
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, messages }
    }

    /// Its table in the configuration.
    pub(crate) fn table(&self, name: &str) -> String {
        format!(
            "[providers.{name}]\ntype = \"http\"\nurl = \"{}\"\n\
             body = {{ json = {{ to = \"{{{{ to }}}}\", code = \"{{{{ code }}}}\", from = \"{{{{ sender or none }}}}\" }} }}\n",
            self.url
        )
    }

    pub(crate) async fn next(&mut self) -> Value {
        let next = tokio::time::timeout(std::time::Duration::from_secs(30), self.messages.recv()).await;
        next.expect("a message comes").expect("the gateway runs")
    }
}

async fn take(State(shared): State<Shared>, Json(message): Json<Value>) -> (StatusCode, Json<Value>) {
    shared.messages.send(message).unwrap();
    let status = StatusCode::from_u16(shared.status).unwrap();
    (status, Json(json!({})))
}

/// What `init` made, and how to run it.
pub(crate) struct Site {
    directory: tempfile::TempDir,
    pub(crate) key: String,
    pub(crate) project: String,
}

impl Site {
    /// A site whose configuration ends with `more`.
    pub(crate) fn new(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = directory.path().join("countersign.toml");
        let made = cli(&config, &["init"]);
        let text = std::fs::read_to_string(&config).unwrap();
        std::fs::write(&config, format!("{text}\n{more}")).unwrap();
        let text = |field: &str| made[field].as_str().unwrap().to_owned();
        Self { key: text("api_key"), project: text("project"), directory }
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    fn config(&self) -> PathBuf {
        self.path().join("countersign.toml")
    }

    pub(crate) fn serve(&self) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.arg("serve").arg("--config").arg(self.config());
        command
            .env("COUNTERSIGN_SERVER__LISTEN", "127.0.0.1:0")
            .env("COUNTERSIGN_SERVER__DRAIN_SECONDS", "0");
        Server::run(&mut command, Some(self.key.clone()))
    }

    /// Runs a command on this configuration, and reads what it prints.
    pub(crate) fn cli(&self, words: &[&str]) -> Value {
        cli(&self.config(), words)
    }
}

fn cli(config: &Path, words: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    let output = command.args(words).arg("--json").arg("--config").arg(config).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{words:?}: {out}{err}");
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("{words:?} printed {out}"))
}

/// Waits until the latest delivery of a verification is in a state.
pub(crate) async fn until_delivery(server: &Server, id: &str, state: &str) {
    let reached = tokio::time::timeout(std::time::Duration::from_secs(30), async {
        while server.get(&format!("/v1/verifications/{id}")).await.body["delivery"]["state"] != state {
            tokio::task::yield_now().await;
        }
    });
    reached.await.unwrap_or_else(|_| panic!("{id} is not {state}"));
}

/// Asks as somebody with another key.
pub(crate) async fn as_key(
    server: &Server,
    key: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> Answer {
    server.call_as(Some(key), method, path, body, &[]).await
}
