//! The circuit of a provider: closed while it works, open after too many failures, then probed with a few messages.

use std::time::Duration;

use crate::time::Timestamp;

/// The window failures are counted in, and into how many parts it is divided.
pub const WINDOW: Duration = Duration::from_secs(60);
const PARTS: usize = 6;
/// Failures within the window below which a circuit never opens.
pub const FAILURES: u32 = 5;
/// How long a circuit is open the first time; each time it opens again without having been closed, twice as long.
pub const OPEN: Duration = Duration::from_secs(10);
/// The longest a circuit stays open without a probe.
pub const OPEN_MOST: Duration = Duration::from_secs(300);
/// Messages that may be on their way as probes at once, and successes that close the circuit.
pub const PROBES: u32 = 3;

/// What the circuit of a provider is at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Circuit {
    /// All messages go through.
    Closed,
    /// None goes through before this instant.
    Open(Timestamp),
    /// A few go through, to see whether it works again.
    HalfOpen,
}

impl Circuit {
    /// Its name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open(_) => "open",
            Self::HalfOpen => "half_open",
        }
    }
}

/// Leave to send one message. Goes back with what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Which opening it probes; `None` while the circuit was closed.
    probe: Option<u32>,
}

/// What came of a message, as far as the circuit cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The provider works, whether or not it took the message.
    Works,
    /// It does not.
    Fails,
    /// Neither can be told: it was not asked, or the fault is ours.
    Unknown,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed,
    Opened { until: Timestamp, probing: u32, worked: u32 },
}

/// The state of one circuit.
#[derive(Debug, Clone)]
pub(super) struct Breaker {
    state: State,
    /// How often it opened since it was last closed.
    openings: u32,
    /// Goes up with every opening, so that a late answer is not taken for that of a probe.
    generation: u32,
    parts: [Part; PARTS],
}

/// A part of the window.
#[derive(Debug, Clone, Copy, Default)]
struct Part {
    /// Which: counted from the epoch in lengths of a part.
    number: i64,
    works: u32,
    fails: u32,
}

const PART_MILLIS: i64 = 60_000 / PARTS as i64;

impl Breaker {
    pub(super) const fn new() -> Self {
        let empty = Part { number: 0, works: 0, fails: 0 };
        Self { state: State::Closed, openings: 0, generation: 0, parts: [empty; PARTS] }
    }

    /// What it is at `now`.
    pub(super) fn circuit(&self, now: Timestamp) -> Circuit {
        match self.state {
            State::Closed => Circuit::Closed,
            State::Opened { until, .. } if now < until => Circuit::Open(until),
            State::Opened { .. } => Circuit::HalfOpen,
        }
    }

    /// Leave to send a message now.
    ///
    /// # Errors
    /// From when on it may be asked again.
    pub(super) fn pass(&mut self, now: Timestamp) -> Result<Pass, Timestamp> {
        match &mut self.state {
            State::Closed => Ok(Pass { probe: None }),
            State::Opened { until, .. } if now < *until => Err(*until),
            State::Opened { probing, .. } if *probing >= PROBES => Err(now.plus(Duration::from_secs(1))),
            State::Opened { probing, .. } => {
                *probing += 1;
                Ok(Pass { probe: Some(self.generation) })
            }
        }
    }

    /// Takes back a pass with what came of it.
    pub(super) fn note(&mut self, pass: Pass, verdict: Verdict, now: Timestamp) {
        self.count(verdict, now);
        match (&mut self.state, pass.probe) {
            (State::Closed, _) => {
                let (works, fails) = self.recent(now);
                if verdict == Verdict::Fails && fails >= FAILURES && fails >= works {
                    self.open(now);
                }
            }
            (State::Opened { probing, worked, .. }, Some(probe)) if probe == self.generation => {
                *probing = probing.saturating_sub(1);
                match verdict {
                    Verdict::Fails => self.open(now),
                    Verdict::Works if *worked + 1 >= PROBES => self.close(),
                    Verdict::Works => *worked += 1,
                    Verdict::Unknown => {}
                }
            }
            // A message from before the circuit opened says nothing new.
            (State::Opened { .. }, _) => {}
        }
    }

    /// What worked and failed within the window.
    pub(super) fn recent(&self, now: Timestamp) -> (u32, u32) {
        let oldest = part_of(now) - PARTS as i64 + 1;
        let recent = self.parts.iter().filter(|part| part.number >= oldest);
        recent.fold((0, 0), |(works, fails), part| {
            (works.saturating_add(part.works), fails.saturating_add(part.fails))
        })
    }

    fn count(&mut self, verdict: Verdict, now: Timestamp) {
        let number = part_of(now);
        let slot = usize::try_from(number.rem_euclid(PARTS as i64)).unwrap_or_default();
        let part = &mut self.parts[slot];
        if part.number != number {
            *part = Part { number, ..Part::default() };
        }
        match verdict {
            Verdict::Works => part.works = part.works.saturating_add(1),
            Verdict::Fails => part.fails = part.fails.saturating_add(1),
            Verdict::Unknown => {}
        }
    }

    fn open(&mut self, now: Timestamp) {
        let span = OPEN.saturating_mul(1 << self.openings.min(8)).min(OPEN_MOST);
        self.openings = self.openings.saturating_add(1);
        self.generation = self.generation.wrapping_add(1);
        self.state = State::Opened { until: now.plus(span), probing: 0, worked: 0 };
    }

    fn close(&mut self) {
        self.state = State::Closed;
        self.openings = 0;
        // What made it open is over; a single new failure must not open it again.
        self.parts = [Part::default(); PARTS];
    }
}

const fn part_of(now: Timestamp) -> i64 {
    now.millis().div_euclid(PART_MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
    }

    fn send(breaker: &mut Breaker, verdict: Verdict, now: Timestamp) {
        let pass = breaker.pass(now).unwrap();
        breaker.note(pass, verdict, now);
    }

    fn opened() -> Breaker {
        let mut breaker = Breaker::new();
        for _ in 0..FAILURES {
            send(&mut breaker, Verdict::Fails, at(0));
        }
        breaker
    }

    #[test]
    fn it_opens_at_five_failures_that_are_half_of_all_and_not_before() {
        let mut breaker = Breaker::new();
        for _ in 0..FAILURES - 1 {
            send(&mut breaker, Verdict::Fails, at(0));
        }
        assert_eq!(breaker.circuit(at(0)), Circuit::Closed, "four are not enough");
        send(&mut breaker, Verdict::Fails, at(0));
        assert_eq!(breaker.circuit(at(0)), Circuit::Open(at(10)));
        let mut busy = Breaker::new();
        for _ in 0..6 {
            send(&mut busy, Verdict::Works, at(0));
        }
        for _ in 0..5 {
            send(&mut busy, Verdict::Fails, at(0));
        }
        assert_eq!(busy.circuit(at(0)), Circuit::Closed, "five of eleven");
        send(&mut busy, Verdict::Fails, at(0));
        assert_eq!(busy.circuit(at(0)), Circuit::Open(at(10)), "six of twelve");
    }

    #[test]
    fn failures_of_another_minute_do_not_count() {
        let mut breaker = Breaker::new();
        for _ in 0..FAILURES - 1 {
            send(&mut breaker, Verdict::Fails, at(0));
        }
        send(&mut breaker, Verdict::Fails, at(60));
        assert_eq!((breaker.circuit(at(60)), breaker.recent(at(60))), (Circuit::Closed, (0, 1)));
    }

    #[test]
    fn an_open_circuit_lets_nothing_through_until_its_time_and_then_three() {
        let mut breaker = opened();
        assert_eq!(breaker.pass(at(9)), Err(at(10)));
        assert_eq!(breaker.circuit(at(10)), Circuit::HalfOpen);
        for _ in 0..PROBES {
            assert!(breaker.pass(at(10)).is_ok());
        }
        assert_eq!(breaker.pass(at(10)), Err(at(11)));
    }

    #[test]
    fn three_probes_that_work_close_it_and_a_failing_one_opens_it_for_twice_as_long() {
        let mut breaker = opened();
        for _ in 0..PROBES - 1 {
            send(&mut breaker, Verdict::Works, at(10));
        }
        assert_eq!(breaker.circuit(at(10)), Circuit::HalfOpen);
        send(&mut breaker, Verdict::Fails, at(10));
        assert_eq!(breaker.circuit(at(10)), Circuit::Open(at(30)));
        for _ in 0..PROBES {
            send(&mut breaker, Verdict::Works, at(30));
        }
        assert_eq!(breaker.circuit(at(30)), Circuit::Closed);
        send(&mut breaker, Verdict::Fails, at(31));
        assert_eq!(breaker.circuit(at(31)), Circuit::Closed, "old failures are forgotten");
    }

    #[test]
    fn it_stays_open_for_five_minutes_at_most() {
        let mut breaker = opened();
        let mut now = at(0);
        for _ in 0..40 {
            let Circuit::Open(until) = breaker.circuit(now) else { panic!("it is open") };
            assert!(until.since(now) <= OPEN_MOST);
            now = until;
            send(&mut breaker, Verdict::Fails, now);
        }
        assert_eq!(breaker.circuit(now), Circuit::Open(now.plus(OPEN_MOST)));
    }

    #[test]
    fn an_answer_from_before_it_opened_is_no_probe() {
        let mut breaker = Breaker::new();
        let late: Vec<_> = (0..9).map(|_| breaker.pass(at(0)).unwrap()).collect();
        for pass in &late[..5] {
            breaker.note(*pass, Verdict::Fails, at(0));
        }
        for pass in &late[5..] {
            breaker.note(*pass, Verdict::Works, at(11));
        }
        assert_eq!(breaker.circuit(at(11)), Circuit::HalfOpen);
    }

    #[test]
    fn a_probe_that_was_not_sent_gives_its_place_back() {
        let mut breaker = opened();
        for _ in 0..10 {
            send(&mut breaker, Verdict::Unknown, at(10));
        }
        assert_eq!(breaker.circuit(at(10)), Circuit::HalfOpen);
        assert!(breaker.pass(at(10)).is_ok());
    }
}
