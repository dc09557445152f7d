//! `GET /v1/factors/{id}`: look a factor up.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::subject::Aim;
use countersign_core::tenancy::Scope;

use super::id;
use super::view::FactorView;
use crate::answer::json;
use crate::app::App;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::list::Query;
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;
use crate::subjects::{Person, find};

pub(crate) const DOC: Operation = Operation {
    method: Method::Get,
    path: "/v1/factors/{id}",
    id: "getFactor",
    tag: "Subjects and factors",
    summary: "Look a factor up",
    description: "One that was removed stays readable by name. What is secret about a factor stands only in the answer to its \
                  enrolment.",
    scope: Some("subjects:read"),
    parameters: &[],
    body: None,
    success: (200, "The factor", "Factor"),
    errors: &[Code::ResourceNotFound],
    idempotent: false,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(factor): PathId,
    uri: Uri,
    caller: Caller,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::SubjectsRead)?;
    Query::of(&uri, &[])?;
    let id = id(&factor)?;
    let shown = find(&app, member.tenant, Aim::Factor(id)).await?;
    let person = Person::open(&app.services.keys, &shown.subject);
    let factor = shown.subject.factor(id).ok_or_else(|| Problem::plain(Code::ResourceNotFound))?;
    Ok(json(StatusCode::OK, &FactorView::new(&person, factor, member.now(&app))))
}
