//! A clock that stands still until somebody moves it, also backwards.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use countersign_core::time::{Clock, Timestamp};

/// A settable clock.
#[derive(Debug)]
pub struct FakeClock(AtomicI64);

impl FakeClock {
    /// Where tests begin: 2026-01-01T00:00:00Z.
    pub const START: Timestamp = Timestamp::from_millis(1_767_225_600_000);

    /// A clock that shows `now`.
    #[must_use]
    pub const fn at(now: Timestamp) -> Self {
        Self(AtomicI64::new(now.millis()))
    }

    /// Shows `now` from here on.
    pub fn set(&self, now: Timestamp) {
        self.0.store(now.millis(), Ordering::SeqCst);
    }

    /// Goes forward.
    pub fn advance(&self, span: Duration) {
        self.set(self.now().plus(span));
    }

    /// Goes back, as a corrected system clock does.
    pub fn step_back(&self, span: Duration) {
        self.set(self.now().minus(span));
    }
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::at(Self::START)
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}
