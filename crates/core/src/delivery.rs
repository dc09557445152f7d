//! A delivery: one message on its way. Its lease, its attempts, its end.

use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::budget::Reservation;
use crate::ids::{DeliveryId, RecipientId, VerificationId};
use crate::limits;
use crate::money::Money;
use crate::named::named;
use crate::tenant::Tenant;
use crate::time::{Entropy, Timestamp};
use crate::verification::Channel;

named!(
    /// Where a delivery stands.
    DeliveryState {
        /// Waiting for a provider.
        0 Queued = "queued",
        /// A provider took it.
        1 Sent = "sent",
        /// The network says it arrived.
        2 Delivered = "delivered",
        /// No provider took it, or the network says it did not arrive.
        3 Failed = "failed",
        /// Its code ran out before a provider took it.
        4 Expired = "expired",
    }
);

named!(
    /// Whose fault a failed attempt was.
    Fault {
        /// The recipient cannot be reached.
        0 Recipient = "recipient",
        /// The provider has a problem.
        1 Provider = "provider",
        /// Our account, credentials or configuration.
        2 Us = "us",
    }
);

/// One try at one provider.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Attempt {
    /// When the provider answered.
    #[n(0)]
    pub at: Timestamp,
    /// Which provider.
    #[n(1)]
    pub provider: String,
    /// `None` when it took the message; else why not, without code or recipient.
    #[n(2)]
    pub error: Option<AttemptError>,
    /// The provider's id of the message.
    #[n(3)]
    pub message_id: Option<String>,
    /// What the provider asks for a message it took, by the price table.
    #[n(8)]
    pub cost: Option<Money>,
}

/// Why a provider did not take a message.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct AttemptError {
    /// Whose fault it was.
    #[n(0)]
    pub fault: Fault,
    /// Whether the same provider may be asked again.
    #[n(1)]
    pub retry: bool,
    /// A stable class, like `throttled`.
    #[n(2)]
    pub class: String,
    /// One line for people, without code or recipient.
    #[n(3)]
    pub detail: String,
}

/// The row of a delivery. It carries no code: the worker derives it when it sends.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Delivery {
    /// Its id.
    #[n(0)]
    pub id: DeliveryId,
    /// Whose it is.
    #[n(1)]
    pub tenant: Tenant,
    /// What it carries the code of.
    #[n(2)]
    pub verification: VerificationId,
    /// The ledger it stands on.
    #[n(3)]
    pub recipient: RecipientId,
    /// The code's generation it carries.
    #[n(4)]
    pub generation: u32,
    /// How it travels.
    #[n(5)]
    pub channel: Channel,
    /// Where it stands.
    #[n(6)]
    pub state: DeliveryState,
    /// When it came to that.
    #[n(7)]
    pub state_at: Timestamp,
    /// When a worker may claim it: the end of the lease, the time of the next try, or when the next step of the workflow
    /// is due. `None` when there is nothing more to do.
    #[n(8)]
    pub due: Option<Timestamp>,
    /// From this instant of the engine's clock on it is never sent.
    #[n(9)]
    pub expires_at: Timestamp,
    /// Tries so far.
    #[n(10)]
    pub attempts: Vec<Attempt>,
    /// Providers that may carry it, in order, as the route said when it was made.
    #[n(11)]
    pub providers: Vec<String>,
    /// When it was made.
    #[n(12)]
    pub created_at: Timestamp,
    /// How many tries there were, also those no longer listed.
    #[n(13)]
    pub tries: u32,
    /// When the next step of the workflow is due because of it, by its tenant's clock. `None` when none is.
    #[n(14)]
    pub step_at: Option<Timestamp>,
    /// What was set aside for it, when a budget covers it.
    #[n(20)]
    pub reserved: Option<Reservation>,
}

impl Delivery {
    /// The provider that took it, or was tried last.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.attempts.last().map(|attempt| attempt.provider.as_str())
    }

    /// The try a provider took it at.
    #[must_use]
    pub fn taken(&self) -> Option<&Attempt> {
        self.attempts.last().filter(|attempt| attempt.error.is_none())
    }

    /// How far its tenant's clock was ahead of the engine's when it was made. A test clock never goes back.
    #[must_use]
    pub fn clock_ahead(&self) -> Duration {
        self.created_at.since(self.id.created_at())
    }

    /// Whether the command with this randomness made it.
    #[must_use]
    pub fn is_of(&self, entropy: &Entropy) -> bool {
        DeliveryId::new(self.id.created_at(), entropy.ids[2]) == self.id
    }

    /// Notes a try; the first ones and the latest are kept.
    pub fn note(&mut self, attempt: Attempt) {
        if self.attempts.len() >= limits::MAX_ATTEMPTS_KEPT {
            self.attempts.remove(limits::MAX_ATTEMPTS_KEPT / 2);
        }
        self.attempts.push(attempt);
        self.tries = self.tries.saturating_add(1);
    }
}

/// What became of a delivery.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Which.
    pub delivery: DeliveryId,
    /// The tries since it was handed over, in order.
    pub attempts: Vec<Attempt>,
    /// Where it stands now.
    pub state: DeliveryState,
    /// When to try again, while it is queued.
    pub retry_at: Option<Timestamp>,
    /// Whether the provider that took it gives receipts: then its id of the message leads to the delivery.
    pub receipts: bool,
}
