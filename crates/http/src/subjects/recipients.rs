//! `POST` and `DELETE /v1/subjects/{id}/recipients`: what is known to be the person's.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::ids::VerificationId;
use countersign_core::recipient::Recipient;
use countersign_core::subject::{Act, Aim};
use countersign_core::tenancy::Scope;
use countersign_core::verification::Status;

use super::view::SubjectView;
use super::{Person, Told, aim_of_path, ask, find};
use crate::app::App;
use crate::body::Payload;
use crate::caller::{Caller, Member};
use crate::error_code::ErrorCode as Code;
use crate::fields::{invalid, missing};
use crate::limits;
use crate::list::Query;
use crate::openapi::{Method, Operation, Parameter};
use crate::path::PathId;
use crate::problem::Problem;
use crate::verifications::view::open_private;
use crate::verifications::{note_reveal, recipient};

pub(crate) const ADD: Operation = Operation {
    method: Method::Post,
    path: "/v1/subjects/{id}/recipients",
    id: "addRecipient",
    tag: "Subjects and factors",
    summary: "Note a recipient as the person's",
    description: "By `verification`, an approved one with this subject; or by `to`, on your word. The server notes the recipient \
                  of each approved verification with a known subject by itself, as best effort; this call is the sure way.",
    scope: Some("subjects:write"),
    parameters: &[],
    body: Some(("RecipientAdd", r#"{"verification":"vrf_01m83n1fqkeat9ryjx42vfks43"}"#)),
    success: (200, "The subject", "Subject"),
    errors: &[Code::ResourceNotFound, Code::RecipientInvalid, Code::LimitReached, Code::StateConflict],
    idempotent: true,
};

pub(crate) const REMOVE: Operation = Operation {
    method: Method::Delete,
    id: "removeRecipient",
    summary: "Forget a recipient of the person",
    description: "`to` in the body or in the query. Challenges no longer fall back to it.",
    parameters: &[Parameter { name: "to", description: "The phone number or email address, in the clear" }],
    body: Some(("RecipientRemove", r#"{"to":"+48600100217"}"#)),
    errors: &[Code::ResourceNotFound, Code::RecipientInvalid],
    idempotent: false,
    ..ADD
};

pub(crate) async fn add(
    State(app): State<App>,
    PathId(subject): PathId,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::SubjectsWrite)?;
    let mut fields = payload.fields(&["to", "verification"])?;
    let aim = aim_of_path(&app, &member.tenant, &subject)?;
    let (to, verification) = (fields.text("to", limits::MAX_TO)?, fields.text("verification", 64)?);
    let (to, verification) = match (to, verification) {
        (Some(to), None) => (recipient(&to)?.canonical().to_owned(), None),
        (None, Some(id)) => {
            let unknown = || invalid("verification", "must be the id of a verification");
            let id = id.parse().map_err(|_| unknown())?;
            (proven(&app, &member, &aim, id).await?, Some(id))
        }
        (Some(_), Some(_)) => return Err(invalid("verification", "does not go with `to`")),
        (None, None) => return Err(missing("to")),
    };
    let act = Act::AddRecipient { to, verification, only_known: true };
    let told = ask(&app, &member, aim, act, payload.once(&app, &member)).await?;
    respond(&app, &member, &told).await
}

/// The recipient of an approved verification of this subject.
async fn proven(app: &App, member: &Member, aim: &Aim, id: VerificationId) -> Result<String, Problem> {
    let shown = find(app, member.tenant, aim.clone()).await?;
    let person = Person::open(&app.services.keys, &shown.subject);
    let found = app.services.store.verification(member.tenant, id).await?;
    let found = found.ok_or_else(|| Problem::plain(Code::ResourceNotFound).param("verification"))?;
    if found.verification.status != Status::Approved {
        return Err(
            Problem::new(Code::StateConflict, "The verification is not approved.").param("verification")
        );
    }
    let snapshot = found.snapshot(member.policy(), member.limits_apply(), member.now(app));
    let private = open_private(app, &snapshot);
    let own = [person.row.id.to_string()];
    let names = || person.external_id().into_iter().chain(own.iter().map(String::as_str));
    let same = private.subject.as_deref().is_some_and(|subject| names().any(|name| name == subject));
    if same { Ok(private.to) } else { Err(invalid("verification", "is of another subject, or of none")) }
}

pub(crate) async fn remove(
    State(app): State<App>,
    PathId(subject): PathId,
    uri: Uri,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::SubjectsWrite)?;
    let by_query = Query::of(&uri, &["to"])?.recipient()?;
    let mut fields = payload.fields(&["to"])?;
    let by_body = fields.text("to", limits::MAX_TO)?.map(|to| recipient(&to)).transpose()?;
    let aim = aim_of_path(&app, &member.tenant, &subject)?;
    let to: Recipient = by_body.or(by_query).ok_or_else(|| missing("to"))?;
    let act = Act::RemoveRecipient(to.canonical().to_owned());
    let told = ask(&app, &member, aim, act, None).await?;
    respond(&app, &member, &told).await
}

async fn respond(app: &App, member: &Member, told: &Told) -> Result<Response, Problem> {
    let reveal = note_reveal(app, member).await?;
    let person = Person::open(&app.services.keys, &told.snapshot.subject);
    Ok(told.respond(StatusCode::OK, &SubjectView::new(&person, told.snapshot.at, reveal)))
}
