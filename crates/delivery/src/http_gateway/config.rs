//! `[providers.<name>] type = "http"`.
//!
//! Every value of a request is a template over one message: `to`, `text`, `code`, `subject`, `sender`,
//! `channel`, `locale`, `delivery_id`, `encoding` (`gsm7`, `ucs2`), `segments`, `ttl_seconds`, `receipt_url`, of a call
//! `voice.twiml`, `voice.plivo`, `voice.ssml` and `voice.language`, and `account.<name>` and `secrets.<name>`. A template is one leaf of the body, one header or the address, never the body as a whole;
//! what a message says can therefore not leave its place, whatever it contains.

mod check;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::{SecretSource, default_timeout_seconds};
use crate::http_gateway::receipts::ReceiptConfig;
use crate::provider::{ErrorClass, Fault};

/// A gateway that takes messages over HTTP.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpGatewayConfig {
    /// The preset that was laid under this table, see [`super::preset::complete`].
    pub preset: Option<String>,
    /// The account's own values, that templates use as `account.<name>`.
    #[serde(default)]
    pub account: BTreeMap<String, Scalar>,
    /// Purposes it must not be used for: it brings words of its own, which would not say what the code approves.
    #[serde(default)]
    pub not_for: Vec<String>,
    /// Address; a template behind the host, its values percent-encoded. In the host only `account.<name>` may stand.
    pub url: String,
    /// `POST` (default), `PUT`, `PATCH` or `GET`.
    #[serde(default)]
    pub method: Method,
    /// Headers, by name; templates.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// How we sign in.
    pub auth: Option<Auth>,
    /// Secrets that templates use as `secrets.<name>`.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretSource>,
    /// `{ json = { … } }` or `{ form = { … } }`; without it the request has no body.
    pub body: Option<Body>,
    /// How the whole request is signed.
    pub sign: Option<Sign>,
    /// How the answer is written.
    #[serde(default)]
    pub answer: AnswerFormat,
    /// What counts as taken over.
    #[serde(default)]
    pub success: Success,
    /// Where the gateway's own name for the message stands.
    pub message_id: Option<MessageIdPlace>,
    /// What its refusals mean; the first that matches decides, also over `success`.
    #[serde(default)]
    pub errors: Vec<ErrorRule>,
    /// How it tells later what became of a message. In force when there is `secrets.receipt_token`.
    pub receipt: Option<ReceiptConfig>,
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Allows `http://` to another machine.
    #[serde(default)]
    pub insecure: bool,
    /// Time for one request, 1 to 300.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: u64,
    /// Requests at once, 1 to 256.
    #[serde(default = "default_connections")]
    pub max_connections: usize,
}

const fn default_connections() -> usize {
    16
}

/// A method that may carry a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the names say all")]
pub enum Method {
    #[default]
    Post,
    Put,
    Patch,
    Get,
}

/// How we sign in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Auth {
    /// `Authorization: Basic`.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: SecretSource,
    },
    /// `Authorization: Bearer`.
    Bearer(SecretSource),
    /// `Authorization: Bearer` with a token of Google's for a service account (RFC 7523), renewed before it ends.
    #[serde(rename = "google_service_account")]
    Google {
        /// The name under `secrets` of the account's key, the JSON file that Google hands out.
        key: String,
        /// What the token is good for.
        scope: String,
    },
    /// `Authorization: Bearer` with a JWT that is signed for each request (RS256), good for a minute.
    #[serde(rename = "jwt")]
    Jwt {
        /// The name under `secrets` of the private key, PEM of PKCS #8.
        key: String,
        /// Claims besides `iat`, `exp` and `jti`, and the names of the account values they say.
        #[serde(default)]
        claims: BTreeMap<String, String>,
    },
}

/// How the whole request is signed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Sign {
    /// AWS Signature Version 4. The names are those of account values or secrets.
    AwsSigv4 {
        /// The service, `sns`.
        service: String,
        /// Name of the region's value.
        region: String,
        /// Name of the access key id.
        access_key_id: String,
        /// Name of the secret access key.
        secret_access_key: String,
        /// Name of the session token; not used when there is no such value.
        session_token: Option<String>,
    },
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerFormat {
    /// JSON.
    #[default]
    Json,
    /// XML, in which pointers name elements.
    Xml,
}

/// The body as a tree whose strings are templates. A string that is nothing but one `{{ … }}` keeps the type
/// of its value (`"{{ segments }}"` becomes a number), and `none` leaves its field out
/// (`"{{ sender or none }}"`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Body {
    /// `application/json`.
    Json(Value),
    /// `application/x-www-form-urlencoded`; a list repeats its field.
    Form(Map<String, Value>),
}

/// What counts as taken over: the status and all conditions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Success {
    /// Status codes and ranges, `[200, "202-204"]`.
    #[serde(default = "any_2xx")]
    pub status: Vec<StatusRange>,
    /// What the JSON of the answer must say.
    #[serde(default)]
    pub json: Vec<Condition>,
}

impl Default for Success {
    fn default() -> Self {
        Self { status: any_2xx(), json: Vec::new() }
    }
}

fn any_2xx() -> Vec<StatusRange> {
    vec![StatusRange(200..=299)]
}

/// One status code or a range of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Scalar")]
pub struct StatusRange(RangeInclusive<u16>);

impl StatusRange {
    pub(super) fn contains(&self, status: u16) -> bool {
        self.0.contains(&status)
    }
}

impl std::fmt::Display for StatusRange {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.start() == self.0.end() {
            true => write!(formatter, "{}", self.0.start()),
            false => write!(formatter, "{}-{}", self.0.start(), self.0.end()),
        }
    }
}

impl TryFrom<Scalar> for StatusRange {
    type Error = String;

    fn try_from(written: Scalar) -> Result<Self, String> {
        let Scalar(text) = &written;
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if 100 <= first && first <= last && last <= 599 => Ok(Self(first..=last)),
            _ => Err(format!("{text:?} is no status; write 200 or \"200-299\"")),
        }
    }
}

/// One thing the answer's JSON says. Without `equals`: that there is something at `pointer`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// JSON pointer (RFC 6901), `/messages/0/status`; `*` stands for every element of an array.
    pub pointer: String,
    /// The value, or a list of which one must match; `0` and `"0"` are the same.
    pub equals: Option<OneOrMore>,
}

/// One value or several.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(Scalar),
    /// Several.
    More(Vec<Scalar>),
}

impl OneOrMore {
    /// All of them.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let all = match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        };
        all.iter().map(Scalar::as_str)
    }

    pub(crate) fn contains(&self, text: &str) -> bool {
        self.texts().any(|one| one == text)
    }
}

/// A string, number or boolean, by its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar(pub(crate) String);

impl Scalar {
    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        scalar_text(&value)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("write a string, a number or a boolean"))
    }
}

/// The text of a scalar, as it is compared.
pub(crate) fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(truth.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Where the gateway's own name for the message stands.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageIdPlace {
    /// A JSON pointer.
    Pointer(String),
    /// A header.
    Header(String),
}

/// What a refusal means. Matches when all that it names matches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    /// Status codes and ranges.
    #[serde(default)]
    pub status: Vec<StatusRange>,
    /// JSON pointer into the answer.
    pub pointer: Option<String>,
    /// What stands there.
    pub equals: Option<OneOrMore>,
    /// What it means; decides fault and retry unless they are given.
    pub class: ErrorClass,
    /// Whose fault it is: `recipient`, `provider` or `us`.
    #[serde(default, deserialize_with = "fault_name")]
    pub fault: Option<Fault>,
    /// Whether to try again.
    pub retry: Option<bool>,
    /// What it is, for people who read the rule.
    pub note: Option<String>,
}

fn fault_name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Fault>, D::Error> {
    let Scalar(name) = Scalar::deserialize(deserializer)?;
    let fault = Fault::named(&name);
    fault.map(Some).ok_or_else(|| serde::de::Error::custom("write \"recipient\", \"provider\" or \"us\""))
}

/// Scheme and host, which are fixed, and the rest, which is a template.
pub(super) fn split_url(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |end| host + end);
    url.split_at(end)
}

#[cfg(test)]
mod tests;
