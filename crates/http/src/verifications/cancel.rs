//! `POST /v1/verifications/{id}/cancel`: call a verification off.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::command::Command;
use countersign_core::tenancy::Scope;

use super::{carry_out, id};
use crate::app::App;
use crate::body::Payload;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/verifications/{id}/cancel",
    id: "cancelVerification",
    tag: "Verifications",
    summary: "Cancel a verification",
    description: "Its code is worth nothing from then on.",
    scope: Some("verifications:write"),
    parameters: &[],
    body: None,
    success: (200, "The verification, canceled", "Verification"),
    errors: &[
        Code::ResourceNotFound,
        Code::VerificationAlreadyApproved,
        Code::VerificationExpired,
        Code::VerificationMaxAttempts,
        Code::VerificationCanceled,
        Code::VerificationUndeliverable,
        Code::CountryNotAllowed,
        Code::BlockedByList,
    ],
    idempotent: true,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(verification): PathId,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::VerificationsWrite)?;
    let id = id(&verification)?;
    payload.fields(&[])?;
    let once = payload.once(&app, &member);
    carry_out(&app, &member, Command::Cancel(id), once, StatusCode::OK).await
}
