//! What a gateway's answer means.

use hyper::header::HeaderMap;
use serde_json::Value;

use super::config::{
    Condition, ErrorRule, HttpGatewayConfig, MessageIdPlace, OneOrMore, Success, scalar_text,
};
use crate::provider::{Accepted, ErrorClass, ProviderError};
use crate::{limits, pointer};

/// The rules of one gateway.
#[derive(Debug)]
pub(super) struct Rules {
    success: Success,
    message_id: Option<MessageIdPlace>,
    errors: Vec<ErrorRule>,
}

/// An answer, read as far as we read one.
#[derive(Debug)]
pub(super) struct Answer<'a> {
    pub(super) status: u16,
    pub(super) headers: &'a HeaderMap,
    /// `None` when the body is not JSON or longer than we read.
    pub(super) json: Option<Value>,
}

impl Rules {
    pub(super) fn of(config: &HttpGatewayConfig) -> Self {
        let HttpGatewayConfig { success, message_id, errors, .. } = config.clone();
        Self { success, message_id, errors }
    }

    /// Error rules come first: gateways like to refuse with a 200.
    pub(super) fn judge(&self, answer: &Answer<'_>) -> Result<Accepted, ProviderError> {
        let status = answer.status;
        if let Some((index, rule)) = self.errors.iter().enumerate().find(|(_, rule)| matches(rule, answer)) {
            return Err(refused_by(rule, answer, index));
        }
        if !self.success.status.iter().any(|range| range.contains(status)) {
            return Err(usual_meaning(status));
        }
        if self.success.json.is_empty() || answer.json.as_ref().is_some_and(|json| self.says_success(json)) {
            return Ok(Accepted { message_id: self.message_id(answer) });
        }
        Err(match answer.json {
            None => ProviderError::new(
                ErrorClass::Protocol,
                format!("status {status} with a body that is not JSON; the gateway may have taken it"),
            ),
            Some(_) => ProviderError::new(
                ErrorClass::MessageRejected,
                format!("status {status}, and success.json does not hold"),
            ),
        })
    }

    fn says_success(&self, json: &Value) -> bool {
        let holds =
            |Condition { pointer, equals }: &Condition| says(json, pointer, equals.as_ref()).is_some();
        self.success.json.iter().all(holds)
    }

    fn message_id(&self, answer: &Answer<'_>) -> Option<String> {
        let id = match self.message_id.as_ref()? {
            MessageIdPlace::Pointer(pointer) => scalar_text(pointer::first(answer.json.as_ref()?, pointer)?)?,
            MessageIdPlace::Header(name) => answer.headers.get(name)?.to_str().ok()?.to_owned(),
        };
        printable(&id)
    }
}

/// A gateway's name for a message as it is kept and looked for: without what would disturb a terminal, not too long.
pub(super) fn printable(id: &str) -> Option<String> {
    let id: String = id.trim().chars().filter(|c| !c.is_control()).take(limits::MESSAGE_ID_CHARS).collect();
    (!id.is_empty()).then_some(id)
}

fn matches(rule: &ErrorRule, answer: &Answer<'_>) -> bool {
    let status = rule.status.is_empty() || rule.status.iter().any(|range| range.contains(answer.status));
    status && (rule.pointer.is_none() || told(rule, answer).is_some())
}

/// What the answer says where the rule looks.
fn told(rule: &ErrorRule, answer: &Answer<'_>) -> Option<String> {
    says(answer.json.as_ref()?, rule.pointer.as_ref()?, rule.equals.as_ref())
}

/// The text of what stands at a pointer and is one of the expected values, or is anything when none is expected.
fn says(json: &Value, pointer: &str, equals: Option<&OneOrMore>) -> Option<String> {
    pointer::all(json, pointer).into_iter().find_map(|value| match equals {
        None => Some(String::new()),
        Some(equals) => scalar_text(value).filter(|text| equals.contains(text)),
    })
}

fn refused_by(rule: &ErrorRule, answer: &Answer<'_>, index: usize) -> ProviderError {
    let status = answer.status;
    // A value of the configuration, so it may be shown.
    let detail = match told(rule, answer).filter(|told| !told.is_empty()) {
        Some(told) => format!("status {status}, the gateway says {told:?} (errors[{index}])"),
        None => format!("status {status} (errors[{index}])"),
    };
    let error = ProviderError::new(rule.class, detail);
    let error = error.clone().with_fault(rule.fault.unwrap_or(error.fault));
    let retry = rule.retry.unwrap_or(error.retry);
    error.with_retry(retry)
}

/// What a status means when no rule says otherwise.
fn usual_meaning(status: u16) -> ProviderError {
    let (class, remark) = match status {
        300..=399 => (ErrorClass::Configuration, "; redirects are not followed, correct url"),
        401 | 403 | 407 => (ErrorClass::Authentication, ""),
        408 | 425 | 429 => (ErrorClass::Throttled, ""),
        400..=499 => {
            (ErrorClass::Configuration, "; if it means the recipient, say so with a rule under errors")
        }
        500..=599 => (ErrorClass::Unavailable, ""),
        _ => (ErrorClass::Protocol, ", which success.status does not name"),
    };
    ProviderError::new(class, format!("status {status}{remark}"))
}

#[cfg(test)]
mod tests;
