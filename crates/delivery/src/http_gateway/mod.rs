//! Any gateway that takes a message over HTTP, described by configuration alone.
//!
//! One shared client: HTTP/1.1, kept connections, no redirects (a code follows nobody), no proxy out of the
//! environment, at most 64 KiB read of an answer. A deadline that passes, or a connection that breaks, after
//! the request left us may mean that the message was taken; the error then says `retry`, and a gateway that
//! is given `delivery_id` can tell the repetition.

mod client;
mod config;
mod filled;
mod login;
pub mod preset;
pub mod receipts;
mod request;
mod sigv4;
mod verdict;
mod xml;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::time::{Clock, EntropySource};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Request, Uri};
use tokio::sync::Semaphore;

pub(crate) use config::scalar_text;
pub use config::{
    AnswerFormat, Auth, Body, Condition, ErrorRule, HttpGatewayConfig, MessageIdPlace, Method, OneOrMore,
    Scalar, Sign, StatusRange, Success,
};

use crate::config::ConfigProblem;
use crate::messages::Purpose;
use crate::provider::{Accepted, ErrorClass, Outgoing, Provider, ProviderError, ProviderFuture};

use client::Client;
use filled::{Filled, address};
use login::Login;
use request::RequestTemplate;
use sigv4::Signer;
use verdict::{Answer, Rules};

/// What a gateway is told of the node it works on.
#[derive(Clone)]
pub struct Node {
    /// The time of signatures and tokens.
    pub clock: Arc<dyn Clock>,
    /// The names of tokens that may be used once.
    pub entropy: Arc<dyn EntropySource>,
    /// The base address under which vendors reach it, without a slash at its end.
    pub public_url: Option<String>,
}

/// A configured gateway.
pub struct HttpGatewayProvider {
    name: String,
    client: Client,
    method: hyper::Method,
    origin: String,
    /// What `verify` says besides: the preset, and whether receipts come.
    remark: String,
    gives_receipts: bool,
    request: RequestTemplate,
    login: Login,
    signer: Option<Signer>,
    clock: Arc<dyn Clock>,
    answer: AnswerFormat,
    not_for: Vec<Purpose>,
    rules: Rules,
    timeout: Duration,
    permits: Semaphore,
}

impl HttpGatewayProvider {
    /// Checks the configuration, reads the secrets and the authorities. Connects only when needed.
    ///
    /// # Errors
    /// The first problem of the configuration.
    pub fn new(
        name: impl Into<String>,
        config: &HttpGatewayConfig,
        node: &Node,
    ) -> Result<Self, ConfigProblem> {
        let name = name.into();
        if let Some(problem) = config.validate().into_iter().next() {
            return Err(problem);
        }
        let mut secrets = BTreeMap::new();
        for (name, source) in &config.secrets {
            secrets.insert(name.clone(), source.resolve(&format!("secrets.{name}"))?);
        }
        let receipt_url = receipts::address(&name, config, node.public_url.as_deref())?;
        Ok(Self {
            remark: remark(config, receipt_url.is_some()),
            gives_receipts: receipts::are_taken(config),
            name,
            client: Client::new(config.ca_file.as_deref(), config.max_connections)?,
            method: method(config.method),
            origin: request::authority(config)?,
            request: RequestTemplate::compile(config, &secrets, receipt_url)?,
            login: Login::of(config, node)?,
            signer: Signer::of(config)?,
            clock: Arc::clone(&node.clock),
            answer: config.answer,
            not_for: config.not_for.iter().filter_map(|name| Purpose::named(name)).collect(),
            rules: Rules::of(config),
            timeout: Duration::from_secs(config.timeout_seconds),
            permits: Semaphore::new(config.max_connections),
        })
    }

    async fn deliver(&self, outgoing: &Outgoing) -> Result<Accepted, ProviderError> {
        if self.not_for.contains(&outgoing.purpose) {
            let detail = format!(
                "not for the purpose {}, as not_for says: nothing was sent",
                outgoing.purpose.as_str()
            );
            return Err(ProviderError::new(ErrorClass::Configuration, detail));
        }
        let filled = self.request.fill(outgoing)?;
        let _permit = self.permits.acquire().await;
        let request = self.write(filled).await?;
        let answer = self.client.send(request).await?;
        let body = answer.body().as_deref().unwrap_or_default();
        let json = match self.answer {
            AnswerFormat::Json => serde_json::from_slice(body).ok(),
            AnswerFormat::Xml => std::str::from_utf8(body).ok().and_then(xml::as_json),
        };
        let answer = Answer { status: answer.status().as_u16(), headers: answer.headers(), json };
        match self.rules.judge(&answer) {
            Err(error) if error.class == ErrorClass::Authentication && self.login.refused().await => {
                Err(error.with_retry(true))
            }
            judged => judged,
        }
    }

    async fn write(
        &self,
        Filled { url, headers, body }: Filled,
    ) -> Result<Request<Full<Bytes>>, ProviderError> {
        let (content_type, body) = body.map(|body| body.encode()).unzip();
        let body = body.unwrap_or_default();
        let mut request = typed(bare(self.method.clone(), url, body.clone(), headers), content_type);
        if let Some(login) = self.login.header().await? {
            request.headers_mut().insert(AUTHORIZATION, login);
        }
        if let Some(signer) = &self.signer {
            signer.sign(&mut request, &body, self.clock.now())?;
        }
        Ok(request)
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
    fn gives_receipts(&self) -> bool {
        self.gives_receipts
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> ProviderFuture<'a, Accepted> {
        Box::pin(self.within(message.deadline, self.deliver(message)))
    }

    /// Gateways have no common way to ask "would you take this?", so name, route and certificate are all that
    /// is tried: a HEAD of the host's root, without credentials. Any answer will do. Where a token is fetched to sign
    /// in, one is.
    fn verify(&self) -> ProviderFuture<'_, String> {
        let verify = async {
            let origin = address(&self.origin).ok_or_else(|| {
                ProviderError::new(ErrorClass::Configuration, "the address cannot be written")
            })?;
            let request = bare(hyper::Method::HEAD, origin, Bytes::new(), HeaderMap::new());
            let status = self.client.send(request).await?.status().as_u16();
            // A token costs nothing, so the credentials are tried where there is one.
            self.login.header().await?;
            Ok(format!("{} answers (status {status}){}", self.origin, self.remark))
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

/// With a content type, unless `headers` name one.
fn typed(mut request: Request<Full<Bytes>>, content_type: Option<HeaderValue>) -> Request<Full<Bytes>> {
    if let Some(content_type) = content_type {
        request.headers_mut().entry(CONTENT_TYPE).or_insert(content_type);
    }
    request
}

fn remark(config: &HttpGatewayConfig, receipts: bool) -> String {
    let preset = config.preset.as_ref().map(|name| format!(", preset {name}"));
    let receipts = match (&config.receipt, receipts) {
        (None, _) => "",
        (Some(_), true) => ", receipts on",
        (Some(_), false) if config.secrets.contains_key(receipts::TOKEN) => {
            ", receipts on once the gateway is told their address (server.public_url is not set)"
        }
        (Some(_), false) => ", receipts off (no secrets.receipt_token)",
    };
    format!("{}{receipts}", preset.unwrap_or_default())
}

const fn method(method: Method) -> hyper::Method {
    match method {
        Method::Post => hyper::Method::POST,
        Method::Put => hyper::Method::PUT,
        Method::Patch => hyper::Method::PATCH,
        Method::Get => hyper::Method::GET,
    }
}
