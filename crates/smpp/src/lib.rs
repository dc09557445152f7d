//! The ESME side of SMPP 3.4 on the codec of `rusmpp`: binds that stay bound, submissions through a window,
//! receipts. It knows nothing of whose messages these are.
//!
//! [`message`] turns a text into PDUs; [`Client`] keeps several binds and submits through them; [`delivery`] reads
//! what comes back. [`smsc`] is the other side, for tests and demonstrations, and misbehaves on request.
//!
//! References without a name are to "Short Message Peer to Peer Protocol Specification v3.4, issue 1.2".

pub mod alphabet;
pub mod bind;
pub mod client;
pub mod delivery;
pub mod frame;
pub mod limits;
mod link;
pub mod message;
pub mod message_id;
mod pace;
mod session;
pub mod smsc;
pub mod status;

use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};

pub use client::{Client, Options, SubmitError};
pub use rusmpp::CommandStatus;
pub use rusmpp::pdus::SubmitSm;

/// A boxed future, as the ports below answer with.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What SMPP is spoken over: a socket, with or without TLS.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DialError {
    /// No name, no route, nobody listens.
    #[error("{0}")]
    Unreachable(String),
    /// No encryption that we would trust.
    #[error("{0}")]
    Tls(String),
    /// We will not connect as configured.
    #[error("{0}")]
    Configuration(String),
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        Self::Unreachable(format!("no connection: {}", error.kind()))
    }
}

/// Opens connections to one SMSC.
pub trait Dial: Send + Sync + 'static {
    /// A new connection. The caller sets the time limit.
    fn dial(&self) -> Boxed<'_, Result<Box<dyn Stream>, DialError>>;
}

/// Takes what an SMSC delivers.
pub trait Inbound: Send + Sync + 'static {
    /// Takes a receipt; `true` once it is safe. On `false` the SMSC is asked to deliver it again.
    fn take(&self, receipt: delivery::Receipt) -> Boxed<'_, bool>;
}
