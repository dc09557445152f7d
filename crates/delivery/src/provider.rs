//! The port that every gateway implements.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use countersign_core::delivery::Fault;

use crate::messages::RenderedMessage;

/// One message for one provider. Holds the recipient and the code's text, so it has no `Debug`.
pub struct Outgoing {
    /// The canonical recipient: E.164 or an email address.
    pub to: String,
    /// The channel's name, like `sms`.
    pub channel: &'static str,
    /// What the person reads.
    pub message: RenderedMessage,
    /// The id of the delivery, the same on every try: providers that de-duplicate can use it.
    pub delivery_id: String,
    /// The time the whole attempt may take; never longer than the code lives.
    pub deadline: Duration,
}

/// The provider took the message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accepted {
    /// Its own id of the message, when it gives one.
    pub message_id: Option<String>,
}

/// What kind of failure it was: the word in timelines, logs and statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// No connection, or it broke.
    Connection,
    /// No answer in time.
    Timeout,
    /// TLS could not be agreed, or the certificate is not trusted.
    Tls,
    /// Our credentials were refused.
    Authentication,
    /// The provider asks to slow down.
    Throttled,
    /// The provider failed on its side.
    ProviderFailed,
    /// The recipient cannot be reached, or does not exist.
    RecipientRefused,
    /// The message or the request was refused.
    MessageRefused,
    /// An answer that makes no sense.
    UnexpectedAnswer,
    /// Our configuration is wrong.
    Configuration,
}

impl ErrorClass {
    /// Its name in timelines, logs and statistics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Timeout => "timeout",
            Self::Tls => "tls",
            Self::Authentication => "authentication",
            Self::Throttled => "throttled",
            Self::ProviderFailed => "provider_failed",
            Self::RecipientRefused => "recipient_refused",
            Self::MessageRefused => "message_refused",
            Self::UnexpectedAnswer => "unexpected_answer",
            Self::Configuration => "configuration",
        }
    }
}

/// The provider did not take the message, or did not say so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderError {
    /// Whether asking the same provider again later may help.
    pub retry: bool,
    /// Whose fault it was.
    pub fault: Fault,
    /// What kind of failure.
    pub class: ErrorClass,
    /// One line for people; never the code, never the recipient.
    pub detail: String,
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class.as_str(), self.detail)
    }
}

impl std::error::Error for ProviderError {}

/// An answer of a provider that comes later.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send + 'a>>;

/// A configured gateway account.
pub trait Provider: Send + Sync + 'static {
    /// Its name in the configuration.
    fn name(&self) -> &str;
    /// Hands a message over.
    fn send<'a>(&'a self, message: &'a Outgoing) -> Answer<'a, Accepted>;
    /// Whether the account could be used now, without sending anything; for `doctor`.
    fn verify(&self) -> Answer<'_, ()>;
}
