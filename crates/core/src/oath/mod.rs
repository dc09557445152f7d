//! The OATH algorithms: HOTP (RFC 4226), TOTP (RFC 6238) and OCRA (RFC 6287). Keys and moving factors in, codes out.

pub mod ocra;

use std::time::Duration;

use aws_lc_rs::{digest, hmac};
use minicbor::{Decode, Encode};

use crate::keys::Code;
use crate::named::named;
use crate::time::Timestamp;

named!(
    /// The hash inside the HMAC.
    Algorithm {
        /// SHA-1: what every authenticator app knows.
        0 Sha1 = "SHA1",
        /// SHA-256.
        1 Sha256 = "SHA256",
        /// SHA-512.
        2 Sha512 = "SHA512",
    }
);

impl Algorithm {
    /// Bytes of a new secret: the length of the HMAC's output (RFC 6238, 5.1).
    #[must_use]
    pub const fn secret_bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha512 => 64,
        }
    }

    fn hash(self, data: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, data).as_ref().to_vec()
    }

    fn mac(self, key: &[u8], data: &[u8]) -> hmac::Tag {
        let algorithm = match self {
            Self::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => hmac::HMAC_SHA256,
            Self::Sha512 => hmac::HMAC_SHA512,
        };
        hmac::sign(&hmac::Key::new(algorithm, key), data)
    }
}

/// The HOTP value of `counter` (RFC 4226, 5.3), with its leading zeros. `digits` is 4 to 10.
#[must_use]
pub fn hotp(algorithm: Algorithm, key: &[u8], counter: u64, digits: u8) -> Code {
    truncate(algorithm.mac(key, &counter.to_be_bytes()).as_ref(), digits)
}

/// The time step of `at` (RFC 6238, 4.2): whole periods since 1970. Instants before it are in step 0.
#[must_use]
pub fn time_step(at: Timestamp, period: Duration) -> u64 {
    u64::try_from(at.seconds()).unwrap_or(0) / period.as_secs().max(1)
}

/// Dynamic truncation (RFC 4226, 5.3): 31 bits at the offset that the last nibble names, as decimal digits.
fn truncate(mac: &[u8], digits: u8) -> Code {
    let offset = usize::from(mac.last().copied().unwrap_or_default() & 0x0f);
    let word =
        mac.get(offset..offset + 4).and_then(|four| <[u8; 4]>::try_from(four).ok()).unwrap_or_default();
    let number = u64::from(u32::from_be_bytes(word) & 0x7fff_ffff) % 10_u64.pow(u32::from(digits.min(10)));
    Code::supplied(format!("{number:0width$}", width = usize::from(digits)).into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &[u8] = b"1234567890123456789012345678901234567890123456789012345678901234";

    #[test]
    fn the_values_of_rfc_4226_appendix_d() {
        let expected = [
            "755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871",
            "520489",
        ];
        for (counter, code) in (0..).zip(expected) {
            assert_eq!(hotp(Algorithm::Sha1, &SEED[..20], counter, 6).reveal(), code, "counter {counter}");
        }
    }

    #[test]
    fn the_values_of_rfc_6238_appendix_b() {
        for (seconds, codes) in [
            (59, ["94287082", "46119246", "90693936"]),
            (1_111_111_109, ["07081804", "68084774", "25091201"]),
            (1_111_111_111, ["14050471", "67062674", "99943326"]),
            (1_234_567_890, ["89005924", "91819424", "93441116"]),
            (2_000_000_000, ["69279037", "90698825", "38618901"]),
            (20_000_000_000, ["65353130", "77737706", "47863826"]),
        ] {
            let step = time_step(Timestamp::from_millis(seconds * 1000 + 999), Duration::from_secs(30));
            for (algorithm, code) in Algorithm::ALL.iter().zip(codes) {
                let key = &SEED[..algorithm.secret_bytes()];
                assert_eq!(hotp(*algorithm, key, step, 8).reveal(), code, "{algorithm:?} at {seconds}");
            }
        }
    }

    #[test]
    fn a_step_begins_with_its_first_millisecond() {
        let step = |millis| time_step(Timestamp::from_millis(millis), Duration::from_secs(30));
        assert_eq!([29_999, 30_000, 59_999, 60_000, -1].map(step), [0, 1, 1, 2, 0]);
    }
}
