//! From a host name to a relay that has said hello over a connection we trust.
//!
//! The socket is ours and not lettre's for three reasons: it sets TCP_NODELAY (without it every command
//! waits 40 ms for a delayed acknowledgement), the deadline covers all of it, and STARTTLS refuses bytes
//! that came before the handshake, which an attacker on the wire could otherwise have read as answers of
//! the relay (the response injection of CVE-2011-0411 and its many siblings).

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use lettre::transport::smtp::client::{AsyncSmtpConnection, AsyncTokioStream};
use lettre::transport::smtp::extension::ClientId;
use rustls::pki_types::ServerName;
use tokio::io::{
    AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader, ReadBuf,
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::config::{Security, SmtpConfig};
use super::failure::{self, Stage};
use crate::config::ConfigProblem;
use crate::limits;
use crate::provider::{ErrorClass, ProviderError};
use crate::tls;

/// Opens connections to one relay.
pub(super) struct Connector {
    host: String,
    port: u16,
    security: Security,
    /// Clear text may leave this machine.
    insecure: bool,
    hello_name: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Connector {
    pub(super) fn new(config: &SmtpConfig, hello_name: String) -> Result<Self, ConfigProblem> {
        let tls = match config.security {
            Security::None => None,
            Security::StartTls | Security::Tls => {
                Some(tls::towards("security", &config.host, config.ca_file.as_deref())?)
            }
        };
        Ok(Self {
            host: config.host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: config.port(),
            security: config.security,
            insecure: config.insecure,
            hello_name,
            tls,
        })
    }

    /// `connected to smtp.example.com:587, STARTTLS`
    pub(super) fn describe(&self) -> String {
        let encryption = match self.security {
            Security::StartTls => "STARTTLS",
            Security::Tls => "TLS",
            Security::None => "no encryption",
        };
        format!("connected to {}:{}, {encryption}", self.host, self.port)
    }

    /// A relay that has answered our EHLO.
    pub(super) async fn open(&self) -> Result<AsyncSmtpConnection, ProviderError> {
        let mut stream = self.dial().await?;
        let wire = match (&self.tls, self.security) {
            (Some(tls), Security::StartTls) => {
                self.ask_for_tls(&mut stream).await?;
                // The relay greets once, before STARTTLS; lettre waits for a greeting, so it gets one.
                Wire { stream: encrypted(tls, stream).await?, greeting: b"220 encrypted\r\n" }
            }
            (Some(tls), _) => Wire { stream: encrypted(tls, stream).await?, greeting: b"" },
            (None, _) => Wire { stream: Transport::Clear(stream), greeting: b"" },
        };
        let hello = ClientId::Domain(self.hello_name.clone());
        AsyncSmtpConnection::connect_with_transport(Box::new(wire), &hello)
            .await
            .map_err(|problem| failure::classify(Stage::Hello, &problem))
    }

    async fn dial(&self) -> Result<TcpStream, ProviderError> {
        let unreachable = |problem: io::Error| {
            ProviderError::new(
                ErrorClass::Unreachable,
                format!("no connection to the relay: {}", problem.kind()),
            )
        };
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        let here = stream.peer_addr().map_err(unreachable)?.ip().is_loopback();
        if self.security == Security::None && !self.insecure && !here {
            let detail = "the relay's name leads to another machine, and security is \"none\"";
            return Err(ProviderError::new(ErrorClass::Configuration, detail));
        }
        Ok(stream)
    }

    /// Greeting, EHLO and STARTTLS in clear (RFC 3207, section 4).
    async fn ask_for_tls(&self, stream: &mut TcpStream) -> Result<(), ProviderError> {
        let mut reader = BufReader::new(stream);
        expect_reply(&mut reader, "220").await?;
        say(&mut reader, &format!("EHLO {}\r\n", self.hello_name)).await?;
        let extensions = expect_reply(&mut reader, "250").await?;
        let offered = extensions.lines().any(|line| {
            line.get(4..).is_some_and(|keyword| keyword.trim_end().eq_ignore_ascii_case("STARTTLS"))
        });
        if !offered {
            let detail =
                "the relay does not offer STARTTLS; use security = \"tls\" (port 465) or another relay";
            return Err(ProviderError::new(ErrorClass::Tls, detail));
        }
        say(&mut reader, "STARTTLS\r\n").await?;
        expect_reply(&mut reader, "220").await?;
        if reader.buffer().is_empty() {
            Ok(())
        } else {
            Err(ProviderError::new(ErrorClass::Tls, "bytes came in clear after the relay had agreed to TLS"))
        }
    }
}

async fn say(reader: &mut BufReader<&mut TcpStream>, line: &str) -> Result<(), ProviderError> {
    reader.write_all(line.as_bytes()).await.map_err(|_| lost())
}

/// A whole reply (RFC 5321, section 4.2) with that code.
async fn expect_reply(reader: &mut BufReader<&mut TcpStream>, code: &str) -> Result<String, ProviderError> {
    let mut reply = String::new();
    let mut limited = reader.take(limits::SMTP_PRELUDE_BYTES as u64);
    loop {
        let start = reply.len();
        let read = limited.read_line(&mut reply).await.map_err(|_| lost())?;
        let line = &reply[start..];
        if read == 0 || !line.ends_with('\n') {
            return Err(if limited.limit() == 0 { garbled() } else { lost() });
        }
        if !line.is_ascii() || line.len() < 4 {
            return Err(garbled());
        }
        if !line.starts_with(code) {
            return Err(failure::of_reply(Stage::Hello, line));
        }
        match line.as_bytes()[3] {
            b'-' => {}
            b' ' | b'\r' | b'\n' => return Ok(reply),
            _ => return Err(garbled()),
        }
    }
}

fn lost() -> ProviderError {
    ProviderError::new(ErrorClass::ConnectionLost, "the relay hung up before TLS")
}

fn garbled() -> ProviderError {
    ProviderError::new(ErrorClass::Protocol, "the relay does not speak SMTP")
}

async fn encrypted(
    (connector, name): &(TlsConnector, ServerName<'static>),
    stream: TcpStream,
) -> Result<Transport, ProviderError> {
    let stream = connector.connect(name.clone(), stream).await.map_err(|problem| {
        // A TLS error names certificates and alerts, never what we would send.
        ProviderError::new(ErrorClass::Tls, format!("TLS with the relay failed: {problem}"))
    })?;
    Ok(Transport::Tls(Box::new(stream)))
}

/// What lettre speaks over.
#[derive(Debug)]
struct Wire {
    stream: Transport,
    /// Bytes read before those of the relay.
    greeting: &'static [u8],
}

#[derive(Debug)]
enum Transport {
    Clear(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl AsyncTokioStream for Wire {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        match &self.stream {
            Transport::Clear(stream) => stream.peer_addr(),
            Transport::Tls(stream) => stream.get_ref().0.peer_addr(),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.greeting.is_empty() {
            let (now, later) = self.greeting.split_at(self.greeting.len().min(buffer.remaining()));
            buffer.put_slice(now);
            self.greeting = later;
            return Poll::Ready(Ok(()));
        }
        match &mut self.stream {
            Transport::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
            Transport::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.stream {
            Transport::Clear(stream) => Pin::new(stream).poll_write(context, bytes),
            Transport::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Transport::Clear(stream) => Pin::new(stream).poll_flush(context),
            Transport::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Transport::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Transport::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
