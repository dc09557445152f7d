//! One keep-alive connection, as light as a client can be, so that the load costs little beside what is measured.

use std::net::SocketAddr;

use anyhow::Context as _;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// A connection to the server.
pub(crate) struct Client {
    sender: SendRequest<Full<Bytes>>,
    authorization: String,
    kind: &'static str,
}

impl Client {
    /// One that sends JSON, or forms.
    pub(crate) async fn connect(
        address: SocketAddr,
        authorization: &str,
        kind: &'static str,
    ) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { sender, authorization: authorization.to_owned(), kind })
    }

    pub(crate) async fn post(
        &mut self,
        path: &str,
        once: Option<&str>,
        body: String,
    ) -> anyhow::Result<(StatusCode, Bytes)> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(path)
            .header("host", "localhost")
            .header("authorization", &self.authorization)
            .header("content-type", self.kind);
        if let Some(once) = once {
            request = request.header("idempotency-key", once);
        }
        let request = request.body(Full::new(Bytes::from(body)))?;
        self.sender.ready().await.context("the server closed the connection")?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        Ok((status, answer.into_body().collect().await?.to_bytes()))
    }
}
