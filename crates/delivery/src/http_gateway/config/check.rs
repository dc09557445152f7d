//! What is wrong with a gateway's table.

use std::collections::BTreeMap;

use super::{Auth, HttpGatewayConfig, MessageIdPlace, Method, Sign, split_url};
use crate::config::{ConfigProblem, Secret, check_numbers, is_loopback};
use crate::http_gateway::request::{self, RequestTemplate};
use crate::messages::Purpose;
use crate::{limits, pointer};

impl HttpGatewayConfig {
    /// Everything that is wrong, without touching the network or reading a secret.
    #[must_use]
    pub fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = check_numbers(self.timeout_seconds, self.max_connections);
        problems.extend(self.check_address());
        problems.extend(self.check_headers());
        problems.extend(self.check_rules());
        problems.extend(self.check_names());
        problems.extend(self.receipt.as_ref().and_then(|receipt| receipt.check(self).err()));
        // Compiling finds wrong templates; it also repeats what an unusable address would say.
        if problems.is_empty()
            && let Err(problem) = RequestTemplate::compile(self, &BTreeMap::new(), None)
        {
            problems.push(problem);
        }
        problems
    }

    fn check_address(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let mut wrong = |problem: &str, fix: &str| problems.push(ConfigProblem::new("url", problem, fix));
        let rest = split_url(&self.url).1;
        let authority = match request::authority(self) {
            Ok(authority) => authority,
            Err(problem) => return vec![problem],
        };
        match url::Url::parse(&authority) {
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
            if !pointer::is_pointer(pointer) {
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

    /// Values are named where they are used.
    fn check_names(&self) -> Vec<ConfigProblem> {
        if let Some(unknown) = self.not_for.iter().find(|name| Purpose::named(name).is_none()) {
            let known: Vec<_> = Purpose::ALL.iter().map(|purpose| purpose.as_str()).collect();
            let fix = format!("write some of {}", known.join(", "));
            return vec![ConfigProblem::new(
                "not_for",
                format!("names {unknown:?}, which is no purpose"),
                fix,
            )];
        }
        let mut named = Vec::new();
        match &self.auth {
            Some(Auth::Google { key, .. }) => named.push(("auth.google_service_account.key", key)),
            Some(Auth::Jwt { key, claims }) => {
                named.push(("auth.jwt.key", key));
                named.extend(claims.values().map(|name| ("auth.jwt.claims", name)));
            }
            Some(Auth::Basic { .. } | Auth::Bearer(_)) | None => {}
        }
        if let Some(Sign::AwsSigv4 { region, access_key_id, secret_access_key, .. }) = &self.sign {
            named.push(("sign.aws_sigv4.region", region));
            named.push(("sign.aws_sigv4.access_key_id", access_key_id));
            named.push(("sign.aws_sigv4.secret_access_key", secret_access_key));
        }
        let unknown = named.into_iter().filter(|(_, name)| !self.has_value(name));
        unknown.map(|(key, name)| self.no_value(key, name)).collect()
    }

    /// Whether there is an account value or secret of that name.
    pub(crate) fn has_value(&self, name: &str) -> bool {
        self.account.contains_key(name) || self.secrets.contains_key(name)
    }

    pub(crate) fn no_value(&self, key: &str, name: &str) -> ConfigProblem {
        let problem = format!("names {name}, which is neither under secrets nor under account");
        ConfigProblem::new(key, problem, format!("add secrets = {{ {name} = {{ file = … }} }}"))
    }

    /// The account value or secret of that name, read.
    pub(crate) fn value(&self, key: &str, name: &str) -> Result<Secret, ConfigProblem> {
        match (self.account.get(name), self.secrets.get(name)) {
            (Some(value), _) => Ok(Secret::new(value.0.clone())),
            (None, Some(source)) => source.resolve(&format!("secrets.{name}")),
            (None, None) => Err(self.no_value(key, name)),
        }
    }
}
