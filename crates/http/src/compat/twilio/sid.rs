//! SIDs: two capitals and the 32 hexadecimal digits of a native id's UUID, so that each means exactly one native object.

use std::fmt;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::{Serialize, Serializer};

/// A SID as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sid(pub(crate) &'static str, pub(crate) [u8; 16]);

impl Sid {
    /// Reads a SID of this kind; either case of the digits, as the vendor does.
    pub(crate) fn parse(kind: &'static str, text: &str) -> Option<Self> {
        let digits = text.strip_prefix(kind)?;
        let bytes = HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).ok()?;
        Some(Self(kind, bytes.try_into().ok()?))
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.0, HEXLOWER.encode_display(&self.1))
    }
}

impl Serialize for Sid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sid_has_34_characters_and_is_read_back() {
        let sid = Sid("VE", *b"\x01\x9a\xbc\xde\xf0\x12\x34\x56\x78\x9a\xbc\xde\xf0\x12\x34\x56");
        assert_eq!(sid.to_string(), "VE019abcdef0123456789abcdef0123456");
        assert_eq!(Sid::parse("VE", &sid.to_string()), Some(sid));
        assert_eq!(Sid::parse("VE", "VE019ABCDEF0123456789ABCDEF0123456"), Some(sid));
        for wrong in
            ["", "VE", "VA019abcdef0123456789abcdef0123456", "VE019abcdef0123456789abcdef012345", "VEé"]
        {
            assert_eq!(Sid::parse("VE", wrong), None, "{wrong}");
        }
    }
}
