//! `POST /v1/factors/{id}/unlock`: forget the wrong codes of a factor.

use axum::extract::State;
use axum::response::Response;
use countersign_core::subject::{Act, Aim};
use countersign_core::tenancy::Scope;

use super::{id, respond};
use crate::app::App;
use crate::body::Payload;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;
use crate::subjects::ask;

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/factors/{id}/unlock",
    id: "unlockFactor",
    tag: "Subjects and factors",
    summary: "Unlock a factor",
    description: "Its wrong codes are forgotten. For whoever has made sure that it is the person who asks.",
    scope: Some("factors:manage"),
    parameters: &[],
    body: None,
    success: (200, "The factor", "Factor"),
    errors: &[Code::ResourceNotFound],
    idempotent: true,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(factor): PathId,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::FactorsManage)?;
    payload.fields(&[])?;
    let aim = Aim::Factor(id(&factor)?);
    let told = ask(&app, &member, aim, Act::Unlock, payload.once(&app, &member)).await?;
    respond(&app, &told)
}
