//! Any gateway that takes a message over HTTP, described by configuration alone.
//!
//! One shared client: HTTP/1.1, kept connections, no redirects (a code follows nobody), no proxy out of the
//! environment, at most 64 KiB read of an answer. A deadline that passes, or a connection that breaks, after
//! the request left us may mean that the message was taken; the error then says `retry`, and a gateway that
//! is given `delivery_id` can tell the repetition.

mod config;
mod request;
mod verdict;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use reqwest::{Client, RequestBuilder, Response, redirect};
use tokio::sync::Semaphore;

pub use config::{
    Auth, Body, Condition, ErrorRule, HttpGatewayConfig, MessageIdPlace, Method, OneOrMore, Scalar,
    StatusRange, Success,
};

use crate::config::{ConfigProblem, Secret};
use crate::limits;
use crate::provider::{Accepted, ErrorClass, Outgoing, Provider, ProviderError, ProviderFuture};
use request::{FilledBody, RequestTemplate};
use verdict::{Answer, Rules};

/// A configured gateway.
pub struct HttpGatewayProvider {
    name: String,
    client: Client,
    method: reqwest::Method,
    origin: String,
    request: RequestTemplate,
    login: Option<Login>,
    rules: Rules,
    timeout: Duration,
    permits: Semaphore,
}

enum Login {
    Basic(String, Secret),
    Bearer(Secret),
}

impl HttpGatewayProvider {
    /// Checks the configuration, reads the secrets and the authorities. Connects only when needed.
    ///
    /// # Errors
    /// The first problem of the configuration.
    pub fn new(name: impl Into<String>, config: &HttpGatewayConfig) -> Result<Self, ConfigProblem> {
        if let Some(problem) = config.validate().into_iter().next() {
            return Err(problem);
        }
        let mut secrets = BTreeMap::new();
        for (name, source) in &config.secrets {
            secrets.insert(name.clone(), source.resolve(&format!("secrets.{name}"))?);
        }
        let login = match &config.auth {
            None => None,
            Some(Auth::Basic { username, password }) => {
                Some(Login::Basic(username.clone(), password.resolve("auth.basic.password")?))
            }
            Some(Auth::Bearer(token)) => Some(Login::Bearer(token.resolve("auth.bearer")?)),
        };
        Ok(Self {
            name: name.into(),
            client: client(config)?,
            method: method(config.method),
            origin: config::split_url(&config.url).0.to_owned(),
            request: RequestTemplate::compile(config, &secrets)?,
            login,
            rules: Rules::of(config),
            timeout: Duration::from_secs(config.timeout_seconds),
            permits: Semaphore::new(config.max_connections),
        })
    }

    async fn deliver(&self, outgoing: &Outgoing) -> Result<Accepted, ProviderError> {
        let filled = self.request.fill(outgoing)?;
        let mut request = self.client.request(self.method.clone(), filled.url).headers(filled.headers);
        request = match filled.body {
            None => request,
            Some(FilledBody::Json(tree)) => request.json(&tree),
            Some(FilledBody::Form(fields)) => request.form(&fields),
        };
        let _permit = self.permits.acquire().await;
        let response = self.signed(request).send().await.map_err(|problem| failure(&problem))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let json = read_json(response).await?;
        self.rules.judge(&Answer { status, headers: &headers, json })
    }

    fn signed(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.login {
            None => request,
            Some(Login::Basic(username, password)) => request.basic_auth(username, Some(password.expose())),
            Some(Login::Bearer(token)) => request.bearer_auth(token.expose()),
        }
    }

    async fn within<T>(
        &self,
        limit: Duration,
        step: impl Future<Output = Result<T, ProviderError>>,
    ) -> Result<T, ProviderError> {
        let limit = limit.min(self.timeout);
        tokio::time::timeout(limit, step).await.unwrap_or_else(|_| {
            Err(ProviderError::new(
                ErrorClass::Timeout,
                format!("the gateway did not answer within {limit:.1?}"),
            ))
        })
    }
}

impl Provider for HttpGatewayProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> ProviderFuture<'a, Accepted> {
        Box::pin(self.within(message.deadline, self.deliver(message)))
    }

    /// Gateways have no common way to ask "would you take this?", so name, route and certificate are all that
    /// is tried: a HEAD of the host's root, without credentials. Any answer will do.
    fn verify(&self) -> ProviderFuture<'_, String> {
        let verify = async {
            let response =
                self.client.head(&self.origin).send().await.map_err(|problem| failure(&problem))?;
            Ok(format!("{} answers (status {})", self.origin, response.status().as_u16()))
        };
        Box::pin(self.within(Duration::MAX, verify))
    }
}

fn client(config: &HttpGatewayConfig) -> Result<Client, ConfigProblem> {
    // `localhost` is this machine whatever a resolver says, because clear text is allowed to it.
    let here = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), SocketAddr::from((Ipv6Addr::LOCALHOST, 0))];
    let mut builder = Client::builder()
        .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
        .http1_only()
        .tcp_nodelay(true)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .resolve_to_addrs("localhost", &here)
        .pool_max_idle_per_host(config.max_connections)
        .pool_idle_timeout(limits::CONNECTION_IDLE);
    if let Some(path) = &config.ca_file {
        let unusable = |problem: String| {
            let problem = format!("names the file {}, {problem}", path.display());
            ConfigProblem::new("ca_file", problem, "give a PEM file with CERTIFICATE blocks")
        };
        let pem =
            std::fs::read(path).map_err(|problem| unusable(format!("which cannot be read ({problem})")))?;
        let certificates = reqwest::Certificate::from_pem_bundle(&pem)
            .map_err(|_| unusable("which is not PEM".to_owned()))?;
        if certificates.is_empty() {
            return Err(unusable("which has no certificate".to_owned()));
        }
        builder = builder.tls_certs_only(certificates);
    }
    builder
        .build()
        .map_err(|problem| ConfigProblem::new("url", format!("has no client: {problem}"), "report this"))
}

const fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Get => reqwest::Method::GET,
    }
}

/// The JSON of an answer, if it is that and no longer than we read.
async fn read_json(mut response: Response) -> Result<Option<serde_json::Value>, ProviderError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|problem| failure(&problem))? {
        if body.len() + chunk.len() > limits::GATEWAY_BODY_BYTES {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(serde_json::from_slice(&body).ok())
}

/// In our words: the library's hold the address, which may hold a key or the recipient.
fn failure(problem: &reqwest::Error) -> ProviderError {
    let told = |class, words: &str| ProviderError::new(class, words);
    if is_tls(problem) {
        told(ErrorClass::Tls, "no trusted encryption with the gateway")
    } else if problem.is_connect() {
        told(ErrorClass::Unreachable, "no connection to the gateway")
    } else if problem.is_timeout() {
        told(ErrorClass::Timeout, "the gateway did not answer in time")
    } else if problem.is_builder() {
        told(ErrorClass::Configuration, "the request cannot be written")
    } else if causes(problem)
        .any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse))
    {
        told(ErrorClass::Protocol, "the gateway does not speak HTTP; it may have taken the message")
    } else {
        told(ErrorClass::ConnectionLost, "the connection to the gateway broke; it may have taken the message")
    }
}

fn is_tls(problem: &reqwest::Error) -> bool {
    causes(problem).any(holds_tls_error)
}

/// An I/O error hides what it wraps from `source`, and the layers wrap more than once.
fn holds_tls_error(cause: &(dyn std::error::Error + 'static)) -> bool {
    let wrapped = cause.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    cause.is::<rustls::Error>() || wrapped.is_some_and(|inner| holds_tls_error(inner))
}

fn causes(problem: &reqwest::Error) -> impl Iterator<Item = &(dyn std::error::Error + 'static)> {
    use std::error::Error as _;
    std::iter::successors(problem.source(), |cause: &&(dyn std::error::Error + 'static)| (*cause).source())
}
