//! Typed ids: `prefix_` and 26 lower-case Crockford base32 characters of a UUIDv7 (RFC 9562, section 5.7).

use std::fmt;

use crate::crockford::{SMALL, of_128_bits, read_128_bits};
use crate::time::Timestamp;

/// The sixteen bytes of a UUIDv7 for `at`, with 74 of the 80 bits of `random`.
#[must_use]
pub const fn uuid_v7(at: Timestamp, random: [u8; 10]) -> [u8; 16] {
    let stamp = at.millis().to_be_bytes();
    let mut id = [0_u8; 16];
    let mut i = 0;
    while i < 6 {
        id[i] = stamp[i + 2];
        i += 1;
    }
    let mut j = 0;
    while j < 10 {
        id[6 + j] = random[j];
        j += 1;
    }
    id[6] = 0x70 | (id[6] & 0x0f);
    id[8] = 0x80 | (id[8] & 0x3f);
    id
}

/// A text that is not an id of the kind that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidId {
    /// The prefix that was expected.
    pub prefix: &'static str,
}

impl fmt::Display for InvalidId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected an id like {}_01m83n1fqkeat9ryjx42vfks43", self.prefix)
    }
}

impl std::error::Error for InvalidId {}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 16]);

        impl $name {
            /// The visible prefix, without the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id, ordered by `at` and unpredictable in its last 74 bits.
            #[must_use]
            pub const fn new(at: Timestamp, random: [u8; 10]) -> Self {
                Self(uuid_v7(at, random))
            }

            /// The id with these sixteen bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(bytes)
            }

            /// The sixteen bytes of the UUID.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                &self.0
            }

            /// When it was made, as far as the id tells (its first 48 bits).
            #[must_use]
            pub fn created_at(&self) -> Timestamp {
                let mut stamp = [0_u8; 8];
                stamp[2..].copy_from_slice(&self.0[..6]);
                Timestamp::from_millis(i64::from_be_bytes(stamp))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                let mut text = [0_u8; 26];
                text.iter_mut().zip(of_128_bits(&self.0, SMALL)).for_each(|(at, symbol)| *at = symbol);
                f.write_str(std::str::from_utf8(&text).unwrap_or_default())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(read_128_bits)
                    .map(Self)
                    .ok_or(InvalidId { prefix: $prefix })
            }
        }

        impl<C> minicbor::Encode<C> for $name {
            fn encode<W: minicbor::encode::Write>(
                &self,
                e: &mut minicbor::Encoder<W>,
                _: &mut C,
            ) -> Result<(), minicbor::encode::Error<W::Error>> {
                e.bytes(&self.0)?.ok()
            }
        }

        impl<'b, C> minicbor::Decode<'b, C> for $name {
            fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
                let bytes = d.bytes()?;
                let bytes = <[u8; 16]>::try_from(bytes)
                    .map_err(|_| minicbor::decode::Error::message("an id has sixteen bytes"))?;
                Ok(Self(bytes))
            }
        }
    };
}

id!(
    /// A tenant.
    ProjectId,
    "prj"
);
id!(
    /// An API key.
    KeyId,
    "key"
);
id!(
    /// One attempt to prove control of a recipient.
    VerificationId,
    "vrf"
);
id!(
    /// One message handed to one provider.
    DeliveryId,
    "dlv"
);
id!(
    /// A recipient's ledger row; never shown to customers.
    RecipientId,
    "rcp"
);
id!(
    /// A person in the customer's system.
    SubjectId,
    "sbj"
);
id!(
    /// An enrolled authenticator.
    FactorId,
    "fct"
);
id!(
    /// A wish that a subject approves something with a factor.
    ChallengeId,
    "chl"
);
id!(
    /// A journal row.
    EntryId,
    "aud"
);
id!(
    /// One HTTP request.
    RequestId,
    "req"
);
id!(
    /// A proof (the `jti` claim).
    ProofId,
    "prf"
);
id!(
    /// A message template.
    TemplateId,
    "tpl"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_form_round_trips_and_is_ordered_by_time() {
        let early = VerificationId::new(Timestamp::from_millis(1_700_000_000_000), [0xff; 10]);
        let late = VerificationId::new(Timestamp::from_millis(1_700_000_000_001), [0; 10]);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(early.to_string().parse(), Ok(early));
        assert_eq!(early.to_string().len(), 4 + 26);
        assert_eq!(early.created_at(), Timestamp::from_millis(1_700_000_000_000));
    }

    #[test]
    fn version_and_variant_bits_are_those_of_rfc_9562() {
        let id = uuid_v7(Timestamp::from_millis(0), [0xff; 10]);
        assert_eq!(id[6] >> 4, 7);
        assert_eq!(id[8] >> 6, 0b10);
    }

    #[test]
    fn other_spellings_are_refused() {
        let id = KeyId::new(Timestamp::from_millis(1), [7; 10]).to_string();
        for wrong in [
            id.to_uppercase(),
            id[..29].to_owned(),
            format!("{id}0"),
            id.replace("key_", "vrf_"),
            String::new(),
        ] {
            assert!(wrong.parse::<KeyId>().is_err(), "{wrong}");
        }
        assert!("key_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<KeyId>().is_err(), "more than 128 bits");
    }
}
