//! `GET /v1/subjects/{id}`: look a subject up.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::tenancy::Scope;

use super::view::SubjectView;
use super::{Person, aim_of_path, find};
use crate::answer::json;
use crate::app::App;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::list::Query;
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;
use crate::verifications::note_reveal;

pub(crate) const DOC: Operation = Operation {
    method: Method::Get,
    path: "/v1/subjects/{id}",
    id: "getSubject",
    tag: "Subjects and factors",
    summary: "Look a subject up",
    description: "By `sbj_…`, or by `ext:` and your own name of the person. Factors that were removed stay in the list by name.",
    scope: Some("subjects:read"),
    parameters: &[],
    body: None,
    success: (200, "The subject", "Subject"),
    errors: &[Code::ResourceNotFound],
    idempotent: false,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(subject): PathId,
    uri: Uri,
    caller: Caller,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::SubjectsRead)?;
    Query::of(&uri, &[])?;
    let shown = find(&app, member.tenant, aim_of_path(&app, &member.tenant, &subject)?).await?;
    let reveal = note_reveal(&app, &member).await?;
    let person = Person::open(&app.services.keys, &shown.subject);
    Ok(json(StatusCode::OK, &SubjectView::new(&person, member.now(&app), reveal)))
}
