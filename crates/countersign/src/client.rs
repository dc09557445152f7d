//! The client of the API that the commands use which talk to a running server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Method, RequestBuilder, Response};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::cli::line_from_stdin;
use crate::files;
use crate::problem::{Exit, Outcome, Problem};
use crate::profile::{self, Profile};

const DEFAULT_URL: &str = "http://127.0.0.1:8080";
/// Longer than the longest wait of the outbox.
const TIMEOUT: Duration = Duration::from_secs(40);
const KEY_VARIABLE: &str = "COUNTERSIGN_API_KEY";

/// Which server, and as whom.
#[derive(Debug, clap::Args)]
pub(crate) struct Server {
    /// The server's base URL [default: that of the profile, or http://127.0.0.1:8080].
    #[arg(long, value_name = "URL", env = "COUNTERSIGN_URL")]
    url: Option<String>,
    /// A file with the API key; `-` reads it from standard input.
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

/// What the server answered: the document, or its problem document.
pub(crate) type Answer = Result<Value, Refused>;

/// A problem document (RFC 9457).
#[derive(Debug, Clone)]
pub(crate) struct Refused {
    status: u16,
    document: Value,
    retry_after: Option<Duration>,
}

/// What a call with an idempotency key was answered with.
pub(crate) struct Once {
    pub(crate) answer: Answer,
    /// Whether the same call was made before, and this is what it was answered with then.
    pub(crate) replayed: bool,
}

/// A client of one server.
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    key: Option<Zeroizing<String>>,
}

impl Server {
    /// A client for it, with the key from a file, the environment or the profile.
    pub(crate) fn client(&self) -> Outcome<Client> {
        let profile = profile::user_path().map(|path| Profile::read(&path)).transpose()?.flatten();
        let of_profile = profile.as_ref().map(|profile| profile.url.as_str());
        let base = self.url.as_deref().or(of_profile).unwrap_or(DEFAULT_URL).trim_end_matches('/').to_owned();
        // The profile's key is for the profile's server; no other one gets to see it.
        let of_profile = profile.filter(|profile| profile.url == base).map(|profile| profile.api_key);
        let key = match (&self.key_file, std::env::var(KEY_VARIABLE).ok().filter(|key| !key.is_empty())) {
            (Some(path), _) if path == Path::new("-") => Some(line_from_stdin("key")?),
            (Some(path), _) => Some(Zeroizing::new(files::read(path)?.trim().to_owned())),
            (None, of_environment) => of_environment.or(of_profile).map(Zeroizing::new),
        };
        if key.is_none() {
            let why = format!("there is no --key-file, no {KEY_VARIABLE} and no profile for {base}");
            let fix = "start `countersign dev`, which writes a profile, or give a key";
            return Err(Problem::usage("no API key is known", why, fix));
        }
        Ok(Client { http: http(reqwest::Client::builder())?, base, key })
    }
}

impl Client {
    /// A client without a key, for the doors that need none.
    pub(crate) fn without_key(base: &str) -> Outcome<Self> {
        let base = base.trim_end_matches('/').to_owned();
        Ok(Self { http: http(reqwest::Client::builder())?, base, key: None })
    }

    /// A client of the owner-only socket of a running server.
    pub(crate) fn over_socket(socket: &Path) -> Outcome<Self> {
        let http = http(reqwest::Client::builder().unix_socket(socket))?;
        Ok(Self { http, base: "http://control".to_owned(), key: None })
    }

    /// Calls the server. `Err` when there was no answer that can be understood.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> Outcome<Answer> {
        let response = self.send(self.request(method, path).query(query), body).await?;
        self.read(response).await
    }

    /// POSTs something that happens once, however often it is posted under this key.
    pub(crate) async fn once(&self, path: &str, key: &str, body: &Value) -> Outcome<Once> {
        let request = self.request(Method::POST, path).header("idempotency-key", key);
        let response = self.send(request, Some(body)).await?;
        let replayed = response.headers().get("idempotent-replayed").is_some_and(|value| value == "true");
        Ok(Once { answer: self.read(response).await?, replayed })
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.key {
            Some(key) => request.bearer_auth(key.as_str()),
            None => request,
        }
    }

    async fn send(&self, request: RequestBuilder, body: Option<&Value>) -> Outcome<Response> {
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        request.send().await.map_err(|error| self.unreachable(&error))
    }

    async fn read(&self, response: Response) -> Outcome<Answer> {
        let status = response.status();
        let header = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let retry_after = header.map(Duration::from_secs);
        let bytes = response.bytes().await.map_err(|error| self.unreachable(&error))?;
        let empty = bytes.is_empty() && status.is_success();
        let document = if empty { Ok(Value::Null) } else { serde_json::from_slice(&bytes) };
        match document {
            Ok(document) if status.is_success() => Ok(Ok(document)),
            Ok(document) => Ok(Err(Refused { retry_after, ..Refused::new(status.as_u16(), document) })),
            Err(_) => Err(Problem::new(
                "the answer cannot be understood",
                format!("{} answered {status} without JSON", self.base),
                "is that the base URL of a Countersign server?",
            )),
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> Problem {
        let mut causes = vec![error.to_string()];
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        Problem::new(
            format!("the server at {} did not answer", self.base),
            causes.pop().unwrap_or_default(),
            "start it with `countersign dev` or `countersign serve`, or name it with --url",
        )
    }
}

fn http(builder: reqwest::ClientBuilder) -> Outcome<reqwest::Client> {
    let agent = concat!("countersign/", env!("CARGO_PKG_VERSION"));
    builder.no_proxy().user_agent(agent).timeout(TIMEOUT).build().map_err(|error| {
        Problem::new("the HTTP client cannot be made", error, "check the certificates of this system")
    })
}

impl Refused {
    pub(crate) fn new(status: u16, document: Value) -> Self {
        Self { status, document, retry_after: None }
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    /// How long to wait before the same call may be made again; `None` when waiting does not help.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after.filter(|_| matches!(self.status, 429 | 503))
    }

    /// The stable code.
    pub(crate) fn code(&self) -> &str {
        self.document.get("code").and_then(Value::as_str).unwrap_or("unknown")
    }

    /// The document as it came.
    pub(crate) fn document(&self) -> &Value {
        &self.document
    }

    /// Whether a code was judged and not accepted.
    pub(crate) fn is_rejection(&self) -> bool {
        self.status == 410
            || matches!(
                self.code(),
                "code_incorrect"
                    | "code_malformed"
                    | "binding_mismatch"
                    | "verification_already_approved"
                    | "challenge_already_approved"
            )
    }

    /// The problem for the command line.
    pub(crate) fn problem(&self, what: &str) -> Problem {
        let detail = ["detail", "title"].iter().find_map(|field| self.document.get(field)?.as_str());
        let detail = detail.unwrap_or("the server said no more");
        let exit = if self.is_rejection() { Exit::Rejected } else { Exit::Failed };
        Problem {
            exit,
            ..Problem::new(what, format!("{detail} ({} {})", self.status, self.code()), self.fix())
        }
    }

    fn fix(&self) -> String {
        let left = |object: &str| self.document.pointer(&format!("/{object}/attempts_remaining"))?.as_u64();
        let of_challenge = self.document.get("challenge").is_some() || self.code().starts_with("challenge_");
        match (self.code(), left("verification").or_else(|| left("challenge"))) {
            ("code_incorrect" | "binding_mismatch", Some(0)) if of_challenge => {
                "begin a new challenge".to_owned()
            }
            ("code_incorrect" | "binding_mismatch", Some(0)) => "start a new verification".to_owned(),
            ("code_incorrect" | "binding_mismatch", Some(left)) => {
                format!("look again; {left} tries are left")
            }
            ("code_malformed", _) => {
                "enter the code as it stands in the message; this cost no try".to_owned()
            }
            ("key_missing" | "key_invalid" | "key_expired" | "key_revoked", _) => {
                "use a key of this server; `countersign keys create` makes one".to_owned()
            }
            ("scope_missing" | "mode_mismatch", _) => "use a key that may do this".to_owned(),
            ("no_route", _) => {
                "add providers and [[routes]] to the configuration, or use a test key".to_owned()
            }
            ("code_incorrect", None) => "look again, and give the code that is shown now".to_owned(),
            ("factor_locked", _) => "wait, or take the lock off with `countersign factors unlock`".to_owned(),
            ("factor_required", _) => "enrol one with `countersign factors enroll`".to_owned(),
            ("removal_unproven", _) => {
                "use a key with the scope factors:manage, or name a challenge that another factor approved"
                    .to_owned()
            }
            (_, _) if of_challenge && matches!(self.status, 409 | 410) => "begin a new challenge".to_owned(),
            (_, _) if self.status == 410 => "start a new verification with `countersign send`".to_owned(),
            (_, _) if self.status == 429 => "wait, then try again".to_owned(),
            (_, _) if self.status >= 500 => "try again; `countersign doctor` looks for the cause".to_owned(),
            ("verification_already_approved", _) => "start a new verification for a new proof".to_owned(),
            ("recipient_invalid", _) => "write it like +48600100217 or anna@example.com".to_owned(),
            ("resource_not_found", _) => {
                "check the id, and that the key is of the same project and mode".to_owned()
            }
            (code, _) => format!("docs/errors.md explains `{code}`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(status: u16, code: &str) -> Problem {
        Refused::new(status, json!({ "code": code, "detail": "why" })).problem("what")
    }

    #[test]
    fn only_a_judged_code_ends_with_three() {
        for (status, code) in [
            (422, "code_incorrect"),
            (422, "code_malformed"),
            (422, "binding_mismatch"),
            (409, "verification_already_approved"),
            (410, "verification_expired"),
            (410, "verification_max_attempts"),
        ] {
            assert_eq!(refused(status, code).exit, Exit::Rejected, "{code}");
        }
        for (status, code) in [(401, "key_invalid"), (429, "recipient_paused"), (503, "storage_unavailable")]
        {
            assert_eq!(refused(status, code).exit, Exit::Failed, "{code}");
        }
    }

    #[test]
    fn what_is_refused_of_a_challenge_is_mended_there() {
        let fix = |status: u16, document: Value| Refused::new(status, document).problem("what").fix;
        let left =
            |left: u8| json!({ "code": "code_incorrect", "challenge": { "attempts_remaining": left } });
        assert!(fix(422, left(2)).contains("2 tries"));
        assert!(fix(422, left(0)).contains("new challenge"));
        assert!(fix(410, json!({ "code": "challenge_denied" })).contains("new challenge"));
        assert!(fix(423, json!({ "code": "factor_locked" })).contains("factors unlock"));
        assert!(fix(410, json!({ "code": "verification_expired" })).contains("new verification"));
    }

    #[test]
    fn a_refusal_says_how_many_tries_are_left() {
        let document = json!({ "code": "code_incorrect", "verification": { "attempts_remaining": 3 } });
        assert!(Refused::new(422, document).problem("what").fix.contains("3 tries"));
    }
}
