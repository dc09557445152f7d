//! Every number of the rules that is a bound, with its unit. What a project may configure is in `policy`.

use std::time::Duration;

/// Longest lifetime of a code, except by email for `recovery` and `address_validation`.
pub const MAX_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Longest lifetime of an emailed code for `recovery` and `address_validation` (NIST SP 800-63B-4, 4.2.1.2).
pub const MAX_LIFETIME_EMAIL: Duration = Duration::from_secs(24 * 60 * 60);
/// Shortest lifetime: below it nobody can read a message and type the code.
pub const MIN_LIFETIME: Duration = Duration::from_secs(30);
/// Shortest and longest code, in symbols.
pub const CODE_LENGTH: std::ops::RangeInclusive<u8> = 4..=10;
/// Verifications a ledger remembers: the open ones and the latest ended ones.
pub const MAX_RECENT: usize = 8;
/// Wrong codes in 24 h that a success does not reset.
pub const MAX_FAILURES_PER_DAY: usize = 30;
/// Wrong codes in a row after which only an unlock helps (NIST SP 800-63B-4, 3.2.2).
pub const MAX_CONSECUTIVE_FAILURES: u16 = 100;
/// Provider attempts a delivery remembers; the first ones and the latest.
pub const MAX_ATTEMPTS_KEPT: usize = 12;
/// How long the node that created a delivery, or claimed it, may work on it alone.
pub const LEASE: Duration = Duration::from_secs(30);
/// How far the clock may step back without anybody being asked: NTP corrects less than this.
pub const CLOCK_TOLERANCE: Duration = Duration::from_secs(5);
/// How long an idempotency record lives.
pub const IDEMPOTENCY_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// Longest `Idempotency-Key`, in bytes.
pub const MAX_IDEMPOTENCY_KEY: usize = 255;
/// `metadata`: how many keys, and the characters of a key and of a value.
pub const MAX_METADATA: (usize, usize, usize) = (20, 40, 500);
/// Characters of `subject` and `session`.
pub const MAX_SUBJECT: usize = 255;
/// Characters of a payee and of a reference.
pub const MAX_PAYEE: usize = 140;
/// Largest amount, in minor units: 15 digits.
pub const MAX_AMOUNT: u64 = 999_999_999_999_999;
/// How long a proof is valid after it was issued.
pub const PROOF_LIFETIME: Duration = Duration::from_secs(60);
/// How soon after a send that nobody was told of the same start in a dialect is its repetition, not a wish for more.
pub const REPEATED_WITHIN: Duration = Duration::from_secs(2);
/// Characters of an entered code, before it is normalised.
pub const MAX_ENTERED_CODE: usize = 64;
/// Factors of one subject that are not removed.
pub const MAX_FACTORS: usize = 16;
/// Removed factors a subject's row still names.
pub const MAX_TOMBSTONES: usize = 16;
/// Verified recipients of one subject.
pub const MAX_KNOWN_RECIPIENTS: usize = 16;
/// Challenges of one subject that may be open at once; a further one takes the place of the oldest.
pub const MAX_OPEN_CHALLENGES: usize = 8;
/// How long a factor may wait for its first code (NIST SP 800-63B-4, 4.1.2.2).
pub const ENROLMENT_LIFETIME: Duration = Duration::from_secs(10 * 60);
/// Bytes of a secret somebody brings: at least 128 bits (RFC 4226, 4, R6), at most a block of SHA-512.
pub const SECRET_BYTES: std::ops::RangeInclusive<usize> = 16..=128;
/// Digits of a time- or counter-based code (RFC 4226, 5.3).
pub const FACTOR_DIGITS: std::ops::RangeInclusive<u8> = 6..=8;
/// Seconds of a time step.
pub const TOTP_PERIOD: std::ops::RangeInclusive<u16> = 15..=60;
/// Counters ahead of the expected one at which a code is still accepted (RFC 4226, 7.4).
pub const HOTP_LOOK_AHEAD: u64 = 5;
/// Counters ahead at which two consecutive codes set a token right again (RFC 4226, 7.4).
pub const HOTP_RESYNC_WINDOW: u64 = 100;
/// Backup codes of a set, and how few of them are told to be few.
pub const BACKUP_CODES: usize = 10;
/// Backup codes left at which the subject should be told.
pub const BACKUP_CODES_LOW: usize = 3;
/// Shortest and longest life of a challenge.
pub const CHALLENGE_LIFETIME: std::ops::RangeInclusive<u64> = 30..=600;
/// Seconds a challenge of a dialect may live. Only a code answers it, which is good for a moment whenever it is made.
pub const DIALECT_CHALLENGE_LIFETIME: std::ops::RangeInclusive<u64> = 1..=3600;
/// Push challenges of a subject since its last success: in ten minutes, and in 24 hours (NIST SP 800-63B-4, 3.1.3.2).
pub const PUSHES: (usize, usize) = (3, 10);
/// Wrong numbers after which a pushed challenge ends: it has only ninety.
pub const PUSH_NUMBERS: u8 = 3;
/// How old a device's signed request may be, and how far ahead its clock.
pub const DEVICE_CLOCK_TOLERANCE: Duration = Duration::from_secs(120);
/// How long after a device's answer the customer's server may fetch the proof of it.
pub const REDEEM_WITHIN: Duration = Duration::from_secs(5 * 60);
/// How long an approved challenge may stand for removing a factor.
pub const REMOVAL_WITHIN: Duration = Duration::from_secs(10 * 60);
/// Steps of a workflow.
pub const MAX_STEPS: usize = 5;
/// Shortest wait of a step: sooner nobody has read a message and typed the code.
pub const MIN_STEP_WAIT: Duration = Duration::from_secs(5);
/// How long a message that no provider takes is tried again before the next step, when its step says no time.
pub const STEP_PATIENCE: Duration = Duration::from_secs(30);
/// Steps that one verification may take because a network reported a message as not delivered. Whoever earns from messages
/// could report every one so.
pub const MAX_RECEIPT_STEPS: u8 = 2;
/// How long a receipt waits for its message. The answer of a provider that took it is awaited no longer than [`LEASE`].
pub const EARLY_RECEIPT_KEPT: Duration = Duration::from_secs(2 * 60);
/// Receipts that may wait for their messages.
pub const MAX_EARLY_RECEIPTS: usize = 10_000;
/// How long a provider's id of a message leads to its delivery. Later, ids may come again.
pub const MESSAGE_KEPT: Duration = Duration::from_secs(3 * 24 * 60 * 60);
