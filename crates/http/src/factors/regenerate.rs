//! `POST /v1/factors/{id}/regenerate`: a new set of backup codes.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::subject::{Act, Aim};
use countersign_core::tenancy::Scope;

use super::enrolled::EnrolledView;
use super::{id, plan};
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
    path: "/v1/factors/{id}/regenerate",
    id: "regenerateFactor",
    tag: "Subjects and factors",
    summary: "Make new backup codes",
    description: "The old set is worth nothing from then on. Wrong codes of before still count.",
    scope: Some("factors:write"),
    parameters: &[],
    body: None,
    success: (200, "The factor with its new codes", "FactorEnrolled"),
    errors: &[Code::ResourceNotFound, Code::StateConflict],
    idempotent: true,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(factor): PathId,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::FactorsWrite)?;
    payload.fields(&[])?;
    let act = Act::Regenerate(plan::backup_codes(app.services.entropy.as_ref()));
    let told = ask(&app, &member, Aim::Factor(id(&factor)?), act, payload.once(&app, &member)).await?;
    let brand = &member.project().brand;
    let view = EnrolledView::new(&app.services.keys, &told.snapshot, brand, app.services.base())?;
    Ok(told.respond(StatusCode::OK, &view))
}
