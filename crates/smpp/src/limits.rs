//! Every number with a unit that this crate holds itself to.

use std::time::Duration;

/// Octets of the header of a PDU (SMPP 3.4, section 3.2).
pub const HEADER_OCTETS: usize = 16;
/// Longest PDU taken from a peer, in octets: a `message_payload` of 64 KiB and everything around it. Looked at
/// before anything is allocated.
pub const PDU_OCTETS: usize = 70_000;
/// Longest message id (section 5.2.23: 65 octets with the NUL), in characters.
pub const MESSAGE_ID_CHARS: usize = 64;
/// Longest text of a receipt that is looked at, in octets.
pub const RECEIPT_OCTETS: usize = 1_024;
/// Longest error code kept from a receipt, in characters.
pub const ERROR_CODE_CHARS: usize = 16;
/// Octets of user data in one short message (3GPP TS 23.040, section 9.2.3.24).
pub const USER_DATA_OCTETS: usize = 140;
/// Most parts of one message; the concatenation header can count to 255.
pub const PARTS: usize = 255;
/// Longest alphanumeric sender (TS 23.040, section 9.1.2.5), in characters.
pub const ALPHANUMERIC_CHARS: usize = 11;
/// Longest address (section 5.2.8: 21 octets with the NUL), in characters.
pub const ADDRESS_CHARS: usize = 20;

/// Deliveries of one connection that are worked on at once; more are answered with a temporary error.
pub const DELIVERIES_AT_ONCE: usize = 64;
/// PDUs that may wait to be written; one who has no room waits.
pub const OUTGOING_WAITING: usize = 1_024;
/// PDUs written with one system call.
pub const OUTGOING_BATCH: usize = 128;
/// Octets for which the read buffer has room.
pub const READ_OCTETS: usize = 16 * 1024;

/// How long a peer that unbinds is given to answer what it has taken.
pub const UNBIND_GRACE: Duration = Duration::from_secs(1);
/// The first pause before another connection is tried; it doubles.
pub const RECONNECT_FIRST: Duration = Duration::from_millis(500);
/// The longest pause before another connection is tried.
pub const RECONNECT_LONGEST: Duration = Duration::from_secs(60);
/// The shortest pause after the peer refused who we are: some lock an account that knocks too often.
pub const RECONNECT_REFUSED: Duration = Duration::from_secs(10);
/// A bind that lasted so long begins with the first pause again.
pub const BIND_STABLE: Duration = Duration::from_secs(10);
