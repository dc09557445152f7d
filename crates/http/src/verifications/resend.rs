//! `POST /v1/verifications/{id}/resend`: send the code again.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::command::Command;
use countersign_core::tenancy::Scope;
use countersign_core::verification::Channel;

use super::{carry_out, channel, id};
use crate::app::App;
use crate::body::Payload;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/verifications/{id}/resend",
    id: "resendVerification",
    tag: "Verifications",
    summary: "Send the code again",
    description: "The same code (a new one under the profiles `nist` and `psd2`), over the same or another channel; in a \
                  workflow, without a channel, over that of the next step. \
                  Neither lifetime nor tries are extended.",
    scope: Some("verifications:write"),
    parameters: &[],
    body: Some(("VerificationResend", r#"{"channel":"voice"}"#)),
    success: (200, "The verification", "Verification"),
    errors: &[
        Code::ResourceNotFound,
        Code::VerificationAlreadyApproved,
        Code::VerificationExpired,
        Code::VerificationMaxAttempts,
        Code::VerificationCanceled,
        Code::VerificationUndeliverable,
        Code::CountryNotAllowed,
        Code::BlockedByList,
        Code::RecipientCannotReceive,
        Code::ChannelNotAllowed,
        Code::NoRoute,
        Code::BudgetExceeded,
        Code::ResendTooSoon,
        Code::RecipientRateLimited,
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
    let channel = channel(&mut payload.fields(&["channel"])?)?;
    if channel == Some(Channel::Own) {
        member.needs(Scope::CodesReveal)?;
    }
    let once = payload.once(&app, &member);
    carry_out(&app, &member, Command::Resend(id, channel), once, StatusCode::OK).await
}
