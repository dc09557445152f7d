//! Every bound of the edge, with its unit.

use std::time::Duration;

/// Bytes of a request body.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// Bytes of an import over the owner's socket.
pub(crate) const MAX_IMPORT: usize = 16 * 1024 * 1024;
/// How long a body may take to arrive.
pub(crate) const BODY_TIME: Duration = Duration::from_secs(10);
/// How deep JSON may nest; the outermost object is level one.
pub(crate) const MAX_JSON_DEPTH: usize = 16;
/// Characters of `to` in a body or query.
pub(crate) const MAX_TO: usize = 320;
/// Characters of texts that have no other bound: user agents, names.
pub(crate) const MAX_TEXT: usize = 500;
/// Bytes of a language tag.
pub(crate) const MAX_LOCALE: usize = 35;
/// Rows of a list when the caller does not say, and at most.
pub(crate) const LIST: (usize, usize) = (20, 100);
/// Longest wait for a test message, or for the answer to a challenge.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(30);
/// How often such a wait looks for what happened at another node.
pub(crate) const LOOK: Duration = Duration::from_millis(500);
/// Bytes of a request of a device.
pub(crate) const MAX_DEVICE_BODY: usize = 16 * 1024;
/// Characters of a factor's name, account and serial number, and of a PIN.
pub(crate) const MAX_FACTOR_TEXT: usize = 80;
/// Characters of the message a device shows.
pub(crate) const MAX_MESSAGE: usize = 200;
/// `details` of a challenge: how many, and the characters of a name and of a value.
pub(crate) const MAX_DETAILS: (usize, usize, usize) = (10, 40, 200);
/// Answers to challenges that somebody who waits may be behind with.
pub(crate) const ANSWERS_KEPT: usize = 256;
/// Deliveries the test outbox looks at.
pub(crate) const MAX_OUTBOX: usize = 100;
/// How old an API key in memory may be before it is read again.
pub(crate) const KEY_AGE: Duration = Duration::from_secs(1);
/// API keys kept in memory.
pub(crate) const MAX_CACHED_KEYS: usize = 10_000;
/// Lists of settings kept in memory.
pub(crate) const MAX_CACHED_SETTINGS: usize = 10_000;
/// Sends of dialects whose answer is remembered for two seconds.
pub(crate) const MAX_TOLD: usize = 50_000;
/// How long the start of a verification in a dialect is remembered at least: as long as its code can be checked.
pub(crate) const NAMED_WITHIN: Duration = Duration::from_secs(10 * 60);
/// Starts of dialects remembered that long.
pub(crate) const MAX_NAMED: usize = 200_000;
/// Networks one API key may name.
pub(crate) const MAX_NETWORKS: usize = 64;
/// Countries one project may name.
pub(crate) const MAX_COUNTRIES: usize = 250;
