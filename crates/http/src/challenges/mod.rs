//! Challenges: wishes that a subject approves something with one of its factors. One file per call; what they share stands
//! here.

pub(crate) mod cancel;
pub(crate) mod check;
pub(crate) mod create;
pub(crate) mod fallback;
pub(crate) mod list;
pub(crate) mod redeem;
pub(crate) mod respond;
pub(crate) mod show;
pub(crate) mod view;

use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::challenge::Method;
use countersign_core::ids::ChallengeId;
use countersign_core::tenancy::Scope;

use crate::app::App;
use crate::caller::Member;
use crate::error_code::ErrorCode;
use crate::fields::Fields;
use crate::problem::Problem;
use crate::subjects::{Person, Told};
use view::ChallengeView;

/// The words of methods.
pub(crate) const METHODS: &str = "totp, hotp, ocra, backup_codes, push, sms, voice, whatsapp or email";

/// The id of a path; a text that is none is as unknown as a foreign one.
pub(crate) fn id(text: &str) -> Result<ChallengeId, Problem> {
    text.parse().map_err(|_| Problem::plain(ErrorCode::ResourceNotFound))
}

/// A `method` field.
fn method(fields: &mut Fields) -> Result<Option<Method>, Problem> {
    fields.word("method", METHODS, Method::named)
}

/// Answers with the challenge an outcome is about, with its proof when there is one.
pub(crate) fn respond_with(
    app: &App,
    member: &Member,
    told: &Told,
    status: StatusCode,
) -> Result<Response, Problem> {
    let challenge = told.snapshot.challenge.as_ref();
    let challenge = challenge.ok_or_else(|| Problem::plain(ErrorCode::ResourceNotFound))?;
    let person = Person::open(&app.services.keys, &told.snapshot.subject);
    let with_number = member.may(Scope::ChallengesWrite);
    let mut view = ChallengeView::new(app, &person, challenge, told.snapshot.at, with_number);
    if let Some(grant) = told.grant {
        view.proof = Some(app.signers.challenge_proof(&person, challenge, grant)?);
    }
    Ok(told.respond(status, &view))
}
