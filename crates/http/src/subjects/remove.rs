//! `DELETE /v1/subjects/{id}`: remove a subject with all it has.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::subject::Act;
use countersign_core::tenancy::Scope;

use super::view::SubjectView;
use super::{Person, aim_of_path, ask, authority};
use crate::app::App;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::list::Query;
use crate::openapi::{Method, Operation, Parameter};
use crate::path::PathId;
use crate::problem::Problem;

pub(crate) const DOC: Operation = Operation {
    method: Method::Delete,
    path: "/v1/subjects/{id}",
    id: "deleteSubject",
    tag: "Subjects and factors",
    summary: "Remove a subject",
    description: "Its secrets, and the key that opens all else about it, are gone with the answer; its open challenges are \
                  canceled. One with factors that were in use needs the scope `factors:manage`, or a challenge that one of \
                  them approved, the oldest or one that was there for a day.",
    scope: Some("subjects:write"),
    parameters: &[Parameter {
        name: "challenge",
        description: "A challenge that a factor of the subject approved in the last 10 minutes",
    }],
    body: None,
    success: (200, "The subject, without anything about the person", "Subject"),
    errors: &[Code::ResourceNotFound, Code::RemovalUnproven],
    idempotent: false,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(subject): PathId,
    uri: Uri,
    caller: Caller,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::SubjectsWrite)?;
    let authority = authority(&member, &Query::of(&uri, &["challenge"])?)?;
    let aim = aim_of_path(&app, &member.tenant, &subject)?;
    let told = ask(&app, &member, aim, Act::Remove(authority), None).await?;
    let person = Person::open(&app.services.keys, &told.snapshot.subject);
    Ok(told.respond(StatusCode::OK, &SubjectView::new(&person, told.snapshot.at, false)))
}
