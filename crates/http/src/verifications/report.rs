//! `POST /v1/verifications/{id}/report`: say afterwards whether it was an attack.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::command::Command;
use countersign_core::tenancy::Scope;
use countersign_core::verification::Report;

use super::{carry_out, id};
use crate::app::App;
use crate::body::Payload;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::fields::missing;
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/verifications/{id}/report",
    id: "reportVerification",
    tag: "Verifications",
    summary: "Report fraud, or that it was the person",
    description: "Noted with the verification and in its timeline; a later report replaces an earlier one.",
    scope: Some("verifications:write"),
    parameters: &[],
    body: Some(("VerificationReport", r#"{"report":"fraud"}"#)),
    success: (200, "The verification", "Verification"),
    errors: &[Code::ResourceNotFound],
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
    let report = payload.fields(&["report"])?.word("report", "fraud or legitimate", Report::named)?;
    let report = report.ok_or_else(|| missing("report"))?;
    let once = payload.once(&app, &member);
    carry_out(&app, &member, Command::Report(id, report), once, StatusCode::OK).await
}
