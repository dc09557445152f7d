//! What may be asked of the rules about subjects, and what they answer.

use std::collections::BTreeMap;
use std::time::Duration;

use minicbor::{Decode, Encode};

use super::SubjectRow;
use crate::binding::Transaction;
use crate::challenge::{Challenge, Method};
use crate::command::Entered;
use crate::factor::device::{SignatureAlgorithm, Verdict};
use crate::factor::{Factor, SecretBytes, backup_code, codes_sealed_for};
use crate::ids::{ChallengeId, FactorId, SubjectId, VerificationId};
use crate::journal::Entry;
use crate::keys::{Digest, open};
use crate::oath::Algorithm;
use crate::oath::ocra::Suite;
use crate::origin::Origin;
use crate::time::Timestamp;
use crate::verification::Purpose;

/// A command on the ledger of a subject.
#[derive(Debug, Clone)]
pub struct SubjectCommand {
    /// Which subject.
    pub aim: Aim,
    /// What is asked.
    pub act: Act,
}

/// Which subject is meant, in the words of the caller.
#[derive(Debug, Clone)]
pub enum Aim {
    /// The one the customer calls so.
    Name(SubjectName),
    /// This one.
    Id(SubjectId),
    /// The one this factor belongs to.
    Factor(FactorId),
    /// The one this challenge asks.
    Challenge(ChallengeId),
}

/// The customer's name for a person, with its blind indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectName {
    /// The name.
    pub external_id: String,
    /// Its blind indexes under each root, the active one first.
    pub index: Vec<Digest>,
}

/// One thing to decide.
#[derive(Debug, Clone)]
pub enum Act {
    /// Make the subject, or replace the customer's notes about it.
    Put(Option<Vec<(String, String)>>),
    /// Remove it with everything it has.
    Remove(Authority),
    /// Note a canonical recipient as the person's; by a verification, or because the customer says so. One that a
    /// verification proved stays as it is. `only_known` does nothing when there is no such subject.
    AddRecipient {
        /// The canonical recipient.
        to: String,
        /// What proved it.
        verification: Option<VerificationId>,
        /// Whether a subject that is not there stays away.
        only_known: bool,
    },
    /// The recipient is no longer the person's.
    RemoveRecipient(String),
    /// Enrol a factor.
    Enrol(Box<Enrol>),
    /// Confirm a factor with its first code.
    Activate(Entered),
    /// Confirm a device with its key.
    EnrolDevice {
        /// What it was given.
        token: zeroize::Zeroizing<String>,
        /// What it signs with.
        algorithm: SignatureAlgorithm,
        /// Its public key.
        public_key: Vec<u8>,
        /// That it holds the key.
        signature: Vec<u8>,
        /// What the person calls it.
        name: Option<String>,
    },
    /// Rename, switch off or on.
    Change(FactorChange),
    /// Set a token right with two consecutive codes.
    Resync([Entered; 2]),
    /// Take the lock off.
    Unlock,
    /// Make a new set of backup codes.
    Regenerate(Vec<[u8; 16]>),
    /// Remove a factor.
    RemoveFactor(Authority),
    /// Begin a challenge.
    Challenge(Box<NewChallenge>),
    /// Check an answer.
    Check(CheckChallenge),
    /// An answer of a device.
    Reply(Reply),
    /// Call a challenge off.
    Cancel,
    /// Write down that its time ran out.
    Expire,
    /// A verification was begun for the challenge.
    FallBack(VerificationId),
    /// The verification that was begun for the challenge was approved.
    Settle(VerificationId, Method),
    /// Fetch the proof of a challenge that a device approved.
    Redeem(Redeem),
}

/// How a factor should be enrolled.
#[derive(Debug, Clone)]
pub struct Enrol {
    /// What it is.
    pub plan: FactorPlan,
    /// What the person calls it.
    pub name: Option<String>,
    /// The account an app shows.
    pub account: Option<String>,
    /// The serial number of a token.
    pub serial: Option<String>,
    /// The customer's own notes, in their order.
    pub metadata: Option<Vec<(String, String)>>,
    /// Whether it is usable at once: it was proven elsewhere.
    pub proven: bool,
}

/// What a new factor works with.
#[derive(Debug, Clone)]
pub enum FactorPlan {
    /// Time-based codes.
    Totp {
        /// The hash.
        algorithm: Algorithm,
        /// Digits of a code.
        digits: u8,
        /// Seconds of a step.
        period: u16,
        /// The secret, fresh or brought along.
        secret: SecretBytes,
    },
    /// Counter-based codes.
    Hotp {
        /// The hash.
        algorithm: Algorithm,
        /// Digits of a code.
        digits: u8,
        /// The counter of the next code.
        counter: u64,
        /// The secret.
        secret: SecretBytes,
    },
    /// Answers to questions.
    Ocra {
        /// The suite.
        suite: Suite,
        /// The counter of the next answer.
        counter: u64,
        /// The secret.
        secret: SecretBytes,
        /// The hashed PIN.
        pin: Option<SecretBytes>,
    },
    /// A list of codes: fresh bytes for each.
    BackupCodes(Vec<[u8; 16]>),
    /// A device that will bring its key.
    Push,
}

/// What may change about a factor.
#[derive(Debug, Clone, Default)]
pub struct FactorChange {
    /// What the person calls it now.
    pub name: Option<Option<String>>,
    /// Whether it is switched on.
    pub enabled: Option<bool>,
}

/// What gives the right to remove a factor, or a subject with factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// The key's scope.
    Key,
    /// A challenge that another factor approved.
    Challenge(ChallengeId),
    /// Neither: enough for one that was never active, and for a subject without others.
    None,
}

/// How a challenge should begin.
#[derive(Debug, Clone)]
pub struct NewChallenge {
    /// How it may be answered; empty means by any factor the subject has.
    pub methods: Vec<Method>,
    /// By this factor only.
    pub factor: Option<FactorId>,
    /// What a success may be used for.
    pub purpose: Purpose,
    /// How long it lives.
    pub lifetime: Duration,
    /// What is sealed with it.
    pub private: crate::challenge::ChallengePrivate,
    /// An answer that comes with the question.
    pub code: Option<Entered>,
    /// The dialect it comes through.
    pub origin: Option<Origin>,
}

/// One answer to a challenge.
#[derive(Debug, Clone)]
pub struct CheckChallenge {
    /// What the person typed.
    pub code: Entered,
    /// Must be one of the challenge's methods, when given.
    pub method: Option<Method>,
    /// Must be the session of the start; required when that had one.
    pub session: Option<String>,
    /// Must be the transaction of the start; required when that had one.
    pub transaction: Option<Transaction>,
    /// The dialect the answer comes through: then it means only challenges of that origin.
    pub origin: Option<Origin>,
}

/// A wish for the proof of a challenge that a device approved.
#[derive(Debug, Clone, Default)]
pub struct Redeem {
    /// Must be the session of the start; required when that had one.
    pub session: Option<String>,
    /// Must be the transaction of the start; required when that had one.
    pub transaction: Option<Transaction>,
}

/// What a device answers.
#[derive(Debug, Clone)]
pub struct Reply {
    /// Which challenge.
    pub challenge: ChallengeId,
    /// Yes or no.
    pub verdict: Verdict,
    /// The number the person typed; empty with a no.
    pub number: String,
    /// The device's signature over [`crate::factor::device::response_message`].
    pub signature: Vec<u8>,
}

impl SubjectCommand {
    /// Whether a decision must see the open challenges.
    #[must_use]
    pub const fn needs_open(&self) -> bool {
        matches!(self.act, Act::Challenge(_) | Act::Remove(_))
    }

    /// A challenge it must see beside the one it aims at.
    #[must_use]
    pub const fn also(&self) -> Option<ChallengeId> {
        match &self.act {
            Act::Remove(Authority::Challenge(id)) | Act::RemoveFactor(Authority::Challenge(id)) => Some(*id),
            Act::Reply(reply) => Some(reply.challenge),
            _ => None,
        }
    }
}

/// What a decision about a subject stands on.
#[derive(Debug, Clone, Default)]
pub struct SubjectLedger {
    /// The row; `None` before the subject is made.
    pub subject: Option<SubjectRow>,
    /// The named challenges, and the open ones when needed.
    pub challenges: BTreeMap<ChallengeId, Challenge>,
}

/// What a decision about a subject changes: whole rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SubjectEffects {
    /// The row.
    pub subject: Option<SubjectRow>,
    /// The blind indexes of a subject that is new.
    pub index: Vec<Digest>,
    /// A factor that is new.
    pub factor: Option<FactorId>,
    /// Challenges.
    pub challenges: Vec<Challenge>,
    /// One entry per change.
    pub journal: Vec<Entry>,
}

/// A subject as answers show it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct SubjectSnapshot {
    /// The row. Kept with an outcome without its data key: an erasure must reach it.
    #[n(0)]
    pub subject: SubjectRow,
    /// The factor it is about.
    #[n(1)]
    pub factor: Option<FactorId>,
    /// The challenge it is about.
    #[n(2)]
    pub challenge: Option<Challenge>,
    /// Whether the factor's secret is shown with it.
    #[n(3)]
    pub reveal: bool,
    /// Backup codes that are shown with it, sealed under the data key.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub codes: Vec<u8>,
    /// The instant it is shown for.
    #[n(5)]
    pub at: Timestamp,
}

impl SubjectSnapshot {
    /// A subject that was read, at an instant.
    #[must_use]
    pub const fn of(subject: SubjectRow, challenge: Option<Challenge>, at: Timestamp) -> Self {
        Self { subject, factor: None, challenge, reveal: false, codes: Vec::new(), at }
    }

    /// The factor it is about.
    #[must_use]
    pub fn factor(&self) -> Option<&Factor> {
        self.subject.factor(self.factor?)
    }

    /// The backup codes that are shown with it, in the clear; `None` when there are none, or the key is another.
    #[must_use]
    pub fn backup_codes(&self, data_key: &[u8; 32]) -> Option<Vec<zeroize::Zeroizing<String>>> {
        let (row, id) = (&self.subject, self.factor?);
        let sealed = open(data_key, &codes_sealed_for(&row.tenant, &id), row.data_key.root, &self.codes)?;
        let plain = zeroize::Zeroizing::new(sealed);
        Some(plain.as_chunks().0.iter().map(backup_code).collect())
    }
}
