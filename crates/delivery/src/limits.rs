//! Every number with a unit that this crate holds itself to.

use std::time::Duration;

/// Longest brand name printed in a message, in characters; longer ones are cut.
pub const BRAND_CHARS: usize = 40;
/// Longest payee printed in a message, in characters (the length of a SEPA creditor name).
pub const PAYEE_CHARS: usize = 70;
/// Longest transaction reference printed in a message, in characters.
pub const REFERENCE_CHARS: usize = 70;
/// Longest subject of a mail, in characters.
pub const SUBJECT_CHARS: usize = 150;
/// Shortest and longest code a message carries (DESIGN 5: 4 to 10).
pub const CODE_CHARS: std::ops::RangeInclusive<usize> = 4..=10;
/// Longest lifetime a message can state, in minutes (24 hours).
pub const MAX_MINUTES: u32 = 24 * 60;
/// Characters of the hash of an Android app (SMS Retriever).
pub const APP_HASH_CHARS: usize = 11;
/// Longest host name (RFC 1035, section 2.3.4).
pub const HOST_CHARS: usize = 253;

/// Instructions a template may spend; the longest of ours needs about 100.
pub const TEMPLATE_FUEL: u64 = 20_000;

/// Longest secret read from a file, in bytes.
pub const SECRET_BYTES: u64 = 64 * 1024;

/// Most bytes read of a gateway's answer.
pub const GATEWAY_BODY_BYTES: usize = 64 * 1024;
/// Longest message id kept from a gateway, in characters.
pub const MESSAGE_ID_CHARS: usize = 200;
/// Most error rules one gateway may have.
pub const GATEWAY_RULES: usize = 64;
/// Deepest JSON body a gateway template may describe.
pub const GATEWAY_BODY_DEPTH: usize = 16;

/// Most binds of one kind to one SMSC.
pub const SMPP_BINDS: usize = 16;
/// Most submissions of one bind that wait for their answer.
pub const SMPP_WINDOW: usize = 1_000;
/// Most submissions to one SMSC in hand at once.
pub const SMPP_IN_HAND: usize = 10_000;
/// Most messages per second to one SMSC.
pub const SMPP_PER_SECOND: f64 = 10_000.0;

/// How long a pooled connection may lie idle before it is closed instead of used. Relays usually hang up
/// after five minutes; many firewalls forget a flow sooner.
pub const CONNECTION_IDLE: Duration = Duration::from_secs(30);
/// Longest line and longest whole reply taken from a relay before TLS is up.
pub const SMTP_PRELUDE_BYTES: usize = 8 * 1024;

/// Time one attempt may take, when the configuration does not say.
pub const DEFAULT_TIMEOUT_SECONDS: u64 = 20;
/// Longest time the configuration may give one attempt.
pub const MAX_TIMEOUT_SECONDS: u64 = 300;
/// Most parallel connections to one provider.
pub const MAX_CONNECTIONS: usize = 256;
/// Most receipts read from one request.
pub const RECEIPTS_IN_ONE_REQUEST: usize = 1000;
/// Length of the secret in the address of a gateway's receipts, in characters.
pub const RECEIPT_TOKEN_CHARS: std::ops::RangeInclusive<usize> = 32..=128;
