//! A lane: takes all commands that wait, decides them in one transaction on a connection of its own, answers each.
//!
//! Several lanes work at the same time; the locks on the ledgers keep them apart. A lane has a row in the database
//! that every batch numbers. When the connection breaks while a commit is on its way, that row tells whether it
//! happened, before anybody is answered and before anything is tried again.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::batch::Outcome;
use countersign_core::command::{Request, Started};
use countersign_core::journal::Actor;
use countersign_core::keys::RootId;
use countersign_core::store::Unavailable;
use countersign_core::tenancy::{AdminAnswer, AdminRequest};
use countersign_core::tenant::Tenant;
use countersign_core::time::next_instant;
use tokio::sync::{Mutex, mpsc};
use tokio::time::{Instant, sleep, timeout};

use super::Failure;
use super::engine::Engine;
use super::rows::{bytes, column};
use super::session::{BEGIN, Session};
use super::sql::Sql;
use super::turn::{Claim, Product, Task, last, prepare};
use super::upkeep::{Place, pending_after};
use super::write::Ended;
use crate::queue::Reply;

/// Commands decided in one transaction at most, so that the first of them does not wait for the last for long.
const MOST_PER_BATCH: usize = 512;
/// How long a caller waits for an answer. With the read of an API key before it, shorter than the 10 s that a request may
/// take over HTTP.
pub(super) const ANSWER_TIME: Duration = Duration::from_secs(5);
/// How long one half of a transaction may take before its connection counts as dead. Longer than the server's own limit
/// on a wait for locks would be needless: whoever asked has gone by then.
const TURN_TIME: Duration = Duration::from_secs(5);
/// How long an answer that changes nothing waits for its transaction to end, before the connection is given up instead.
const ROLLBACK_TIME: Duration = Duration::from_secs(1);
/// How long the outcome of a commit is looked for after the last caller has gone: its deliveries are still wanted.
const SETTLE_TIME: Duration = Duration::from_secs(30);
/// Times a batch is decided anew because others changed the same rows first.
const MOST_CONFLICTS: u32 = 20;
/// Pauses between two attempts to connect: the first, and the longest.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));
/// A node that was not heard of for this long is dead for certain, and its lanes are free: longer than anybody settles.
const DEAD_AFTER: i64 = 60_000_000;

/// What a lane is asked to do.
pub(super) enum Work {
    Decide(Box<Request>, Instant, Reply<Outcome>),
    Administer(Box<AdminRequest>, Reply<AdminAnswer>),
    AcceptClock(Actor, [u8; 10], Reply<Option<Duration>>),
    Activate(RootId, Reply<()>),
}

/// The queue all lanes of a node take from.
pub(super) type Queue = Arc<Mutex<mpsc::Receiver<Work>>>;

/// A command, until when its caller waits, and where its answer goes.
type Waiting = (Request, Instant, Reply<Outcome>);

pub(super) struct Lane {
    engine: Arc<Engine>,
    session: Option<Session>,
    /// Its row.
    claim: Option<Claim>,
    /// Whether the connection was lost and did not come back yet; told once per outage.
    lost: bool,
}

impl Lane {
    pub(super) const fn new(engine: Arc<Engine>) -> Self {
        Self { engine, session: None, claim: None, lost: false }
    }

    /// Works until the queue is closed and empty.
    pub(super) async fn serve(mut self, queue: Queue) {
        let mut waiting = Vec::with_capacity(MOST_PER_BATCH);
        while queue.lock().await.recv_many(&mut waiting, MOST_PER_BATCH).await > 0 {
            let mut batch = Vec::with_capacity(waiting.len());
            for work in waiting.drain(..) {
                match work {
                    Work::Decide(request, until, reply) => batch.push((*request, until, reply)),
                    other => {
                        self.turn(std::mem::take(&mut batch)).await;
                        self.single(other).await;
                    }
                }
            }
            self.turn(batch).await;
        }
    }

    /// Decides a batch; when the server refuses it for what is in it, one by one, so that a poisonous command fails
    /// alone.
    async fn turn(&mut self, mut batch: Vec<Waiting>) {
        let now = Instant::now();
        // Whoever waited too long was told so; what was never begun is not begun behind their back.
        batch.retain(|(_, until, _)| *until > now);
        let Some(until) = batch.iter().map(|(_, until, _)| *until).max() else { return };
        let requests: Vec<_> = batch.iter().map(|(request, ..)| request).collect();
        match self.carry_out(&Task::Decide(&requests), until).await {
            Ok(Product::Outcomes(outcomes, jobs)) => {
                jobs.into_iter().for_each(|job| (self.engine.hand_over)(job));
                for ((.., reply), outcome) in batch.into_iter().zip(outcomes) {
                    let _ = reply.send(outcome);
                }
            }
            Ok(_) => tracing::error!("a batch came to something that is no outcome"),
            Err(failure @ (Failure::Statement(_) | Failure::Corrupt(_))) if batch.len() > 1 => {
                tracing::error!(%failure, commands = batch.len(), "a batch failed; its commands go one by one");
                for one in batch {
                    Box::pin(self.turn(vec![one])).await;
                }
            }
            Err(failure) => {
                tracing::error!(%failure, commands = batch.len(), "a batch failed");
                let unavailable = Unavailable::from(failure);
                for (.., reply) in batch {
                    let _ = reply.send(Err(unavailable.clone()));
                }
            }
        }
    }

    async fn single(&mut self, work: Work) {
        let until = Instant::now() + ANSWER_TIME;
        match work {
            Work::Decide(request, until, reply) => self.turn(vec![(*request, until, reply)]).await,
            Work::Administer(request, reply) => {
                let done = self.carry_out(&Task::Administer(&request), until).await;
                answer(reply, done, |product| match product {
                    Product::Admin(answer) => Some(answer),
                    _ => None,
                });
            }
            Work::AcceptClock(actor, random, reply) => {
                let done = self.accept_clock(actor, random).await;
                answer(reply, done, |product| match product {
                    Product::Accepted(by) => Some(by),
                    _ => None,
                });
            }
            Work::Activate(root, reply) => {
                let done = self.carry_out(&Task::Activate(root), until).await;
                answer(reply, done, |_| Some(()));
            }
        }
    }

    /// See [`countersign_core::store::Store::accept_clock`]. What is from the future ends first, still under the old
    /// refusal: cut off in between, nothing of it can come back to life.
    async fn accept_clock(&mut self, actor: Actor, random: [u8; 10]) -> Result<Product, Failure> {
        let minutes = Instant::now() + SETTLE_TIME * 10;
        let mut from = None;
        loop {
            let (pending, next) = self.of_the_future(from).await?;
            if !pending.is_empty() {
                self.carry_out(&Task::EndFuture(&pending, random), minutes).await?;
            }
            from = next;
            if from.is_none() {
                break;
            }
        }
        self.carry_out(&Task::AcceptClock(actor, random), minutes).await
    }

    /// What is pending and later than the clock, where that is further back than is tolerated; and where to go on.
    async fn of_the_future(
        &self,
        from: Option<Place>,
    ) -> Result<(Vec<(Tenant, Started)>, Option<Place>), Failure> {
        let engine = Arc::clone(&self.engine);
        self.engine
            .with_session(|session| async move {
                let instant = session.query_opt(Sql::Instant, &[]).await?.ok_or(Failure::Conflict)?;
                let clock = engine.shown(column(&instant, 0)?);
                match next_instant(last(&instant)?, clock) {
                    Ok(_) => Ok((Vec::new(), None)),
                    Err(_) => pending_after(&session, clock, from).await,
                }
            })
            .await
    }

    /// Carries out one transaction, whatever happens to the connection, until it is known how it ended. Begins nothing
    /// new after `until`.
    async fn carry_out(&mut self, task: &Task<'_>, until: Instant) -> Result<Product, Failure> {
        let mut conflicts = 0;
        let mut pause = RECONNECT.0;
        loop {
            let attempted = match self.ready().await {
                // To connect took longer than anybody waits; the connection is for those who come next.
                Ok(_) if Instant::now() >= until => return Err(too_slow()),
                Ok(lane) => self.attempt(lane, task, until).await,
                Err(failure) => Err(failure),
            };
            let failure = match attempted {
                Ok(product) => {
                    if std::mem::take(&mut self.lost) {
                        tracing::info!("the database answers again");
                    }
                    return Ok(product);
                }
                Err(failure) => failure,
            };
            if failure.is_broken() {
                if !std::mem::replace(&mut self.lost, true) {
                    tracing::warn!(%failure, "the connection to the database is lost");
                }
                self.session = None;
                if Instant::now() + pause >= until {
                    return Err(failure);
                }
                sleep(self.jittered(pause)).await;
                pause = (pause * 2).min(RECONNECT.1);
            } else if failure.is_conflict() {
                conflicts += 1;
                if matches!(failure, Failure::LaneLost) {
                    self.claim = None;
                }
                if conflicts > MOST_CONFLICTS || Instant::now() >= until {
                    return Err(Failure::Conflict);
                }
            } else {
                // Whatever it was may be for ever on this connection: its server takes no statement any more that was
                // prepared before.
                if matches!(failure, Failure::Statement(_)) {
                    self.session = None;
                }
                return Err(failure);
            }
        }
    }

    async fn attempt(&mut self, lane: Claim, task: &Task<'_>, until: Instant) -> Result<Product, Failure> {
        let Some(session) = &self.session else { return Err(Failure::LaneLost) };
        let turn = match in_time(prepare(session, &self.engine, lane, task)).await {
            Ok(turn) => turn,
            Err(failure) => return Err(self.roll_back(failure).await),
        };
        let Some(writes) = turn.writes else {
            // Nothing changes, so what was decided is true however this ends; it must only not hang.
            if !matches!(timeout(ROLLBACK_TIME, session.run("ROLLBACK")).await, Ok(Ok(()))) {
                self.session = None;
            }
            return Ok(turn.product);
        };
        // All who asked were told that there is no answer; guesses must not be spent behind their backs.
        if Instant::now() >= until {
            self.session = None;
            return Err(too_slow());
        }
        let ended = timeout(TURN_TIME, writes.commit(session, &turn.stand)).await;
        match ended.unwrap_or_else(|_| Ended::Unknown(too_slow())) {
            Ended::Committed => Ok(turn.product),
            Ended::RolledBack(failure) => Err(failure),
            Ended::Unknown(failure) => {
                tracing::warn!(%failure, "the connection broke during a commit; the lane's row will tell");
                self.session = None;
                if self.settle(lane, turn.stand.batch, until).await? {
                    Ok(turn.product)
                } else {
                    Err(failure)
                }
            }
        }
    }

    /// Ends a transaction that failed before anything of it was written.
    async fn roll_back(&mut self, failure: Failure) -> Failure {
        if let Some(session) = &self.session
            && !failure.is_broken()
            && in_time(session.run("ROLLBACK")).await.is_err()
        {
            self.session = None;
        }
        failure
    }

    /// Whether a batch whose commit was on its way happened. Waits for the server to end the old transaction: the row is
    /// locked by it until then.
    async fn settle(&mut self, lane: Claim, batch: i64, until: Instant) -> Result<bool, Failure> {
        let until = until + SETTLE_TIME;
        let mut pause = RECONNECT.0;
        loop {
            match self.committed(lane, batch).await {
                Err(Failure::OutcomeLost) => {
                    self.claim = None;
                    return Err(Failure::OutcomeLost);
                }
                Err(failure) if Instant::now() < until => {
                    tracing::warn!(%failure, "it is not known yet whether a batch was committed");
                    self.session = None;
                    sleep(self.jittered(pause)).await;
                    pause = (pause * 2).min(RECONNECT.1);
                }
                known => return known,
            }
        }
    }

    async fn committed(&mut self, lane: Claim, batch: i64) -> Result<bool, Failure> {
        let session = in_time(self.engine.connector.session()).await?;
        let row = in_time(session.query_opt(Sql::SettleLane, &[&lane.id])).await?;
        let row = row.ok_or(Failure::OutcomeLost)?;
        if bytes(&row, 0)? != lane.holder {
            return Err(Failure::OutcomeLost);
        }
        let committed: i64 = column(&row, 1)?;
        self.session = Some(session);
        Ok(committed >= batch)
    }

    /// Sees to it that there is a connection and a row.
    async fn ready(&mut self) -> Result<Claim, Failure> {
        let session = match self.session.take().filter(|session| !session.is_closed()) {
            Some(session) => session,
            None => in_time(self.engine.connector.session()).await?,
        };
        let claim = match self.claim {
            Some(claim) => claim,
            None => in_time(own(&session, &self.engine.node, self.engine.random())).await?,
        };
        self.session = Some(session);
        self.claim = Some(claim);
        Ok(claim)
    }

    fn jittered(&self, pause: Duration) -> Duration {
        let [random] = self.engine.random::<1>();
        pause.mul_f32(0.5 + f32::from(random) / 512.0)
    }
}

/// Takes over a dead node's lane, or makes a new one.
pub(super) async fn own(session: &Session, node: &[u8; 16], holder: [u8; 16]) -> Result<Claim, Failure> {
    let (node, mark) = (node.as_slice(), holder.as_slice());
    session.run(BEGIN).await?;
    let taken = async {
        if let Some(row) = session.query_opt(Sql::AdoptableLane, &[&DEAD_AFTER, &node]).await? {
            let id: i64 = column(&row, 0)?;
            session.execute(Sql::AdoptLane, &[&id, &node, &mark]).await?;
            return Ok(Claim { id, holder });
        }
        let row = session.query_opt(Sql::NewLane, &[&node, &mark]).await?.ok_or(Failure::Conflict)?;
        Ok(Claim { id: column(&row, 0)?, holder })
    };
    let taken = taken.await;
    session.run(if taken.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    taken
}

async fn in_time<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(TURN_TIME, work).await.unwrap_or_else(|_| Err(too_slow()))
}

fn too_slow() -> Failure {
    Failure::Unreachable(format!("no answer within {TURN_TIME:?}"))
}

fn answer<T>(reply: Reply<T>, done: Result<Product, Failure>, pick: impl FnOnce(Product) -> Option<T>) {
    let picked = match done {
        Ok(product) => pick(product).ok_or(Unavailable::Internal),
        Err(failure) => {
            tracing::error!(%failure, "a change failed");
            Err(Unavailable::from(failure))
        }
    };
    let _ = reply.send(picked);
}
