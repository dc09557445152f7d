//! A factor: an enrolled authenticator of a subject. What it is, what it counts, when it accepts.

pub mod device;
mod otp;

use std::time::Duration;

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

pub(crate) use self::otp::{Comparison, Matched};
pub use self::otp::{backup_code, backup_code_digest};
use crate::ids::FactorId;
use crate::keys::{Digest, Keys, RootId, SealedFor, open};
use crate::limits;
use crate::named::named;
use crate::oath::{Algorithm, time_step};
use crate::policy::Policy;
use crate::tenant::Tenant;
pub use crate::throttle::Held;
use crate::throttle::{Counters, held};
use crate::time::Timestamp;
use device::SignatureAlgorithm;

named!(
    /// What a factor is.
    FactorKind {
        /// Time-based codes of an app or token (RFC 6238).
        0 Totp = "totp",
        /// Counter-based codes of a token (RFC 4226).
        1 Hotp = "hotp",
        /// Answers to questions (RFC 6287).
        2 Ocra = "ocra",
        /// A list of codes kept for the day the other factors are gone.
        3 BackupCodes = "backup_codes",
        /// A device with a key of its own.
        4 Push = "push",
    }
);

named!(
    /// Where a factor stands.
    FactorState {
        /// Waiting for its first code, or for its device.
        0 Pending = "pending",
        /// Usable.
        1 Active = "active",
        /// Switched off; it can be switched on again.
        2 Disabled = "disabled",
        /// Gone for good; only its name in the record is left.
        3 Removed = "removed",
    }
);

/// What a factor works with, and how far it was used. Nothing here ever goes back.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Means {
    /// Time-based codes.
    #[n(0)]
    Totp {
        /// The hash.
        #[n(0)]
        algorithm: Algorithm,
        /// Digits of a code.
        #[n(1)]
        digits: u8,
        /// Seconds of a step.
        #[n(2)]
        period: u16,
        /// The last accepted step; only later ones are accepted.
        #[n(3)]
        last_step: Option<u64>,
        /// Steps the device was ahead (1) or behind (-1) when it was last seen.
        #[n(4)]
        drift: i8,
    },
    /// Counter-based codes.
    #[n(1)]
    Hotp {
        /// The hash.
        #[n(0)]
        algorithm: Algorithm,
        /// Digits of a code.
        #[n(1)]
        digits: u8,
        /// The counter of the next code.
        #[n(2)]
        counter: u64,
        /// Whether only two consecutive codes set it right: after a restore nobody knows how far it was used.
        #[n(3)]
        resync: bool,
    },
    /// Answers to questions.
    #[n(2)]
    Ocra {
        /// The suite.
        #[n(0)]
        suite: String,
        /// The counter of the next answer, where the suite has one.
        #[n(1)]
        counter: u64,
    },
    /// A list of codes.
    #[n(3)]
    BackupCodes {
        /// Keyed digests of the codes.
        #[n(0)]
        codes: Vec<BackupCode>,
        /// The root they are keyed under.
        #[n(1)]
        root: RootId,
    },
    /// A device.
    #[n(4)]
    Push {
        /// What it signs with.
        #[n(0)]
        algorithm: SignatureAlgorithm,
        /// Its public key, raw: 32 bytes of Ed25519, 65 of an uncompressed point on P-256. Empty before it enrolled.
        #[cbor(n(1), with = "minicbor::bytes")]
        public_key: Vec<u8>,
    },
}

/// One backup code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct BackupCode {
    /// Its keyed digest.
    #[n(0)]
    pub digest: Digest,
    /// When it was used up.
    #[n(1)]
    pub used_at: Option<Timestamp>,
}

/// Wrong codes at one factor, over all doors and keys.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct FactorFailures {
    /// In a row, since the last success.
    #[n(0)]
    pub consecutive: u16,
    /// Until when no code is checked.
    #[n(1)]
    pub paused_until: Option<Timestamp>,
    /// The times of the latest ones.
    #[n(2)]
    pub day: Vec<Timestamp>,
}

/// A factor, in the row of its subject.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Factor {
    /// Its id.
    #[n(0)]
    pub id: FactorId,
    /// Where it stands, as last written; see [`Self::state_at`].
    #[n(1)]
    pub state: FactorState,
    /// What it works with.
    #[n(2)]
    pub means: Means,
    /// When it was enrolled.
    #[n(3)]
    pub created_at: Timestamp,
    /// When its first code, or its device, was accepted.
    #[n(4)]
    pub activated_at: Option<Timestamp>,
    /// When it was last used.
    #[n(5)]
    pub last_used_at: Option<Timestamp>,
    /// Wrong codes.
    #[n(6)]
    pub failures: FactorFailures,
    /// [`FactorPrivate`], sealed under the subject's data key. Empty once it was removed.
    #[cbor(n(7), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
    /// When it was removed.
    #[n(8)]
    pub removed_at: Option<Timestamp>,
}

/// What a factor holds that nobody may read: its secret and its name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct FactorPrivate {
    /// The shared secret; empty where there is none.
    #[n(0)]
    pub secret: SecretBytes,
    /// The hashed PIN of an OCRA suite.
    #[n(1)]
    pub pin: Option<SecretBytes>,
    /// What the person calls it.
    #[n(2)]
    pub name: Option<String>,
    /// The account an app shows beside the issuer.
    #[n(3)]
    pub account: Option<String>,
    /// The serial number of a hardware token.
    #[n(4)]
    pub serial: Option<String>,
    /// The customer's own notes, in their order.
    #[n(5)]
    pub metadata: Option<Vec<(String, String)>>,
}

/// Bytes of a secret. Prints as `***` and is wiped when dropped.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct SecretBytes(pub Zeroizing<Vec<u8>>);

impl std::fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl<C> Encode<C> for SecretBytes {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for SecretBytes {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Ok(Self(Zeroizing::new(d.bytes()?.to_vec())))
    }
}

impl Means {
    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> FactorKind {
        match self {
            Self::Totp { .. } => FactorKind::Totp,
            Self::Hotp { .. } => FactorKind::Hotp,
            Self::Ocra { .. } => FactorKind::Ocra,
            Self::BackupCodes { .. } => FactorKind::BackupCodes,
            Self::Push { .. } => FactorKind::Push,
        }
    }

    /// After a restore nobody knows what was used since the backup: whatever could have been is used.
    fn fence(&mut self, at: Timestamp) {
        match self {
            Self::Totp { period, last_step, .. } => {
                *last_step =
                    (*last_step).max(Some(time_step(at, Duration::from_secs(u64::from(*period))) + 1));
            }
            Self::Hotp { counter, resync, .. } => {
                *counter = counter.saturating_add(limits::HOTP_LOOK_AHEAD + 1);
                *resync = true;
            }
            Self::Ocra { counter, .. } => *counter = counter.saturating_add(limits::HOTP_LOOK_AHEAD + 1),
            Self::BackupCodes { codes, .. } => {
                for code in codes {
                    code.used_at.get_or_insert(at);
                }
            }
            Self::Push { .. } => {}
        }
    }
}

impl Factor {
    /// Where it stands at `now`: one that waited too long for its first code is removed, written down or not.
    #[must_use]
    pub fn state_at(&self, now: Timestamp) -> FactorState {
        let waited = self.state == FactorState::Pending && now >= self.expires_at();
        if waited { FactorState::Removed } else { self.state }
    }

    /// Until when a pending one waits.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.created_at.plus(limits::ENROLMENT_LIFETIME)
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> FactorKind {
        self.means.kind()
    }

    /// Whether codes of it may be checked now.
    #[must_use]
    pub fn held(&self, now: Timestamp) -> Option<Held> {
        let FactorFailures { consecutive, paused_until, day } = &self.failures;
        held(*consecutive, *paused_until, day, now)
    }

    /// Backup codes that are left; `None` for other kinds.
    #[must_use]
    pub fn codes_left(&self) -> Option<usize> {
        let Means::BackupCodes { codes, .. } = &self.means else { return None };
        Some(codes.iter().filter(|code| code.used_at.is_none()).count())
    }

    /// Counts a wrong code, before anything is compared.
    pub(crate) fn fail(&mut self, policy: &Policy, now: Timestamp) {
        self.failures.counters().fail(policy, now);
    }

    /// A right code ends the row of failures.
    pub(crate) fn succeed(&mut self, now: Timestamp) {
        self.failures.counters().succeed();
        self.last_used_at = Some(now);
    }

    /// Removes it: its secret is gone, its name in the record stays.
    pub(crate) fn remove(&mut self, now: Timestamp) {
        self.state = FactorState::Removed;
        self.removed_at = Some(now);
        self.sealed.clear();
        match &mut self.means {
            Means::BackupCodes { codes, .. } => codes.clear(),
            Means::Push { public_key, .. } => public_key.clear(),
            Means::Totp { .. } | Means::Hotp { .. } | Means::Ocra { .. } => {}
        }
    }

    /// See [`Means::fence`].
    pub(crate) fn fence(&mut self, at: Timestamp) {
        self.means.fence(at);
    }

    /// Opens its secret with the subject's data key; `None` when it was removed, moved or changed.
    #[must_use]
    pub fn open(&self, tenant: &Tenant, data_key: &[u8; 32], root: RootId) -> Option<FactorPrivate> {
        let plain = Zeroizing::new(open(data_key, &sealed_for(tenant, &self.id), root, &self.sealed)?);
        minicbor::decode(&plain).ok()
    }

    /// The token a device enrols with: 128 bits that only the ring can make, good while the factor waits.
    #[must_use]
    pub fn enrolment_token(&self, keys: &Keys, root: RootId, tenant: &Tenant) -> Option<String> {
        let digest = keys.moment(root, b"enrolment", &tenant.to_bytes(), self.id.as_bytes(), &[])?;
        Some(data_encoding::BASE64URL_NOPAD.encode(&digest.0[..16]))
    }
}

impl FactorFailures {
    const fn counters(&mut self) -> Counters<'_> {
        let Self { consecutive, paused_until, day } = self;
        Counters { consecutive, paused_until, day }
    }
}

/// Where the codes of an answer that shows them stand.
#[must_use]
pub fn codes_sealed_for<'a>(tenant: &'a Tenant, id: &'a FactorId) -> SealedFor<'a> {
    SealedFor { column: "codes", ..sealed_for(tenant, id) }
}

/// Where a factor's sealed part stands.
#[must_use]
pub fn sealed_for<'a>(tenant: &'a Tenant, id: &'a FactorId) -> SealedFor<'a> {
    SealedFor { tenant, table: "factor", row: id.as_bytes(), column: "sealed" }
}
