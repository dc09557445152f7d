//! `PUT /v1/subjects/ext:{external_id}`: make a subject, or replace what is noted about it.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::limits as rules;
use countersign_core::recipient::Recipient;
use countersign_core::subject::{Act, Aim};
use countersign_core::tenancy::Scope;

use super::view::SubjectView;
use super::{Person, aim_of_path, ask};
use crate::app::App;
use crate::body::Payload;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::fields::{Fields, invalid};
use crate::list::Query;
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;
use crate::verifications::{note_reveal, recipient};

pub(crate) const DOC: Operation = Operation {
    method: Method::Put,
    path: "/v1/subjects/{id}",
    id: "putSubject",
    tag: "Subjects and factors",
    summary: "Make or change a subject",
    description: "`id` is `ext:` and your own name of the person (the `subject` of verifications), escaped as a URL wants it. \
                  `metadata` replaces what was noted; `recipients` are added on your word, one after the other. 201 when it \
                  is new.",
    scope: Some("subjects:write"),
    parameters: &[],
    body: Some(("SubjectPut", r#"{"metadata":{"plan":"gold"},"recipients":["+48600100217"]}"#)),
    success: (200, "The subject", "Subject"),
    errors: &[Code::RecipientInvalid, Code::LimitReached, Code::ResourceNotFound],
    idempotent: false,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(subject): PathId,
    uri: Uri,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::SubjectsWrite)?;
    Query::of(&uri, &[])?;
    let mut fields = payload.fields(&["metadata", "recipients"])?;
    let (metadata, recipients) = (fields.pairs("metadata", rules::MAX_METADATA)?, recipients(&mut fields)?);
    let aim = aim_of_path(&app, &member.tenant, &subject)?;
    if !matches!(aim, Aim::Name(_)) {
        return Err(invalid("id", "must be `ext:` and your own name of the person"));
    }
    let mut told = ask(&app, &member, aim, Act::Put(metadata), None).await?;
    let row = &told.snapshot.subject;
    let new = row.created_at == told.snapshot.at;
    let (status, id) = (if new { StatusCode::CREATED } else { StatusCode::OK }, row.id);
    for to in recipients {
        let act = Act::AddRecipient { to: to.canonical().to_owned(), verification: None, only_known: true };
        told = ask(&app, &member, Aim::Id(id), act, None).await?;
    }
    let reveal = note_reveal(&app, &member).await?;
    let person = Person::open(&app.services.keys, &told.snapshot.subject);
    Ok(told.respond(status, &SubjectView::new(&person, told.snapshot.at, reveal)))
}

fn recipients(fields: &mut Fields) -> Result<Vec<Recipient>, Problem> {
    let texts = fields.texts("recipients", rules::MAX_KNOWN_RECIPIENTS)?.unwrap_or_default();
    texts.iter().map(|text| recipient(text).map_err(|problem| problem.param("recipients"))).collect()
}
