//! Sealing: AES-256-GCM-SIV (RFC 8452), because a restored or cloned machine may repeat a nonce.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use minicbor::{Decode, Encode};

use super::{RootId, length_prefixed_all};
use crate::tenant::Tenant;

/// Where a sealed value stands. It is authenticated, so a value moved to another place does not open.
#[derive(Debug, Clone, Copy)]
pub struct SealedFor<'a> {
    /// Whose value it is.
    pub tenant: &'a Tenant,
    /// The table.
    pub table: &'static str,
    /// The sixteen bytes of the row's id.
    pub row: &'a [u8; 16],
    /// The column.
    pub column: &'static str,
}

impl SealedFor<'_> {
    fn associated_data(&self, root: RootId) -> Vec<u8> {
        length_prefixed_all(&[
            b"seal/v1",
            self.tenant.project.as_bytes(),
            &[self.tenant.mode.tag()],
            self.table.as_bytes(),
            self.row,
            self.column.as_bytes(),
            &root.0.to_be_bytes(),
        ])
    }
}

/// A recipient's data key, sealed under a root of the ring.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct WrappedKey {
    /// The root it is sealed under.
    #[n(0)]
    pub root: RootId,
    /// Nonce, ciphertext, tag. Empty after an erasure.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub bytes: Vec<u8>,
}

impl std::fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WrappedKey({}, ***)", self.root)
    }
}

/// Seals `plain` for `place`: nonce, ciphertext, tag. `None` only when the value is too large for the cipher.
#[must_use]
pub fn seal(
    key: &[u8; 32],
    nonce: [u8; NONCE_LEN],
    place: &SealedFor<'_>,
    root: RootId,
    plain: &[u8],
) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, key).ok()?);
    let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + AES_256_GCM_SIV.tag_len());
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let associated = Aad::from(place.associated_data(root));
    let tag = key
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            associated,
            sealed.get_mut(NONCE_LEN..)?,
        )
        .ok()?;
    sealed.extend_from_slice(tag.as_ref());
    Some(sealed)
}

/// Opens what [`seal`] made for the same place; `None` when anything was changed or moved.
#[must_use]
pub fn open(key: &[u8; 32], place: &SealedFor<'_>, root: RootId, sealed: &[u8]) -> Option<Vec<u8>> {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM_SIV, key).ok()?);
    let (nonce, ciphertext) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut buffer = ciphertext.to_vec();
    let length = key.open_in_place(nonce, Aad::from(place.associated_data(root)), &mut buffer).ok()?.len();
    buffer.truncate(length);
    Some(buffer)
}
