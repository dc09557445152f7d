//! `[providers.<name>] type = "http"`.
//!
//! Every value of a request is a template over one message: `to`, `text`, `code`, `subject`, `sender`,
//! `channel`, `locale`, `delivery_id`, `encoding` (`gsm7`, `ucs2`), `segments`, `ttl_seconds`, and
//! `secrets.<name>`. A template is one leaf of the body, one header or the address, never the body as a whole;
//! what a message says can therefore not leave its place, whatever it contains.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::request::RequestTemplate;
use crate::config::{ConfigProblem, SecretSource, check_numbers, default_timeout_seconds, is_loopback};
use crate::limits;
use crate::provider::{ErrorClass, Fault};

/// A gateway that takes messages over HTTP.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpGatewayConfig {
    /// Address; a template behind the host, its values percent-encoded.
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
    /// What counts as taken over.
    #[serde(default)]
    pub success: Success,
    /// Where the gateway's own name for the message stands.
    pub message_id: Option<MessageIdPlace>,
    /// What its refusals mean; the first that matches decides, also over `success`.
    #[serde(default)]
    pub errors: Vec<ErrorRule>,
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
    /// JSON pointer (RFC 6901), `/messages/0/status`.
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
    pub(super) fn contains(&self, text: &str) -> bool {
        match self {
            Self::One(Scalar(one)) => one == text,
            Self::More(more) => more.iter().any(|Scalar(one)| one == text),
        }
    }
}

/// A string, number or boolean, by its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scalar(pub(super) String);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        scalar_text(&value)
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("write a string, a number or a boolean"))
    }
}

/// The text of a scalar, as it is compared.
pub(super) fn scalar_text(value: &Value) -> Option<String> {
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
}

fn fault_name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Fault>, D::Error> {
    let Scalar(name) = Scalar::deserialize(deserializer)?;
    let fault = Fault::named(&name);
    fault.map(Some).ok_or_else(|| serde::de::Error::custom("write \"recipient\", \"provider\" or \"us\""))
}

impl HttpGatewayConfig {
    /// Everything that is wrong, without touching the network or reading a secret.
    #[must_use]
    pub fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = check_numbers(self.timeout_seconds, self.max_connections);
        problems.extend(self.check_address());
        problems.extend(self.check_headers());
        problems.extend(self.check_rules());
        // Compiling finds wrong templates; it also repeats what an unusable address would say.
        if problems.is_empty()
            && let Err(problem) = RequestTemplate::compile(self, &BTreeMap::new())
        {
            problems.push(problem);
        }
        problems
    }

    fn check_address(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let mut wrong = |problem: &str, fix: &str| problems.push(ConfigProblem::new("url", problem, fix));
        let (authority, rest) = split_url(&self.url);
        match url::Url::parse(authority) {
            _ if authority.contains("{{") || authority.contains("{%") => {
                wrong(
                    "has a template in its scheme or host",
                    "write them out; only path and query are templates",
                );
            }
            Ok(url) if !["https", "http"].contains(&url.scheme()) || url.host_str().is_none() => {
                wrong("is no web address", "write it like https://api.example.com/messages");
            }
            Ok(url) if !url.username().is_empty() || url.password().is_some() => {
                wrong("holds a user name or password", "use auth = { basic = … }");
            }
            Ok(url)
                if url.scheme() == "http"
                    && !self.insecure
                    && !is_loopback(url.host_str().unwrap_or_default()) =>
            {
                wrong("is not encrypted", "use https, or set insecure = true");
            }
            Ok(_) if rest.contains('#') => wrong("has a fragment, which is never sent", "leave it out"),
            Ok(_) => {}
            Err(_) => wrong("is no web address", "write it like https://api.example.com/messages"),
        }
        if self.method == Method::Get && self.body.is_some() {
            problems.push(ConfigProblem::new(
                "body",
                "goes not with GET",
                "use POST, or put the values into url",
            ));
        }
        problems
    }

    fn check_headers(&self) -> Vec<ConfigProblem> {
        const OURS: [&str; 5] = ["host", "content-length", "transfer-encoding", "connection", "te"];
        let mut problems = Vec::new();
        for name in self.headers.keys() {
            let key = format!("headers.{name}");
            let lower = name.to_ascii_lowercase();
            if hyper::header::HeaderName::from_bytes(name.as_bytes()).is_err() {
                problems.push(ConfigProblem::new(
                    key,
                    "is no header name",
                    "use letters, digits and hyphens",
                ));
            } else if OURS.contains(&lower.as_str()) {
                problems.push(ConfigProblem::new(key, "is set by the transport", "leave it out"));
            } else if lower == "authorization" && self.auth.is_some() {
                problems.push(ConfigProblem::new(key, "is set by auth too", "keep one of them"));
            }
        }
        problems
    }

    fn check_rules(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let mut pointer = |key: String, pointer: &str| {
            if !pointer.is_empty() && !pointer.starts_with('/') {
                problems.push(ConfigProblem::new(
                    key,
                    "is no JSON pointer",
                    "start it with /, like /messages/0/id",
                ));
            }
        };
        for (index, condition) in self.success.json.iter().enumerate() {
            pointer(format!("success.json[{index}].pointer"), &condition.pointer);
        }
        if let Some(MessageIdPlace::Pointer(place)) = &self.message_id {
            pointer("message_id.pointer".to_owned(), place);
        }
        for (index, rule) in self.errors.iter().enumerate() {
            pointer(format!("errors[{index}].pointer"), rule.pointer.as_deref().unwrap_or_default());
        }
        for (index, rule) in self.errors.iter().enumerate() {
            let key = format!("errors[{index}]");
            if rule.status.is_empty() && rule.pointer.is_none() {
                problems.push(ConfigProblem::new(key, "matches everything", "give it a status or a pointer"));
            } else if rule.equals.is_some() && rule.pointer.is_none() {
                problems.push(ConfigProblem::new(
                    key,
                    "has equals without pointer",
                    "say where the value stands",
                ));
            }
        }
        if self.errors.len() > limits::GATEWAY_RULES {
            let fix = format!("keep at most {}", limits::GATEWAY_RULES);
            problems.push(ConfigProblem::new("errors", "has too many rules", fix));
        }
        if self.success.status.is_empty() {
            problems.push(ConfigProblem::new(
                "success.status",
                "is empty",
                "write [\"200-299\"] or leave it out",
            ));
        }
        problems
    }
}

/// Scheme and host, which are fixed, and the rest, which is a template.
pub(super) fn split_url(url: &str) -> (&str, &str) {
    let host = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url[host..].find(['/', '?', '#']).map_or(url.len(), |end| host + end);
    url.split_at(end)
}

#[cfg(test)]
mod tests;
