//! The worker: takes jobs, derives the code, renders, hands over to a provider, records what came of it.
//!
//! A job is leased. A worker that dies loses its lease, and whoever claims the job next sends it: at least once,
//! never after the code's expiry, never without a send that the core reserved.

mod play;
mod render;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::batch::Outcome;
use countersign_core::budget::Treasury;
use countersign_core::command::{Answer, Command, Job, Request, Sent};
use countersign_core::delivery::{Attempt, DeliveryState, Fault};
use countersign_core::health::Board;
use countersign_core::ids::ProjectId;
use countersign_core::keys::Keys;
use countersign_core::receipt::{About, Fate, Receipt};
use countersign_core::recipient::RecipientRef;
use countersign_core::routing::Wanted;
use countersign_core::store::Store;
use countersign_core::tenancy::Project;
use countersign_core::tenant::Mode;
use countersign_core::time::{Clock, Entropy, EntropySource, Timestamp};
use countersign_core::verification::Status;
use tokio::sync::{Notify, Semaphore, mpsc, watch};

use crate::carriers::{Carriers, Send, refused, turns};
use crate::provider::{Outgoing, Provider};
use crate::receipts::ReceiptSink;
use crate::steps::Steps;
use crate::text;
use crate::wording::Wording;

/// Jobs there may be at once, waiting for their providers or worked on.
const JOBS: usize = 8_192;
/// Jobs that are rendered or recorded at once. A job that waits for its provider is none of them.
const DESKS: usize = 512;
/// Jobs that may wait in memory after their commit; more are left to the next claim.
const HANDED_OVER: usize = 8_192;
/// How often orphans and retries are looked for.
const CLAIM_EVERY: Duration = Duration::from_secs(1);
/// Jobs taken from the table at once.
const CLAIM_MOST: usize = 256;

/// What the worker works with.
pub struct WorkerOptions {
    /// Where outcomes go.
    pub store: Arc<dyn Store>,
    /// The keys of the store.
    pub keys: Arc<Keys>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Randomness of commands and of back-off.
    pub entropy: Arc<dyn EntropySource>,
    /// The configured providers by name.
    pub providers: BTreeMap<String, Arc<dyn Provider>>,
    /// How the providers stand, and the routes that name them.
    pub board: Arc<Board>,
    /// Pays for the next steps of workflows, and takes back what was set aside for a send and not spent.
    pub treasury: Arc<dyn Treasury>,
    /// Told whenever a message reached the test outbox.
    pub arrivals: Arc<Notify>,
    /// Where receipts go.
    pub receipts: ReceiptSink,
}

/// The end of the queue that the store's hand-over writes to. Never blocks; a job that finds no room is claimed later.
#[derive(Clone)]
pub struct Inbox(mpsc::Sender<Job>);

impl Inbox {
    /// Takes a job.
    pub fn take(&self, job: Job) {
        if self.0.try_send(job).is_err() {
            tracing::warn!("the delivery queue is full; the message waits for the end of its lease");
        }
    }
}

/// The queue between the store and the worker; made first, because the store needs its [`Inbox`].
#[must_use]
pub fn queue() -> (Inbox, mpsc::Receiver<Job>) {
    let (sender, receiver) = mpsc::channel(HANDED_OVER);
    (Inbox(sender), receiver)
}

/// Works until `stop` turns true, then finishes what is in flight.
pub async fn work(
    mut options: WorkerOptions,
    mut jobs: mpsc::Receiver<Job>,
    mut stop: watch::Receiver<bool>,
) {
    let (providers, board) = (std::mem::take(&mut options.providers), Arc::clone(&options.board));
    let worker = Arc::new(Worker {
        carriers: Carriers::new(providers, board, Arc::clone(&options.clock), JOBS),
        desks: Semaphore::new(DESKS),
        wording: Wording::default(),
        options,
        projects: Mutex::new(HashMap::new()),
    });
    let slots = Arc::new(Semaphore::new(JOBS));
    let mut tick = tokio::time::interval(CLAIM_EVERY);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let claimed = tokio::select! {
            biased;
            // The guard that `wait_for` answers must not live across an await: it is not `Send`.
            () = async { drop(stop.wait_for(|stopped| *stopped).await) } => break,
            Some(job) = jobs.recv() => vec![job],
            _ = tick.tick() => worker.claim().await,
        };
        for job in claimed {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let worker = Arc::clone(&worker);
            tokio::spawn(async move {
                match job.delivery.state {
                    DeliveryState::Queued => worker.deliver(job).await,
                    _ => worker.step(&job).await,
                }
                drop(slot);
            });
        }
    }
    // All slots back means that nothing is in flight any more.
    let _ = slots.acquire_many(u32::try_from(JOBS).unwrap_or(u32::MAX)).await;
}

struct Worker {
    options: WorkerOptions,
    carriers: Carriers,
    desks: Semaphore,
    wording: Wording,
    projects: Mutex<HashMap<ProjectId, (Timestamp, Arc<Project>)>>,
}

/// What one round over the providers came to.
struct Round {
    attempts: Vec<Attempt>,
    state: DeliveryState,
    retry_at: Option<Timestamp>,
    /// Whether the provider that took it gives receipts.
    receipts: bool,
    /// What the network says of it at once; only in scenarios.
    report: Option<Fate>,
    /// What it cost, as budgets count.
    counted: u64,
}

impl Round {
    fn ended(attempts: Vec<Attempt>, state: DeliveryState) -> Self {
        Self { attempts, state, retry_at: None, receipts: false, report: None, counted: 0 }
    }
}

impl Worker {
    async fn claim(&self) -> Vec<Job> {
        self.options.receipts.settle().await;
        match self.options.store.claim(CLAIM_MOST).await {
            Ok(jobs) => jobs,
            Err(error) => {
                tracing::warn!(%error, "deliveries could not be claimed; the next tick tries again");
                Vec::new()
            }
        }
    }

    /// What this delivery came to makes the next step of its workflow due.
    async fn step(&self, job: &Job) {
        let project = self.project(job.delivery.tenant.project, self.options.clock.now()).await;
        Steps { options: &self.options, wording: &self.wording }.take(project.as_deref(), job).await;
    }

    async fn deliver(&self, job: Job) {
        let Some(round) = self.round(&job).await else { return };
        let state = round.state;
        if let Some(last) = round.attempts.last() {
            tracing::info!(
                delivery = %job.delivery.id,
                provider = %last.provider,
                channel = job.delivery.channel.as_str(),
                state = state.as_str(),
                error = last.error.as_ref().map(|error| error.class.as_str()),
                "delivery attempt"
            );
        }
        let (report, counted) = (round.report.clone(), round.counted);
        let provider = round.attempts.last().map(|last| last.provider.clone());
        let recorded = self.record(&job, round).await;
        // What is on its way again may still cost all of it; what was recorded by another worker was settled by that one.
        if let Some(reservation) = job.delivery.reserved.as_ref()
            && recorded.is_some_and(|state| state != DeliveryState::Queued)
        {
            self.options.treasury.give_back(reservation, reservation.amount.saturating_sub(counted));
        }
        if let Some((fate, provider)) = report.zip(provider) {
            let receipt = Receipt { about: About::Delivery(job.delivery.id), fate };
            self.options.receipts.take(&provider, receipt).await;
        }
        if job.delivery.tenant.mode == Mode::Test && state == DeliveryState::Sent {
            self.options.arrivals.notify_waiters();
        }
    }

    /// Tries the providers in order. `None` when the job is no longer ours.
    async fn round(&self, job: &Job) -> Option<Round> {
        let now = self.options.clock.now();
        if job.delivery.due.is_some_and(|lease| lease <= now) {
            return None;
        }
        let over = now >= job.delivery.expires_at
            || job.verification.status != Status::Pending
            || job.verification.generation != job.delivery.generation;
        if over {
            return Some(Round::ended(Vec::new(), DeliveryState::Expired));
        }
        let desk = self.desks.acquire().await;
        let rendered = self.render(job, now).await;
        drop(desk);
        let outgoing = match rendered {
            Ok(outgoing) => outgoing,
            Err(reason) => {
                tracing::error!(delivery = %job.delivery.id, reason, "a message could not be made");
                let attempt = refused(now, "none", Fault::Us, false, "configuration", reason);
                return Some(Round::ended(vec![attempt], DeliveryState::Failed));
            }
        };
        let to = RecipientRef::of_row(&outgoing.to, job.verification.country());
        let mut attempts = Vec::new();
        for provider in turns(&job.delivery.providers, &job.delivery.attempts) {
            let attempt = match job.delivery.tenant.mode {
                Mode::Test => match self.play(provider, job) {
                    Ok(round) => return Some(with_earlier(attempts, round)),
                    Err(attempt) => *attempt,
                },
                Mode::Live => match self.attempt(provider, job, &outgoing, to).await {
                    Some(attempt) => attempt,
                    // The lease ends; whoever claims the job next goes on with the providers that are left.
                    None if attempts.is_empty() => return None,
                    None => break,
                },
            };
            let taken = attempt.error.is_none();
            attempts.push(attempt);
            if taken {
                let counted = self.counted(provider, job, &outgoing, to);
                let receipts = self.carriers.give_receipts(provider);
                return Some(Round { receipts, counted, ..Round::ended(attempts, DeliveryState::Sent) });
            }
        }
        Some(self.refused(job, attempts))
    }

    /// No provider took it: again later when that may help and the code lives, else it failed.
    fn refused(&self, job: &Job, attempts: Vec<Attempt>) -> Round {
        let helps = attempts.iter().any(|attempt| attempt.error.as_ref().is_some_and(|error| error.retry));
        let mut random = [0; 2];
        self.options.entropy.fill(&mut random);
        let retry_at =
            self.options.clock.now().plus(back_off(job.delivery.tries, u16::from_be_bytes(random)));
        if helps && retry_at < job.delivery.expires_at {
            let again = Round::ended(attempts, DeliveryState::Queued);
            return Round { retry_at: Some(retry_at), ..again };
        }
        Round::ended(attempts, DeliveryState::Failed)
    }

    async fn attempt(
        &self,
        name: &str,
        job: &Job,
        outgoing: &Outgoing,
        to: RecipientRef<'_>,
    ) -> Option<Attempt> {
        let Job { delivery, verification, .. } = job;
        let wanted = Wanted { tenant: delivery.tenant, purpose: verification.purpose, to };
        let now = self.options.clock.now();
        let routes = self.options.board.routes(now);
        let send = Send {
            outgoing,
            sender: routes.sender(&wanted, delivery.channel, name).map(str::to_owned),
            country: to.country,
            lease: delivery.due.unwrap_or_else(|| now.plus(countersign_core::limits::LEASE)),
            expires_at: delivery.expires_at,
        };
        let mut attempt = self.carriers.attempt(name, &send).await?;
        if attempt.error.is_none() {
            let price = routes.tariff.price(name, to);
            attempt.cost =
                price.map(|price| price.price.times(text::parts(delivery.channel, &outgoing.message)));
        }
        Some(attempt)
    }

    /// What a message that a provider took counts for budgets.
    fn counted(&self, provider: &str, job: &Job, outgoing: &Outgoing, to: RecipientRef<'_>) -> u64 {
        let tariff = &self.options.board.routes(self.options.clock.now()).tariff;
        let parts = text::parts(job.delivery.channel, &outgoing.message);
        tariff.counted(provider, to).saturating_mul(u64::from(parts))
    }

    /// Writes down what came of a job; where the delivery stands then, when it was still for this worker to say.
    async fn record(&self, job: &Job, round: Round) -> Option<DeliveryState> {
        let tries =
            job.delivery.tries.saturating_add(u32::try_from(round.attempts.len()).unwrap_or(u32::MAX));
        let sent = Sent {
            delivery: job.delivery.id,
            attempts: round.attempts,
            state: round.state,
            retry_at: round.retry_at,
            receipts: round.receipts,
        };
        let entropy = Entropy::draw(self.options.entropy.as_ref());
        let request = Request::of_system(job.delivery.tenant, entropy, Command::Sent(sent));
        let _desk = self.desks.acquire().await;
        match self.options.store.submit(request).await {
            Ok(Outcome { answer: Answer::Done(snapshot), .. }) => {
                snapshot.delivery.filter(|made| made.tries == tries).map(|made| made.state)
            }
            Ok(_) => None,
            Err(error) => {
                tracing::error!(delivery = %job.delivery.id, %error, "an outcome was not recorded; its lease will end");
                None
            }
        }
    }
}

fn with_earlier(mut earlier: Vec<Attempt>, round: Round) -> Round {
    earlier.extend(round.attempts);
    Round { attempts: earlier, ..round }
}

/// 1, 2, 4 … 30 seconds, each shortened by up to half at random so that retries do not come in waves.
fn back_off(tries: u32, random: u16) -> Duration {
    let full = Duration::from_secs(1 << tries.min(5)).min(Duration::from_secs(30));
    full - full.mul_f64(f64::from(random) / f64::from(u16::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn back_off_grows_to_half_a_minute_and_is_shortened_by_half_at_most() {
        assert_eq!(back_off(0, 0), Duration::from_secs(1));
        assert_eq!(back_off(0, u16::MAX), Duration::from_millis(500));
        assert_eq!(back_off(3, 0), Duration::from_secs(8));
        assert_eq!(back_off(40, 0), Duration::from_secs(30));
    }
}
