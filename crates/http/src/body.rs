//! Request bodies: bounded in size, time and type, kept as bytes for the fingerprint of an idempotent request.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, HeaderName, Method, header};
use countersign_core::command::Once;
use countersign_core::keys::Keys;
use countersign_core::limits::MAX_IDEMPOTENCY_KEY;
use countersign_core::tenant::Tenant;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use crate::app::App;
use crate::caller::Member;
use crate::error_code::ErrorCode;
use crate::fields::{Fields, invalid};
use crate::limits;
use crate::problem::Problem;
use crate::value::Value;

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// The body of a request that changes something, and the idempotency key it came with.
#[derive(Debug)]
pub(crate) struct Payload {
    bytes: Bytes,
    form: bool,
    method: Method,
    path: String,
    idempotency_key: Option<String>,
}

impl FromRequest<App> for Payload {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &App) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        if parts.headers.contains_key(header::CONTENT_ENCODING) {
            return Err(Problem::plain(ErrorCode::MediaTypeUnsupported));
        }
        let idempotency_key = idempotency_key(&parts.headers)?;
        let bytes = collect(body).await?;
        let form = is_form(&parts.headers, bytes.is_empty())?;
        let path = parts.uri.path().to_owned();
        Ok(Self { bytes, form, method: parts.method, path, idempotency_key })
    }
}

impl Payload {
    /// The fields of the body; an empty body has none.
    pub(crate) fn fields(&self, known: &[&str]) -> Result<Fields, Problem> {
        let value = if self.bytes.is_empty() {
            Value::Object(Vec::new())
        } else if self.form {
            Value::form(&self.bytes)
        } else {
            Value::json(&self.bytes).map_err(|error| malformed(&error))?
        };
        Fields::of_body(value, known)
    }

    /// Refuses a body of more bytes than this.
    pub(crate) fn at_most(self, bytes: usize) -> Result<Self, Problem> {
        if self.bytes.len() > bytes { Err(Problem::plain(ErrorCode::PayloadTooLarge)) } else { Ok(self) }
    }

    /// What makes this request idempotent, when it came with a key: keyed digests of its scope and of its body.
    pub(crate) fn once(&self, app: &App, member: &Member) -> Option<Once> {
        self.digests(&app.services.keys, member.tenant)
    }

    /// `docs/formats.md` freezes these bytes.
    fn digests(&self, keys: &Keys, tenant: Tenant) -> Option<Once> {
        let (key, tenant) = (self.idempotency_key.as_deref()?, tenant.to_bytes());
        let scope: [&[u8]; 5] = [
            b"idempotency/v1",
            &tenant,
            self.method.as_str().as_bytes(),
            self.path.as_bytes(),
            key.as_bytes(),
        ];
        // The lowest root, not the active one: a request and its repetition must meet although a root was activated
        // between them.
        let root = keys.root_ids().min()?;
        Some(Once {
            key: keys.fingerprint(root, &scope)?,
            body: keys.fingerprint(root, &[b"body/v1", &self.bytes])?,
        })
    }
}

/// The bytes of a body, bounded in size and time.
pub(crate) async fn collect(body: axum::body::Body) -> Result<Bytes, Problem> {
    collect_up_to(body, limits::MAX_BODY).await
}

/// The same for a call with a bound of its own.
pub(crate) async fn collect_up_to(body: axum::body::Body, most: usize) -> Result<Bytes, Problem> {
    let collected = tokio::time::timeout(limits::BODY_TIME, Limited::new(body, most).collect());
    match collected.await {
        Err(_) => Err(Problem::plain(ErrorCode::RequestTimeout)),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::plain(ErrorCode::PayloadTooLarge)),
        Ok(Err(_)) => Err(Problem::new(ErrorCode::BodyMalformed, "The body ended too early.")),
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
    }
}

/// Where the reading stopped, without what stood there.
pub(crate) fn malformed(error: &serde_json::Error) -> Problem {
    let why = match error.classify() {
        serde_json::error::Category::Eof => "ends too early",
        _ => "is not valid JSON, not UTF-8, or nests too deep",
    };
    let (line, column) = (error.line(), error.column());
    Problem::new(ErrorCode::BodyMalformed, format!("The body {why} (line {line}, column {column})."))
}

/// Whether the body is form fields rather than JSON.
pub(crate) fn is_form(headers: &HeaderMap, empty: bool) -> Result<bool, Problem> {
    let unsupported = || Problem::plain(ErrorCode::MediaTypeUnsupported);
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return if empty { Ok(false) } else { Err(unsupported()) };
    };
    let (essence, parameters) = match value.to_str().map_err(|_| unsupported())?.split_once(';') {
        Some((essence, parameters)) => (essence, Some(parameters)),
        None => (value.to_str().map_err(|_| unsupported())?, None),
    };
    let charset = parameters.and_then(|parameters| parameters.trim().split_once('='));
    if charset.is_some_and(|(name, value)| {
        name.eq_ignore_ascii_case("charset") && !value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    }) {
        return Err(unsupported());
    }
    match essence.trim().to_ascii_lowercase().as_str() {
        "application/json" => Ok(false),
        "application/x-www-form-urlencoded" => Ok(true),
        _ => Err(unsupported()),
    }
}

/// `Idempotency-Key`, quoted (as the IETF draft has it) or bare.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut given = headers.get_all(IDEMPOTENCY_KEY).iter();
    let Some(first) = given.next() else { return Ok(None) };
    let text = first.to_str().unwrap_or_default().trim();
    let bare = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    if given.next().is_some() || bare.is_empty() || bare.len() > MAX_IDEMPOTENCY_KEY {
        let why = "must be given once, with 1 to 255 printable ASCII characters";
        return Err(invalid("Idempotency-Key", why));
    }
    Ok(Some(bare.to_owned()))
}

#[cfg(test)]
mod tests {
    use countersign_core::tenant::Mode;

    use super::*;
    use crate::formats_tests::{Vector, keys, tenant};

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let name = header::HeaderName::from_static(name);
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn content_types_decide_how_a_body_is_read() {
        let form = |value| is_form(&headers("content-type", value), false).ok();
        assert_eq!(form("application/json"), Some(false));
        assert_eq!(form("Application/JSON; charset=UTF-8"), Some(false));
        assert_eq!(form("application/x-www-form-urlencoded"), Some(true));
        assert_eq!(form("application/json; charset=latin1"), None);
        assert_eq!(form("text/plain"), None);
        assert_eq!(is_form(&HeaderMap::new(), true).ok(), Some(false));
        assert!(is_form(&HeaderMap::new(), false).is_err());
    }

    #[test]
    fn idempotency_keys_are_quoted_or_bare_and_bounded() {
        let read = |value: &str| idempotency_key(&headers("idempotency-key", value)).ok().flatten();
        assert_eq!(read("abc").as_deref(), Some("abc"));
        assert_eq!(read("\"abc\"").as_deref(), Some("abc"));
        assert!(read(&"x".repeat(255)).is_some());
        assert!(read(&"x".repeat(256)).is_none());
        assert!(read("\"\"").is_none());
        assert!(idempotency_key(&HeaderMap::new()).unwrap().is_none());
    }

    #[test]
    fn an_idempotent_request_has_the_digests_of_the_frozen_format() {
        let vector = Vector::named("idempotency");
        let digests = |body: &'static str, mode| {
            let payload = Payload {
                bytes: Bytes::from_static(body.as_bytes()),
                form: false,
                method: vector.text("method").parse().unwrap(),
                path: vector.text("path").to_owned(),
                idempotency_key: Some(vector.text("key").to_owned()),
            };
            payload.digests(&keys(), tenant(mode)).unwrap()
        };
        let (scope, body) = (vector.digest("scope digest"), vector.digest("body digest"));
        assert_eq!(digests(vector.text("body"), Mode::Live), Once { key: scope, body });
        assert_eq!(digests("", Mode::Live), Once { key: scope, body: vector.digest("empty body digest") });
        assert_ne!(digests("", Mode::Test).key, scope, "a key of the other mode is another key");
    }
}
