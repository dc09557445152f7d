//! Every way to say no in this dialect: the vendor's JSON, never a problem document, whose members would make its
//! libraries raise another class of exception.

use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_core::command::Snapshot;
use countersign_core::refusal::Refusal;
use countersign_core::store::Unavailable;
use countersign_core::time::Timestamp;
use countersign_core::verification::{Block, Channel};
use serde_json::{Value, json};

use super::sid::Sid;
use super::view::status_name;
use crate::answer;
use crate::error_code::ErrorCode;
use crate::problem::Problem;
use crate::subjects::Declined;

/// An error of the vendor's list.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TwilioError {
    status: u16,
    pub(crate) code: u32,
    message: Box<str>,
    /// What the native API would say beside it; libraries hand it through.
    details: Option<Box<Value>>,
    retry_after: Option<u64>,
    /// The limit that was reached.
    reached: Option<Box<str>>,
}

impl TwilioError {
    pub(crate) fn new(status: u16, code: u32, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into().into_boxed_str(),
            details: None,
            retry_after: None,
            reached: None,
        }
    }

    /// 60200 for a parameter whose value is wrong. Consumers look for the name in the text.
    pub(crate) fn invalid(name: &str, value: &str) -> Self {
        let value: String = value.chars().filter(|symbol| !symbol.is_control()).take(100).collect();
        Self::new(400, 60200, format!("Invalid parameter `{name}`: {value}"))
    }

    /// 60200 for a parameter that is not there.
    pub(crate) fn missing(name: &str) -> Self {
        Self::new(400, 60200, format!("Missing required parameter {name}"))
    }

    /// 60204: the service has not switched this on, or this server does not have it.
    pub(crate) fn lacking(what: &str) -> Self {
        Self::new(403, 60204, format!("The service does not have this feature enabled: {what}"))
    }

    /// 20404, for a path below the version.
    pub(crate) fn not_found(path: &str) -> Self {
        Self::new(404, 20404, format!("The requested resource {path} was not found"))
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, 20003, "Authenticate")
    }

    /// What it says, with its code, where there is no library to read it.
    pub(crate) fn text(&self) -> String {
        format!("{} ({})", self.message, self.code)
    }

    pub(crate) fn with(self, details: Value) -> Self {
        Self { details: Some(Box::new(details)), ..self }
    }

    /// Says how long to wait, and for which limit.
    pub(crate) fn until(self, until: Timestamp, now: Timestamp, reached: &str) -> Self {
        let seconds = u64::try_from(until.since(now).as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
        Self { retry_after: Some(seconds.max(1)), reached: Some(reached.into()), ..self }
    }

    /// What a refusal of the rules means here. `path` names the resource when there is none (any more).
    pub(crate) fn of_refusal(
        refusal: Refusal,
        snapshot: Option<&Snapshot>,
        path: &str,
        now: Timestamp,
    ) -> Self {
        let error = match refusal {
            Refusal::FactorLocked(_)
            | Refusal::FactorRequired
            | Refusal::LimitReached
            | Refusal::ChallengeAlreadyApproved
            | Refusal::ChallengeExpired
            | Refusal::ChallengeMaxAttempts
            | Refusal::ChallengeCanceled
            | Refusal::ChallengeDenied
            | Refusal::PushRateLimited(_)
            | Refusal::SignatureInvalid
            | Refusal::RemovalUnproven
            | Refusal::VerificationAsked
            | Refusal::NotFound
            | Refusal::AlreadyApproved
            | Refusal::Expired
            | Refusal::Canceled
            | Refusal::Undeliverable
            | Refusal::StateConflict
            | Refusal::SessionMissing
            | Refusal::BindingMismatch => Self::not_found(path),
            Refusal::TransactionMissing => Self::payment_missing(),
            Refusal::MaxAttempts | Refusal::RecipientBlocked => Self::too_many_checks(),
            Refusal::RecipientPaused(until) => Self::too_many_checks().until(until, now, "checks"),
            Refusal::RecipientRateLimited(until)
            | Refusal::IpRateLimited(until)
            | Refusal::ResendTooSoon(until) => Self::too_many_sends().until(until, now, "sends"),
            Refusal::Blocked(Block::Country) => {
                Self::new(403, 60605, "The destination country is blocked by geographic permissions")
            }
            Refusal::Blocked(Block::List) => {
                Self::new(403, 60410, "The destination phone number is temporarily blocked")
            }
            Refusal::BudgetExceeded => {
                Self::new(403, 60410, "The budget for this destination is spent for today")
            }
            Refusal::ChannelNotAllowed | Refusal::NoRoute => {
                Self::new(400, 60223, "Delivery channel disabled")
            }
            Refusal::CannotReceive => Self::new(403, 60205, "SMS is not supported by landline phone number"),
            Refusal::RecipientInvalid => Self::new(400, 60200, "Invalid parameter `To`"),
            Refusal::CodeIncorrect | Refusal::CodeMalformed => {
                Self::new(400, 60200, "Invalid parameter `Code`")
            }
            Refusal::IdempotencyKeyReused | Refusal::RootUnknown => {
                Self::new(503, 20503, "Service unavailable. Nothing was changed")
            }
        };
        match snapshot {
            Some(snapshot) => error.with(facts(snapshot)),
            None => error,
        }
    }

    /// The same where the channel that was asked for tells more.
    pub(crate) fn of_start(
        refusal: Refusal,
        channel: Channel,
        snapshot: Option<&Snapshot>,
        now: Timestamp,
    ) -> Self {
        match (refusal, channel) {
            (Refusal::NoRoute, Channel::Email) => {
                Self::new(400, 60217, "No mailer is configured for the email channel")
            }
            _ => Self::of_refusal(refusal, snapshot, "", now),
        }
    }

    /// The same for a parameter of factors and challenges, whose wrong parameters have a code of their own.
    pub(crate) fn of_factors(self) -> Self {
        if self.code == 60200 { Self { code: 60306, ..self } } else { self }
    }

    pub(crate) fn payment_missing() -> Self {
        Self::new(400, 60206, "Amount and Payee are required for a PSD2 service")
    }

    fn too_many_sends() -> Self {
        Self::new(429, 60203, "Max send attempts reached")
    }

    /// 20429, for a rate limit of the customer.
    pub(crate) fn too_many_requests() -> Self {
        Self::new(429, 20429, "Too many requests")
    }

    fn too_many_checks() -> Self {
        Self::new(429, 60202, "Max check attempts reached")
    }
}

/// What a call about a person was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Entity,
    Factor,
    Challenge,
}

impl Asked {
    /// There is none.
    pub(crate) fn missing(self) -> TwilioError {
        match self {
            Self::Entity => TwilioError::new(404, 60392, "Entity not found"),
            Self::Factor => TwilioError::new(404, 60390, "Factor not found"),
            Self::Challenge => TwilioError::new(404, 60391, "Challenge not found"),
        }
    }

    /// Too many wrong codes.
    fn too_many_codes(self) -> TwilioError {
        match self {
            Self::Entity | Self::Factor => {
                TwilioError::new(429, 60310, "Max factor verification attempts reached")
            }
            Self::Challenge => TwilioError::new(429, 60308, "Max challenge attempts reached"),
        }
    }
}

impl TwilioError {
    /// What a refusal about a person, a factor or a challenge means here.
    pub(crate) fn of_decline(declined: &Declined, asked: Asked, now: Timestamp) -> Self {
        let now = declined.snapshot.as_ref().map_or(now, |snapshot| snapshot.at);
        let error = match declined.refusal {
            Refusal::NotFound => asked.missing(),
            Refusal::FactorRequired => Self::new(403, 60318, "Factor is unverified"),
            Refusal::LimitReached => Self::new(400, 60315, "The entity has as many factors as it may"),
            Refusal::StateConflict => {
                Self::new(403, 60311, "Factor verification failed: it waits for no code")
            }
            Refusal::ChallengeAlreadyApproved | Refusal::ChallengeDenied => {
                Self::new(403, 60322, "Challenge has been answered already")
            }
            Refusal::ChallengeExpired | Refusal::ChallengeCanceled => {
                Self::new(403, 60323, "Challenge has expired")
            }
            Refusal::ChallengeMaxAttempts | Refusal::FactorLocked(None) => asked.too_many_codes(),
            Refusal::FactorLocked(Some(until)) => asked.too_many_codes().until(until, now, "codes"),
            Refusal::RemovalUnproven => {
                Self::new(403, 20403, "These credentials may not remove factors that are in use")
            }
            Refusal::CodeIncorrect | Refusal::CodeMalformed => Self::invalid("AuthPayload", "").of_factors(),
            other => Self::of_refusal(other, None, "", now),
        };
        let challenge = declined.snapshot.as_ref().and_then(|snapshot| snapshot.challenge.as_ref());
        match challenge {
            Some(challenge) => error.with(json!({
                "challenge_sid": Sid("YC", *challenge.id.as_bytes()), "challenge": challenge.id.to_string(),
                "status": challenge.status.status(), "reason": challenge.status.reason(),
            })),
            None => error,
        }
    }
}

/// What the native API knows of a verification, for whoever debugs: its id, its true state and the reason.
pub(crate) fn facts(snapshot: &Snapshot) -> Value {
    let row = &snapshot.verification;
    json!({
        "verification_sid": Sid("VE", *row.id.as_bytes()),
        "verification": row.id.to_string(),
        "status": status_name(row.status),
        "reason": row.status.reason(),
    })
}

impl From<Unavailable> for TwilioError {
    fn from(why: Unavailable) -> Self {
        Problem::from(why).into()
    }
}

impl From<Problem> for TwilioError {
    fn from(problem: Problem) -> Self {
        let status = problem.code.status();
        let error = match problem.code {
            ErrorCode::KeyMissing | ErrorCode::KeyInvalid | ErrorCode::KeyExpired | ErrorCode::KeyRevoked => {
                return Self::unauthorized();
            }
            ErrorCode::RequestTimeout | ErrorCode::PayloadTooLarge | ErrorCode::BodyMalformed => {
                Self::new(status, 20001, problem.detail.to_string())
            }
            _ => Self::new(status, 20000 + u32::from(status), problem.detail.to_string()),
        };
        Self { retry_after: problem.retry_after, ..error.with(json!({ "code": problem.code.as_str() })) }
    }
}

impl IntoResponse for TwilioError {
    fn into_response(self) -> Response {
        let mut body = json!({
            "code": self.code,
            "message": self.message,
            "more_info": format!("https://www.twilio.com/docs/errors/{}", self.code),
            "status": self.status,
        });
        if let Some(details) = self.details {
            body["details"] = *details;
        }
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = answer::json(status, &body);
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert("retry-after", seconds.into());
        }
        if let Some(reached) = self.reached.and_then(|name| HeaderValue::from_str(&name).ok()) {
            headers.insert("twilio-reached-rate-limit", reached);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert("www-authenticate", HeaderValue::from_static("Basic realm=\"Twilio API\""));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_have_the_codes_of_the_vendor() {
        let (soon, now) = (Timestamp::from_millis(1), Timestamp::default());
        for (refusal, channel, status, code) in [
            (Refusal::NoRoute, Channel::Email, 400, 60217),
            (Refusal::NoRoute, Channel::Sms, 400, 60223),
            (Refusal::ChannelNotAllowed, Channel::Email, 400, 60223),
            (Refusal::CannotReceive, Channel::Sms, 403, 60205),
            (Refusal::RecipientPaused(soon), Channel::Sms, 429, 60202),
            (Refusal::RecipientBlocked, Channel::Sms, 429, 60202),
            (Refusal::RecipientRateLimited(soon), Channel::Sms, 429, 60203),
            (Refusal::IpRateLimited(soon), Channel::Sms, 429, 60203),
            (Refusal::Blocked(Block::List), Channel::Sms, 403, 60410),
            (Refusal::Blocked(Block::Country), Channel::Sms, 403, 60605),
            (Refusal::RootUnknown, Channel::Sms, 503, 20503),
        ] {
            let error = TwilioError::of_start(refusal, channel, None, now);
            assert_eq!((error.status, error.code), (status, code), "{refusal:?}");
        }
    }

    #[test]
    fn refusals_about_factors_have_codes_of_their_own() {
        let now = Timestamp::default();
        let until = Some(Timestamp::from_millis(30_000));
        for (refusal, asked, status, code, wait) in [
            (Refusal::NotFound, Asked::Entity, 404, 60392, None),
            (Refusal::NotFound, Asked::Factor, 404, 60390, None),
            (Refusal::NotFound, Asked::Challenge, 404, 60391, None),
            (Refusal::FactorLocked(until), Asked::Factor, 429, 60310, Some(30)),
            (Refusal::FactorLocked(until), Asked::Challenge, 429, 60308, Some(30)),
            (Refusal::FactorLocked(None), Asked::Challenge, 429, 60308, None),
            (Refusal::ChallengeMaxAttempts, Asked::Challenge, 429, 60308, None),
            (Refusal::ChallengeDenied, Asked::Challenge, 403, 60322, None),
            (Refusal::ChallengeCanceled, Asked::Challenge, 403, 60323, None),
            (Refusal::RemovalUnproven, Asked::Factor, 403, 20403, None),
            (Refusal::RootUnknown, Asked::Challenge, 503, 20503, None),
        ] {
            let declined = Declined { refusal, snapshot: None, replayed: false };
            let error = TwilioError::of_decline(&declined, asked, now);
            assert_eq!((error.status, error.code, error.retry_after), (status, code, wait), "{refusal:?}");
        }
    }

    #[tokio::test]
    async fn an_error_has_the_four_members_of_the_vendor_and_none_of_a_problem_document() {
        use http_body_util::BodyExt as _;
        let error = TwilioError::too_many_sends().until(
            Timestamp::from_millis(2_500),
            Timestamp::from_millis(0),
            "sends",
        );
        let response = error.with(json!({ "status": "pending" })).into_response();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (429, &HeaderValue::from(3))
        );
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["twilio-reached-rate-limit"], "sends");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((&body["code"], &body["status"]), (&json!(60203), &json!(429)));
        assert_eq!(body["more_info"], "https://www.twilio.com/docs/errors/60203");
        assert!(body["details"].is_object());
        assert!(body.get("type").is_none() && body.get("title").is_none());
    }
}
