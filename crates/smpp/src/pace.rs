//! How fast messages go out: never faster than configured, and slower for a while when the SMSC says so.
//!
//! The answer to throttling is that of TCP to congestion: the rate falls at once and recovers step by step, and
//! the refusals of messages that were already under way count as one.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// What a refusal leaves of the rate that was reached.
const KEPT: f64 = 0.7;
/// How the rate grows in a second without a refusal.
const GROWTH: f64 = 1.25;
/// The slowest rate, in messages per second.
const SLOWEST: f64 = 1.0;
/// A second without a refusal in which the rate was not needed to its full still lets it grow; after so many of
/// them a pace without a configured limit is free again.
const QUIET_SECONDS: u32 = 60;
/// How long nothing goes out after a refusal.
const PAUSE: Duration = Duration::from_millis(300);

/// The pace of one account.
#[derive(Debug)]
pub(crate) struct Pace {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Messages per second as configured.
    limit: Option<f64>,
    /// Messages per second for now; `None` is as fast as can be.
    rate: Option<f64>,
    /// When the next message may go.
    next: Instant,
    /// When the SMSC last complained.
    slowed: Option<Instant>,
    /// When the rate last grew, and how often since the complaint.
    grown: (Instant, u32),
    /// The second that is counted, what was taken in it, and what in the one before.
    taken: (Instant, u32, u32),
}

impl Pace {
    pub(crate) fn new(limit: Option<f64>, now: Instant) -> Self {
        let state =
            State { limit, rate: limit, next: now, slowed: None, grown: (now, 0), taken: (now, 0, 0) };
        Self { state: Mutex::new(state) }
    }

    /// Waits for the turn of one message; `false`, at once, when it would come after `deadline`.
    pub(crate) async fn turn(&self, deadline: Instant) -> bool {
        let now = Instant::now();
        let Some(at) = self.lock().turn(now, deadline) else { return false };
        if at > now {
            sleep_until(at).await;
        }
        true
    }

    /// The SMSC refused a message that went out at `sent` as one too many.
    pub(crate) fn slow_down(&self, sent: Instant) {
        self.lock().slow_down(sent, Instant::now());
    }

    /// The SMSC took a message.
    pub(crate) fn taken(&self) {
        self.lock().taken(Instant::now());
    }

    /// The earliest turn of a next message.
    pub(crate) fn next(&self) -> Instant {
        self.lock().next
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn turn(&mut self, now: Instant, deadline: Instant) -> Option<Instant> {
        self.recover(now);
        let at = self.next.max(now);
        if at > deadline {
            return None;
        }
        self.next = self.rate.map_or(at, |rate| at + Duration::from_secs_f64(1.0 / rate));
        Some(at)
    }

    fn taken(&mut self, at: Instant) {
        let (start, count, _) = self.taken;
        match at.saturating_duration_since(start).as_secs() {
            0 => self.taken.1 += 1,
            1 => self.taken = (start + Duration::from_secs(1), 1, count),
            _ => self.taken = (at, 1, 0),
        }
    }

    fn slow_down(&mut self, sent: Instant, now: Instant) {
        if self.slowed.is_some_and(|slowed| sent <= slowed) {
            return;
        }
        let reached = f64::from(self.taken.1.max(self.taken.2));
        let rate = self.rate.map_or(reached, |rate| rate.min(reached.max(SLOWEST)));
        let slowest = self.limit.map_or(SLOWEST, |limit| limit.min(SLOWEST));
        self.rate = Some((rate * KEPT).max(slowest));
        self.next = self.next.max(now).max(now + PAUSE);
        self.slowed = Some(now);
        self.grown = (now, 0);
    }

    fn recover(&mut self, now: Instant) {
        if self.slowed.is_none() {
            return;
        }
        let Some(rate) = self.rate else { return };
        let seconds = now.saturating_duration_since(self.grown.0).as_secs();
        let steps = u32::try_from(seconds).unwrap_or(u32::MAX).min(QUIET_SECONDS);
        if steps == 0 {
            return;
        }
        self.grown = (self.grown.0 + Duration::from_secs(seconds), self.grown.1.saturating_add(steps));
        let grown = rate * GROWTH.powi(i32::try_from(steps).unwrap_or(i32::MAX));
        self.rate = match self.limit {
            Some(limit) if grown >= limit => Some(limit),
            None if self.grown.1 >= QUIET_SECONDS => None,
            _ => Some(grown),
        };
        if self.rate == self.limit {
            self.slowed = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: Duration = Duration::from_secs(3_600);

    fn state(limit: Option<f64>) -> (State, Instant) {
        let now = Instant::now();
        let pace = Pace::new(limit, now);
        (pace.state.into_inner().unwrap(), now)
    }

    #[tokio::test(start_paused = true)]
    async fn a_configured_rate_is_kept_exactly() {
        let (mut state, now) = state(Some(50.0));
        let turns: Vec<_> = (0..101).map(|_| state.turn(now, now + FAR).unwrap() - now).collect();
        assert_eq!(turns[0], Duration::ZERO);
        assert_eq!(turns[100], Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_after_the_deadline_is_not_taken() {
        let (mut state, now) = state(Some(1.0));
        assert!(state.turn(now, now).is_some());
        assert_eq!(state.turn(now, now + Duration::from_millis(999)), None);
        assert_eq!(state.turn(now, now + Duration::from_secs(1)), Some(now + Duration::from_secs(1)));
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_of_one_window_count_once() {
        let (mut state, now) = state(Some(100.0));
        for _ in 0..100 {
            state.turn(now, now + FAR);
            state.taken(now);
        }
        let later = now + Duration::from_secs(1);
        for sent in [now, now + Duration::from_millis(5), now + Duration::from_millis(900)] {
            state.slow_down(sent, later);
        }
        assert_eq!(state.rate, Some(70.0));
        assert!(state.turn(later, later + FAR).unwrap() >= later + PAUSE);
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_recovers_to_the_limit_and_not_beyond() {
        let (mut state, now) = state(Some(100.0));
        for _ in 0..100 {
            state.turn(now, now + FAR);
            state.taken(now);
        }
        state.slow_down(now, now);
        let after = |seconds| now + Duration::from_secs(seconds);
        state.recover(after(1));
        let first = state.rate.unwrap();
        assert!(first > 70.0 && first < 100.0, "{first}");
        state.recover(after(30));
        assert_eq!((state.rate, state.slowed), (Some(100.0), None));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_limit_the_rate_that_was_reached_is_the_measure() {
        let (mut state, now) = state(None);
        for _ in 0..400 {
            assert_eq!(state.turn(now, now + FAR), Some(now));
            state.taken(now);
        }
        state.slow_down(now, now);
        assert_eq!(state.rate, Some(280.0));
        state.recover(now + Duration::from_secs(59));
        assert!(state.rate.is_some());
        state.recover(now + Duration::from_secs(60));
        assert_eq!(state.rate, None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_slowest_is_still_a_pace() {
        let (mut state, now) = state(Some(9.0));
        for second in 0..20 {
            let at = now + Duration::from_secs(second);
            state.turn(at, at + FAR);
            state.slow_down(at, at + Duration::from_millis(1));
        }
        assert_eq!(state.rate, Some(SLOWEST));
    }
}
