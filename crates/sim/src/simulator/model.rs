//! What the client knows: its own reckoning of the guesses, written apart from the rules it judges.

use std::time::Duration;

use countersign_core::command::Check;
use countersign_core::ids::VerificationId;
use countersign_core::time::Timestamp;
use countersign_core::verification::{Lane, Purpose, Transaction};

const MINUTES: [u64; 4] = [1, 5, 15, 60];

/// Whose guesses are counted together: tenant, folded recipient, purpose, lane.
pub(super) type Counter = (usize, &'static str, Purpose, Lane);

/// The guesses of one counter.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    in_a_row: usize,
    last: Timestamp,
    wrong: Vec<Timestamp>,
}

impl Guesses {
    /// Whether DESIGN section 5 allows another guess now.
    pub(super) fn allow(&self, now: Timestamp) -> bool {
        let pause = self.in_a_row.checked_sub(5).map_or(0, |beyond| MINUTES[beyond.min(3)]);
        let today = self.wrong.iter().filter(|at| now.since(**at) < Duration::from_secs(86_400)).count();
        let rested = now.since(self.last) >= Duration::from_secs(pause * 60);
        (pause == 0 || rested) && today < 30 && self.in_a_row < 100
    }

    pub(super) fn note_wrong(&mut self, now: Timestamp) {
        self.in_a_row += 1;
        self.last = now;
        self.wrong.push(now);
    }

    pub(super) fn note_right(&mut self) {
        self.in_a_row = 0;
    }
}

/// A verification as its creator remembers it.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) id: VerificationId,
    pub(super) tenant: usize,
    pub(super) folded: &'static str,
    pub(super) purpose: Purpose,
    pub(super) lane: Lane,
    pub(super) session: Option<String>,
    pub(super) transaction: Option<Transaction>,
    pub(super) expires_at: Timestamp,
    /// The code of the latest message.
    pub(super) code: String,
    pub(super) told_expired: bool,
    pub(super) approvals: u32,
    pub(super) evaluated: u32,
}

impl Known {
    pub(super) fn counter(&self) -> Counter {
        (self.tenant, self.folded, self.purpose, self.lane)
    }

    /// Whether an entry is right in all it says and says all it must.
    pub(super) fn fits(&self, check: &Check) -> bool {
        *check.code.0 == self.code
            && check.purpose.is_none_or(|purpose| purpose == self.purpose)
            && check.session == self.session
            && check.transaction == self.transaction
    }
}
