//! `POST /v1/verifications`: begin a verification.

use std::net::IpAddr;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::command::{Command, Create, RecipientIndex};
use countersign_core::keys::{Alphabet, CodeFormat};
use countersign_core::limits as rules;
use countersign_core::policy::Policy;
use countersign_core::recipient::{Recipient, RecipientKind};
use countersign_core::tenancy::{KeyKind, Scope};
use countersign_core::verification::{Channel, Lane, Private, Purpose, Transaction};
use countersign_core::workflow::Step;

use super::{one_channel, purpose, recipient, submit, transaction, workflow};
use crate::answer::REPLAYED;
use crate::app::App;
use crate::body::Payload;
use crate::caller::{Caller, Member};
use crate::error_code::ErrorCode as Code;
use crate::fields::{Fields, invalid, missing};
use crate::limits;
use crate::openapi::{Method, Operation};
use crate::problem::Problem;
use crate::templates;
use crate::value::Value;

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/verifications",
    id: "createVerification",
    tag: "Verifications",
    summary: "Begin a verification",
    description: "Derives a code and sends it. Only `to` is required. An open verification of the same recipient and \
                  purpose, and the same subject or session, is superseded. `channel` is one channel, `auto`, or a list: \
                  then the next one follows when the message failed, or when no receipt or no check came in time.",
    scope: Some("verifications:write"),
    parameters: &[],
    body: Some(("VerificationCreate", r#"{"to":"+48600100217"}"#)),
    success: (201, "The verification, pending", "Verification"),
    errors: &[
        Code::RecipientInvalid,
        Code::RecipientCannotReceive,
        Code::CountryNotAllowed,
        Code::BlockedByList,
        Code::ChannelNotAllowed,
        Code::NoRoute,
        Code::BudgetExceeded,
        Code::RecipientRateLimited,
        Code::RecipientPaused,
        Code::RecipientBlocked,
        Code::IpRateLimited,
    ],
    idempotent: true,
};

const KNOWN: [&str; 13] = [
    "to",
    "channel",
    "purpose",
    "subject",
    "session",
    "locale",
    "template",
    "code",
    "expires_in",
    "context",
    "transaction",
    "metadata",
    "dry_run",
];

pub(crate) async fn handle(
    State(app): State<App>,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::VerificationsWrite)?;
    let mut fields = payload.fields(&KNOWN)?;
    let template = fields.text("template", limits::MAX_TEXT)?;
    let (mut create, address) = read(&app, &member, &mut fields)?;
    if let Some(named) = template {
        create.private.template = Some(templates::meant(&app, member.tenant, &named, create.purpose).await?);
    }
    let once = payload.once(&app, &member);
    let (country, counts) = (create.to.country(), member.limits_apply() && !create.dry_run);
    let mut request = member.request(&app, Command::Create(Box::new(create)), once);
    let Some(address) = address.filter(|_| counts) else {
        return submit(&app, &member, request, StatusCode::CREATED).await;
    };
    let now = member.now(&app);
    request.ip_held_until = app.admit(member.tenant, address, country, now);
    let taken = request.ip_held_until.is_none();
    let answered = submit(&app, &member, request, StatusCode::CREATED).await;
    if taken && replayed(&answered) {
        app.give_back(member.tenant, address, now);
    }
    answered
}

/// Whether an answer repeats that of an earlier request with the same idempotency key.
fn replayed(answered: &Result<Response, Problem>) -> bool {
    match answered {
        Ok(response) => response.headers().contains_key(REPLAYED),
        Err(problem) => problem.replayed,
    }
}

/// The command a body stands for, and the person's address when it was given.
fn read(app: &App, member: &Member, fields: &mut Fields) -> Result<(Create, Option<IpAddr>), Problem> {
    let to = recipient(&fields.required_text("to", limits::MAX_TO)?)?;
    let purpose = purpose(fields)?.unwrap_or(Purpose::Authentication);
    let lifetime = lifetime(member.policy(), purpose, &to, fields)?;
    let (channel, mut workflow) = channels(fields, lifetime, to.kind())?;
    if channel.is_none() && workflow.is_empty() {
        workflow = workflow::by_default(app, member, purpose, &to);
    }
    if channel == Some(Channel::Own) {
        member.needs(Scope::CodesReveal)?;
    }
    let context = context(member, fields)?;
    let private = Private {
        subject: fields.line("subject", rules::MAX_SUBJECT)?,
        session: fields.line("session", rules::MAX_SUBJECT)?,
        transaction: transaction(fields)?,
        metadata: metadata(fields)?,
        locale: locale(fields)?,
        ip: context.ip.map(|ip| ip.to_string()),
        user_agent: context.user_agent,
        ..Private::default()
    };
    bound_as_purpose_says(purpose, private.transaction.as_ref())?;
    let create = Create {
        index: RecipientIndex::of(&app.services.keys, &member.tenant, &to),
        channel,
        workflow,
        purpose,
        format: format(member.policy(), fields)?,
        lifetime,
        lane: if context.trusted { Lane::Known } else { Lane::Open },
        private,
        dry_run: fields.boolean("dry_run")?.unwrap_or(false),
        dialect: None,
        to,
    };
    Ok((create, context.ip))
}

/// `channel`: one, or the steps of a workflow.
fn channels(
    fields: &mut Fields,
    lifetime: Duration,
    kind: RecipientKind,
) -> Result<(Option<Channel>, Vec<Step>), Problem> {
    let at = fields.at("channel");
    match fields.take("channel") {
        None => Ok((None, Vec::new())),
        Some(Value::Array(items)) => Ok((None, workflow::read(&at, items, lifetime, kind)?)),
        Some(value) => Ok((one_channel(at, value)?, Vec::new())),
    }
}

/// A transaction goes with the purpose `transaction`, and only with it.
pub(crate) fn bound_as_purpose_says(
    purpose: Purpose,
    transaction: Option<&Transaction>,
) -> Result<(), Problem> {
    match (purpose == Purpose::Transaction, transaction.is_some()) {
        (true, false) => Err(missing("transaction")),
        (false, true) => Err(invalid("transaction", "goes only with the purpose `transaction`")),
        _ => Ok(()),
    }
}

struct Context {
    ip: Option<IpAddr>,
    user_agent: Option<String>,
    trusted: bool,
}

fn context(member: &Member, fields: &mut Fields) -> Result<Context, Problem> {
    let known = ["ip", "user_agent", "device", "trusted"];
    let Some(mut inner) = fields.object("context", &known)? else {
        return Ok(Context { ip: None, user_agent: None, trusted: false });
    };
    let ip = inner.text("ip", 64)?;
    let ip = ip.map(|ip| ip.parse().map_err(|_| invalid("context.ip", "must be an IPv4 or IPv6 address")));
    // A device token says something only from the version on that issues them; until then it is read and not kept.
    inner.text("device", limits::MAX_TEXT)?;
    let trusted = inner.boolean("trusted")?.unwrap_or(false);
    if trusted && member.kind() != KeyKind::Secret {
        return Err(invalid("context.trusted", "may be true only with a secret key (`sk_…`)"));
    }
    Ok(Context { ip: ip.transpose()?, user_agent: inner.text("user_agent", limits::MAX_TEXT)?, trusted })
}

fn format(policy: &Policy, fields: &mut Fields) -> Result<CodeFormat, Problem> {
    let Some(mut inner) = fields.object("code", &["length", "alphabet"])? else { return Ok(policy.code) };
    let bounds = u64::from(policy.shortest_code)..=u64::from(*rules::CODE_LENGTH.end());
    let length = inner.integer("length", bounds)?.and_then(|length| u8::try_from(length).ok());
    let alphabet = inner.word("alphabet", "digits or crockford", Alphabet::named)?;
    Ok(CodeFormat {
        length: length.unwrap_or(policy.code.length),
        alphabet: alphabet.unwrap_or(policy.code.alphabet),
    })
}

fn lifetime(
    policy: &Policy,
    purpose: Purpose,
    to: &Recipient,
    fields: &mut Fields,
) -> Result<Duration, Problem> {
    let longest = policy.longest_lifetime(purpose, to.kind());
    let asked = fields.integer("expires_in", rules::MIN_LIFETIME.as_secs()..=longest.as_secs())?;
    Ok(asked.map_or_else(|| policy.default_lifetime(purpose), Duration::from_secs))
}

/// A BCP 47 tag by its shape; the nearest language there is will be used.
pub(crate) fn locale(fields: &mut Fields) -> Result<Option<String>, Problem> {
    let Some(tag) = fields.text("locale", limits::MAX_LOCALE)? else { return Ok(None) };
    let part =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let fine = tag.as_bytes().first().is_some_and(u8::is_ascii_alphabetic) && tag.split('-').all(part);
    if fine {
        Ok(Some(tag))
    } else {
        Err(invalid("locale", "must be a language tag (BCP 47), such as `pl` or `pt-BR`"))
    }
}

fn metadata(fields: &mut Fields) -> Result<Vec<(String, String)>, Problem> {
    Ok(fields.pairs("metadata", rules::MAX_METADATA)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use countersign_core::policy::Profile;

    fn fields(json: &str) -> Fields {
        Fields::of_body(Value::json(json.as_bytes()).unwrap(), &KNOWN).unwrap()
    }

    fn param<T>(result: Result<T, Problem>) -> Option<String> {
        result.err().and_then(|problem| problem.param)
    }

    #[test]
    fn lifetimes_stay_within_the_policy() {
        let policy = Policy::of(Profile::Standard);
        let phone = recipient("+48600100217").unwrap();
        let email = recipient("a@example.com").unwrap();
        let read = |seconds: u64, purpose, to| {
            lifetime(&policy, purpose, to, &mut fields(&format!("{{\"expires_in\":{seconds}}}"))).ok()
        };
        for (seconds, fine) in [(29, false), (30, true), (600, true), (601, false)] {
            assert_eq!(read(seconds, Purpose::Authentication, &phone).is_some(), fine, "{seconds}");
        }
        assert!(read(86_400, Purpose::Recovery, &email).is_some());
        assert!(read(86_401, Purpose::Recovery, &email).is_none());
        assert!(read(601, Purpose::Recovery, &phone).is_none());
        let usual = lifetime(&policy, Purpose::Transaction, &phone, &mut fields("{}")).ok();
        assert_eq!(usual, Some(Duration::from_secs(300)));
    }

    #[test]
    fn metadata_is_bounded_at_its_limits() {
        let with = |keys: usize, name: usize, value: usize| {
            let pairs = (0..keys).map(|n| format!("\"{n:0>name$}\":\"{}\"", "v".repeat(value)));
            metadata(&mut fields(&format!("{{\"metadata\":{{{}}}}}", pairs.collect::<Vec<_>>().join(","))))
        };
        assert_eq!(with(20, 40, 500).unwrap().len(), 20);
        for (keys, name, value) in [(21, 2, 1), (1, 41, 1), (1, 1, 501)] {
            assert_eq!(param(with(keys, name, value)).as_deref(), Some("metadata"));
        }
        assert!(metadata(&mut fields(r#"{"metadata":{"a":1}}"#)).is_err());
    }

    #[test]
    fn a_transaction_goes_with_its_purpose_only() {
        let private =
            |json| Private { transaction: transaction(&mut fields(json)).unwrap(), ..Private::default() };
        let bound = private(r#"{"transaction":{"amount":1,"currency":"eur","payee":" A  B "}}"#);
        assert_eq!(bound.transaction.as_ref().unwrap().payee, "A B");
        assert!(bound_as_purpose_says(Purpose::Transaction, bound.transaction.as_ref()).is_ok());
        assert!(bound_as_purpose_says(Purpose::Recovery, bound.transaction.as_ref()).is_err());
        let missing =
            bound_as_purpose_says(Purpose::Transaction, private("{}").transaction.as_ref()).unwrap_err();
        assert_eq!(missing.code, Code::ParameterMissing);
        let wrong = transaction(&mut fields(r#"{"transaction":{"amount":1,"currency":"EU","payee":"x"}}"#));
        assert_eq!(param(wrong).as_deref(), Some("transaction.currency"));
    }

    #[test]
    fn a_channel_is_one_or_a_list_of_steps() {
        let read = |json| channels(&mut fields(json), Duration::from_secs(600), RecipientKind::Phone);
        let (channel, steps) =
            read(r#"{"channel":[{"channel":"sms","wait":60},{"channel":"voice"}]}"#).unwrap();
        assert_eq!((channel, steps.len()), (None, 2));
        assert_eq!(read(r#"{"channel":"auto"}"#).unwrap(), (None, Vec::new()));
        assert_eq!(read(r#"{"channel":"self"}"#).unwrap(), (Some(Channel::Own), Vec::new()));
        for wrong in [r#"{"channel":"fax"}"#, r#"{"channel":{"channel":"sms"}}"#, r#"{"channel":7}"#] {
            assert_eq!(read(wrong).unwrap_err().param.as_deref(), Some("channel"), "{wrong}");
        }
    }

    #[test]
    fn language_tags_have_their_shape() {
        for (tag, fine) in
            [("pl", true), ("zh-Hant-TW", true), ("", false), ("pl_PL", false), ("-", false), ("ź", false)]
        {
            assert_eq!(locale(&mut fields(&format!("{{\"locale\":\"{tag}\"}}"))).is_ok(), fine, "{tag}");
        }
    }
}
