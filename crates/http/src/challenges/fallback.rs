//! `POST /v1/challenges/{id}/fallback`: send a code to a known recipient of the subject, when the challenge allows it.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::challenge::{Challenge, Method as ChallengeMethod};
use countersign_core::command::{Answer, Command, Create, Once, RecipientIndex};
use countersign_core::ids::VerificationId;
use countersign_core::recipient::Recipient;
use countersign_core::refusal::Refusal;
use countersign_core::store::Unavailable;
use countersign_core::subject::{Act, Aim, SubjectSnapshot};
use countersign_core::tenancy::Scope;
use countersign_core::verification::{Channel, Lane, Private};

use super::check::{session_of_message, step};
use super::{id, respond_with};
use crate::app::App;
use crate::body::Payload;
use crate::caller::{Caller, Member};
use crate::error_code::ErrorCode as Code;
use crate::fields::{Fields, invalid, missing, plain_number, text};
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;
use crate::subjects::{Declined, Person, ask, find};
use crate::value::Value;

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/challenges/{id}/fallback",
    id: "fallBackChallenge",
    tag: "Challenges",
    summary: "Send a code instead",
    description: "Begins a verification of a known recipient of the subject, over a channel that stands in `methods`; its code \
                  answers the challenge. `to` is one of `recipients`: its place from 0 on, or the address, masked or clear; \
                  without it, the one that was proven last. `verification` of the answer can be sent again like any other.",
    scope: Some("challenges:write"),
    parameters: &[],
    body: Some(("ChallengeFallback", r#"{"channel":"sms"}"#)),
    success: (200, "The challenge, with its verification", "Challenge"),
    errors: &[
        Code::ResourceNotFound,
        Code::FactorRequired,
        Code::ChallengeAlreadyApproved,
        Code::ChallengeExpired,
        Code::ChallengeMaxAttempts,
        Code::ChallengeCanceled,
        Code::ChallengeDenied,
        Code::ChannelNotAllowed,
        Code::CountryNotAllowed,
        Code::BlockedByList,
        Code::RecipientInvalid,
        Code::RecipientCannotReceive,
        Code::RecipientRateLimited,
        Code::RecipientPaused,
        Code::RecipientBlocked,
        Code::NoRoute,
    ],
    idempotent: true,
};

pub(crate) async fn handle(
    State(app): State<App>,
    PathId(challenge): PathId,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::ChallengesWrite)?;
    let mut fields = payload.fields(&["channel", "to"])?;
    let (channel, wanted) = (channel(&mut fields)?, wanted(&mut fields)?);
    let (id, once) = (id(&challenge)?, payload.once(&app, &member));
    let shown = find(&app, member.tenant, Aim::Challenge(id)).await?;
    let challenge = shown.challenges.iter().find(|challenge| challenge.id == id);
    let challenge = challenge.ok_or_else(|| Problem::plain(Code::ResourceNotFound))?;
    let person = Person::open(&app.services.keys, &shown.subject);
    let now = member.now(&app);
    if let Some(refusal) = challenge.status_at(&app.services.keys, now).refusal() {
        // Nothing is sent for one that ended. That it did not end meanwhile is for the rules to say, below.
        let snapshot = SubjectSnapshot::of(shown.subject.clone(), Some(challenge.clone()), now);
        return Err(
            Declined { refusal, snapshot: Some(Box::new(snapshot)), replayed: false }.problem(&app, &member)
        );
    }
    if !challenge.methods.iter().any(|method| method.channel() == Some(channel)) {
        return Err(Problem::of_refusal(Refusal::ChannelNotAllowed, now));
    }
    let to = choose(&person, channel, wanted.as_ref())?;
    let create = create(&app, &member, &person, challenge, to, channel);
    let verification = begin(&app, &member, create, step(once, b"message")).await?;
    let act = Act::FallBack(verification);
    let told = ask(&app, &member, Aim::Challenge(id), act, once).await?;
    respond_with(&app, &member, &told, StatusCode::OK)
}

/// Which recipient is wanted.
enum Wanted {
    /// The one at this place of the list.
    Place(usize),
    /// The one that reads so, masked or clear.
    Text(String),
}

fn channel(fields: &mut Fields) -> Result<Channel, Problem> {
    let read = |word: &str| ChallengeMethod::named(word)?.channel();
    fields.word("channel", "sms, voice, whatsapp or email", read)?.ok_or_else(|| missing("channel"))
}

fn wanted(fields: &mut Fields) -> Result<Option<Wanted>, Problem> {
    let wrong = || invalid("to", "must be a place in `recipients`, or an address of them, masked or clear");
    let place = |number: u64| usize::try_from(number).map(Wanted::Place).map_err(|_| wrong());
    match fields.take("to") {
        None => Ok(None),
        Some(Value::Integer(number)) => place(u64::try_from(number).map_err(|_| wrong())?).map(Some),
        Some(value) => {
            let text = text(value).ok_or_else(wrong)?;
            let short = plain_number(&text).filter(|_| text.len() <= 2);
            short.map_or_else(|| Ok(Wanted::Text(text.clone())), place).map(Some)
        }
    }
}

/// The recipient to send to: the one that is wanted, or the one of its kind that was proven last. Only a known one: this call
/// sends nowhere else.
fn choose(person: &Person<'_>, channel: Channel, wanted: Option<&Wanted>) -> Result<Recipient, Problem> {
    let none =
        || Problem::new(Code::FactorRequired, "The subject has no known recipient of this kind.").param("to");
    let known: Vec<_> =
        person.private.recipients.iter().filter_map(|known| Recipient::parse(&known.to).ok()).collect();
    let reachable = |to: &&Recipient| channel.reaches(to.kind());
    let found = match wanted {
        None => known.iter().rev().find(reachable),
        Some(Wanted::Place(place)) => known.get(*place).filter(reachable),
        Some(Wanted::Text(text)) => {
            let clear = Recipient::parse(text).ok();
            let same =
                |to: &&Recipient| clear.as_ref().is_some_and(|clear| clear.canonical() == to.canonical());
            let masked = |to: &&Recipient| to.masked() == *text;
            known
                .iter()
                .filter(reachable)
                .find(same)
                .or_else(|| known.iter().rev().filter(reachable).find(masked))
        }
    };
    found.cloned().ok_or_else(none)
}

/// The verification that stands for a challenge: bound to it, and over with it.
fn create(
    app: &App,
    member: &Member,
    person: &Person<'_>,
    challenge: &Challenge,
    to: Recipient,
    channel: Channel,
) -> Create {
    let private = person.challenge(challenge);
    let left = challenge.expires_at.since(member.now(app));
    Create {
        index: RecipientIndex::of(&app.services.keys, &member.tenant, &to),
        channel: Some(channel),
        workflow: Vec::new(),
        purpose: challenge.purpose,
        format: member.policy().code,
        lifetime: member.policy().default_lifetime(challenge.purpose).min(left),
        lane: Lane::Open,
        private: Private {
            subject: person.external_id().map(str::to_owned),
            session: Some(session_of_message(challenge.id, private.session.as_deref())),
            transaction: private.transaction,
            ..Private::default()
        },
        dry_run: false,
        dialect: None,
        to,
    }
}

/// Begins the verification; what stands in the way of it is told like that of any other.
async fn begin(
    app: &App,
    member: &Member,
    create: Create,
    once: Option<Once>,
) -> Result<VerificationId, Problem> {
    let request = member.request(app, Command::Create(Box::new(create)), once);
    match crate::budgets::submit(app, member.project(), request).await?.answer {
        Answer::Done(snapshot) => Ok(snapshot.verification.id),
        Answer::Refused(refusal, snapshot) => {
            let now = snapshot.map_or_else(|| member.now(app), |snapshot| snapshot.at);
            Err(Problem::of_refusal(refusal, now))
        }
        Answer::Declined(refusal, snapshot) => {
            Err(Declined { refusal, snapshot, replayed: false }.problem(app, member))
        }
        Answer::Approved(..) | Answer::Subject(_) | Answer::Granted(..) => Err(Unavailable::Internal.into()),
    }
}
