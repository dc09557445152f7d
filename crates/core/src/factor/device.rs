//! Devices that sign: what they sign, byte by byte, and how it is verified. `docs/formats.md` freezes the messages.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, ED25519, UnparsedPublicKey};

use super::wake::PushAddress;
use crate::binding::Transaction;
use crate::ids::{ChallengeId, FactorId};
use crate::keys::length_prefixed_all;
use crate::named::named;
use crate::time::Timestamp;
use minicbor::{Decode, Encode};

named!(
    /// What a device signs with.
    SignatureAlgorithm {
        /// Ed25519 (RFC 8032).
        0 Ed25519 = "ed25519",
        /// ECDSA on P-256 with SHA-256 (FIPS 186-5); signatures as 64 bytes or in DER, as the platform makes them.
        1 P256 = "p256",
    }
);

impl SignatureAlgorithm {
    /// Whether these bytes can be a public key: 32 of Ed25519, 65 of an uncompressed point on P-256.
    #[must_use]
    pub const fn takes(self, public_key: &[u8]) -> bool {
        match self {
            Self::Ed25519 => public_key.len() == 32,
            Self::P256 => public_key.len() == 65 && public_key[0] == 4,
        }
    }

    /// Whether `signature` is that of `message` under `public_key`.
    #[must_use]
    pub fn verifies(self, public_key: &[u8], message: &[u8], signature: &[u8]) -> bool {
        let verified = match (self, signature.len()) {
            (Self::Ed25519, _) => UnparsedPublicKey::new(&ED25519, public_key).verify(message, signature),
            (Self::P256, 64) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, public_key).verify(message, signature)
            }
            (Self::P256, _) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public_key).verify(message, signature)
            }
        };
        verified.is_ok()
    }
}

named!(
    /// What a person decided on a device.
    Verdict {
        /// Yes, with the number of the first screen.
        0 Approve = "approve",
        /// No, this was not me.
        1 Deny = "deny",
    }
);

/// What a device signs when it enrols: that it holds the key, for this factor and token.
#[must_use]
pub fn enrolment_message(factor: &FactorId, token: &str, public_key: &[u8]) -> Vec<u8> {
    length_prefixed_all(&[
        b"countersign/device-enrolment/v1",
        factor.to_string().as_bytes(),
        token.as_bytes(),
        public_key,
    ])
}

/// What a device signs when it asks for its open challenges.
#[must_use]
pub fn poll_message(factor: &FactorId, at: Timestamp) -> Vec<u8> {
    length_prefixed_all(&[
        b"countersign/device-poll/v1",
        factor.to_string().as_bytes(),
        at.seconds().to_string().as_bytes(),
    ])
}

/// What a device signs when it says where it is woken from now on; with `None`, that it is not.
#[must_use]
pub fn push_token_message(factor: &FactorId, at: Timestamp, address: Option<&PushAddress>) -> Vec<u8> {
    let token = address.map_or("", |address| address.token.reveal());
    let locale = address.and_then(|address| address.locale.as_deref());
    length_prefixed_all(&[
        b"countersign/device-push-token/v1",
        factor.to_string().as_bytes(),
        at.seconds().to_string().as_bytes(),
        token.as_bytes(),
        locale.unwrap_or_default().as_bytes(),
    ])
}

/// What a device signs when a person decided: the challenge, the number that was typed, and all of the transaction that
/// was shown, so that nothing but what the signer saw is approved.
#[must_use]
pub fn response_message(
    factor: &FactorId,
    challenge: &ChallengeId,
    verdict: Verdict,
    number: &str,
    transaction: Option<&Transaction>,
) -> Vec<u8> {
    let mut fields = vec![
        "countersign/device-response/v1".to_owned(),
        factor.to_string(),
        challenge.to_string(),
        verdict.as_str().to_owned(),
        number.to_owned(),
    ];
    if let Some(Transaction { amount, currency, payee, reference, written }) = transaction {
        fields.push(written.clone().unwrap_or_else(|| amount.to_string()));
        fields.push(currency.clone());
        fields.push(payee.clone());
        fields.push(reference.clone().unwrap_or_default());
    }
    length_prefixed_all(&fields.iter().map(String::as_bytes).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::rand::SystemRandom;
    use aws_lc_rs::signature::{
        ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        KeyPair as _,
    };

    use super::*;

    #[test]
    fn a_signature_of_a_phone_is_taken_in_both_of_its_forms() {
        let random = SystemRandom::new();
        for signing in [&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P256_SHA256_ASN1_SIGNING] {
            let document = EcdsaKeyPair::generate_pkcs8(signing, &random).unwrap();
            let pair = EcdsaKeyPair::from_pkcs8(signing, document.as_ref()).unwrap();
            let (key, signed) = (pair.public_key().as_ref(), pair.sign(&random, b"message").unwrap());
            assert!(SignatureAlgorithm::P256.takes(key) && !SignatureAlgorithm::Ed25519.takes(key));
            assert!(SignatureAlgorithm::P256.verifies(key, b"message", signed.as_ref()));
            assert!(!SignatureAlgorithm::P256.verifies(key, b"another", signed.as_ref()));
        }
    }

    #[test]
    fn a_key_is_as_long_as_its_algorithm_says() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap();
        let key = pair.public_key().as_ref();
        assert!(SignatureAlgorithm::Ed25519.takes(key) && !SignatureAlgorithm::Ed25519.takes(&key[1..]));
        let signed = pair.sign(b"message");
        assert!(SignatureAlgorithm::Ed25519.verifies(key, b"message", signed.as_ref()));
        for broken in [&b""[..], &signed.as_ref()[1..], &[0; 64]] {
            assert!(!SignatureAlgorithm::Ed25519.verifies(key, b"message", broken));
        }
        let compressed = [&[2][..], &[7; 64]].concat();
        assert!(!SignatureAlgorithm::P256.takes(&compressed), "only uncompressed points");
    }
}
