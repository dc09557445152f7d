//! What may change about a subject, its factors and its challenges, as the journal tells it.

use minicbor::{Decode, Encode};

use crate::challenge::{ChallengeStatus, Method};
use crate::factor::{FactorKind, FactorState};
use crate::ids::VerificationId;
use crate::time::Timestamp;
use crate::verification::Purpose;

/// One change. Whom it concerns stands in the entry.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum SubjectEvent {
    /// The subject was made.
    #[n(0)]
    Created,
    /// The customer's notes about it changed.
    #[n(1)]
    Updated,
    /// It was removed with all its factors.
    #[n(2)]
    Removed,
    /// A recipient was noted as the person's.
    #[n(3)]
    RecipientAdded(#[n(0)] Option<VerificationId>),
    /// A recipient is no longer the person's.
    #[n(4)]
    RecipientRemoved,
    /// A factor was enrolled.
    #[n(5)]
    FactorEnrolled(#[n(0)] FactorKind),
    /// Its first code, or its device, was accepted; or it was brought by an operator.
    #[n(6)]
    FactorActivated,
    /// It was renamed, switched off or on, or its device said where it is woken.
    #[n(7)]
    FactorChanged(#[n(0)] FactorState),
    /// Too many wrong codes: until an instant, or until somebody unlocks it.
    #[n(8)]
    FactorLocked(#[n(0)] Option<Timestamp>),
    /// Somebody unlocked it.
    #[n(9)]
    FactorUnlocked,
    /// It was removed.
    #[n(10)]
    FactorRemoved(#[n(0)] FactorKind),
    /// Two consecutive codes set a token right.
    #[n(11)]
    FactorResynced,
    /// A wrong code outside a challenge: at activation or resynchronisation.
    #[n(12)]
    FactorRejected,
    /// A new set of backup codes replaced the old one.
    #[n(13)]
    BackupCodesRegenerated,
    /// So many backup codes are left, which is few.
    #[n(14)]
    BackupCodesLow(#[n(0)] u8),
    /// A challenge began.
    #[n(15)]
    ChallengeCreated {
        /// For what.
        #[n(0)]
        purpose: Purpose,
        /// How it may be answered.
        #[n(1)]
        methods: Vec<Method>,
    },
    /// A wrong answer.
    #[n(16)]
    ChallengeRejected {
        /// Tries left.
        #[n(0)]
        attempts_remaining: u8,
        /// Whether the binding was what differed.
        #[n(1)]
        binding: bool,
        /// Whether the code was right once and is used up.
        #[n(2)]
        replayed: bool,
        /// Where the challenge stands after it.
        #[n(3)]
        status: ChallengeStatus,
    },
    /// The right answer.
    #[n(17)]
    ChallengeApproved(#[n(0)] Method),
    /// An end other than approval or a wrong answer.
    #[n(18)]
    ChallengeEnded(#[n(0)] ChallengeStatus),
    /// A verification was begun for it.
    #[n(19)]
    ChallengeFellBack(#[n(0)] VerificationId),
    /// The proof of a push was handed out.
    #[n(20)]
    ChallengeRedeemed,
}

impl SubjectEvent {
    /// Its name in the API, as `object.verb`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Created => "subject.created",
            Self::Updated => "subject.updated",
            Self::Removed => "subject.deleted",
            Self::RecipientAdded(_) => "subject.recipient_added",
            Self::RecipientRemoved => "subject.recipient_removed",
            Self::FactorEnrolled(_) => "factor.created",
            Self::FactorActivated => "factor.activated",
            Self::FactorChanged(_) => "factor.updated",
            Self::FactorLocked(_) => "factor.locked",
            Self::FactorUnlocked => "factor.unlocked",
            Self::FactorRemoved(_) => "factor.deleted",
            Self::FactorResynced => "factor.resynced",
            Self::FactorRejected => "factor.rejected",
            Self::BackupCodesRegenerated => "factor.backup_codes_regenerated",
            Self::BackupCodesLow(_) => "factor.backup_codes_low",
            Self::ChallengeCreated { .. } => "challenge.created",
            Self::ChallengeRejected { .. } => "challenge.rejected",
            Self::ChallengeApproved(_) => "challenge.approved",
            Self::ChallengeEnded(ChallengeStatus::Denied) => "challenge.denied",
            Self::ChallengeEnded(ChallengeStatus::Expired) => "challenge.expired",
            Self::ChallengeEnded(ChallengeStatus::MaxAttempts) => "challenge.failed",
            Self::ChallengeEnded(_) => "challenge.canceled",
            Self::ChallengeFellBack(_) => "challenge.fell_back",
            Self::ChallengeRedeemed => "challenge.redeemed",
        }
    }
}
