//! `POST /v1/checks`: check a code by recipient, or one of a subject's factors, for apps that keep no id.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::command::{Command, RecipientIndex, Target};
use countersign_core::tenancy::Scope;

use crate::app::App;
use crate::body::Payload;
use crate::caller::{Caller, Member};
use crate::challenges::create;
use crate::error_code::ErrorCode as Code;
use crate::fields::{Fields, missing};
use crate::limits;
use crate::openapi::{Method, Operation};
use crate::problem::Problem;
use crate::verifications::{carry_out, check, recipient};

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/checks",
    id: "createCheck",
    tag: "Verifications",
    summary: "Check a code without an id",
    description: "With `to`: the latest verification of `to` with this purpose and this `subject` or `session`; one of the two \
                  is required. Otherwise like a check by id. Without `to`: a code of a factor of `subject`, as if a challenge \
                  had been begun and checked at once; it is answered with the challenge, and needs the scope \
                  `challenges:check` as well.",
    scope: Some("verifications:check"),
    parameters: &[],
    body: Some((
        "CheckCreate",
        r#"{"to":"+48600100217","purpose":"authentication","code":"123456","subject":"user-42"}"#,
    )),
    success: (200, "The verification, or the challenge, approved, with its proof", "VerificationOrChallenge"),
    errors: ERRORS,
    idempotent: true,
};

/// What a check by recipient, and a check of a factor, may be answered with.
const ERRORS: &[Code] = &[
    Code::ResourceNotFound,
    Code::VerificationAlreadyApproved,
    Code::VerificationExpired,
    Code::VerificationMaxAttempts,
    Code::VerificationCanceled,
    Code::VerificationUndeliverable,
    Code::CountryNotAllowed,
    Code::BlockedByList,
    Code::CodeIncorrect,
    Code::CodeMalformed,
    Code::BindingMismatch,
    Code::RecipientPaused,
    Code::RecipientBlocked,
    Code::FactorRequired,
    Code::FactorLocked,
];

pub(crate) async fn handle(
    State(app): State<App>,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::VerificationsCheck)?;
    let mut fields = payload.fields(&["to", "code", "purpose", "subject", "session", "transaction"])?;
    let Some(to) = fields.text("to", limits::MAX_TO)? else {
        return of_factor(&app, &member, &mut fields, &payload).await;
    };
    let to = recipient(&to)?;
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

/// A code of one of the subject's factors: a challenge that is begun and answered in one command.
async fn of_factor(
    app: &App,
    member: &Member,
    fields: &mut Fields,
    payload: &Payload,
) -> Result<Response, Problem> {
    let either = || Problem::new(Code::ParameterMissing, "`to` or `subject` is required.").param("to");
    member.needs(Scope::ChallengesCheck)?;
    if !fields.has("subject") {
        return Err(either());
    }
    let aim = create::subject(app, member, fields)?;
    let new = create::read(fields)?;
    if new.code.is_none() {
        return Err(missing("code"));
    }
    create::begin(app, member, aim, new, payload.once(app, member)).await
}
