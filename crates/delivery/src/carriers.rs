//! The configured providers as the worker uses them: each with a share of its own of what may be on its way, its circuit,
//! and a time for every try. A provider that hangs fills its own share and nobody else's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::delivery::{Attempt, AttemptError, Fault};
use countersign_core::health::{Board, Outcome};
use countersign_core::recipient::Country;
use countersign_core::time::{Clock, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{timeout, timeout_at};

use crate::provider::{Accepted, Outgoing, Provider, ProviderError};

/// Messages that are handed to one provider at once. Most providers bound themselves further.
const IN_FLIGHT_EACH: usize = 512;
/// Time left in a lease below which no new try begins: it could not be recorded in time.
pub(crate) const MARGIN: Duration = Duration::from_secs(5);
/// How much longer than asked a provider may take before it is given up on.
const GRACE: Duration = Duration::from_secs(1);

/// Classes of tries that never reached a provider. The others are those of [`crate::provider::ErrorClass`].
mod class {
    pub(super) const CIRCUIT_OPEN: &str = "circuit_open";
    pub(super) const BUSY: &str = "busy";
    pub(super) const CONFIGURATION: &str = "configuration";
    pub(super) const TIMEOUT: &str = "timeout";
}

/// All providers of a node.
pub(crate) struct Carriers {
    known: BTreeMap<String, Carrier>,
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
}

struct Carrier {
    provider: Arc<dyn Provider>,
    /// What may be on its way.
    lines: Arc<Semaphore>,
    /// What may be on its way or wait for it.
    room: Arc<Semaphore>,
}

/// One message to one country, and how long it may take.
pub(crate) struct Send<'a> {
    pub(crate) outgoing: &'a Outgoing,
    /// Whom it comes from, as the route says.
    pub(crate) sender: Option<String>,
    pub(crate) country: Option<Country>,
    /// When the lease of the job ends.
    pub(crate) lease: Timestamp,
    /// When the code ends.
    pub(crate) expires_at: Timestamp,
}

impl Send<'_> {
    /// How long a try that begins at `now` may take; `None` when it should not begin.
    fn time(&self, now: Timestamp) -> Option<Duration> {
        let lease = self.lease.since(now).checked_sub(MARGIN)?;
        let time = lease.min(self.expires_at.since(now));
        (time > Duration::ZERO).then_some(time)
    }
}

impl Carriers {
    /// `most` is how many jobs there may be at all: of them each provider may hold its share and no more.
    pub(crate) fn new(
        providers: BTreeMap<String, Arc<dyn Provider>>,
        board: Arc<Board>,
        clock: Arc<dyn Clock>,
        most: usize,
    ) -> Self {
        // One share stays free for jobs that need no provider any more.
        let share = (most / (providers.len() + 1)).max(1);
        let carrier = |provider| Carrier {
            provider,
            lines: Arc::new(Semaphore::new(IN_FLIGHT_EACH.min(share))),
            room: Arc::new(Semaphore::new(share)),
        };
        let known = providers.into_iter().map(|(name, provider)| (name, carrier(provider))).collect();
        Self { known, board, clock }
    }

    /// Tries one provider. `None` when the lease leaves no time for a try.
    pub(crate) async fn attempt(&self, name: &str, send: &Send<'_>) -> Option<Attempt> {
        let now = self.clock.now();
        send.time(now)?;
        let Some(carrier) = self.known.get(name) else {
            let why = "the route names a provider that is not configured on this node";
            return Some(refused(now, name, Fault::Us, true, class::CONFIGURATION, why));
        };
        if self.board.routes(now).disabled.contains(name) {
            let why = "the provider is switched off on this node";
            return Some(refused(now, name, Fault::Us, true, class::CONFIGURATION, why));
        }
        let Ok(_room) = carrier.room.try_acquire() else {
            return Some(busy(now, name));
        };
        // One that is known not to work is not waited for.
        if let Some(attempt) = self.is_open(name, now) {
            return Some(attempt);
        }
        let Some(_line) = self.line(carrier, send).await else {
            return Some(busy(self.clock.now(), name));
        };
        self.try_now(name, carrier.provider.as_ref(), send).await
    }

    /// Whether a provider says later what became of its messages.
    pub(crate) fn give_receipts(&self, name: &str) -> bool {
        self.known.get(name).is_some_and(|carrier| carrier.provider.gives_receipts())
    }

    fn is_open(&self, name: &str, now: Timestamp) -> Option<Attempt> {
        self.board.routes(now).standing.is_open(name).then(|| open(now, name))
    }

    /// A place among the messages on their way, if one comes free while the lease lasts.
    async fn line(&self, carrier: &Carrier, send: &Send<'_>) -> Option<OwnedSemaphorePermit> {
        let lines = Arc::clone(&carrier.lines);
        let patience = send.time(self.clock.now())?;
        timeout(patience, lines.acquire_owned()).await.ok()?.ok()
    }

    async fn try_now(&self, name: &str, provider: &dyn Provider, send: &Send<'_>) -> Option<Attempt> {
        let now = self.clock.now();
        let pass = match self.board.pass(name, now) {
            Ok(pass) => pass,
            Err(_) => return Some(open(now, name)),
        };
        let Some(deadline) = send.time(now) else {
            self.board.note(name, pass, Outcome::NotAsked, Duration::ZERO, send.country, now);
            return None;
        };
        let sender = send.sender.clone().or_else(|| send.outgoing.sender.clone());
        let outgoing = Outgoing { deadline, sender, ..send.outgoing.clone() };
        let begun = tokio::time::Instant::now();
        let sent = timeout_at(begun + deadline + GRACE, provider.send(&outgoing)).await;
        let (at, took) = (self.clock.now(), begun.elapsed());
        let (attempt, outcome) = match sent {
            Ok(Ok(Accepted { message_id })) => {
                let attempt = Attempt { at, provider: name.to_owned(), error: None, message_id, cost: None };
                (attempt, Outcome::Took)
            }
            Ok(Err(ProviderError { retry, fault, class, detail })) => {
                (refused(at, name, fault, retry, class.as_str(), &detail), Outcome::Refused(fault))
            }
            Err(_) => {
                let why = "the provider did not end the try in the time it was given";
                let fault = Fault::Provider;
                (refused(at, name, fault, true, class::TIMEOUT, why), Outcome::Refused(fault))
            }
        };
        self.board.note(name, pass, outcome, took, send.country, at);
        Some(attempt)
    }
}

/// The providers of a delivery in the order of this round: those that failed least so far first, else as routed, so that
/// a job whose first provider hangs gets to the second.
pub(crate) fn turns<'a>(providers: &'a [String], earlier: &[Attempt]) -> Vec<&'a str> {
    let failures = |provider: &str| {
        earlier.iter().filter(|attempt| attempt.provider == provider && attempt.error.is_some()).count()
    };
    let mut order: Vec<_> = providers.iter().map(String::as_str).collect();
    order.sort_by_key(|provider| failures(provider));
    order
}

fn open(at: Timestamp, name: &str) -> Attempt {
    let why = "not asked: the provider failed too often lately, and is left alone for a while";
    refused(at, name, Fault::Provider, true, class::CIRCUIT_OPEN, why)
}

fn busy(at: Timestamp, name: &str) -> Attempt {
    let why = "not asked: as many messages wait for this provider as may";
    refused(at, name, Fault::Provider, true, class::BUSY, why)
}

/// A try that failed.
pub(crate) fn refused(
    at: Timestamp,
    provider: &str,
    fault: Fault,
    retry: bool,
    class: &str,
    detail: &str,
) -> Attempt {
    let error = AttemptError { fault, retry, class: class.to_owned(), detail: detail.to_owned() };
    Attempt { at, provider: provider.to_owned(), error: Some(error), message_id: None, cost: None }
}

#[cfg(test)]
mod tests;
