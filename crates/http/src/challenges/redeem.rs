//! `POST /v1/challenges/{id}/redeem`: fetch the proof of a challenge that a device approved, once.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::limits as rules;
use countersign_core::subject::{Act, Aim, Redeem};
use countersign_core::tenancy::Scope;

use super::{id, respond_with};
use crate::app::App;
use crate::body::Payload;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;
use crate::subjects::ask;
use crate::verifications::transaction;

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/challenges/{id}/redeem",
    id: "redeemChallenge",
    tag: "Challenges",
    summary: "Fetch the proof of a push",
    description: "A device's answer never carries the proof; this call hands it to your server, once, within 5 minutes of the \
                  approval. `session` and `transaction` must be those of the start, and must be given when it had them.",
    scope: Some("challenges:check"),
    parameters: &[],
    body: Some(("ChallengeRedeem", r#"{"session":"s-1"}"#)),
    success: (200, "The challenge, approved, with its proof", "Challenge"),
    errors: &[
        Code::ResourceNotFound,
        Code::StateConflict,
        Code::ChallengeAlreadyApproved,
        Code::ChallengeExpired,
        Code::ChallengeMaxAttempts,
        Code::ChallengeCanceled,
        Code::ChallengeDenied,
        Code::BindingMismatch,
    ],
    idempotent: true,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(challenge): PathId,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::ChallengesCheck)?;
    let mut fields = payload.fields(&["session", "transaction"])?;
    let redeem = Redeem {
        session: fields.line("session", rules::MAX_SUBJECT)?,
        transaction: transaction(&mut fields)?,
    };
    let aim = Aim::Challenge(id(&challenge)?);
    let told = ask(&app, &member, aim, Act::Redeem(redeem), payload.once(&app, &member)).await?;
    respond_with(&app, &member, &told, StatusCode::OK)
}
