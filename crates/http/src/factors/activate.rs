//! `POST /v1/factors/{id}/activate`: confirm a factor with its first code.

use axum::extract::State;
use axum::response::Response;
use countersign_core::subject::{Act, Aim};
use countersign_core::tenancy::Scope;

use super::{code, id, respond};
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
    path: "/v1/factors/{id}/activate",
    id: "activateFactor",
    tag: "Subjects and factors",
    summary: "Confirm a factor",
    description: "With its first code, or with the answer to `activation_question`. The code is used up by it. Wrong ones count \
                  like any other guess.",
    scope: Some("factors:write"),
    parameters: &[],
    body: Some(("FactorActivate", r#"{"code":"123456"}"#)),
    success: (200, "The factor, active", "Factor"),
    errors: &[
        Code::ResourceNotFound,
        Code::StateConflict,
        Code::CodeIncorrect,
        Code::CodeMalformed,
        Code::FactorLocked,
    ],
    idempotent: true,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(factor): PathId,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::FactorsWrite)?;
    let mut fields = payload.fields(&["code"])?;
    let (id, act) = (id(&factor)?, Act::Activate(code(&mut fields)?));
    let told = ask(&app, &member, Aim::Factor(id), act, payload.once(&app, &member)).await?;
    respond(&app, &told)
}
