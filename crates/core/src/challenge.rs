//! A challenge: a wish that a subject approves something with one of its factors. Its states, what it is bound to.

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::binding::{Binding, Transaction};
use crate::factor::FactorKind;
use crate::ids::{ChallengeId, FactorId, SubjectId, VerificationId};
use crate::keys::{Digest, Keys, RootId, SealedFor, open};
use crate::limits;
use crate::named::named;
use crate::origin::Origin;
use crate::refusal::Refusal;
use crate::tenant::Tenant;
use crate::time::Timestamp;
use crate::verification::{Channel, Purpose};

named!(
    /// How a challenge may be answered.
    Method {
        /// A code of an app or token.
        0 Totp = "totp",
        /// A code of a counter-based token.
        1 Hotp = "hotp",
        /// The answer of a token to a question.
        2 Ocra = "ocra",
        /// A code of the list.
        3 BackupCodes = "backup_codes",
        /// A device that signs.
        4 Push = "push",
        /// A code by text message to a verified number.
        5 Sms = "sms",
        /// A code by call to a verified number.
        6 Voice = "voice",
        /// A code by WhatsApp to a verified number.
        7 Whatsapp = "whatsapp",
        /// A code by mail to a verified address.
        8 Email = "email",
    }
);

impl Method {
    /// The factor that answers it; `None` when a verification of a recipient does.
    #[must_use]
    pub const fn factor(self) -> Option<FactorKind> {
        match self {
            Self::Totp => Some(FactorKind::Totp),
            Self::Hotp => Some(FactorKind::Hotp),
            Self::Ocra => Some(FactorKind::Ocra),
            Self::BackupCodes => Some(FactorKind::BackupCodes),
            Self::Push => Some(FactorKind::Push),
            Self::Sms | Self::Voice | Self::Whatsapp | Self::Email => None,
        }
    }

    /// The channel of the verification that answers it; `None` when a factor does.
    #[must_use]
    pub const fn channel(self) -> Option<Channel> {
        match self {
            Self::Sms => Some(Channel::Sms),
            Self::Voice => Some(Channel::Voice),
            Self::Whatsapp => Some(Channel::Whatsapp),
            Self::Email => Some(Channel::Email),
            Self::Totp | Self::Hotp | Self::Ocra | Self::BackupCodes | Self::Push => None,
        }
    }

    /// The method that is a kind of factor.
    #[must_use]
    pub const fn of(kind: FactorKind) -> Self {
        match kind {
            FactorKind::Totp => Self::Totp,
            FactorKind::Hotp => Self::Hotp,
            FactorKind::Ocra => Self::Ocra,
            FactorKind::BackupCodes => Self::BackupCodes,
            FactorKind::Push => Self::Push,
        }
    }
}

named!(
    /// Where a challenge stands.
    ChallengeStatus {
        /// Waiting for an answer.
        0 Pending = "pending",
        /// Answered rightly.
        1 Approved = "approved",
        /// Too many wrong answers.
        2 MaxAttempts = "max_attempts",
        /// The person said no on a device.
        3 Denied = "denied",
        /// Its time ran out.
        4 Expired = "expired",
        /// The customer called it off.
        5 CanceledByCustomer = "by_customer",
        /// Others took its place.
        6 Superseded = "superseded",
        /// An answer named another transaction.
        7 BindingChanged = "binding_changed",
    }
);

impl ChallengeStatus {
    /// `status` in the API.
    #[must_use]
    pub const fn status(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::MaxAttempts => "failed",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::CanceledByCustomer | Self::Superseded | Self::BindingChanged => "canceled",
        }
    }

    /// Why nothing can be done with a challenge that stands here; `None` while it is pending.
    #[must_use]
    pub const fn refusal(self) -> Option<Refusal> {
        match self {
            Self::Pending => None,
            Self::Approved => Some(Refusal::ChallengeAlreadyApproved),
            Self::MaxAttempts => Some(Refusal::ChallengeMaxAttempts),
            Self::Denied => Some(Refusal::ChallengeDenied),
            Self::Expired => Some(Refusal::ChallengeExpired),
            Self::CanceledByCustomer | Self::Superseded | Self::BindingChanged => {
                Some(Refusal::ChallengeCanceled)
            }
        }
    }

    /// `reason` in the API.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Pending | Self::Approved | Self::Expired | Self::Denied => None,
            other => Some(other.as_str()),
        }
    }
}

/// By what a challenge was approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ApprovedBy {
    /// How.
    #[n(0)]
    pub method: Method,
    /// With which factor.
    #[n(1)]
    pub factor: Option<FactorId>,
    /// By which verification.
    #[n(2)]
    pub verification: Option<VerificationId>,
}

/// The row of a challenge. What could name a person is in `sealed`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Challenge {
    /// Its id.
    #[n(0)]
    pub id: ChallengeId,
    /// Whose it is.
    #[n(1)]
    pub tenant: Tenant,
    /// Who is asked.
    #[n(2)]
    pub subject: SubjectId,
    /// Where it stands, as last written; see [`Self::status_at`].
    #[n(3)]
    pub status: ChallengeStatus,
    /// What a success may be used for.
    #[n(4)]
    pub purpose: Purpose,
    /// How it may be answered.
    #[n(5)]
    pub methods: Vec<Method>,
    /// By this factor only, when one is named.
    #[n(6)]
    pub factor: Option<FactorId>,
    /// What it is bound to.
    #[n(7)]
    pub binding: Binding,
    /// The root the binding, the question and the number are made under.
    #[n(8)]
    pub root: RootId,
    /// [`ChallengePrivate`], sealed under the subject's data key.
    #[cbor(n(9), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
    /// Answers checked so far.
    #[n(10)]
    pub checks_used: u8,
    /// Answers that may be checked in all.
    #[n(11)]
    pub checks_allowed: u8,
    /// Wrong numbers typed on devices.
    #[n(12)]
    pub wrong_numbers: u8,
    /// When it began.
    #[n(13)]
    pub created_at: Timestamp,
    /// From this instant on nothing is accepted.
    #[n(14)]
    pub expires_at: Timestamp,
    /// When it reached its end state.
    #[n(15)]
    pub ended_at: Option<Timestamp>,
    /// By what it was approved.
    #[n(16)]
    pub approved_by: Option<ApprovedBy>,
    /// Devices that are asked.
    #[n(17)]
    pub pushed_to: Vec<FactorId>,
    /// The verification that was begun for it last.
    #[n(18)]
    pub verification: Option<VerificationId>,
    /// Whether a factor was removed on its strength; it serves for one.
    #[n(19)]
    pub spent: bool,
    /// The epoch of the store it was made in: another one kills it.
    #[cbor(n(20), with = "minicbor::bytes")]
    pub epoch: [u8; 16],
    /// When the proof of a push was fetched; it is handed out once.
    #[n(21)]
    pub redeemed_at: Option<Timestamp>,
    /// Where it came from, when not from the native API.
    #[n(22)]
    pub origin: Option<Origin>,
}

/// What a challenge holds about a person: readable only with the subject's data key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct ChallengePrivate {
    /// The transaction it is bound to.
    #[n(0)]
    pub transaction: Option<Transaction>,
    /// The customer's session.
    #[n(1)]
    pub session: Option<String>,
    /// The customer's own notes, in their order.
    #[n(2)]
    pub metadata: Vec<(String, String)>,
    /// What a device shows above the transaction.
    #[n(3)]
    pub message: Option<String>,
    /// Facts a device shows beside it, in their order.
    #[n(4)]
    pub details: Vec<(String, String)>,
}

impl Challenge {
    /// Where it stands at `now`: a pending one whose time ran out is expired, written down or not, and so is one of
    /// another epoch of the store, or from the future.
    #[must_use]
    pub fn status_at(&self, keys: &Keys, now: Timestamp) -> ChallengeStatus {
        let over = now >= self.expires_at
            || self.id.created_at() > now.plus(limits::CLOCK_TOLERANCE)
            || self.epoch != *keys.epoch();
        match self.status {
            ChallengeStatus::Pending if over => ChallengeStatus::Expired,
            status => status,
        }
    }

    /// Whether its time ran out and nobody wrote that down yet.
    #[must_use]
    pub fn is_overdue(&self, now: Timestamp) -> bool {
        self.status == ChallengeStatus::Pending && now >= self.expires_at
    }

    /// Answers that may still be checked.
    #[must_use]
    pub const fn attempts_remaining(&self) -> u8 {
        self.checks_allowed.saturating_sub(self.checks_used)
    }

    /// Ends it: the one way into an end state.
    pub(crate) fn end(&mut self, status: ChallengeStatus, at: Timestamp) {
        self.status = status;
        self.ended_at = Some(at);
    }

    /// The number the first screen shows and the device asks for: 10 to 99. Derived, never stored.
    #[must_use]
    pub fn number(&self, keys: &Keys) -> Option<String> {
        let digest = self.moment(keys, b"push-number")?;
        let wide = u64::from_be_bytes(digest.0[..8].try_into().ok()?);
        Some((10 + wide % 90).to_string())
    }

    /// What its question is made of: another challenge, epoch or transaction gives another question.
    #[must_use]
    pub fn question(&self, keys: &Keys) -> Option<Digest> {
        self.moment(keys, b"question")
    }

    fn moment(&self, keys: &Keys, label: &[u8]) -> Option<Digest> {
        let binding = self.binding.digest();
        keys.moment(self.root, label, &self.tenant.to_bytes(), self.id.as_bytes(), &binding.0)
    }

    /// Opens its sealed part with the subject's data key.
    #[must_use]
    pub fn open(&self, data_key: &[u8; 32], root: RootId) -> Option<ChallengePrivate> {
        let plain = Zeroizing::new(open(data_key, &sealed_for(&self.tenant, &self.id), root, &self.sealed)?);
        minicbor::decode(&plain).ok()
    }
}

/// Where a challenge's sealed part stands.
#[must_use]
pub fn sealed_for<'a>(tenant: &'a Tenant, id: &'a ChallengeId) -> SealedFor<'a> {
    SealedFor { tenant, table: "challenge", row: id.as_bytes(), column: "sealed" }
}
