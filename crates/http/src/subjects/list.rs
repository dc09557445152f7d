//! `GET /v1/subjects`: a page of subjects, newest first.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::ids::SubjectId;
use countersign_core::tenancy::Scope;

use super::Person;
use super::view::SubjectView;
use crate::answer::json;
use crate::app::App;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::list::{ListView, Query};
use crate::openapi::{CURSOR, LIMIT, Method, Operation};
use crate::problem::Problem;
use crate::verifications::note_reveal;

pub(crate) const DOC: Operation = Operation {
    method: Method::Get,
    path: "/v1/subjects",
    id: "listSubjects",
    tag: "Subjects and factors",
    summary: "List subjects",
    description: "Newest first.",
    scope: Some("subjects:read"),
    parameters: &[LIMIT, CURSOR],
    body: None,
    success: (200, "A page", "SubjectList"),
    errors: &[Code::CursorInvalid],
    idempotent: false,
};

pub(crate) async fn handle(State(app): State<App>, uri: Uri, caller: Caller) -> Result<Response, Problem> {
    let member = caller.member(Scope::SubjectsRead)?;
    let query = Query::of(&uri, &["limit", "cursor"])?;
    let (limit, before) = (query.limit()?, query.cursor()?.map(SubjectId::from_bytes));
    let page = app.services.store.subjects(member.tenant, before, limit).await?;
    let reveal = !page.subjects.is_empty() && note_reveal(&app, &member).await?;
    let (keys, now) = (&app.services.keys, member.now(&app));
    let views = page.subjects.iter().map(|row| SubjectView::new(&Person::open(keys, row), now, reveal));
    Ok(json(StatusCode::OK, &ListView::new(views.collect(), page.next.as_ref().map(SubjectId::as_bytes))))
}
