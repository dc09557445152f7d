//! `POST /v1/challenges/{id}/check`: check a code, of a factor or of the message that was sent for the challenge.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::challenge::{Challenge, Method as ChallengeMethod};
use countersign_core::command::{Answer, Check, Command, Entered, Once, Target};
use countersign_core::ids::{ChallengeId, VerificationId};
use countersign_core::keys::sha256;
use countersign_core::limits as rules;
use countersign_core::refusal::Refusal;
use countersign_core::store::Unavailable;
use countersign_core::subject::{Act, Aim, CheckChallenge, SubjectCommand, SubjectRow};
use countersign_core::tenancy::Scope;
use zeroize::Zeroizing;

use super::view::ChallengeView;
use super::{id, method, respond_with};
use crate::app::App;
use crate::body::Payload;
use crate::caller::{Caller, Member};
use crate::error_code::ErrorCode as Code;
use crate::fields::Fields;
use crate::limits;
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;
use crate::subjects::{Declined, Person, ask, decide, find};
use crate::verifications::transaction;
use crate::verifications::view::{Extras, VerificationView, open_private};

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/challenges/{id}/check",
    id: "checkChallenge",
    tag: "Challenges",
    summary: "Check an answer",
    description: "Counts the try at every factor the code could be of, then compares; the right one takes the others back. \
                  `session` and `transaction` must be given when the start had them. Once a message was sent for the challenge \
                  (`/fallback`), a code is that of the message unless `method` says otherwise. The answer carries the `proof`.",
    scope: Some("challenges:check"),
    parameters: &[],
    body: Some(("ChallengeCheck", r#"{"code":"123456","session":"s-1"}"#)),
    success: (200, "The challenge, approved, with its proof", "Challenge"),
    errors: ERRORS,
    idempotent: true,
};

/// What a check of a challenge may be answered with.
const ERRORS: &[Code] = &[
    Code::ResourceNotFound,
    Code::FactorRequired,
    Code::ChallengeAlreadyApproved,
    Code::StateConflict,
    Code::ChallengeExpired,
    Code::ChallengeMaxAttempts,
    Code::ChallengeCanceled,
    Code::ChallengeDenied,
    Code::CodeIncorrect,
    Code::CodeMalformed,
    Code::BindingMismatch,
    Code::FactorLocked,
    Code::VerificationAlreadyApproved,
    Code::VerificationExpired,
    Code::VerificationMaxAttempts,
    Code::VerificationCanceled,
    Code::VerificationUndeliverable,
    Code::RecipientPaused,
    Code::RecipientBlocked,
];

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(challenge): PathId,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::ChallengesCheck)?;
    let check = read(&mut payload.fields(&["code", "method", "session", "transaction"])?)?;
    let (id, once) = (id(&challenge)?, payload.once(&app, &member));
    if check.method.and_then(ChallengeMethod::channel).is_some() {
        let shown = find(&app, member.tenant, Aim::Challenge(id)).await?;
        let challenge = shown.challenges.iter().find(|challenge| challenge.id == id);
        let challenge = challenge.ok_or_else(|| Problem::plain(Code::ResourceNotFound))?;
        return by_message(&app, &member, &shown.subject, challenge, check, once).await;
    }
    let command = SubjectCommand { aim: Aim::Challenge(id), act: Act::Check(check.clone()) };
    let command = Command::Subject(Box::new(command));
    let declined = match decide(&app, member.request(&app, command, once)).await? {
        Ok(told) => return respond_with(&app, &member, &told, StatusCode::OK),
        Err(declined) => declined,
    };
    match asked_of_message(&declined, once) {
        Some((row, challenge)) => by_message(&app, &member, row, challenge, check, once).await,
        None => Err(declined.problem(&app, &member)),
    }
}

fn read(fields: &mut Fields) -> Result<CheckChallenge, Problem> {
    Ok(CheckChallenge {
        code: Entered(Zeroizing::new(fields.required_text("code", limits::MAX_TEXT)?)),
        method: method(fields)?,
        session: fields.line("session", rules::MAX_SUBJECT)?,
        transaction: transaction(fields)?,
        origin: None,
    })
}

/// The challenge whose message the code is of: when the rules say so, and when a repeated request comes after its message had
/// approved it.
fn asked_of_message(declined: &Declined, once: Option<Once>) -> Option<(&SubjectRow, &Challenge)> {
    let snapshot = declined.snapshot.as_deref()?;
    let challenge = snapshot.challenge.as_ref()?;
    let by_message = challenge.approved_by.is_some_and(|by| by.verification.is_some());
    let meant = match declined.refusal {
        Refusal::VerificationAsked => true,
        Refusal::ChallengeAlreadyApproved => by_message && once.is_some(),
        _ => false,
    };
    meant.then_some((&snapshot.subject, challenge))
}

/// Checks the code of the message, then settles the challenge by it. A crash between the two leaves a spent code and a pending
/// challenge: nothing is approved, and another message helps. With an idempotency key the repetition goes on where it broke.
async fn by_message(
    app: &App,
    member: &Member,
    row: &SubjectRow,
    challenge: &Challenge,
    check: CheckChallenge,
    once: Option<Once>,
) -> Result<Response, Problem> {
    let now = member.now(app);
    let Some(verification) = challenge.verification else {
        return Err(Problem::new(
            Code::StateConflict,
            "No message was sent for the challenge; `/fallback` sends one.",
        ));
    };
    if challenge.binding.session.is_some() && check.session.is_none() {
        return Err(Problem::of_refusal(Refusal::SessionMissing, now));
    }
    let person = Person::open(&app.services.keys, row);
    let check = Check {
        target: Target::Id(verification),
        code: check.code,
        purpose: Some(challenge.purpose),
        subject: person.external_id().map(str::to_owned),
        session: Some(session_of_message(challenge.id, check.session.as_deref())),
        transaction: check.transaction,
        origin: None,
    };
    let request = member.request(app, Command::Check(check), step(once, b"message"));
    let channel = match app.services.store.submit(request).await?.answer {
        Answer::Approved(snapshot, _) => snapshot.verification.channel,
        Answer::Refused(refusal, snapshot) => {
            // A code that is spent because it approved the challenge is no news about the code.
            let approved = challenge.approved_by.map(|_| Refusal::ChallengeAlreadyApproved);
            let at = snapshot.as_ref().map_or(now, |snapshot| snapshot.at);
            let mut problem = Problem::of_refusal(approved.unwrap_or(refusal), at);
            problem.challenge = Some(Box::new(ChallengeView::new(app, &person, challenge, now, false)));
            problem.verification = snapshot.map(|snapshot| {
                let private = open_private(app, &snapshot);
                Box::new(VerificationView::new(&snapshot, &private, false, Extras::default()))
            });
            return Err(problem);
        }
        Answer::Done(_) | Answer::Subject(_) | Answer::Granted(..) | Answer::Declined(..) => {
            return Err(Unavailable::Internal.into());
        }
    };
    // It may have been sent again over a channel that no method stands for, by whoever may do that: then it answers nothing.
    let method = ChallengeMethod::ALL.iter().copied().find(|method| method.channel() == Some(channel));
    let method = method.ok_or_else(|| Problem::plain(Code::StateConflict))?;
    settle(app, member, challenge.id, verification, method, step(once, b"settle")).await
}

async fn settle(
    app: &App,
    member: &Member,
    id: ChallengeId,
    verification: VerificationId,
    method: ChallengeMethod,
    once: Option<Once>,
) -> Result<Response, Problem> {
    let act = Act::Settle(verification, method);
    let told = ask(app, member, Aim::Challenge(id), act, once).await?;
    respond_with(app, member, &told, StatusCode::OK)
}

/// The session of the verification that was begun for a challenge: its id, and its own session when it has one. So the code
/// is good for that challenge and session only.
pub(super) fn session_of_message(challenge: ChallengeId, session: Option<&str>) -> String {
    session.map_or_else(|| challenge.to_string(), |session| format!("{challenge}/{session}"))
}

/// The idempotency key of one step of a request that takes several commands.
pub(super) fn step(once: Option<Once>, name: &[u8]) -> Option<Once> {
    once.map(|Once { key, body }| Once { key: sha256(&[&key.0, name].concat()), body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats_tests::Vector;

    #[test]
    fn the_steps_of_a_request_have_the_digests_of_the_frozen_format() {
        let vector = Vector::named("idempotency");
        let once = Some(Once { key: vector.digest("scope digest"), body: vector.digest("body digest") });
        for name in ["message", "settle"] {
            let next = step(once, name.as_bytes()).unwrap();
            assert_eq!(next.key, vector.digest(&format!("{name} step digest")));
            assert_eq!(next.body, vector.digest("body digest"));
        }
        assert_eq!(step(None, b"settle"), None);
    }

    #[test]
    fn a_message_is_bound_to_challenge_and_session() {
        let id = crate::formats_tests::challenge();
        assert_eq!(session_of_message(id, None), id.to_string());
        assert_eq!(session_of_message(id, Some("s-1")), format!("{id}/s-1"));
    }
}
