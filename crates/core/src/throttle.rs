//! Wrong codes in a row, the growing pauses, the cap of a day: one rule for recipients and for factors.

use std::time::Duration;

use crate::limits;
use crate::policy::Policy;
use crate::time::Timestamp;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Why no code may be checked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// Until this instant.
    Until(Timestamp),
    /// Until somebody unlocks it.
    Blocked,
}

/// The counters of whoever is guessed at, as they lie in a row.
pub(crate) struct Counters<'a> {
    /// In a row, since the last success.
    pub(crate) consecutive: &'a mut u16,
    /// Until when no code is checked.
    pub(crate) paused_until: &'a mut Option<Timestamp>,
    /// The times of the latest ones, at most [`limits::MAX_FAILURES_PER_DAY`]; a success does not clear them.
    pub(crate) day: &'a mut Vec<Timestamp>,
}

impl Counters<'_> {
    /// Counts a wrong code. Called before anything is compared: a right one takes it back with [`Self::succeed`].
    pub(crate) fn fail(self, policy: &Policy, now: Timestamp) {
        *self.consecutive = self.consecutive.saturating_add(1);
        *self.paused_until = policy.pause_after(*self.consecutive).map(|pause| now.plus(pause));
        self.day.retain(|at| now.since(*at) < DAY);
        if self.day.len() >= limits::MAX_FAILURES_PER_DAY {
            self.day.remove(0);
        }
        self.day.push(now);
    }

    /// A right code ends the row of failures; those of the day stay.
    pub(crate) fn succeed(self) {
        self.day.pop();
        *self.consecutive = 0;
        *self.paused_until = None;
    }
}

/// Whether codes may be checked now.
pub(crate) fn held(
    consecutive: u16,
    paused_until: Option<Timestamp>,
    day: &[Timestamp],
    now: Timestamp,
) -> Option<Held> {
    if consecutive >= limits::MAX_CONSECUTIVE_FAILURES {
        return Some(Held::Blocked);
    }
    let oldest = day.len().checked_sub(limits::MAX_FAILURES_PER_DAY).and_then(|first| day.get(first));
    let until = paused_until.max(oldest.map(|at| at.plus(DAY)))?;
    (until > now).then_some(Held::Until(until))
}
