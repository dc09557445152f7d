//! `GET /v1/clock` and `POST /v1/clock/accept`, over the owner's socket only: whether the store's clock was set back, and
//! that it is right nevertheless.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::store::Unavailable;
use countersign_core::tenancy::Scope;
use countersign_core::time::ClockWentBack;
use serde_json::json;

use crate::answer::{self, Text};
use crate::app::App;
use crate::caller::Caller;
use crate::error_code::ErrorCode;
use crate::openapi::{Method, Operation};
use crate::problem::Problem;

pub(crate) const ACCEPT: Operation = Operation {
    method: Method::Post,
    path: "/v1/clock/accept",
    id: "acceptClock",
    tag: "Operation",
    summary: "Accept a clock that was set back",
    description: "What was started in the clock's future ends, and time goes on from what it shows.",
    scope: None,
    parameters: &[],
    body: None,
    success: (200, "It was accepted", "ClockAccepted"),
    errors: &[ErrorCode::StateConflict],
    idempotent: false,
};

pub(crate) const SHOW: Operation = Operation {
    method: Method::Get,
    path: "/v1/clock",
    id: "getClock",
    summary: "What the clock shows, and how far it stands behind the last commit",
    description: "Zero when all is well.",
    success: (200, "The clock", "Clock"),
    errors: &[ErrorCode::StorageUnavailable],
    ..ACCEPT
};

pub(crate) async fn show(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::ProjectsManage)?;
    let back_by = match app.services.store.ready().await {
        Err(Unavailable::ClockWentBack(ClockWentBack { by })) => by.as_secs(),
        ready => ready.map(|()| 0)?,
    };
    let shown = json!({ "now": Text(app.services.clock.now()), "back_by_seconds": back_by });
    Ok(answer::json(StatusCode::OK, &shown))
}

pub(crate) async fn accept(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::ProjectsManage)?;
    match app.services.store.accept_clock(caller.actor(), app.id_tail()).await? {
        Some(by) => {
            let accepted = json!({ "accepted": true, "back_by_seconds": by.as_secs() });
            Ok(answer::json(StatusCode::OK, &accepted))
        }
        None => Err(Problem::new(
            ErrorCode::StateConflict,
            "The clock does not stand behind the last commit. There is nothing to accept.",
        )),
    }
}
