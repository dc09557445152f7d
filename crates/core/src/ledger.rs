//! The recipient row: the one unit of consistency and locking. Send windows, failures, pauses, the data key.

use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::ids::{RecipientId, VerificationId};
use crate::keys::{Digest, Keys, SealedFor, WrappedKey};
use crate::limits;
use crate::policy::Policy;
use crate::tenant::Tenant;
pub use crate::throttle::Held;
use crate::throttle::{Counters, held};
use crate::time::Timestamp;
use crate::verification::{Lane, Purpose};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const TEN_MINUTES: Duration = Duration::from_secs(10 * 60);

/// One send that counts against the caps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Send {
    /// When it was reserved.
    #[n(0)]
    pub at: Timestamp,
    /// For which verification; an approval gives its sends back.
    #[n(1)]
    pub verification: VerificationId,
    /// Who asked for it.
    #[n(2)]
    pub lane: Lane,
}

/// A verification the ledger still remembers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Recent {
    /// Which.
    #[n(0)]
    pub id: VerificationId,
    /// Whether it waits for its code (it may have expired meanwhile).
    #[n(1)]
    pub open: bool,
    /// Who began it.
    #[n(2)]
    pub lane: Lane,
}

/// Wrong codes of one purpose and lane.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Failures {
    /// The purpose.
    #[n(0)]
    pub purpose: Purpose,
    /// The lane.
    #[n(1)]
    pub lane: Lane,
    /// In a row, since the last success.
    #[n(2)]
    pub consecutive: u16,
    /// Until when no code is checked.
    #[n(3)]
    pub paused_until: Option<Timestamp>,
    /// The times of the latest ones, at most [`limits::MAX_FAILURES_PER_DAY`]; a success does not clear them.
    #[n(4)]
    pub day: Vec<Timestamp>,
}

impl Failures {
    const fn counters(&mut self) -> Counters<'_> {
        let Self { consecutive, paused_until, day, .. } = self;
        Counters { consecutive, paused_until, day }
    }
}

/// The ledger of one recipient in one tenant.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct RecipientRow {
    /// Its id.
    #[n(0)]
    pub id: RecipientId,
    /// Whose it is.
    #[n(1)]
    pub tenant: Tenant,
    /// The blind index of the folded recipient.
    #[n(2)]
    pub index: Digest,
    /// The key everything about this person is sealed under.
    #[n(3)]
    pub data_key: WrappedKey,
    /// Sends of the last 24 hours, oldest first.
    #[n(4)]
    pub sends: Vec<Send>,
    /// The verifications it remembers, oldest first, at most [`limits::MAX_RECENT`].
    #[n(5)]
    pub recent: Vec<Recent>,
    /// Wrong codes, per purpose and lane.
    #[n(6)]
    pub failures: Vec<Failures>,
}

impl RecipientRow {
    /// Opens the data key; `None` when this node lacks the root.
    #[must_use]
    pub fn open_data_key(&self, keys: &Keys) -> Option<zeroize::Zeroizing<[u8; 32]>> {
        keys.unwrap(&self.data_key, &data_key_place(&self.tenant, &self.id))
    }

    /// When the next send is allowed; `None` when it is now.
    #[must_use]
    pub fn send_allowed_at(&self, policy: &Policy, lane: Lane, now: Timestamp) -> Option<Timestamp> {
        let any = |_: &Send| true;
        let open = |send: &Send| send.lane == Lane::Open;
        let waits = [
            window_frees_at(&self.sends, any, TEN_MINUTES, policy.sends.0, now),
            window_frees_at(&self.sends, any, DAY, policy.sends.1, now),
            if lane == Lane::Open {
                window_frees_at(&self.sends, open, DAY, policy.sends_open, now)
            } else {
                None
            },
        ];
        waits.into_iter().flatten().max()
    }

    /// Sends that would be allowed now, were there no spacing.
    #[must_use]
    pub fn sends_remaining(&self, policy: &Policy, lane: Lane, now: Timestamp) -> usize {
        let count = |span, only_open: bool| {
            let inside = |send: &&Send| now.since(send.at) < span && (!only_open || send.lane == Lane::Open);
            self.sends.iter().filter(inside).count()
        };
        let by_time = policy.sends.0.saturating_sub(count(TEN_MINUTES, false));
        let by_day = policy.sends.1.saturating_sub(count(DAY, false));
        let by_lane = policy.sends_open.saturating_sub(count(DAY, true));
        let least = by_time.min(by_day);
        if lane == Lane::Open { least.min(by_lane) } else { least }
    }

    /// Notes a send, and forgets those that no window sees any more.
    pub fn note_send(&mut self, send: Send, policy: &Policy) {
        self.sends.retain(|old| send.at.since(old.at) < DAY);
        if !self.sends.is_empty() && self.sends.len() >= policy.sends.1 {
            self.sends.remove(0);
        }
        self.sends.push(send);
    }

    /// Gives the sends of an approved verification back.
    pub fn return_sends(&mut self, verification: VerificationId) {
        self.sends.retain(|send| send.verification != verification);
    }

    /// Remembers a new open verification. When the row is full, the oldest ended one goes; when none has ended,
    /// the oldest open one of the same lane (else of any) is pushed out, and its id returned.
    pub fn remember(&mut self, recent: Recent) -> Option<VerificationId> {
        let mut pushed_out = None;
        if self.recent.len() >= limits::MAX_RECENT {
            let ended = self.recent.iter().position(|old| !old.open);
            let same_lane = || self.recent.iter().position(|old| old.lane == recent.lane);
            let gone = self.recent.remove(ended.or_else(same_lane).unwrap_or(0));
            pushed_out = gone.open.then_some(gone.id);
        }
        self.recent.push(recent);
        pushed_out
    }

    /// Notes that a verification reached its end state.
    pub fn close(&mut self, id: VerificationId) {
        for recent in self.recent.iter_mut().filter(|recent| recent.id == id) {
            recent.open = false;
        }
    }

    /// Whether codes of this purpose and lane may be checked now.
    #[must_use]
    pub fn held(&self, purpose: Purpose, lane: Lane, now: Timestamp) -> Option<Held> {
        let failures = self.failures.iter().find(|known| known.purpose == purpose && known.lane == lane)?;
        held(failures.consecutive, failures.paused_until, &failures.day, now)
    }

    /// Counts a wrong code. Called before anything is compared: a right one takes it back with [`Self::succeed`].
    pub fn fail(&mut self, purpose: Purpose, lane: Lane, policy: &Policy, now: Timestamp) {
        self.failures_mut(purpose, lane).counters().fail(policy, now);
    }

    /// A right code ends the row of failures; those of the day stay.
    pub fn succeed(&mut self, purpose: Purpose, lane: Lane) {
        let Some(failures) =
            self.failures.iter_mut().find(|known| known.purpose == purpose && known.lane == lane)
        else {
            return;
        };
        failures.counters().succeed();
        if failures.day.is_empty() {
            self.failures.retain(|known| known.consecutive > 0 || !known.day.is_empty());
        }
    }

    fn failures_mut(&mut self, purpose: Purpose, lane: Lane) -> &mut Failures {
        let known = self.failures.iter().position(|known| known.purpose == purpose && known.lane == lane);
        let index = known.unwrap_or_else(|| {
            self.failures.push(Failures {
                purpose,
                lane,
                consecutive: 0,
                paused_until: None,
                day: Vec::new(),
            });
            self.failures.len() - 1
        });
        &mut self.failures[index]
    }
}

/// Where a recipient's wrapped data key stands.
#[must_use]
pub fn data_key_place<'a>(tenant: &'a Tenant, id: &'a RecipientId) -> SealedFor<'a> {
    SealedFor { tenant, table: "recipient", row: id.as_bytes(), column: "data_key" }
}

/// When the window has room again; `None` when it has now.
fn window_frees_at(
    sends: &[Send],
    counts: impl Fn(&Send) -> bool,
    span: Duration,
    most: usize,
    now: Timestamp,
) -> Option<Timestamp> {
    let inside: Vec<_> = sends.iter().filter(|send| counts(send) && now.since(send.at) < span).collect();
    let over = inside.len().checked_sub(most)?;
    Some(inside.get(over).map_or(now, |send| send.at).plus(span))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ProjectId;
    use crate::keys::RootId;
    use crate::policy::Profile;
    use crate::tenant::Mode;

    fn row() -> RecipientRow {
        RecipientRow {
            id: RecipientId::from_bytes([1; 16]),
            tenant: Tenant { project: ProjectId::from_bytes([2; 16]), mode: Mode::Live },
            index: Digest([3; 32]),
            data_key: WrappedKey { root: RootId(1), bytes: Vec::new() },
            sends: Vec::new(),
            recent: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn send(seconds: i64, lane: Lane) -> Send {
        Send { at: at(seconds), verification: VerificationId::from_bytes([9; 16]), lane }
    }

    #[test]
    fn five_sends_in_ten_minutes_and_not_six() {
        let policy = Policy::of(Profile::Standard);
        let mut row = row();
        for n in 0..5 {
            assert_eq!(row.send_allowed_at(&policy, Lane::Known, at(n)), None, "send {n}");
            row.note_send(send(n, Lane::Known), &policy);
        }
        assert_eq!(row.send_allowed_at(&policy, Lane::Known, at(5)), Some(at(600)));
        assert_eq!(row.send_allowed_at(&policy, Lane::Known, at(599)), Some(at(600)));
        assert_eq!(row.send_allowed_at(&policy, Lane::Known, at(600)), None);
    }

    #[test]
    fn a_project_that_allows_no_sends_refuses_them_and_notes_one_without_limits() {
        let policy = Policy { sends: (0, 0), ..Policy::of(Profile::Standard) };
        let mut row = row();
        assert_eq!(row.send_allowed_at(&policy, Lane::Known, at(0)), Some(at(86_400)));
        row.note_send(send(0, Lane::Known), &policy);
        row.note_send(send(1, Lane::Known), &policy);
        assert_eq!(row.sends, [send(1, Lane::Known)]);
    }

    #[test]
    fn strangers_leave_four_sends_to_the_known_lane() {
        let policy = Policy::of(Profile::Standard);
        let mut row = row();
        for n in 0..6 {
            assert_eq!(row.send_allowed_at(&policy, Lane::Open, at(n * 700)), None, "send {n}");
            row.note_send(send(n * 700, Lane::Open), &policy);
        }
        assert_eq!(row.send_allowed_at(&policy, Lane::Open, at(6 * 700)), Some(at(86_400)));
        assert_eq!(row.send_allowed_at(&policy, Lane::Known, at(6 * 700)), None);
        assert_eq!(row.sends_remaining(&policy, Lane::Known, at(6 * 700)), 4);
    }

    #[test]
    fn pauses_grow_after_the_fifth_failure_and_success_ends_them() {
        let policy = Policy::of(Profile::Standard);
        let mut row = row();
        let held = |row: &RecipientRow, now| row.held(Purpose::Authentication, Lane::Open, now);
        for _ in 0..4 {
            row.fail(Purpose::Authentication, Lane::Open, &policy, at(0));
            assert_eq!(held(&row, at(0)), None);
        }
        let mut now = 0;
        for pause in [60, 300, 900, 3600, 3600] {
            row.fail(Purpose::Authentication, Lane::Open, &policy, at(now));
            assert_eq!(held(&row, at(now + pause - 1)), Some(Held::Until(at(now + pause))));
            assert_eq!(held(&row, at(now + pause)), None);
            assert_eq!(row.held(Purpose::Authentication, Lane::Known, at(now)), None);
            now += pause;
        }
        row.fail(Purpose::Authentication, Lane::Open, &policy, at(now));
        row.succeed(Purpose::Authentication, Lane::Open);
        assert_eq!(held(&row, at(now)), None);
    }

    #[test]
    fn thirty_failures_in_a_day_hold_although_successes_lie_between() {
        let policy = Policy::of(Profile::Standard);
        let mut row = row();
        for n in 0..30 {
            assert_eq!(row.held(Purpose::Recovery, Lane::Open, at(n)), None, "failure {n}");
            row.fail(Purpose::Recovery, Lane::Open, &policy, at(n));
            if n < 29 {
                row.fail(Purpose::Recovery, Lane::Open, &policy, at(n));
                row.succeed(Purpose::Recovery, Lane::Open);
            }
        }
        assert_eq!(row.held(Purpose::Recovery, Lane::Open, at(30)), Some(Held::Until(at(86_400))));
        assert_eq!(row.held(Purpose::Recovery, Lane::Open, at(86_400)), None);
    }

    #[test]
    fn a_hundred_failures_in_a_row_block_until_unlocked() {
        let policy = Policy::of(Profile::Standard);
        let mut row = row();
        for n in 0..100 {
            assert_ne!(row.held(Purpose::Recovery, Lane::Open, at(n)), Some(Held::Blocked), "failure {n}");
            row.fail(Purpose::Recovery, Lane::Open, &policy, at(n));
        }
        assert_eq!(row.held(Purpose::Recovery, Lane::Open, at(1 << 40)), Some(Held::Blocked));
    }

    #[test]
    fn a_full_row_forgets_ended_ones_first_then_pushes_out_its_own_lane() {
        let mut row = row();
        let recent = |n: u8, lane| Recent { id: VerificationId::from_bytes([n; 16]), open: true, lane };
        for n in 0..8 {
            let lane = if n == 0 { Lane::Known } else { Lane::Open };
            assert_eq!(row.remember(recent(n, lane)), None);
        }
        assert_eq!(row.remember(recent(8, Lane::Open)), Some(VerificationId::from_bytes([1; 16])));
        row.close(VerificationId::from_bytes([5; 16]));
        assert_eq!(row.remember(recent(9, Lane::Open)), None);
        assert_eq!(row.recent.len(), limits::MAX_RECENT);
    }
}
