//! The port that every gateway implements: one message in, an acceptance or a classified failure out.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

pub use countersign_core::delivery::Fault;

use crate::messages::{Purpose, RenderedMessage};

/// What a device is woken for, so that the app opens the right thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Id of the challenge.
    pub challenge: String,
    /// Id of the device's factor.
    pub factor: String,
}

/// One message for one provider. Holds the code and the recipient, so neither is printed.
#[derive(Clone)]
pub struct Outgoing {
    /// The recipient: E.164 or a mail address, canonical; of a push, the device's token.
    pub to: String,
    /// `sms`, `email`, …
    pub channel: &'static str,
    /// What the code is for; a gateway with words of its own may have none for it.
    pub purpose: Purpose,
    /// Who it seems to come from: the sender id of an SMS, the display name of a mail. `None` leaves it to
    /// the provider's configuration.
    pub sender: Option<String>,
    /// The code by itself, for gateways that bring their own text; empty in a push, which carries none.
    pub code: String,
    /// The message.
    pub message: RenderedMessage,
    /// What a push is about; `None` for all that carries a code.
    pub asked: Option<Asked>,
    /// Id of the delivery; of a push, that of the challenge. The same for every attempt, so that a peer can tell a repetition.
    pub delivery_id: String,
    /// How long this attempt may last; never beyond `lifetime`.
    pub deadline: Duration,
    /// How long the code still works. Nobody may deliver it later.
    pub lifetime: Duration,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channel, message, delivery_id, deadline, .. } = self;
        formatter
            .debug_struct("Outgoing")
            .field("delivery_id", delivery_id)
            .field("channel", channel)
            .field("message", message)
            .field("deadline", deadline)
            .finish_non_exhaustive()
    }
}

/// The provider has taken the message over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accepted {
    /// The provider's own name for the message, to match receipts with.
    pub message_id: Option<String>,
}

/// What went wrong, from a closed list that metrics and timelines can count on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// No connection: name, route or port.
    Unreachable,
    /// No encryption that we would trust.
    Tls,
    /// No answer in time. The message may have been taken.
    Timeout,
    /// The connection broke. The message may have been taken.
    ConnectionLost,
    /// An answer that cannot be understood.
    Protocol,
    /// Our credentials were refused.
    Authentication,
    /// Too many messages too fast.
    Throttled,
    /// The provider cannot serve now.
    Unavailable,
    /// The provider says this recipient cannot be reached.
    RecipientRejected,
    /// The provider does not let us use this sender.
    SenderRejected,
    /// The provider refuses this message.
    MessageRejected,
    /// The request does not fit the provider: our configuration is wrong.
    Configuration,
}

impl ErrorClass {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Unreachable,
        Self::Tls,
        Self::Timeout,
        Self::ConnectionLost,
        Self::Protocol,
        Self::Authentication,
        Self::Throttled,
        Self::Unavailable,
        Self::RecipientRejected,
        Self::SenderRejected,
        Self::MessageRejected,
        Self::Configuration,
    ];

    /// Whether the message may have been taken although the try failed.
    #[must_use]
    pub const fn leaves_doubt(self) -> bool {
        matches!(self, Self::Timeout | Self::ConnectionLost | Self::Protocol)
    }

    /// The name used in logs, metrics, timelines and configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::ConnectionLost => "connection_lost",
            Self::Protocol => "protocol",
            Self::Authentication => "authentication",
            Self::Throttled => "throttled",
            Self::Unavailable => "unavailable",
            Self::RecipientRejected => "recipient_rejected",
            Self::SenderRejected => "sender_rejected",
            Self::MessageRejected => "message_rejected",
            Self::Configuration => "configuration",
        }
    }

    /// Whose fault this usually is.
    #[must_use]
    pub const fn usual_fault(self) -> Fault {
        match self {
            Self::RecipientRejected => Fault::Recipient,
            Self::Authentication | Self::SenderRejected | Self::Configuration => Fault::Us,
            Self::Unreachable
            | Self::Tls
            | Self::Timeout
            | Self::ConnectionLost
            | Self::Protocol
            | Self::Throttled
            | Self::Unavailable
            | Self::MessageRejected => Fault::Provider,
        }
    }

    /// Whether the same message to the same provider may succeed a little later.
    #[must_use]
    pub const fn usually_passes(self) -> bool {
        match self {
            Self::Unreachable
            | Self::Tls
            | Self::Timeout
            | Self::ConnectionLost
            | Self::Protocol
            | Self::Throttled
            | Self::Unavailable => true,
            Self::Authentication
            | Self::RecipientRejected
            | Self::SenderRejected
            | Self::MessageRejected
            | Self::Configuration => false,
        }
    }
}

/// Why a message was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", class.as_str())]
pub struct ProviderError {
    /// Whether to try the same provider again while the code lives.
    pub retry: bool,
    /// Whose fault it is.
    pub fault: Fault,
    /// What happened.
    pub class: ErrorClass,
    /// For an operator. Written by us from reply codes, never from a peer's words, which may repeat the
    /// recipient or the code.
    pub detail: String,
}

impl ProviderError {
    /// A failure with the usual fault and retry of its class.
    #[must_use]
    pub fn new(class: ErrorClass, detail: impl Into<String>) -> Self {
        Self { retry: class.usually_passes(), fault: class.usual_fault(), class, detail: detail.into() }
    }

    pub(crate) const fn with_fault(mut self, fault: Fault) -> Self {
        self.fault = fault;
        self
    }

    pub(crate) const fn with_retry(mut self, retry: bool) -> Self {
        self.retry = retry;
        self
    }
}

/// What a call to a provider answers with.
pub type ProviderFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, ProviderError>> + Send + 'a>>;

/// A configured gateway account.
///
/// Sending is at-least-once: when a connection breaks or a deadline passes after the message left us, the
/// provider may have taken it, and the error still says `retry`. A second copy carries the same code and the
/// same delivery id, so it does no harm; a code that never arrives does.
pub trait Provider: Send + Sync + 'static {
    /// Its name in the configuration.
    fn name(&self) -> &str;

    /// Hands one message over, within the smaller of its own time limit and the message's deadline.
    fn send<'a>(&'a self, message: &'a Outgoing) -> ProviderFuture<'a, Accepted>;

    /// Whether receipts come for what it takes: then its ids of messages are remembered, and a workflow waits for them.
    fn gives_receipts(&self) -> bool {
        false
    }

    /// Tries everything short of sending: name, connection, encryption, credentials. Answers one line for
    /// the operator who runs `doctor`.
    fn verify(&self) -> ProviderFuture<'_, String>;

    /// Begins what it does without being asked, such as staying bound to an SMSC. Called once, by a server that
    /// serves.
    fn start(&self) {}

    /// Lets what is in flight be answered and takes leave of its peer. Called once, when nothing is sent any more.
    fn close(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_names_are_unique_and_are_the_ones_of_the_configuration() {
        let names: std::collections::HashSet<_> = ErrorClass::ALL.map(ErrorClass::as_str).into();
        assert_eq!(names.len(), ErrorClass::ALL.len());
        for class in ErrorClass::ALL {
            let parsed: ErrorClass = serde_json::from_value(class.as_str().into()).expect("a class");
            assert_eq!(parsed, class);
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let message = RenderedMessage {
            locale: "en",
            subject: None,
            text: "123456 is your code".to_owned(),
            html: None,
            sms: None,
        };
        let outgoing = Outgoing {
            to: "+48600100217".to_owned(),
            channel: "sms",
            purpose: Purpose::Authentication,
            sender: None,
            code: "123456".to_owned(),
            message,
            asked: None,
            delivery_id: "dlv_1".to_owned(),
            deadline: Duration::from_secs(20),
            lifetime: Duration::from_secs(600),
        };
        let printed = format!("{outgoing:?}");
        assert!(
            printed.contains("dlv_1") && !printed.contains("123456") && !printed.contains("600100217"),
            "{printed}"
        );
    }
}
