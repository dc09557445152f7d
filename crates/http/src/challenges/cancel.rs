//! `POST /v1/challenges/{id}/cancel`: call a challenge off.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::subject::{Act, Aim};
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

/// Why nothing can be done with a challenge.
pub(super) const ENDED: [Code; 6] = [
    Code::ResourceNotFound,
    Code::ChallengeAlreadyApproved,
    Code::ChallengeExpired,
    Code::ChallengeMaxAttempts,
    Code::ChallengeCanceled,
    Code::ChallengeDenied,
];

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/challenges/{id}/cancel",
    id: "cancelChallenge",
    tag: "Challenges",
    summary: "Cancel a challenge",
    description: "No answer to it is accepted from then on.",
    scope: Some("challenges:write"),
    parameters: &[],
    body: None,
    success: (200, "The challenge, canceled", "Challenge"),
    errors: &ENDED,
    idempotent: true,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(challenge): PathId,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::ChallengesWrite)?;
    payload.fields(&[])?;
    let aim = Aim::Challenge(id(&challenge)?);
    let told = ask(&app, &member, aim, Act::Cancel, payload.once(&app, &member)).await?;
    respond_with(&app, &member, &told, StatusCode::OK)
}
