//! A subject: a person in the customer's system. Its row is a ledger: its factors with all their counters lie in it, so
//! one lock and one write hold everything that must not race.

mod command;
mod event;

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

pub use self::command::{
    Act, Aim, Authority, CheckChallenge, Enrol, FactorChange, FactorPlan, NewChallenge, Redeem, Reply,
    SubjectCommand, SubjectEffects, SubjectLedger, SubjectName, SubjectSnapshot, TellPush,
};
pub use self::event::SubjectEvent;
use crate::factor::{Factor, FactorState};
use crate::ids::{ChallengeId, FactorId, SubjectId, VerificationId};
use crate::keys::{Digest, Keys, SealedFor, WrappedKey, open};
use crate::limits;
use crate::tenant::Tenant;
use crate::time::Timestamp;

/// The row of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SubjectRow {
    /// Its id.
    #[n(0)]
    pub id: SubjectId,
    /// Whose it is.
    #[n(1)]
    pub tenant: Tenant,
    /// The key everything about this person is sealed under. Empty once the subject was removed.
    #[n(2)]
    pub data_key: WrappedKey,
    /// [`SubjectPrivate`], sealed under the data key.
    #[cbor(n(3), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
    /// Its factors, oldest first; removed ones as tombstones.
    #[n(4)]
    pub factors: Vec<Factor>,
    /// Challenges that wait for an answer (some may have expired meanwhile), oldest first.
    #[n(5)]
    pub open: Vec<ChallengeId>,
    /// Pushes since the last success, oldest first.
    #[n(6)]
    pub pushes: Vec<Timestamp>,
    /// When it was made.
    #[n(7)]
    pub created_at: Timestamp,
    /// When it was last changed by somebody.
    #[n(8)]
    pub updated_at: Timestamp,
    /// When it was removed.
    #[n(9)]
    pub removed_at: Option<Timestamp>,
    /// The epoch of the store its counters belong to; see [`Self::fence`].
    #[cbor(n(10), with = "minicbor::bytes")]
    pub epoch: [u8; 16],
}

/// What a subject's row holds about the person: readable only with its data key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct SubjectPrivate {
    /// The customer's name for the person.
    #[n(0)]
    pub external_id: String,
    /// Recipients that are known to be the person's, oldest first.
    #[n(1)]
    pub recipients: Vec<KnownRecipient>,
    /// The customer's own notes, in their order.
    #[n(2)]
    pub metadata: Vec<(String, String)>,
}

/// A recipient that is known to be the person's.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct KnownRecipient {
    /// The canonical recipient.
    #[n(0)]
    pub to: String,
    /// The verification that proved it; `None` when the customer says so.
    #[n(1)]
    pub verification: Option<VerificationId>,
    /// When.
    #[n(2)]
    pub verified_at: Timestamp,
}

/// The blind indexes of an external id, under each root this node holds; the active one first.
#[must_use]
pub fn index_of(keys: &Keys, tenant: &Tenant, external_id: &str) -> Vec<Digest> {
    let tenant = tenant.to_bytes();
    let fields: [&[u8]; 3] = [b"subject/v1", &tenant, external_id.as_bytes()];
    keys.root_ids().filter_map(|root| keys.index(root, &fields)).collect()
}

impl SubjectRow {
    /// Opens the data key; `None` when this node lacks the root, or the subject was removed.
    #[must_use]
    pub fn open_data_key(&self, keys: &Keys) -> Option<Zeroizing<[u8; 32]>> {
        keys.unwrap_subject(&self.data_key, &data_key_place(&self.tenant, &self.id))
    }

    /// Opens its sealed part.
    #[must_use]
    pub fn open_private(&self, data_key: &[u8; 32]) -> Option<SubjectPrivate> {
        let place = sealed_for(&self.tenant, &self.id);
        let plain = Zeroizing::new(open(data_key, &place, self.data_key.root, &self.sealed)?);
        minicbor::decode(&plain).ok()
    }

    /// A factor by its id.
    #[must_use]
    pub fn factor(&self, id: FactorId) -> Option<&Factor> {
        self.factors.iter().find(|factor| factor.id == id)
    }

    pub(crate) fn factor_mut(&mut self, id: FactorId) -> Option<&mut Factor> {
        self.factors.iter_mut().find(|factor| factor.id == id)
    }

    /// Factors that may answer a challenge.
    pub fn active(&self) -> impl Iterator<Item = &Factor> {
        self.factors.iter().filter(|factor| factor.state == FactorState::Active)
    }

    /// Brings the counters of a restored row into the present epoch: whatever could have been used since the backup counts
    /// as used.
    pub(crate) fn fence(&mut self, keys: &Keys) {
        if self.epoch == *keys.epoch() {
            return;
        }
        self.epoch = *keys.epoch();
        if let Some(at) = keys.fenced_at() {
            self.factors.iter_mut().for_each(|factor| factor.fence(at));
            self.open.clear();
        }
    }

    /// Forgets factors that waited too long, and the oldest tombstones.
    pub(crate) fn tidy(&mut self, now: Timestamp) {
        for factor in &mut self.factors {
            if factor.state != FactorState::Removed && factor.state_at(now) == FactorState::Removed {
                factor.remove(now);
            }
        }
        let removed = |factor: &Factor| factor.state == FactorState::Removed;
        let mut over = self.factors.iter().filter(|factor| removed(factor)).count();
        self.factors.retain(|factor| {
            let goes = removed(factor) && over > limits::MAX_TOMBSTONES;
            over -= usize::from(goes);
            !goes
        });
    }
}

/// Where a subject's wrapped data key stands.
#[must_use]
pub fn data_key_place<'a>(tenant: &'a Tenant, id: &'a SubjectId) -> SealedFor<'a> {
    SealedFor { tenant, table: "subject", row: id.as_bytes(), column: "data_key" }
}

/// Where a subject's sealed part stands.
#[must_use]
pub fn sealed_for<'a>(tenant: &'a Tenant, id: &'a SubjectId) -> SealedFor<'a> {
    SealedFor { tenant, table: "subject", row: id.as_bytes(), column: "sealed" }
}
