//! The local provider: takes messages over HTTP and hands each to whoever waits for that recipient.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A message as it arrived.
pub(crate) struct Message {
    pub(crate) code: String,
    pub(crate) at: Instant,
}

type Waiting = Arc<Mutex<HashMap<String, oneshot::Sender<Message>>>>;

/// The provider sink.
pub(crate) struct Sink {
    address: SocketAddr,
    waiting: Waiting,
}

impl Sink {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let waiting = Waiting::default();
        let serving = Arc::clone(&waiting);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let waiting = Arc::clone(&serving);
                let service = service_fn(move |request| take(Arc::clone(&waiting), request));
                let connection = hyper::server::conn::http1::Builder::new();
                tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
            }
        });
        Ok(Self { address, waiting })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next message for this recipient.
    pub(crate) fn expect(&self, to: &str) -> oneshot::Receiver<Message> {
        let (sender, receiver) = oneshot::channel();
        if let Ok(mut waiting) = self.waiting.lock() {
            waiting.insert(to.to_owned(), sender);
        }
        receiver
    }
}

#[derive(serde::Deserialize)]
struct Sent {
    to: String,
    text: String,
}

async fn take(waiting: Waiting, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let at = Instant::now();
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    if let Ok(sent) = serde_json::from_slice::<Sent>(&body) {
        let code = sent.text.split_whitespace().next().unwrap_or_default().to_owned();
        let receiver = waiting.lock().ok().and_then(|mut waiting| waiting.remove(&sent.to));
        if let Some(receiver) = receiver {
            let _ = receiver.send(Message { code, at });
        }
    }
    Ok(Response::new(Full::new(Bytes::from_static(b"{\"id\":\"m1\"}"))))
}
