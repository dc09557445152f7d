//! `POST /v1/challenges`: ask a subject for an approval by one of its factors.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::challenge::{ChallengePrivate, Method as ChallengeMethod};
use countersign_core::command::{Entered, Once};
use countersign_core::ids::FactorId;
use countersign_core::limits as rules;
use countersign_core::subject::{Act, Aim, NewChallenge};
use countersign_core::tenancy::Scope;
use countersign_core::verification::Purpose;
use zeroize::Zeroizing;

use super::{METHODS, respond_with};
use crate::app::App;
use crate::body::Payload;
use crate::caller::{Caller, Member};
use crate::error_code::ErrorCode as Code;
use crate::fields::{Fields, invalid, missing};
use crate::limits;
use crate::openapi::{Method, Operation};
use crate::problem::Problem;
use crate::subjects::{aim_of_text, ask};
use crate::verifications::create::bound_as_purpose_says;
use crate::verifications::{purpose, transaction};

/// How long a challenge lives when nobody says.
const USUAL_LIFETIME: u64 = 300;

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/challenges",
    id: "createChallenge",
    tag: "Challenges",
    summary: "Begin a challenge",
    description: "`subject` is your own name of the person, or `sbj_…`. Without `methods`, any active factor may answer; a \
                  message (`sms`, `voice`, `whatsapp`, `email`) only when it is named, and never sends by itself. When a \
                  device is asked, show `number` on the first screen. With `code`, the answer is checked at once: 200 with the \
                  `proof`, or 422. A pending challenge of the same purpose and session is superseded.",
    scope: Some("challenges:write"),
    parameters: &[],
    body: Some(("ChallengeCreate", r#"{"subject":"user-42","methods":["totp","push"],"session":"s-1"}"#)),
    success: (201, "The challenge, pending", "Challenge"),
    errors: &[
        Code::ResourceNotFound,
        Code::FactorRequired,
        Code::PushRateLimited,
        Code::CodeIncorrect,
        Code::CodeMalformed,
        Code::FactorLocked,
    ],
    idempotent: true,
};

const KNOWN: [&str; 11] = [
    "subject",
    "methods",
    "factor",
    "purpose",
    "transaction",
    "session",
    "expires_in",
    "message",
    "details",
    "metadata",
    "code",
];

pub(crate) async fn handle(
    State(app): State<App>,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::ChallengesWrite)?;
    let mut fields = payload.fields(&KNOWN)?;
    let aim = subject(&app, &member, &mut fields)?;
    let new = read(&mut fields)?;
    if new.code.is_some() {
        member.needs(Scope::ChallengesCheck)?;
    }
    begin(&app, &member, aim, new, payload.once(&app, &member)).await
}

/// Begins a challenge; one that comes with a code is answered in the same breath.
pub(crate) async fn begin(
    app: &App,
    member: &Member,
    aim: Aim,
    new: NewChallenge,
    once: Option<Once>,
) -> Result<Response, Problem> {
    let told = ask(app, member, aim, Act::Challenge(Box::new(new)), once).await?;
    let status = if told.grant.is_some() { StatusCode::OK } else { StatusCode::CREATED };
    respond_with(app, member, &told, status)
}

/// A `subject` field.
pub(crate) fn subject(app: &App, member: &Member, fields: &mut Fields) -> Result<Aim, Problem> {
    let subject = fields.line("subject", rules::MAX_SUBJECT)?.ok_or_else(|| missing("subject"))?;
    aim_of_text(app, &member.tenant, &subject, "subject")
}

/// The challenge a body stands for.
pub(crate) fn read(fields: &mut Fields) -> Result<NewChallenge, Problem> {
    let purpose = purpose(fields)?.unwrap_or(Purpose::Authentication);
    let private = ChallengePrivate {
        transaction: transaction(fields)?,
        session: fields.line("session", rules::MAX_SUBJECT)?,
        metadata: fields.pairs("metadata", rules::MAX_METADATA)?.unwrap_or_default(),
        message: fields.line("message", limits::MAX_MESSAGE)?,
        details: fields.pairs("details", limits::MAX_DETAILS)?.unwrap_or_default(),
    };
    bound_as_purpose_says(purpose, private.transaction.as_ref())?;
    let lifetime = fields.integer("expires_in", rules::CHALLENGE_LIFETIME)?.unwrap_or(USUAL_LIFETIME);
    let code = fields.text("code", limits::MAX_TEXT)?;
    Ok(NewChallenge {
        methods: methods(fields)?,
        factor: factor(fields)?,
        purpose,
        lifetime: Duration::from_secs(lifetime),
        private,
        code: code.map(|code| Entered(Zeroizing::new(code))),
        origin: None,
    })
}

fn methods(fields: &mut Fields) -> Result<Vec<ChallengeMethod>, Problem> {
    let wrong = || invalid("methods", &format!("must be a list of {METHODS}, each once"));
    let Some(names) = fields.texts("methods", ChallengeMethod::ALL.len())? else { return Ok(Vec::new()) };
    let mut methods = Vec::new();
    for name in &names {
        let method = ChallengeMethod::named(name).ok_or_else(wrong)?;
        if methods.contains(&method) {
            return Err(wrong());
        }
        methods.push(method);
    }
    if methods.is_empty() { Err(wrong()) } else { Ok(methods) }
}

fn factor(fields: &mut Fields) -> Result<Option<FactorId>, Problem> {
    fields.word("factor", "the id of a factor (`fct_…`)", |text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    fn challenge(json: &str) -> Result<NewChallenge, Problem> {
        read(&mut Fields::of_body(Value::json(json.as_bytes()).unwrap(), &KNOWN).unwrap())
    }

    #[test]
    fn lifetimes_are_thirty_seconds_to_ten_minutes() {
        assert_eq!(challenge("{}").unwrap().lifetime, Duration::from_secs(300));
        for (seconds, fine) in [(29, false), (30, true), (600, true), (601, false)] {
            assert_eq!(challenge(&format!(r#"{{"expires_in":{seconds}}}"#)).is_ok(), fine, "{seconds}");
        }
    }

    #[test]
    fn methods_are_known_and_named_once() {
        assert_eq!(challenge("{}").unwrap().methods, []);
        let both = challenge(r#"{"methods":["push","sms"]}"#).unwrap().methods;
        assert_eq!(both, [ChallengeMethod::Push, ChallengeMethod::Sms]);
        for wrong in [r#"["fax"]"#, r#"["totp","totp"]"#, "[]", r#""""#, "[1]"] {
            let refused = challenge(&format!(r#"{{"methods":{wrong}}}"#)).unwrap_err();
            assert_eq!(refused.param.as_deref(), Some("methods"), "{wrong}");
        }
    }

    #[test]
    fn what_a_device_shows_is_bounded() {
        let message = |length| challenge(&format!(r#"{{"message":"{}"}}"#, "m".repeat(length))).is_ok();
        assert!(message(200) && !message(201));
        let details = |count: usize| {
            let pairs: Vec<_> = (0..count).map(|nth| format!("\"{nth}\":\"v\"")).collect();
            challenge(&format!(r#"{{"details":{{{}}}}}"#, pairs.join(","))).is_ok()
        };
        assert!(details(10) && !details(11));
    }

    #[test]
    fn a_transaction_goes_with_its_purpose_only() {
        let bound = r#""transaction":{"amount":1,"currency":"EUR","payee":"A"}"#;
        assert!(challenge(&format!(r#"{{"purpose":"transaction",{bound}}}"#)).is_ok());
        assert!(challenge(&format!("{{{bound}}}")).is_err());
        assert!(challenge(r#"{"purpose":"transaction"}"#).is_err());
    }
}
