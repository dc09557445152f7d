//! What commands come to, and what is kept of it.

use minicbor::{Decode, Encode};

use crate::delivery::Delivery;
use crate::ids::{ProofId, RecipientId, SubjectId};
use crate::keys::{Digest, WrappedKey};
use crate::refusal::Refusal;
use crate::subject::SubjectSnapshot;
use crate::time::Timestamp;
use crate::verification::Verification;

/// A verification as answers show it, with the facts that lie in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Snapshot {
    /// The row.
    #[n(0)]
    pub verification: Verification,
    /// Its latest delivery.
    #[n(1)]
    pub delivery: Option<Delivery>,
    /// Sends that are left.
    #[n(2)]
    pub sends_remaining: u8,
    /// When the next send is allowed; `None` when there is none.
    #[n(3)]
    pub next_resend_at: Option<Timestamp>,
    /// The instant it is shown for.
    #[n(4)]
    pub at: Timestamp,
    /// What opens the sealed part. Never stored with an outcome: an erasure must reach it.
    #[cbor(skip)]
    pub data_key: Option<(RecipientId, WrappedKey)>,
}

/// The core of a proof; the rest of its claims lies in the verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ProofGrant {
    /// `jti`.
    #[n(0)]
    pub id: ProofId,
    /// `iat`.
    #[n(1)]
    pub issued_at: Timestamp,
}

/// The outcome of a command. The edge renders it after the commit, and signs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Answer {
    /// Carried out.
    #[n(0)]
    Done(#[n(0)] Box<Snapshot>),
    /// Approved, now, once.
    #[n(1)]
    Approved(#[n(0)] Box<Snapshot>, #[n(1)] ProofGrant),
    /// Not carried out, or the code was not accepted.
    #[n(2)]
    Refused(#[n(0)] Refusal, #[n(1)] Option<Box<Snapshot>>),
    /// Carried out, for a subject.
    #[n(3)]
    Subject(#[n(0)] Box<SubjectSnapshot>),
    /// A challenge was approved, now, once.
    #[n(4)]
    Granted(#[n(0)] Box<SubjectSnapshot>, #[n(1)] ProofGrant),
    /// Not carried out for a subject, or the answer was not accepted.
    #[n(5)]
    Declined(#[n(0)] Refusal, #[n(1)] Option<Box<SubjectSnapshot>>),
}

impl Answer {
    /// The verification it is about, when there is one.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        match self {
            Self::Done(snapshot) | Self::Approved(snapshot, _) => Some(snapshot),
            Self::Refused(_, snapshot) => snapshot.as_deref(),
            Self::Subject(_) | Self::Granted(..) | Self::Declined(..) => None,
        }
    }

    /// The subject it is about, when there is one.
    #[must_use]
    pub fn subject(&self) -> Option<&SubjectSnapshot> {
        match self {
            Self::Subject(snapshot) | Self::Granted(snapshot, _) => Some(snapshot),
            Self::Declined(_, snapshot) => snapshot.as_deref(),
            Self::Done(_) | Self::Approved(..) | Self::Refused(..) => None,
        }
    }

    pub(crate) fn subject_mut(&mut self) -> Option<&mut SubjectSnapshot> {
        match self {
            Self::Subject(snapshot) | Self::Granted(snapshot, _) => Some(snapshot),
            Self::Declined(_, snapshot) => snapshot.as_deref_mut(),
            Self::Done(_) | Self::Approved(..) | Self::Refused(..) => None,
        }
    }

    pub(crate) fn snapshot_mut(&mut self) -> Option<&mut Snapshot> {
        match self {
            Self::Done(snapshot) | Self::Approved(snapshot, _) => Some(snapshot),
            Self::Refused(_, snapshot) => snapshot.as_deref_mut(),
            Self::Subject(_) | Self::Granted(..) | Self::Declined(..) => None,
        }
    }
}

/// What is kept of an idempotent request.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Recorded {
    /// The body it came with.
    #[n(0)]
    pub body: Digest,
    /// Its outcome.
    #[n(1)]
    pub answer: Answer,
    /// The ledger it stood on, to open the sealed part again.
    #[n(2)]
    pub recipient: Option<RecipientId>,
    /// When.
    #[n(3)]
    pub at: Timestamp,
    /// The subject it stood on, to open what is sealed again.
    #[n(4)]
    pub subject: Option<SubjectId>,
}
