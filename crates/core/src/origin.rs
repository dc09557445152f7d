//! Where a verification came from: the native API, or a vendor's that is spoken beside it.

use minicbor::{Decode, Encode};

use crate::named::named;

named!(
    /// A vendor's API that is spoken beside the native one.
    Dialect {
        /// Twilio Verify v2.
        0 Twilio = "twilio",
    }
);

/// Where a verification came from, when not from the native API. A dialect sees only its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
pub struct Origin {
    /// The dialect.
    #[n(0)]
    pub dialect: Dialect,
    /// The sixteen bytes of what the dialect calls its service.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub service: [u8; 16],
}
