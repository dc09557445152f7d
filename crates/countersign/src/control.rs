//! Changes of projects and keys: through the running server's control socket, else on the store itself.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, header};
use countersign_core::factor::wake::NoWaker;
use countersign_core::receipt::NoReceipts;
use reqwest::Method;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::client::{Answer, Client, Refused, TIMEOUT};
use crate::config::Config;
use crate::problem::{Outcome, Problem};
use crate::wire;

const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Calls the control API of the server that a configuration describes.
pub(crate) async fn call(
    config: &Config,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Outcome<Answer> {
    call_within(TIMEOUT, config, method, path, body).await
}

/// The same for a call that takes its time.
pub(crate) async fn call_within(
    timeout: Duration,
    config: &Config,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Outcome<Answer> {
    let socket = config.control_socket();
    if is_served(&socket) {
        return Client::over_socket(&socket, timeout)?.call(method, path, &[], body).await;
    }
    let opened = wire::open(config).await?;
    let board = Arc::new(config.board()?);
    let receipts = wire::receipts(&opened, &board);
    // A command that works beside a stopped server wakes nobody.
    let (reader, waker) = (Arc::new(NoReceipts), Arc::new(NoWaker));
    let edge = wire::Edge { url: "http://control".to_owned(), board, receipts, reader, waker };
    let (services, _) = wire::services(config, &opened, edge, Arc::default());
    let router = countersign_http::control_router(services);
    let body = body.map(|body| Body::from(body.to_string())).unwrap_or_default();
    let request =
        Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
    let request = request.body(body).map_err(|error| not_understood(&error))?;
    let response = router.oneshot(request).await.map_err(|never| match never {})?;
    let status = response.status();
    let bytes = to_bytes(response.into_body(), ANSWER_BYTES).await.map_err(|error| not_understood(&error))?;
    opened.close().await;
    let document = if bytes.is_empty() { Value::Null } else { parse(&bytes)? };
    Ok(if status.is_success() { Ok(document) } else { Err(Refused::new(status.as_u16(), document)) })
}

/// Whether a server listens on this socket.
pub(crate) fn is_served(socket: &Path) -> bool {
    std::os::unix::net::UnixStream::connect(socket).is_ok()
}

fn parse(bytes: &[u8]) -> Outcome<Value> {
    serde_json::from_slice(bytes).map_err(|error| not_understood(&error))
}

fn not_understood(error: &dyn std::fmt::Display) -> Problem {
    Problem::new("the answer cannot be understood", error, "report this as a bug of countersign")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::text;
    use crate::ring;

    #[tokio::test]
    async fn without_a_server_projects_and_keys_are_changed_on_the_store_itself() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        crate::files::private_dir(&data).unwrap();
        let config = Config::of_dev(&data).unwrap();
        ring::create(&config.ring()).unwrap();
        let body = json!({ "name": "Shop" });
        let made = call(&config, Method::POST, "/v1/projects", Some(&body)).await.unwrap().unwrap();
        let listed = call(&config, Method::GET, "/v1/projects", None).await.unwrap().unwrap();
        assert_eq!(text(&listed, "/data/0/id"), text(&made, "/id"));
        let body = json!({ "project": text(&made, "/id"), "kind": "secret", "livemode": false });
        let key = call(&config, Method::POST, "/v1/api_keys", Some(&body)).await.unwrap().unwrap();
        assert!(text(&key, "/secret").starts_with("sk_test_"));
        let refused = call(&config, Method::DELETE, "/v1/api_keys/key_x", None).await.unwrap().unwrap_err();
        assert_eq!(refused.code(), "resource_not_found");
    }
}
