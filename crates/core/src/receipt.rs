//! Receipts: what a provider says later about a message it took. They come in through doors of their own, update the
//! delivery, and never approve or end anything.

use std::collections::BTreeMap;

use crate::ids::DeliveryId;

/// Which message a receipt is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The one the provider named so when it took it.
    Message(String),
    /// The delivery whose id the provider was given with the message and tells again.
    Delivery(DeliveryId),
}

/// What became of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It is still on its way: queued, buffered, accepted by the next network.
    Underway,
    /// It reached the handset or mailbox.
    Delivered,
    /// It did not arrive and will not. The class is one of the provider errors' names; the detail is ours, from codes.
    Failed {
        /// A stable class, like `recipient_rejected`.
        class: String,
        /// One line for people, without code or recipient.
        detail: String,
    },
}

/// One receipt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Which message.
    pub about: About,
    /// What became of it.
    pub fate: Fate,
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
