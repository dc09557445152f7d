//! From a host name to a connection that SMPP can be spoken over.

use std::io;

use countersign_smpp::{Boxed, Dial, DialError, Stream};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::config::{Security, SmppConfig};
use crate::config::ConfigProblem;
use crate::tls;

/// Opens connections to one SMSC.
pub(super) struct Connector {
    host: String,
    port: u16,
    /// Clear text may leave this machine.
    insecure: bool,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Connector {
    pub(super) fn new(config: &SmppConfig) -> Result<Self, ConfigProblem> {
        let tls = match config.security {
            Security::None => None,
            Security::Tls => Some(tls::towards("security", &config.host, config.ca_file.as_deref())?),
        };
        let host = config.host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: config.port, insecure: config.insecure, tls })
    }

    /// `smsc.example.com:2775, TLS`
    pub(super) fn describe(&self) -> String {
        let encryption = if self.tls.is_some() { "TLS" } else { "no encryption" };
        format!("{}:{}, {encryption}", self.host, self.port)
    }

    async fn open(&self) -> Result<Box<dyn Stream>, DialError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        // Every PDU is small and waited for.
        stream.set_nodelay(true)?;
        let Some((connector, name)) = &self.tls else {
            return self.clear(stream);
        };
        let stream = connector.connect(name.clone(), stream).await.map_err(|problem| tls_failed(&problem))?;
        Ok(Box::new(stream))
    }

    fn clear(&self, stream: TcpStream) -> Result<Box<dyn Stream>, DialError> {
        if !self.insecure && !stream.peer_addr()?.ip().is_loopback() {
            let why = "the SMSC's name leads to another machine, and security is \"none\"";
            return Err(DialError::Configuration(why.to_owned()));
        }
        Ok(Box::new(stream))
    }
}

/// A TLS error names certificates and alerts, never what we would send.
fn tls_failed(problem: &io::Error) -> DialError {
    let hint = match problem.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => "; does this port speak TLS?",
        _ => "",
    };
    DialError::Tls(format!("TLS with the SMSC failed: {problem}{hint}"))
}

impl Dial for Connector {
    fn dial(&self) -> Boxed<'_, Result<Box<dyn Stream>, DialError>> {
        Box::pin(self.open())
    }
}
