//! Random commands on the memory engine while the clock jumps, judged by the client's own history alone: invariants
//! 1, 2, 3, 4, 6, 7 and 11 of the design, and that a right code is not refused without a reason.

mod actions;
mod factors;
mod messages;
mod model;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use countersign_core::batch::Outcome;
use countersign_core::command::{Answer, Request};
use countersign_core::ids::{ProjectId, VerificationId};
use countersign_core::journal::{Entry, Event};
use countersign_core::limits::CLOCK_TOLERANCE;
use countersign_core::policy::{Policy, Profile};
use countersign_core::refusal::Refusal;
use countersign_core::store::{Store as _, Unavailable};
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::{Clock as _, Timestamp};
use countersign_core::verification::{Report as Said, Status};
use countersign_store::memory::MemoryStore;

use crate::{FakeClock, Requests, SeededEntropy, test_keys};
use factors::{Owned, Thing};
use model::{Counter, Guesses, Known};

/// How often the interesting things happened, so that a run that tried nothing does not count as a proof.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Verifications begun.
    pub created: u32,
    /// Codes accepted.
    pub approved: u32,
    /// Codes compared and found wrong.
    pub wrong: u32,
    /// Entries refused because of a pause.
    pub paused: u32,
    /// Entries refused because the time had run out.
    pub expired: u32,
    /// Messages to recipients with caps.
    pub sent: u32,
    /// Outcomes told again.
    pub replayed: u32,
    /// Codes of factors accepted.
    pub granted: u32,
    /// Codes of factors compared and found wrong or used.
    pub declined: u32,
    /// Entries at factors refused because of a pause.
    pub locked: u32,
    /// Receipts that moved a delivery.
    pub reported: u32,
    /// Steps of workflows that sent.
    pub stepped: u32,
}

/// Runs `steps` random steps.
///
/// # Errors
/// The first invariant that did not hold, with the seed and the steps that led to it.
pub fn run(seed: u64, steps: usize) -> Result<Tally, String> {
    let mut world = World::new(seed);
    for _ in 0..steps {
        world.step().map_err(|broken| {
            format!("seed {seed}: {broken}\nafter these steps:\n{}", world.trace.join("\n"))
        })?;
    }
    Ok(world.tally)
}

/// What of a verification must not change without an entry in the journal.
type State = (Status, u8, u8, u32, Option<Said>, Option<u8>);

struct World {
    random: SeededEntropy,
    clock: Arc<FakeClock>,
    /// The latest instant at which the engine was asked anything.
    seen: Timestamp,
    store: MemoryStore,
    tenants: [Requests; 2],
    known: Vec<Known>,
    guesses: BTreeMap<Counter, Guesses>,
    owned: BTreeMap<(usize, Thing), Owned>,
    /// Messages per tenant and folded recipient that no approval gave back.
    sends: BTreeMap<(usize, &'static str), Vec<(Timestamp, VerificationId)>>,
    /// The latest idempotent request that changed something, when, and what came of it.
    told: Option<(Request, Timestamp, Answer)>,
    tally: Tally,
    trace: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let clock = Arc::new(FakeClock::default());
        let keys = test_keys();
        let store = MemoryStore::new(clock.clone(), Arc::clone(&keys), Arc::new(|_| ()));
        let mut first = Requests::new(keys, seed);
        first.limits_apply = true;
        let other = Tenant { project: ProjectId::from_bytes([0xb2; 16]), mode: Mode::Live };
        let mut second = first.of_tenant(other);
        second.policy = Arc::new(Policy { email_authentication: true, ..Policy::of(Profile::Nist) });
        Self {
            random: SeededEntropy::new(!seed),
            clock,
            seen: Timestamp::default(),
            store,
            tenants: [first, second],
            known: Vec::new(),
            guesses: BTreeMap::new(),
            owned: BTreeMap::new(),
            sends: BTreeMap::new(),
            told: None,
            tally: Tally::default(),
            trace: Vec::new(),
        }
    }

    /// Notes the time of a request; a clock far behind the last one must be refused, and is set right.
    fn catch_up(&mut self, request: &Request) -> Result<(), String> {
        self.seen = self.seen.max(self.clock.now());
        if self.seen.since(self.clock.now()) > CLOCK_TOLERANCE {
            let refused = now(self.store.submit(request.clone()));
            if !matches!(refused, Err(Unavailable::ClockWentBack(_))) {
                return Err(format!("a clock far behind the last commit was believed: {refused:?}"));
            }
            self.clock.set(self.seen);
        }
        Ok(())
    }

    /// Submits a request and holds the journal against what changed (invariant 6).
    fn submit(&mut self, request: Request) -> Result<Outcome, String> {
        self.catch_up(&request)?;
        let (before, written) = (self.states(), self.store.entries().len());
        let outcome = now(self.store.submit(request.clone())).map_err(|error| error.to_string())?;
        let mut after = self.states();
        if let (Answer::Done(snapshot), false) = (&outcome.answer, outcome.replayed) {
            let id = snapshot.verification.id;
            let tenant = snapshot.verification.tenant;
            after.entry(id).or_insert(self.state(tenant, id));
        }
        let changed: Vec<_> =
            after.iter().filter(|(id, state)| before.get(*id) != Some(*state)).map(|(id, _)| *id).collect();
        let journal = self.store.entries();
        // What is told of a message changes its delivery, and not the verification.
        let of_message =
            |entry: &&Entry| matches!(entry.event, Event::Receipt { .. } | Event::DeliveryFailed(_));
        let told = journal[written..].iter().filter(of_message).count();
        self.tally.reported += u32::try_from(told).unwrap_or(u32::MAX);
        let others = journal[written..].iter().filter(|entry| !of_message(entry));
        let mut entries: Vec<_> = others.filter_map(|entry| entry.verification).collect();
        entries.sort();
        if entries != changed || journal.len() - written - told != changed.len() {
            return Err(format!("invariant 6: {changed:?} changed, entries were written of {entries:?}"));
        }
        if request.once.is_some() && !changed.is_empty() {
            self.told = Some((request, self.seen, outcome.answer.clone()));
        }
        Ok(outcome)
    }

    fn states(&self) -> BTreeMap<VerificationId, Option<State>> {
        let tenant = |known: &Known| self.tenants[known.tenant].tenant;
        self.known.iter().map(|known| (known.id, self.state(tenant(known), known.id))).collect()
    }

    fn state(&self, tenant: Tenant, id: VerificationId) -> Option<State> {
        let row = now(self.store.verification(tenant, id)).ok()??.verification;
        let step = row.workflow.map(|workflow| workflow.at);
        Some((row.status, row.checks_used, row.sends, row.generation, row.report, step))
    }

    /// Notes a message and holds the caps against all of them (invariant 7).
    fn note_send(&mut self, index: usize) -> Result<(), String> {
        let (now, known) = (self.seen, &self.known[index]);
        if !self.tenants[known.tenant].limits_apply {
            return Ok(());
        }
        let sends = self.sends.entry((known.tenant, known.folded)).or_default();
        sends.push((now, known.id));
        self.tally.sent += 1;
        for (minutes, most) in [(10, 5), (24 * 60, 10)] {
            let span = Duration::from_secs(minutes * 60);
            let inside = sends.iter().filter(|(at, _)| now.since(*at) < span).count();
            if inside > most {
                return Err(format!(
                    "invariant 7: {inside} messages in {minutes} minutes to {}",
                    known.folded
                ));
            }
        }
        Ok(())
    }

    /// Holds the answer to an entry against the history.
    fn judge(&mut self, index: usize, fits: bool, answer: &Answer) -> Result<(), String> {
        let (now, known) = (self.seen, &mut self.known[index]);
        let guesses = self.guesses.entry(known.counter()).or_default();
        let allowed = guesses.allow(now);
        let evaluated = matches!(
            answer,
            Answer::Approved(..) | Answer::Refused(Refusal::CodeIncorrect | Refusal::BindingMismatch, _)
        );
        known.evaluated += u32::from(evaluated);
        if evaluated && (!allowed || known.evaluated > 5) {
            return Err(format!("invariant 2: guess {} on {} was evaluated", known.evaluated, known.id));
        }
        match answer {
            Answer::Approved(..) => {
                known.approvals += 1;
                if let Some(sends) = self.sends.get_mut(&(known.tenant, known.folded)) {
                    sends.retain(|(_, verification)| *verification != known.id);
                }
                guesses.note_right();
                self.tally.approved += 1;
                if known.approvals > 1 {
                    return Err(format!("invariant 1: {} was approved twice", known.id));
                }
                if now >= known.expires_at || known.told_expired {
                    return Err(format!("invariant 3: {} was approved after its expiry", known.id));
                }
                if !fits {
                    return Err(format!("invariant 4: {} was approved for another entry", known.id));
                }
            }
            Answer::Refused(Refusal::Expired, _) => {
                known.told_expired = true;
                self.tally.expired += 1;
            }
            Answer::Refused(Refusal::RecipientPaused(_), _) if allowed => {
                return Err(format!("{} was paused without a reason", known.id));
            }
            Answer::Refused(Refusal::RecipientPaused(_), _) => self.tally.paused += 1,
            Answer::Refused(..) if evaluated && fits => {
                return Err(format!("the right entry on {} was refused", known.id));
            }
            Answer::Refused(..) if evaluated => {
                guesses.note_wrong(now);
                self.tally.wrong += 1;
            }
            _ => {}
        }
        Ok(())
    }
}

/// The value of a future that is ready: the memory engine never waits.
fn now<F: Future>(future: F) -> F::Output {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the memory engine never waits"),
    }
}
