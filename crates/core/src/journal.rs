//! The journal: one entry per change, the audit log, the timeline and the source of events in one.

use minicbor::{Decode, Encode};

use crate::delivery::{DeliveryState, Fault};
use crate::ids::{
    ChallengeId, DeliveryId, EntryId, FactorId, KeyId, RecipientId, RequestId, SubjectId, VerificationId,
};
use crate::keys::{Digest, RootId, sha256};
use crate::setting::SettingKind;
use crate::subject::SubjectEvent;
use crate::tenant::Tenant;
use crate::time::Timestamp;
use crate::verification::{Block, Channel, Lane, Purpose, Report, Status};
use crate::workflow::{SkipReason, Skipped, StepReason};

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
    /// A person's own device.
    #[n(3)]
    Device(#[n(0)] FactorId),
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
    /// Somebody accepted that the clock was set back, by so many milliseconds.
    #[n(14)]
    ClockAccepted(#[n(0)] u64),
    /// New rows are written under another root key from here on.
    #[n(15)]
    RootActivated(#[n(0)] RootId),
    /// Approved on the customer's word, without a code.
    #[n(16)]
    Overridden,
    /// A setting was made or changed.
    #[n(17)]
    SettingWritten(#[n(0)] SettingKind, #[cbor(n(1), with = "minicbor::bytes")] [u8; 16]),
    /// A setting was removed.
    #[n(18)]
    SettingRemoved(#[n(0)] SettingKind, #[cbor(n(1), with = "minicbor::bytes")] [u8; 16]),
    /// What changed about a subject, its factors or its challenges.
    #[n(30)]
    Subject(#[n(0)] SubjectEvent),
    /// After a restore the store began a new epoch: whatever could have been used since the backup counts as used.
    #[n(31)]
    Fenced,
    /// The network reported on a message, and that changed where its delivery stands.
    #[n(19)]
    Receipt {
        /// Who gave the receipt.
        #[n(0)]
        provider: String,
        /// Where the delivery stands now.
        #[n(1)]
        state: DeliveryState,
        /// The class of a failure.
        #[n(2)]
        class: Option<String>,
        /// One line about a failure.
        #[n(3)]
        detail: Option<String>,
    },
    /// The workflow went on.
    #[n(20)]
    Stepped {
        /// Why.
        #[n(0)]
        why: StepReason,
        /// From which channel.
        #[n(1)]
        from: Channel,
        /// To which.
        #[n(2)]
        channel: Channel,
        /// The providers the route names, in order.
        #[n(3)]
        route: Vec<String>,
        /// What was passed over on the way.
        #[n(4)]
        skipped: Vec<Skipped>,
    },
    /// The workflow should have gone on and could not; nothing follows by itself any more.
    #[n(21)]
    Halted {
        /// Why it should have.
        #[n(0)]
        why: StepReason,
        /// Why it could not.
        #[n(1)]
        because: SkipReason,
    },
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
            Self::ClockAccepted(_) => "clock.accepted",
            Self::RootActivated(_) => "root_key.activated",
            Self::Overridden => "verification.overridden",
            Self::SettingWritten(..) => "setting.written",
            Self::SettingRemoved(..) => "setting.removed",
            Self::Subject(event) => event.name(),
            Self::Fenced => "store.fenced",
            Self::Receipt { state: DeliveryState::Delivered, .. } => "delivery.delivered",
            Self::Receipt { .. } => "delivery.undelivered",
            Self::Stepped { .. } => "workflow.stepped",
            Self::Halted { .. } => "workflow.halted",
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
    /// The subject it concerns, with the factor and the challenge.
    #[n(9)]
    pub place: Option<SubjectPlace>,
}

/// Whom an entry about factors concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct SubjectPlace {
    /// The subject.
    #[n(0)]
    pub subject: SubjectId,
    /// The factor.
    #[n(1)]
    pub factor: Option<FactorId>,
    /// The challenge.
    #[n(2)]
    pub challenge: Option<ChallengeId>,
}

impl Entry {
    /// An entry that concerns nobody yet.
    #[must_use]
    pub fn new(tenant: Tenant, event: Event, actor: Actor, at: Timestamp, random: [u8; 10]) -> Self {
        Self {
            id: EntryId::new(at, random),
            tenant,
            at,
            actor,
            request: None,
            recipient: None,
            verification: None,
            delivery: None,
            event,
            place: None,
        }
    }

    /// An entry about the store as a whole.
    #[must_use]
    pub fn of_store(event: Event, actor: Actor, at: Timestamp, random: [u8; 10]) -> Self {
        Self::new(Tenant::STORE, event, actor, at, random)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_events_are_stable() {
        let ended = |status| Event::Ended(status).name();
        assert_eq!(ended(Status::Expired), "verification.expired");
        assert_eq!(ended(Status::Undeliverable), "verification.failed");
        for status in [Status::CanceledByCustomer, Status::Superseded, Status::BindingChanged] {
            assert_eq!(ended(status), "verification.canceled");
        }
        assert_eq!(Event::Approved.name(), "verification.approved");
        assert_eq!(Event::DeliveryFailed(Fault::Us).name(), "delivery.failed");
    }

    /// The roots of RFC 6962 for the leaf inputs that its reference implementation is tested with.
    #[test]
    fn leaves_make_the_trees_of_rfc_6962() {
        let inputs = [
            "",
            "00",
            "10",
            "2021",
            "3031",
            "40414243",
            "5051525354555657",
            "606162636465666768696a6b6c6d6e6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let leaves = inputs.map(|hex| leaf(&data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()));
        for (size, expected) in (1..).zip(roots) {
            assert_eq!(tree(&leaves[..size]).hex(), expected, "{size} leaves");
        }
    }

    fn tree(leaves: &[Digest]) -> Digest {
        if let [leaf] = leaves {
            return *leaf;
        }
        let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
        sha256(&[&[1], tree(left).0.as_slice(), tree(right).0.as_slice()].concat())
    }
}
