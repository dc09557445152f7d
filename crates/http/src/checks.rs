//! `POST /v1/checks`: check a code by recipient, for apps that keep no id.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::command::{Command, RecipientIndex, Target};
use countersign_core::tenancy::Scope;

use crate::app::App;
use crate::body::Payload;
use crate::caller::Caller;
use crate::fields::missing;
use crate::limits;
use crate::openapi::{Method, Operation};
use crate::problem::Problem;
use crate::verifications::{carry_out, check, recipient};

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/checks",
    id: "createCheck",
    tag: "Verifications",
    summary: "Check a code by recipient",
    description: "Means the latest verification of `to` with this purpose and this `subject` or `session`; one of the two \
                  is required. Otherwise like a check by id.",
    scope: Some("verifications:check"),
    parameters: &[],
    body: Some((
        "CheckCreate",
        r#"{"to":"+48600100217","purpose":"authentication","code":"123456","subject":"user-42"}"#,
    )),
    success: (200, "The verification, approved, with its proof", "Verification"),
    errors: check::ERRORS,
    idempotent: true,
};

pub(crate) async fn handle(
    State(app): State<App>,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::VerificationsCheck)?;
    let mut fields = payload.fields(&["to", "code", "purpose", "subject", "session", "transaction"])?;
    let to = recipient(&fields.required_text("to", limits::MAX_TO)?)?;
    let index = RecipientIndex::of(&app.services.keys, &member.tenant, &to);
    let check = check::read(&mut fields, Target::Recipient(index))?;
    if check.purpose.is_none() {
        return Err(missing("purpose"));
    }
    if check.subject.is_none() && check.session.is_none() {
        return Err(missing("subject"));
    }
    carry_out(&app, &member, Command::Check(check), payload.once(&app, &member), StatusCode::OK).await
}
