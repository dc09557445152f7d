//! Any gateway that takes a message over HTTP, described by configuration alone.
//!
//! One shared client: HTTP/1.1, kept connections, no redirects (a code follows nobody), no proxy out of the
//! environment, at most 64 KiB read of an answer. A deadline that passes, or a connection that breaks, after
//! the request left us may mean that the message was taken; the error then says `retry`, and a gateway that
//! is given `delivery_id` can tell the repetition.

mod client;
mod config;
mod filled;
mod request;
mod verdict;

use std::collections::BTreeMap;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

pub use config::{
    Auth, Body, Condition, ErrorRule, HttpGatewayConfig, MessageIdPlace, Method, OneOrMore, Scalar,
    StatusRange, Success,
};

use crate::config::ConfigProblem;
use crate::provider::{Accepted, ErrorClass, Outgoing, Provider, ProviderError, ProviderFuture};
use client::Client;
use filled::{Filled, address};
use request::RequestTemplate;
use verdict::{Answer, Rules};

/// A configured gateway.
pub struct HttpGatewayProvider {
    name: String,
    client: Client,
    method: hyper::Method,
    origin: String,
    request: RequestTemplate,
    /// The value of `Authorization`.
    login: Option<HeaderValue>,
    rules: Rules,
    timeout: Duration,
    permits: Semaphore,
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
        Ok(Self {
            name: name.into(),
            client: Client::new(config.ca_file.as_deref(), config.max_connections)?,
            method: method(config.method),
            origin: config::split_url(&config.url).0.to_owned(),
            request: RequestTemplate::compile(config, &secrets)?,
            login: config.auth.as_ref().map(login).transpose()?,
            rules: Rules::of(config),
            timeout: Duration::from_secs(config.timeout_seconds),
            permits: Semaphore::new(config.max_connections),
        })
    }

    async fn deliver(&self, outgoing: &Outgoing) -> Result<Accepted, ProviderError> {
        let request = self.write(self.request.fill(outgoing)?);
        let _permit = self.permits.acquire().await;
        let answer = self.client.send(request).await?;
        let json = answer.body().as_ref().and_then(|body| serde_json::from_slice(body).ok());
        self.rules.judge(&Answer { status: answer.status().as_u16(), headers: answer.headers(), json })
    }

    fn write(&self, Filled { url, headers, body }: Filled) -> Request<Full<Bytes>> {
        let (content_type, body) = body.map(|body| body.encode()).unzip();
        let mut request = bare(self.method.clone(), url, body.unwrap_or_default(), headers);
        if let Some(content_type) = content_type {
            request.headers_mut().entry(CONTENT_TYPE).or_insert(content_type);
        }
        if let Some(login) = &self.login {
            request.headers_mut().insert(AUTHORIZATION, login.clone());
        }
        request
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
            let origin = address(&self.origin).ok_or_else(|| {
                ProviderError::new(ErrorClass::Configuration, "the address cannot be written")
            })?;
            let request = bare(hyper::Method::HEAD, origin, Bytes::new(), HeaderMap::new());
            let status = self.client.send(request).await?.status().as_u16();
            Ok(format!("{} answers (status {status})", self.origin))
        };
        Box::pin(self.within(Duration::MAX, verify))
    }
}

/// A request with what every one of ours says of itself, where `headers` do not say it.
fn bare(method: hyper::Method, url: Uri, body: Bytes, headers: HeaderMap) -> Request<Full<Bytes>> {
    const AGENT: HeaderValue = HeaderValue::from_static(concat!("countersign/", env!("CARGO_PKG_VERSION")));
    const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");
    let mut request = Request::new(Full::new(body));
    *request.method_mut() = method;
    *request.uri_mut() = url;
    *request.headers_mut() = headers;
    request.headers_mut().entry(USER_AGENT).or_insert(AGENT);
    request.headers_mut().entry(ACCEPT).or_insert(ANYTHING);
    request
}

fn login(auth: &Auth) -> Result<HeaderValue, ConfigProblem> {
    let (key, text) = match auth {
        Auth::Basic { username, password } => {
            let key = "auth.basic.password";
            let pair = Zeroizing::new(format!("{username}:{}", password.resolve(key)?.expose()));
            (key, format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes())))
        }
        Auth::Bearer(token) => ("auth.bearer", format!("Bearer {}", token.resolve("auth.bearer")?.expose())),
    };
    let mut value = HeaderValue::try_from(text).map_err(|_| {
        ConfigProblem::new(key, "holds control characters", "put the secret there as one line")
    })?;
    value.set_sensitive(true);
    Ok(value)
}

const fn method(method: Method) -> hyper::Method {
    match method {
        Method::Post => hyper::Method::POST,
        Method::Put => hyper::Method::PUT,
        Method::Patch => hyper::Method::PATCH,
        Method::Get => hyper::Method::GET,
    }
}
