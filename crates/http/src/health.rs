//! `GET /healthz` and `/readyz`: whether the process lives, and whether it can do its work.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde_json::json;

use crate::answer;
use crate::app::App;
use crate::error_code::ErrorCode;
use crate::openapi::{Method, Operation};
use crate::problem::Problem;

pub(crate) const HEALTH: Operation = Operation {
    method: Method::Get,
    path: "/healthz",
    id: "getHealth",
    tag: "Operation",
    summary: "Whether the process lives",
    description: "Answers as long as the process can answer at all.",
    scope: None,
    parameters: &[],
    body: None,
    success: (200, "It lives", "Health"),
    errors: &[],
    idempotent: false,
};

pub(crate) const READY: Operation = Operation {
    path: "/readyz",
    id: "getReadiness",
    summary: "Whether the server can do its work",
    description: "Asks the storage whether it can be written to. For load balancers: it refuses as soon as the process is \
                  told to stop, `server.drain_seconds` before the server closes.",
    success: (200, "It is ready", "Health"),
    errors: &[ErrorCode::StorageUnavailable, ErrorCode::Overloaded, ErrorCode::ShuttingDown],
    ..HEALTH
};

pub(crate) async fn health() -> Response {
    answer::json(StatusCode::OK, &json!({ "status": "ok" }))
}

pub(crate) async fn ready(State(app): State<App>) -> Result<Response, Problem> {
    if app.services.is_draining() {
        return Err(Problem::plain(ErrorCode::ShuttingDown));
    }
    app.services.store.ready().await?;
    Ok(answer::json(StatusCode::OK, &json!({ "status": "ready" })))
}
