//! The key ring and everything derived from it: roots outside the database, subkeys by HKDF-SHA-256.
//!
//! `docs/formats.md` freezes the bytes of every derivation here; `formats_tests.rs` holds the vectors.

mod code;
mod quorum;
mod seal;
#[cfg(test)]
mod tests;

pub use code::{Alphabet, Code, CodeFormat, CodeInputs, Malformed, normalise};
pub use quorum::{NodeRing, next_active};
pub use seal::{SealedFor, WrappedKey, open, seal};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU16, Ordering};

use aws_lc_rs::{digest, hkdf, hmac};
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::time::Timestamp;

/// 32 bytes that identify a value without telling it: an HMAC or a hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Whether both are equal, in a time that does not depend on where they differ.
    #[must_use]
    pub fn matches(&self, other: &Self) -> bool {
        use subtle::ConstantTimeEq as _;
        self.0.ct_eq(&other.0).into()
    }

    /// Lower-case hexadecimal.
    #[must_use]
    pub fn hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", data_encoding::HEXLOWER.encode(&self.0[..4]))
    }
}

impl<C> Encode<C> for Digest {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(&self.0)?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Digest {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let bytes = <[u8; 32]>::try_from(d.bytes()?)
            .map_err(|_| minicbor::decode::Error::message("a digest has 32 bytes"))?;
        Ok(Self(bytes))
    }
}

/// SHA-256 (FIPS 180-4) of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    Digest(out)
}

/// Appends `field` with its length before it (32 bits, big-endian), so that no two lists of fields collide.
pub fn length_prefixed(into: &mut Vec<u8>, field: &[u8]) {
    into.extend_from_slice(&u32::try_from(field.len()).unwrap_or(u32::MAX).to_be_bytes());
    into.extend_from_slice(field);
}

/// The fields one after the other, each with its length before it.
#[must_use]
pub fn length_prefixed_all(fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(fields.iter().map(|field| field.len() + 4).sum());
    for field in fields {
        length_prefixed(&mut bytes, field);
    }
    bytes
}

/// The number of a root in the ring; rows carry it, so they can be read while roots rotate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct RootId(#[n(0)] pub u16);

impl fmt::Display for RootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "root-{}", self.0)
    }
}

/// What a root may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RootState {
    /// Known, not used for new rows yet.
    Present,
    /// Used for new rows; exactly one root is.
    Active,
    /// Only reads old rows.
    Retiring,
}

/// One 256-bit root key.
#[derive(Clone)]
pub struct Root {
    /// Its number.
    pub id: RootId,
    /// What it may be used for.
    pub state: RootState,
    /// The key itself.
    pub secret: Zeroizing<[u8; 32]>,
}

impl Root {
    /// The key-check value: tells two keys apart and says nothing about either. Eight bytes, hexadecimal.
    #[must_use]
    pub fn check_value(&self) -> String {
        data_encoding::HEXLOWER.encode(&subkey(&self.secret, "check-value")[..8])
    }
}

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Root({}, {:?}, ***)", self.id, self.state)
    }
}

/// Why a ring cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RingError {
    /// No root, or several, are active.
    NotOneActive,
    /// Two roots carry the same number.
    SameNumber(RootId),
}

impl fmt::Display for RingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotOneActive => f.write_str("exactly one root of the key ring must be active"),
            Self::SameNumber(id) => write!(f, "the key ring has two roots with the number {}", id.0),
        }
    }
}

impl std::error::Error for RingError {}

/// The subkeys of one root.
pub struct RootKeys {
    code: hmac::Key,
    index: hmac::Key,
    fingerprint: hmac::Key,
    wrap: Zeroizing<[u8; 32]>,
    /// Wraps what opens factors' secrets: nothing but the checking of factors uses it.
    wrap_subject: Zeroizing<[u8; 32]>,
    proof: [Zeroizing<[u8; 32]>; 2],
}

/// All keys a running node works with: the subkeys of each root, and the epoch of the store it opened.
pub struct Keys {
    epoch: [u8; 16],
    /// When the epoch began, if it followed a restore.
    fenced_at: Option<Timestamp>,
    /// The only thing here that changes: the ring's choice, or that of all nodes of a store together.
    active: AtomicU16,
    roots: BTreeMap<RootId, RootKeys>,
}

impl Keys {
    /// Derives the subkeys of `roots` for the store whose epoch is `epoch`.
    ///
    /// # Errors
    /// When not exactly one root is active, or two have the same number.
    pub fn derive(roots: &[Root], epoch: [u8; 16]) -> Result<Self, RingError> {
        let mut active = roots.iter().filter(|root| root.state == RootState::Active);
        let (Some(first), None) = (active.next(), active.next()) else {
            return Err(RingError::NotOneActive);
        };
        let mut derived = BTreeMap::new();
        for root in roots {
            if derived.insert(root.id, RootKeys::derive(&root.secret)).is_some() {
                return Err(RingError::SameNumber(root.id));
            }
        }
        Ok(Self { epoch, fenced_at: None, active: AtomicU16::new(first.id.0), roots: derived })
    }

    /// The same for an epoch that began at `at`, after a restore: what factors could have used before counts as used.
    #[must_use]
    pub const fn fenced(mut self, at: Option<Timestamp>) -> Self {
        self.fenced_at = at;
        self
    }

    /// When the epoch began, if it followed a restore.
    #[must_use]
    pub const fn fenced_at(&self) -> Option<Timestamp> {
        self.fenced_at
    }

    /// The root new rows are written under.
    #[must_use]
    pub fn active(&self) -> RootId {
        RootId(self.active.load(Ordering::Acquire))
    }

    /// Writes new rows under `root` from here on. False, and nothing changes, when these keys lack it.
    pub fn activate(&self, root: RootId) -> bool {
        let held = self.roots.contains_key(&root);
        if held {
            self.active.store(root.0, Ordering::Release);
        }
        held
    }

    /// The numbers of all roots, the active one first.
    pub fn root_ids(&self) -> impl Iterator<Item = RootId> {
        let active = self.active();
        std::iter::once(active).chain(self.roots.keys().copied().filter(move |id| *id != active))
    }

    /// The epoch of the store these keys belong to.
    #[must_use]
    pub fn epoch(&self) -> &[u8; 16] {
        &self.epoch
    }

    /// The subkeys of `root`; `None` when this node does not hold it, which costs nobody a try.
    #[must_use]
    pub fn root(&self, root: RootId) -> Option<&RootKeys> {
        self.roots.get(&root)
    }

    /// The blind index of a value under `root`: HMAC-SHA-256 over the length-prefixed fields.
    #[must_use]
    pub fn index(&self, root: RootId, fields: &[&[u8]]) -> Option<Digest> {
        self.root(root).map(|keys| mac(&keys.index, fields))
    }

    /// The keyed fingerprint of fields under the active root: body fingerprints and binding digests.
    #[must_use]
    pub fn fingerprint(&self, root: RootId, fields: &[&[u8]]) -> Option<Digest> {
        self.root(root).map(|keys| mac(&keys.fingerprint, fields))
    }

    /// The Ed25519 seed (RFC 8032) proofs are signed with under the active root.
    #[must_use]
    pub fn proof_seed(&self, root: RootId, livemode: bool) -> Option<&Zeroizing<[u8; 32]>> {
        self.root(root).map(|keys| &keys.proof[usize::from(livemode)])
    }

    /// The code that `inputs` stand for, under the root they name.
    #[must_use]
    pub fn code(&self, inputs: &CodeInputs<'_>) -> Option<Code> {
        self.root(inputs.root).map(|keys| code::derive(&keys.code, &self.epoch, inputs))
    }

    /// What stands for a moment of a life: unpredictable without the ring, bound to the epoch of the store, the tenant, the
    /// sixteen bytes of an id and `extra`. `label` keeps uses apart.
    #[must_use]
    pub fn moment(
        &self,
        root: RootId,
        label: &[u8],
        tenant: &[u8; 17],
        id: &[u8; 16],
        extra: &[u8],
    ) -> Option<Digest> {
        let fields: [&[u8]; 6] = [b"moment/v1", &self.epoch, label, tenant, id, extra];
        self.root(root).map(|keys| mac(&keys.code, &fields))
    }

    /// Wraps a recipient's data key for the row it belongs to.
    #[must_use]
    pub fn wrap(&self, data_key: &[u8; 32], nonce: [u8; 12], place: &SealedFor<'_>) -> Option<WrappedKey> {
        self.wrap_under(|keys| &keys.wrap, data_key, nonce, place)
    }

    /// Opens a wrapped data key; `None` when the root is unknown or the bytes were moved or changed.
    #[must_use]
    pub fn unwrap(&self, wrapped: &WrappedKey, place: &SealedFor<'_>) -> Option<Zeroizing<[u8; 32]>> {
        self.unwrap_under(|keys| &keys.wrap, wrapped, place)
    }

    /// Wraps a subject's data key for the row it belongs to.
    #[must_use]
    pub fn wrap_subject(
        &self,
        data_key: &[u8; 32],
        nonce: [u8; 12],
        place: &SealedFor<'_>,
    ) -> Option<WrappedKey> {
        self.wrap_under(|keys| &keys.wrap_subject, data_key, nonce, place)
    }

    /// Opens a subject's wrapped data key; `None` as for [`Self::unwrap`].
    #[must_use]
    pub fn unwrap_subject(&self, wrapped: &WrappedKey, place: &SealedFor<'_>) -> Option<Zeroizing<[u8; 32]>> {
        self.unwrap_under(|keys| &keys.wrap_subject, wrapped, place)
    }

    fn wrap_under(
        &self,
        of: impl Fn(&RootKeys) -> &Zeroizing<[u8; 32]>,
        data_key: &[u8; 32],
        nonce: [u8; 12],
        place: &SealedFor<'_>,
    ) -> Option<WrappedKey> {
        let active = self.active();
        let bytes = seal(of(self.root(active)?), nonce, place, active, data_key)?;
        Some(WrappedKey { root: active, bytes })
    }

    fn unwrap_under(
        &self,
        of: impl Fn(&RootKeys) -> &Zeroizing<[u8; 32]>,
        wrapped: &WrappedKey,
        place: &SealedFor<'_>,
    ) -> Option<Zeroizing<[u8; 32]>> {
        let opened = open(of(self.root(wrapped.root)?), place, wrapped.root, &wrapped.bytes)?;
        Some(Zeroizing::new(<[u8; 32]>::try_from(opened.as_slice()).ok()?))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} roots, active {}, ***)", self.roots.len(), self.active())
    }
}

impl RootKeys {
    fn derive(root: &[u8; 32]) -> Self {
        let key = |label| hmac::Key::new(hmac::HMAC_SHA256, subkey(root, label).as_slice());
        Self {
            code: key("code"),
            index: key("index"),
            fingerprint: key("fingerprint"),
            wrap: subkey(root, "wrap"),
            wrap_subject: subkey(root, "wrap-subject"),
            proof: [subkey(root, "proof/test"), subkey(root, "proof/live")],
        }
    }
}

/// HKDF-SHA-256 (RFC 5869) of a root without salt; `info` is `countersign/<label>/v1`.
#[must_use]
pub fn subkey(root: &[u8; 32], label: &str) -> Zeroizing<[u8; 32]> {
    let info = format!("countersign/{label}/v1");
    let pseudo_random = hkdf::Salt::new(hkdf::HKDF_SHA256, &[]).extract(root);
    let mut out = Zeroizing::new([0; 32]);
    let filled = pseudo_random
        .expand(&[info.as_bytes()], hkdf::HKDF_SHA256)
        .and_then(|okm| okm.fill(out.as_mut_slice()));
    debug_assert!(filled.is_ok(), "32 bytes are one block of HKDF-SHA-256");
    out
}

fn mac(key: &hmac::Key, fields: &[&[u8]]) -> Digest {
    let mut out = [0; 32];
    out.copy_from_slice(hmac::sign(key, &length_prefixed_all(fields)).as_ref());
    Digest(out)
}
