//! The journal: one entry per change, the audit log, the timeline and the source of events in one.

use minicbor::{Decode, Encode};

use crate::delivery::Fault;
use crate::ids::{DeliveryId, EntryId, KeyId, RecipientId, RequestId, VerificationId};
use crate::keys::{Digest, sha256};
use crate::tenant::Tenant;
use crate::time::Timestamp;
use crate::verification::{Block, Channel, Lane, Purpose, Report, Status};

/// Who caused a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Actor {
    /// An API key.
    #[n(0)]
    Key(#[n(0)] KeyId),
    /// A delivery worker, or a periodic task.
    #[n(1)]
    System,
    /// Somebody at the command line of the machine.
    #[n(2)]
    Operator,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Event {
    /// A verification began.
    #[n(0)]
    Created {
        /// For what.
        #[n(0)]
        purpose: Purpose,
        /// Over which channel.
        #[n(1)]
        channel: Channel,
        /// On whose counters.
        #[n(2)]
        lane: Lane,
        /// The providers the route names, in order.
        #[n(3)]
        route: Vec<String>,
    },
    /// A start was refused by policy and kept.
    #[n(1)]
    Blocked(#[n(0)] Block),
    /// Another message was asked for.
    #[n(2)]
    Resent {
        /// Over which channel.
        #[n(0)]
        channel: Channel,
        /// Whether the code is a new one.
        #[n(1)]
        rotated: bool,
        /// The providers the route names, in order.
        #[n(2)]
        route: Vec<String>,
    },
    /// A wrong code, or a check that named another binding.
    #[n(3)]
    CheckFailed {
        /// Tries left.
        #[n(0)]
        attempts_remaining: u8,
        /// Whether the binding was what differed.
        #[n(1)]
        binding: bool,
        /// Where the verification stands after it.
        #[n(2)]
        status: Status,
        /// Until when this recipient is paused.
        #[n(3)]
        paused_until: Option<Timestamp>,
    },
    /// The right code.
    #[n(4)]
    Approved,
    /// An end other than approval or a wrong code: canceled, superseded, expired, undeliverable.
    #[n(5)]
    Ended(#[n(0)] Status),
    /// The customer reported it.
    #[n(6)]
    Reported(#[n(0)] Report),
    /// A delivery reached its end state without being sent, or the network reported on it.
    #[n(7)]
    DeliveryFailed(#[n(0)] Fault),
    /// A project was made.
    #[n(8)]
    ProjectCreated,
    /// An API key was made.
    #[n(9)]
    KeyCreated(#[n(0)] KeyId),
    /// An API key was revoked.
    #[n(10)]
    KeyRevoked(#[n(0)] KeyId),
    /// The test clock was moved forward by so many seconds.
    #[n(11)]
    TestClockAdvanced(#[n(0)] u64),
    /// The test outbox was emptied.
    #[n(12)]
    OutboxCleared,
    /// Recipients were read in the clear.
    #[n(13)]
    RecipientRevealed,
}

impl Event {
    /// Its name in the API, as `object.verb`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created { .. } => "verification.created",
            Self::Blocked(_) => "verification.blocked",
            Self::Resent { .. } => "verification.resent",
            Self::CheckFailed { .. } => "check.rejected",
            Self::Approved => "verification.approved",
            Self::Ended(Status::Expired) => "verification.expired",
            Self::Ended(Status::MaxAttempts | Status::Undeliverable) => "verification.failed",
            Self::Ended(_) => "verification.canceled",
            Self::Reported(_) => "verification.reported",
            Self::DeliveryFailed(_) => "delivery.failed",
            Self::ProjectCreated => "project.created",
            Self::KeyCreated(_) => "api_key.created",
            Self::KeyRevoked(_) => "api_key.revoked",
            Self::TestClockAdvanced(_) => "test_clock.advanced",
            Self::OutboxCleared => "test_outbox.cleared",
            Self::RecipientRevealed => "recipient.revealed",
        }
    }
}

/// A row of the journal. Pseudonyms only: no recipient, no code, no key.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Entry {
    /// Its id.
    #[n(0)]
    pub id: EntryId,
    /// Whose it is.
    #[n(1)]
    pub tenant: Tenant,
    /// When it was committed, by the engine's clock.
    #[n(2)]
    pub at: Timestamp,
    /// Who caused it.
    #[n(3)]
    pub actor: Actor,
    /// The request it came with.
    #[n(4)]
    pub request: Option<RequestId>,
    /// The ledger it concerns.
    #[n(5)]
    pub recipient: Option<RecipientId>,
    /// The verification it concerns.
    #[n(6)]
    pub verification: Option<VerificationId>,
    /// The delivery it concerns.
    #[n(7)]
    pub delivery: Option<DeliveryId>,
    /// What changed.
    #[n(8)]
    pub event: Event,
}

impl Entry {
    /// The stored bytes: CBOR (RFC 8949) of the entry.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        minicbor::to_vec(self).unwrap_or_default()
    }
}

/// The Merkle leaf of an entry's stored bytes: SHA-256(0x00 ‖ bytes) (RFC 6962, section 2.1).
#[must_use]
pub fn leaf(stored: &[u8]) -> Digest {
    let mut input = Vec::with_capacity(stored.len() + 1);
    input.push(0);
    input.extend_from_slice(stored);
    sha256(&input)
}
