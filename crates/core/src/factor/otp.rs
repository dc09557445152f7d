//! When a factor accepts a code, and what it remembers of it.

use std::time::Duration;

use subtle::{Choice, ConditionallySelectable as _, ConstantTimeEq as _};

use super::{Factor, FactorPrivate, Means};
use crate::crockford::{CAPITALS, of_128_bits};
use crate::ids::FactorId;
use crate::keys::{Alphabet, Code, CodeFormat, Digest, Keys, RootId, normalise};
use crate::limits;
use crate::oath::ocra::{Input, Suite};
use crate::oath::{hotp, time_step};
use crate::tenant::Tenant;
use crate::time::Timestamp;

/// How a backup code looks: 128 bits in Crockford base32.
const BACKUP_FORMAT: CodeFormat = CodeFormat { length: 26, alphabet: Alphabet::Crockford };

/// What a code turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matched {
    /// The code of this time step, so many steps from the present.
    Step(u64, i8),
    /// A code of the device's future that is not accepted yet: its clock is ahead. What is learned is the drift.
    Ahead,
    /// The code of this counter.
    Counter(u64),
    /// This code of the list.
    Listed(usize),
}

impl Factor {
    /// Reads what a person typed; `None` when it cannot be a code of this factor.
    #[must_use]
    pub fn read(&self, entered: &str) -> Option<Code> {
        let digits = |length| CodeFormat { length, alphabet: Alphabet::Digits };
        let format = match &self.means {
            Means::Totp { digits: length, .. } | Means::Hotp { digits: length, .. } => digits(*length),
            Means::Ocra { suite, .. } => digits(Suite::parse(suite).ok()?.digits),
            Means::BackupCodes { .. } => BACKUP_FORMAT,
            Means::Push { .. } => return None,
        };
        normalise(entered, format).ok()
    }

    /// Compares a code with all that are good now, in a time that does not depend on which. `question` is that of the
    /// challenge, for suites that answer one. `first` is the confirmation of an enrolment, which learns the drift.
    #[must_use]
    pub(crate) fn compare(
        &self,
        private: &FactorPrivate,
        code: &Code,
        with: &Comparison<'_>,
    ) -> Option<Matched> {
        let secret = private.secret.0.as_slice();
        match &self.means {
            Means::Totp { algorithm, digits, period, last_step, drift } => {
                let step = time_step(with.now, Duration::from_secs(u64::from(*period)));
                let at = |offset: i8| {
                    let step = step.checked_add_signed(i64::from(offset))?;
                    let right = hotp(*algorithm, secret, step, *digits).matches(code);
                    (right && last_step.is_none_or(|last| step > last)).then_some(step)
                };
                let [behind, present, ahead] = [-1, 0, 1].map(at);
                let found = |step: Option<u64>, offset| step.map(|step| Matched::Step(step, offset));
                let ahead =
                    if with.first || *drift > 0 { found(ahead, 1) } else { ahead.map(|_| Matched::Ahead) };
                found(present, 0).or(found(behind, -1)).or(ahead)
            }
            Means::Hotp { algorithm, digits, counter, resync: false } => {
                let of = |counter| Some(hotp(*algorithm, secret, counter, *digits));
                first_match(*counter, limits::HOTP_LOOK_AHEAD, code, of).map(Matched::Counter)
            }
            Means::Ocra { suite, counter } => {
                let suite = Suite::parse(suite).ok()?;
                let pin = private.pin.as_ref().map_or(&[][..], |pin| pin.0.as_slice());
                let step = suite.period.map_or(0, |period| time_step(with.now, period));
                let of = |counter, step| {
                    suite.response(secret, &Input { counter, question: with.question, pin, step })
                };
                let window = if suite.counter { limits::HOTP_LOOK_AHEAD } else { 0 };
                let now = first_match(*counter, window, code, |counter| of(counter, step));
                let before = step.checked_sub(1).filter(|_| suite.period.is_some());
                let before = before.and_then(|step| first_match(*counter, window, code, |n| of(n, step)));
                now.or(before).map(Matched::Counter)
            }
            Means::BackupCodes { codes, root } => {
                let digest = backup_code_digest(with.keys, *root, with.tenant, &self.id, code.reveal())?;
                let unused = codes.iter().enumerate().filter(|(_, known)| known.used_at.is_none());
                // All of them are looked at, whichever it is.
                let found =
                    unused.fold(
                        None,
                        |found, (place, known)| {
                            if known.digest.matches(&digest) { Some(place) } else { found }
                        },
                    );
                found.map(Matched::Listed)
            }
            Means::Hotp { resync: true, .. } | Means::Push { .. } => None,
        }
    }

    /// Remembers what was accepted, so that it never is again. What is only learned changes no more than the drift.
    pub(crate) fn consume(&mut self, matched: Matched, now: Timestamp) {
        match (&mut self.means, matched) {
            (Means::Totp { last_step, drift, .. }, Matched::Step(step, offset)) => {
                *last_step = (*last_step).max(Some(step));
                *drift = toward(*drift, offset);
            }
            (Means::Totp { drift, .. }, Matched::Ahead) => *drift = toward(*drift, 1),
            (Means::Hotp { counter, .. } | Means::Ocra { counter, .. }, Matched::Counter(used)) => {
                *counter = (*counter).max(used.saturating_add(1));
            }
            (Means::BackupCodes { codes, .. }, Matched::Listed(place)) => {
                if let Some(code) = codes.get_mut(place) {
                    code.used_at.get_or_insert(now);
                }
            }
            _ => debug_assert!(false, "a match belongs to the means that made it"),
        }
    }

    /// Whether a code is one of those that were good a moment ago and are used up: a replay, worth telling about.
    pub(crate) fn replays(&self, private: &FactorPrivate, code: &Code, now: Timestamp) -> bool {
        let secret = private.secret.0.as_slice();
        match &self.means {
            Means::Totp { algorithm, digits, period, last_step: Some(last), .. } => {
                let step = time_step(now, Duration::from_secs(u64::from(*period)));
                let used = |step: u64| step <= *last && hotp(*algorithm, secret, step, *digits).matches(code);
                used(step) | used(step.saturating_sub(1)) | used(step.saturating_add(1))
            }
            Means::Hotp { algorithm, digits, counter, .. } => {
                let last = counter.checked_sub(1);
                last.is_some_and(|last| hotp(*algorithm, secret, last, *digits).matches(code))
            }
            _ => false,
        }
    }

    /// The counter after two consecutive codes of a token that ran ahead (RFC 4226, 7.4); `None` when they are not found.
    #[must_use]
    pub(crate) fn resynchronise(&self, private: &FactorPrivate, codes: &[Code; 2]) -> Option<u64> {
        let Means::Hotp { algorithm, digits, counter, .. } = &self.means else { return None };
        let secret = private.secret.0.as_slice();
        let mut found = None;
        for at in *counter..=counter.saturating_add(limits::HOTP_RESYNC_WINDOW) {
            let first = hotp(*algorithm, secret, at, *digits).matches(&codes[0]);
            let second = hotp(*algorithm, secret, at.saturating_add(1), *digits).matches(&codes[1]);
            if first & second && found.is_none() {
                found = Some(at.saturating_add(2));
            }
        }
        found
    }
}

/// What a comparison depends on beside the factor and the code.
pub(crate) struct Comparison<'a> {
    pub(crate) keys: &'a Keys,
    pub(crate) tenant: &'a Tenant,
    pub(crate) now: Timestamp,
    pub(crate) question: &'a str,
    pub(crate) first: bool,
}

/// The first counter of `start..=start + window` whose code this is; looks at all of them.
fn first_match(start: u64, window: u64, code: &Code, of: impl Fn(u64) -> Option<Code>) -> Option<u64> {
    let (mut found, mut at) = (Choice::from(0), start);
    for counter in (start..=start.saturating_add(window)).rev() {
        let right = of(counter).is_some_and(|expected| expected.matches(code));
        let right = Choice::from(u8::from(right));
        at.conditional_assign(&counter, right);
        found |= right;
    }
    bool::from(found.ct_eq(&Choice::from(1))).then_some(at)
}

const fn toward(drift: i8, offset: i8) -> i8 {
    if offset > drift {
        drift + 1
    } else if offset < drift {
        drift - 1
    } else {
        drift
    }
}

/// The text of a backup code: 128 bits in Crockford base32, in groups that a person can read out.
#[must_use]
pub fn backup_code(bytes: &[u8; 16]) -> zeroize::Zeroizing<String> {
    let mut text = zeroize::Zeroizing::new(String::with_capacity(32));
    for (place, symbol) in of_128_bits(bytes, CAPITALS).enumerate() {
        if place > 0 && place % 4 == 0 {
            text.push('-');
        }
        text.push(char::from(symbol));
    }
    text
}

/// The keyed digest of a backup code, as it is stored. `code` is its symbols without dashes.
#[must_use]
pub fn backup_code_digest(
    keys: &Keys,
    root: RootId,
    tenant: &Tenant,
    factor: &FactorId,
    code: &str,
) -> Option<Digest> {
    keys.fingerprint(root, &[b"backup-code/v1", &tenant.to_bytes(), factor.as_bytes(), code.as_bytes()])
}
