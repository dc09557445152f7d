//! `POST /v1/verifications/{id}/check`: check a code; the right one is answered with a proof.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::command::{Check, Command, Entered, Target};
use countersign_core::limits as rules;
use countersign_core::tenancy::Scope;

use super::{carry_out, id, purpose, transaction};
use crate::app::App;
use crate::body::Payload;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::fields::Fields;
use crate::limits;
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;

/// What a check may be answered with, by whichever door it comes.
pub(crate) const ERRORS: &[Code] = &[
    Code::ResourceNotFound,
    Code::VerificationAlreadyApproved,
    Code::VerificationExpired,
    Code::VerificationMaxAttempts,
    Code::VerificationCanceled,
    Code::VerificationUndeliverable,
    Code::CountryNotAllowed,
    Code::BlockedByList,
    Code::CodeIncorrect,
    Code::CodeMalformed,
    Code::BindingMismatch,
    Code::RecipientPaused,
    Code::RecipientBlocked,
];

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/verifications/{id}/check",
    id: "checkVerification",
    tag: "Verifications",
    summary: "Check a code",
    description: "Counts the try, then compares. `purpose`, `subject`, `session` and `transaction` must match the start \
                  when they are given; `session` and `transaction` must be given when the start had them. A changed \
                  transaction ends the verification. The answer carries the `proof`.",
    scope: Some("verifications:check"),
    parameters: &[],
    body: Some(("VerificationCheck", r#"{"code":"123456"}"#)),
    success: (200, "The verification, approved, with its proof", "Verification"),
    errors: ERRORS,
    idempotent: true,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(verification): PathId,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::VerificationsCheck)?;
    let target = Target::Id(id(&verification)?);
    let mut fields = payload.fields(&["code", "purpose", "subject", "session", "transaction"])?;
    let check = read(&mut fields, target)?;
    carry_out(&app, &member, Command::Check(check), payload.once(&app, &member), StatusCode::OK).await
}

/// The check a body stands for.
pub(crate) fn read(fields: &mut Fields, target: Target) -> Result<Check, Problem> {
    let code = zeroize::Zeroizing::new(fields.required_text("code", limits::MAX_TEXT)?);
    Ok(Check {
        target,
        code: Entered(code),
        purpose: purpose(fields)?,
        subject: fields.line("subject", rules::MAX_SUBJECT)?,
        session: fields.line("session", rules::MAX_SUBJECT)?,
        transaction: transaction(fields)?,
        origin: None,
    })
}
