//! Every way to say no, as a problem document (RFC 9457). One exhaustive mapping from the refusals of the rules.

use std::borrow::Cow;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use countersign_core::ids::RequestId;
use countersign_core::refusal::Refusal;
use countersign_core::store::Unavailable;
use countersign_core::time::Timestamp;
use countersign_core::verification::Block;
use http_body_util::Full;
use serde::Serialize;

use crate::answer::{REPLAYED, Text, json_bytes};
use crate::challenges::view::ChallengeView;
use crate::error_code::ErrorCode;
use crate::verifications::view::VerificationView;

/// Where the catalogue of codes stands; `type` of a problem is a place in it.
const DOCS: &str = "/docs#";

/// Why a call was not carried out.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) code: ErrorCode,
    pub(crate) detail: Cow<'static, str>,
    pub(crate) param: Option<String>,
    /// Seconds after which the same call may succeed.
    pub(crate) retry_after: Option<u64>,
    pub(crate) verification: Option<Box<VerificationView>>,
    pub(crate) challenge: Option<Box<ChallengeView>>,
    /// The language the person of this verification speaks.
    pub(crate) locale: Option<String>,
    /// Whether this is an earlier outcome told again.
    pub(crate) replayed: bool,
}

/// The wire form.
#[derive(Serialize)]
struct Document<'a> {
    r#type: Text<(&'static str, &'static str)>,
    title: &'static str,
    status: u16,
    detail: &'a str,
    instance: Text<(&'static str, RequestId)>,
    code: &'static str,
    param: Option<&'a str>,
    retryable: bool,
    request_id: Text<RequestId>,
    end_user_message: EndUserMessage,
    verification: Option<&'a VerificationView>,
    challenge: Option<&'a ChallengeView>,
}

#[derive(Serialize)]
struct EndUserMessage {
    locale: &'static str,
    text: &'static str,
}

impl Problem {
    pub(crate) fn new(code: ErrorCode, detail: impl Into<Cow<'static, str>>) -> Self {
        let retry_after = matches!(code.status(), 429 | 503).then_some(1);
        Self {
            code,
            detail: detail.into(),
            param: None,
            retry_after,
            verification: None,
            challenge: None,
            locale: None,
            replayed: false,
        }
    }

    /// The same with the name of the parameter that is wrong.
    pub(crate) fn param(self, param: impl Into<String>) -> Self {
        Self { param: Some(param.into()), ..self }
    }

    /// A code with its title as detail.
    pub(crate) fn plain(code: ErrorCode) -> Self {
        Self::new(code, code.cause())
    }

    /// What a refusal of the rules means to the caller; `now` is the tenant's.
    pub(crate) fn of_refusal(refusal: Refusal, now: Timestamp) -> Self {
        use ErrorCode as Code;
        match refusal {
            Refusal::NotFound => Self::plain(Code::ResourceNotFound),
            Refusal::AlreadyApproved => Self::plain(Code::VerificationAlreadyApproved),
            Refusal::Expired => Self::plain(Code::VerificationExpired),
            Refusal::MaxAttempts => Self::plain(Code::VerificationMaxAttempts),
            Refusal::Canceled => Self::plain(Code::VerificationCanceled),
            Refusal::Undeliverable => Self::plain(Code::VerificationUndeliverable),
            Refusal::CodeIncorrect => Self::plain(Code::CodeIncorrect),
            Refusal::CodeMalformed => Self::plain(Code::CodeMalformed).param("code"),
            Refusal::BindingMismatch => Self::plain(Code::BindingMismatch),
            Refusal::SessionMissing => missing_binding("session"),
            Refusal::TransactionMissing => missing_binding("transaction"),
            Refusal::RecipientPaused(until) => Self::plain(Code::RecipientPaused).until(until, now),
            Refusal::RecipientBlocked => Self { retry_after: None, ..Self::plain(Code::RecipientBlocked) },
            Refusal::RecipientRateLimited(until) => Self::plain(Code::RecipientRateLimited).until(until, now),
            Refusal::IpRateLimited(until) => {
                Self::plain(Code::IpRateLimited).param("context.ip").until(until, now)
            }
            Refusal::ResendTooSoon(until) => Self::plain(Code::ResendTooSoon).until(until, now),
            Refusal::Blocked(Block::Country) => Self::plain(Code::CountryNotAllowed).param("to"),
            Refusal::Blocked(Block::List) => Self::plain(Code::BlockedByList).param("to"),
            Refusal::ChannelNotAllowed => Self::plain(Code::ChannelNotAllowed).param("channel"),
            Refusal::NoRoute => Self::plain(Code::NoRoute),
            Refusal::BudgetExceeded => Self::plain(Code::BudgetExceeded),
            Refusal::CannotReceive => Self::plain(Code::RecipientCannotReceive).param("channel"),
            Refusal::RecipientInvalid => Self::plain(Code::RecipientInvalid).param("to"),
            Refusal::IdempotencyKeyReused => Self::plain(Code::IdempotencyKeyReused),
            Refusal::StateConflict => Self::plain(Code::StateConflict),
            Refusal::FactorLocked(Some(until)) => Self::plain(Code::FactorLocked).until(until, now),
            Refusal::FactorLocked(None) => Self::plain(Code::FactorLocked),
            Refusal::FactorRequired => Self::plain(Code::FactorRequired),
            Refusal::LimitReached => Self::plain(Code::LimitReached),
            Refusal::ChallengeAlreadyApproved => Self::plain(Code::ChallengeAlreadyApproved),
            Refusal::ChallengeExpired => Self::plain(Code::ChallengeExpired),
            Refusal::ChallengeMaxAttempts => Self::plain(Code::ChallengeMaxAttempts),
            Refusal::ChallengeCanceled => Self::plain(Code::ChallengeCanceled),
            Refusal::ChallengeDenied => Self::plain(Code::ChallengeDenied),
            Refusal::PushRateLimited(until) => Self::plain(Code::PushRateLimited).until(until, now),
            Refusal::SignatureInvalid => Self::plain(Code::SignatureInvalid).param("signature"),
            Refusal::RemovalUnproven => Self::plain(Code::RemovalUnproven),
            Refusal::VerificationAsked => {
                let detail = "A message was sent for the challenge: name the `method` the code is of.";
                Self::new(Code::ParameterMissing, detail).param("method")
            }
            Refusal::RootUnknown => Self::new(
                Code::StorageUnavailable,
                "This node does not hold the root key this needs. Nothing was changed.",
            ),
        }
    }

    pub(crate) fn until(self, until: Timestamp, now: Timestamp) -> Self {
        let seconds = until.since(now).as_millis().div_ceil(1000);
        Self { retry_after: Some(u64::try_from(seconds).unwrap_or(u64::MAX).max(1)), ..self }
    }

    /// The document, for a request with this id from somebody who speaks `accept_language`.
    pub(crate) fn render(&self, request: RequestId, accept_language: Option<&str>) -> Response {
        let (locale, text) = self.code.word().say(self.locale.as_deref().or(accept_language));
        let body = json_bytes(&Document {
            r#type: Text((DOCS, self.code.as_str())),
            title: self.code.title(),
            status: self.code.status(),
            detail: &self.detail,
            instance: Text(("urn:countersign:", request)),
            code: self.code.as_str(),
            param: self.param.as_deref(),
            retryable: self.code.retryable(),
            request_id: Text(request),
            end_user_message: EndUserMessage { locale, text },
            verification: self.verification.as_deref(),
            challenge: self.challenge.as_deref(),
        });
        let mut response = Response::new(axum::body::Body::new(Full::from(body)));
        *response.status_mut() = axum::http::StatusCode::from_u16(self.code.status())
            .unwrap_or(axum::http::StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert("content-type", axum::http::HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert("retry-after", seconds.into());
        }
        if self.replayed {
            headers.insert(REPLAYED, axum::http::HeaderValue::from_static("true"));
        }
        if self.code.status() == 401 {
            let challenge = axum::http::HeaderValue::from_static("Bearer realm=\"countersign\"");
            headers.insert("www-authenticate", challenge);
        }
        response
    }
}

fn missing_binding(param: &'static str) -> Problem {
    let detail = format!("It was started with a `{param}`, so this call must name it. No try was counted.");
    Problem::new(ErrorCode::ParameterMissing, detail).param(param)
}

impl From<Unavailable> for Problem {
    fn from(why: Unavailable) -> Self {
        match why {
            Unavailable::Storage(reason) => {
                tracing::error!(reason, "the storage gave no answer");
                Self::plain(ErrorCode::StorageUnavailable)
            }
            Unavailable::ClockWentBack(_) => {
                tracing::error!(%why, "nothing is decided");
                Self::new(ErrorCode::StorageUnavailable, "The server's clock is wrong. Nothing was changed.")
            }
            Unavailable::Closed => Self::plain(ErrorCode::ShuttingDown),
            Unavailable::Overloaded => Self::plain(ErrorCode::Overloaded),
            Unavailable::Internal => Self::plain(ErrorCode::InternalError),
        }
    }
}

/// A problem on its way to the outermost layer, which knows the request's id and language.
#[derive(Clone)]
pub(crate) struct Unrendered(pub(crate) Arc<Problem>);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(Unrendered(Arc::new(self)));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_pause_says_how_long_to_wait() {
        let problem = Problem::of_refusal(Refusal::RecipientPaused(at(60)), Timestamp::from_millis(500));
        assert_eq!((problem.code, problem.retry_after), (ErrorCode::RecipientPaused, Some(60)));
        let past = Problem::of_refusal(Refusal::ResendTooSoon(at(1)), at(9));
        assert_eq!(past.retry_after, Some(1));
        assert_eq!(Problem::of_refusal(Refusal::RecipientBlocked, at(0)).retry_after, None);
    }

    #[tokio::test]
    async fn a_document_has_every_member() {
        use http_body_util::BodyExt as _;
        let problem = Problem::of_refusal(Refusal::SessionMissing, at(0));
        let response = problem.render(RequestId::from_bytes([1; 16]), Some("pl"));
        assert_eq!(response.status(), 400);
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let names: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
        let wanted = "type title status detail instance code param retryable request_id end_user_message verification challenge";
        assert_eq!(names.join(" "), wanted);
        assert_eq!(body["param"], "session");
        assert_eq!(body["end_user_message"]["locale"], "pl");
        assert_eq!(body["request_id"], RequestId::from_bytes([1; 16]).to_string());
    }
}
