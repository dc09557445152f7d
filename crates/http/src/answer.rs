//! Answers: JSON written once into one buffer, and the small types that print ids and instants without copies.

use std::fmt;

use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use countersign_core::time::Timestamp;
use http_body_util::Full;
use serde::{Serialize, Serializer};

/// Says `true` in an answer that repeats an earlier one.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// Something that is written as a JSON text by its `Display`, or two such things one after the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text<T>(pub(crate) T);

impl<T: fmt::Display> Serialize for Text<(&'static str, T)> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}{}", self.0.0, self.0.1))
    }
}

macro_rules! ids_as_text {
    ($($id:ident),+) => { $(
        impl Serialize for Text<countersign_core::ids::$id> {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }
    )+ };
}
ids_as_text!(
    RequestId,
    VerificationId,
    ProjectId,
    KeyId,
    DeliveryId,
    ProofId,
    SubjectId,
    FactorId,
    ChallengeId,
    TemplateId
);

impl Serialize for Text<countersign_core::recipient::Country> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

/// RFC 3339, UTC, with milliseconds.
impl Serialize for Text<Timestamp> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Rfc3339(self.0))
    }
}

/// Prints an instant as RFC 3339 in UTC with milliseconds.
pub(crate) struct Rfc3339(pub(crate) Timestamp);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let instant = jiff::Timestamp::from_millisecond(self.0.millis()).unwrap_or(jiff::Timestamp::MAX);
        write!(f, "{instant:.3}")
    }
}

/// Reads an RFC 3339 instant with any offset.
pub(crate) fn read_instant(text: &str) -> Option<Timestamp> {
    let instant: jiff::Timestamp = text.parse().ok()?;
    Some(Timestamp::from_millis(instant.as_millisecond()))
}

/// The bytes of a value as JSON.
pub(crate) fn json_bytes(value: &impl Serialize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1024);
    if let Err(error) = serde_json::to_writer(&mut bytes, value) {
        // Nothing we write can fail: no maps with other keys than texts, no failing `Display`.
        tracing::error!(%error, "an answer could not be written");
    }
    bytes
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    typed(status, "application/json", json_bytes(value))
}

/// An answer of another type.
pub(crate) fn typed(
    status: StatusCode,
    content_type: &'static str,
    body: impl Into<axum::body::Bytes>,
) -> Response {
    let mut response = Response::new(Body::new(Full::new(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_have_three_decimals_and_a_z() {
        let written = Rfc3339(Timestamp::from_millis(1_700_000_000_000)).to_string();
        assert_eq!(written, "2023-11-14T22:13:20.000Z");
        assert_eq!(read_instant(&written), Some(Timestamp::from_millis(1_700_000_000_000)));
        assert_eq!(
            read_instant("2023-11-14T23:13:20.007+01:00"),
            Some(Timestamp::from_millis(1_700_000_000_007))
        );
        assert_eq!(read_instant("yesterday"), None);
    }
}
