//! Receipts: what a provider says later about a message it took. They come in through doors of their own, update the
//! delivery, and never approve or end anything.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;

use minicbor::{Decode, Encode};

use crate::ids::DeliveryId;
use crate::tenant::Tenant;
use crate::time::Timestamp;

/// Which message a receipt is about.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum About {
    /// The one the provider named so when it took it.
    #[n(0)]
    Message(#[n(0)] String),
    /// The delivery whose id the provider was given with the message and tells again.
    #[n(1)]
    Delivery(#[n(0)] DeliveryId),
}

/// What became of the message.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Fate {
    /// It is still on its way: queued, buffered, accepted by the next network.
    #[n(0)]
    Underway,
    /// It reached the handset or mailbox.
    #[n(1)]
    Delivered,
    /// It did not arrive and will not. The class is one of the provider errors' names; the detail is ours, from codes.
    #[n(2)]
    Failed {
        /// A stable class, like `recipient_rejected`.
        #[n(0)]
        class: String,
        /// One line for people, without code or recipient.
        #[n(1)]
        detail: String,
    },
}

/// One receipt.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Receipt {
    /// Which message.
    #[n(0)]
    pub about: About,
    /// What became of it.
    #[n(1)]
    pub fate: Fate,
}

/// A receipt on its way to a decision, with the delivery a store found for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Who gave it.
    pub provider: String,
    /// What it says.
    pub receipt: Receipt,
    /// The delivery it is about; `None` while nobody knows the message.
    pub of: Option<DeliveryId>,
    /// Whether it waits in the store for its message: it is struck out there once it was of use.
    pub kept: bool,
}

impl Told {
    /// What tells it apart from others that wait.
    #[must_use]
    pub fn key(&self) -> MessageKey {
        MessageKey::of(self.provider.clone(), &self.receipt.about)
    }
}

/// A provider's name of a message. Two providers may use the same one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageKey {
    /// Whose.
    pub provider: String,
    /// The provider's id of the message; for a receipt that names our delivery, that id.
    pub message: String,
}

impl MessageKey {
    /// What a receipt of this provider is kept under.
    #[must_use]
    pub fn of(provider: String, about: &About) -> Self {
        let message = match about {
            About::Message(message) => message.clone(),
            About::Delivery(id) => id.to_string(),
        };
        Self { provider, message }
    }
}

/// A message that a provider took and will tell more about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMessage {
    /// Whose message it is.
    pub tenant: Tenant,
    /// The delivery it was sent for.
    pub delivery: DeliveryId,
    /// When the outcome was committed.
    pub at: Timestamp,
}

/// A receipt that came before anybody knew its message, and waits for it [`crate::limits::EARLY_RECEIPT_KEPT`] long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EarlyReceipt {
    /// What it says.
    pub receipt: Receipt,
    /// Whose delivery it names, when it names one that was not sent yet.
    pub of: Option<(Tenant, DeliveryId)>,
    /// When it came.
    pub at: Timestamp,
}

/// A request at the receipts' door, as it came: what is signed is the bytes.
#[derive(Debug, Clone)]
pub struct Posted<'a> {
    /// The address the provider called, with the query, as it sees it from outside.
    pub url: &'a str,
    /// Headers, names in lower case.
    pub headers: &'a BTreeMap<String, String>,
    /// The body.
    pub body: &'a [u8],
}

/// Why a request at the receipts' door is turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAReceipt {
    /// No such provider, or it takes no receipts, or the token of the address is wrong: all look the same outside.
    Unknown,
    /// The signature is missing or wrong, or too old.
    Forged,
    /// It is the provider's, but cannot be read.
    Malformed,
}

/// Reads the receipts of all configured providers. The edge holds it without knowing any provider.
pub trait ReceiptReader: Send + Sync + 'static {
    /// The receipts in a request that came for `provider` with `token` in its address.
    ///
    /// # Errors
    /// [`NotAReceipt`], after which nothing is believed.
    fn read(&self, provider: &str, token: &str, posted: &Posted<'_>) -> Result<Vec<Receipt>, NotAReceipt>;
}

/// Reads no receipts and takes none: for nodes and doors without providers that give any.
#[derive(Debug, Clone, Copy)]
pub struct NoReceipts;

impl ReceiptReader for NoReceipts {
    fn read(&self, _: &str, _: &str, _: &Posted<'_>) -> Result<Vec<Receipt>, NotAReceipt> {
        Err(NotAReceipt::Unknown)
    }
}

/// Takes what was read, whichever door it came through.
pub trait ReceiptTaker: Send + Sync + 'static {
    /// Carries a receipt out, or keeps it until its message is known. `true` once that is committed (or there was nothing
    /// to do), so that the provider may be told that it arrived; `false` when it should bring it again.
    fn take<'a>(
        &'a self,
        provider: &'a str,
        receipt: Receipt,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>>;
}

impl ReceiptTaker for NoReceipts {
    fn take<'a>(&'a self, _: &'a str, _: Receipt) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(std::future::ready(false))
    }
}
