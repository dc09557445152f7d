//! `POST /v1/test/clock/advance`: move the project's test clock forward.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::tenancy::{AdminAnswer, AdminChange, Scope, TEST_CLOCK_MOST};
use countersign_core::time::Timestamp;
use serde::Serialize;
use std::time::Duration;

use crate::answer::{Text, json};
use crate::app::App;
use crate::body::Payload;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::fields::missing;
use crate::openapi::{Method, Operation};
use crate::problem::Problem;

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/test/clock/advance",
    id: "advanceTestClock",
    tag: "Test mode",
    summary: "Move the test clock forward",
    description: "For test verifications and sends of this project only; it never goes back, and at most 400 days in all.",
    scope: Some("test:control"),
    parameters: &[],
    body: Some(("TestClockAdvance", r#"{"seconds":900}"#)),
    success: (200, "The clock", "TestClock"),
    errors: &[Code::ModeMismatch, Code::StateConflict],
    idempotent: false,
};

#[derive(Serialize)]
struct ClockView {
    object: &'static str,
    livemode: bool,
    now: Text<Timestamp>,
    ahead: u64,
}

pub(crate) async fn handle(
    State(app): State<App>,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::TestControl)?;
    member.test_only()?;
    let seconds = payload.fields(&["seconds"])?.integer("seconds", 1..=TEST_CLOCK_MOST)?;
    let seconds = seconds.ok_or_else(|| missing("seconds"))?;
    let change = AdminChange::AdvanceTestClock(member.tenant.project, seconds);
    match app.administer(member.actor(), member.context.request_id, change).await? {
        AdminAnswer::Project(project) => {
            let ahead = project.test_clock_ahead;
            let now = Text(app.services.clock.now().plus(Duration::from_secs(ahead)));
            Ok(json(StatusCode::OK, &ClockView { object: "test_clock", livemode: false, now, ahead }))
        }
        AdminAnswer::Key(_)
        | AdminAnswer::Setting(_)
        | AdminAnswer::Noted
        | AdminAnswer::NotFound
        | AdminAnswer::Conflict => {
            Err(Problem::new(Code::StateConflict, "The test clock goes at most 400 days ahead.")
                .param("seconds"))
        }
    }
}
