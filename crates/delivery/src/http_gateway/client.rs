//! The HTTP client of a gateway: HTTP/1.1 over kept connections, nothing out of the environment, no redirects.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Bytes;
use hyper::{Request, Response};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::config::ConfigProblem;
use crate::limits;
use crate::provider::{ErrorClass, ProviderError};
use crate::tls;

/// A client with its connections.
pub(super) struct Client(legacy::Client<HttpsConnector<HttpConnector<Resolver>>, Full<Bytes>>);

impl Client {
    /// A client that keeps at most `most` connections; it opens them when they are needed.
    pub(super) fn new(ca_file: Option<&Path>, most: usize) -> Result<Self, ConfigProblem> {
        let mut tls = tls::client("url", ca_file)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut tcp = HttpConnector::new_with_resolver(Resolver);
        tcp.set_nodelay(true);
        // `https` too is for this connector; the one around it adds the encryption.
        tcp.enforce_http(false);
        let client = legacy::Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(limits::CONNECTION_IDLE)
            .pool_max_idle_per_host(most)
            .build(HttpsConnector::from((tcp, tls)));
        Ok(Self(client))
    }

    /// Sends a request. The body of the answer is `None` when it is longer than we read.
    pub(super) async fn send(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Option<Bytes>>, ProviderError> {
        let answer = self.0.request(request).await;
        let (head, body) = answer.map_err(|problem| failure(&problem, problem.is_connect()))?.into_parts();
        let body = match Limited::new(body, limits::GATEWAY_BODY_BYTES).collect().await {
            Ok(body) => Some(body.to_bytes()),
            Err(problem) if problem.is::<LengthLimitError>() => None,
            Err(problem) => return Err(failure(problem.as_ref(), false)),
        };
        Ok(Response::from_parts(head, body))
    }
}

/// The system's resolver, except that `localhost` is this machine whatever it says, because clear text is allowed to it.
#[derive(Clone, Copy)]
struct Resolver;

type Resolved = Pin<Box<dyn Future<Output = io::Result<std::vec::IntoIter<SocketAddr>>> + Send>>;

impl tower::Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = io::Error;
    type Future = Resolved;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Resolved {
        Box::pin(async move {
            let found = if name.as_str().eq_ignore_ascii_case("localhost") {
                vec![(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()]
            } else {
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect()
            };
            Ok(found.into_iter())
        })
    }
}

/// In our words: the library's may hold the address, which may hold a key or the recipient.
fn failure(problem: &(dyn Error + 'static), connecting: bool) -> ProviderError {
    let mut causes = std::iter::successors(Some(problem), |cause: &&(dyn Error + 'static)| (*cause).source());
    let (class, words) = if causes.clone().any(holds_tls_error) {
        (ErrorClass::Tls, "no trusted encryption with the gateway")
    } else if connecting {
        (ErrorClass::Unreachable, "no connection to the gateway")
    } else if causes.any(|cause| cause.downcast_ref::<hyper::Error>().is_some_and(hyper::Error::is_parse)) {
        (ErrorClass::Protocol, "the gateway does not speak HTTP; it may have taken the message")
    } else {
        (ErrorClass::ConnectionLost, "the connection to the gateway broke; it may have taken the message")
    };
    ProviderError::new(class, words)
}

/// An I/O error hides what it wraps from `source`, and the layers wrap more than once.
fn holds_tls_error(cause: &(dyn Error + 'static)) -> bool {
    let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    cause.is::<rustls::Error>() || wrapped.is_some_and(|inner| holds_tls_error(inner))
}
