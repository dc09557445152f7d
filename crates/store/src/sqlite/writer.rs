//! The writer thread: takes all commands that wait, decides them in one transaction, commits once, answers each.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::batch::{Changes, Outcome, run};
use countersign_core::budget::Change;
use countersign_core::challenge::{Challenge, ChallengeStatus};
use countersign_core::command::{Job, Request, Started};
use countersign_core::delivery::Delivery;
use countersign_core::ids::VerificationId;
use countersign_core::journal::{Actor, Entry, Event};
use countersign_core::keys::Keys;
use countersign_core::limits;
use countersign_core::store::{Retention, Unavailable};
use countersign_core::tenancy::{self, AdminAnswer, AdminChange, AdminRequest, ApiKey, Found, Project};
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::{Clock, ClockWentBack, Timestamp, next_instant};
use countersign_core::verification::{Status, Verification};
use rusqlite::{Connection, params};
use tokio::sync::mpsc;

use super::Failure;
use super::budgets;
use super::housekeeping::{Checkpointer, retire, tenants};
use super::rows::{SqliteRows, encode, write, write_delivery, write_entry};
use super::settings;
use crate::HandOver;
use crate::load::{Rows as _, is_due, load};
use crate::queue::Reply;

/// Commands decided in one transaction at most, so that the first of them does not wait for the last for long.
const MOST_PER_BATCH: usize = 512;

/// The outcome of each command of a batch, in its order.
type Outcomes = Vec<Result<Outcome, Unavailable>>;

/// What the writer is asked to do.
pub(super) enum Work {
    Decide(Box<Request>, Reply<Outcome>),
    Administer(Box<AdminRequest>, Reply<AdminAnswer>),
    ChangeBudget(Change, Reply<u64>),
    Claim(usize, Reply<Vec<Job>>),
    Retire(Retention, usize, Reply<u64>),
    AcceptClock(Actor, [u8; 10], Reply<Option<Duration>>),
    Probe(Reply<()>),
    /// Does something to the writer's own connection: fills the disk, holds the writer up.
    #[cfg(test)]
    Meddle(Box<dyn FnOnce(&Connection) + Send>, Reply<()>),
}

/// What the writer needs beside its connection.
pub(super) struct Outside {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) keys: Arc<Keys>,
    pub(super) hand_over: HandOver,
    /// The latest instant a turn saw; at the start, the last committed one.
    pub(super) last: Timestamp,
}

/// Starts the writer on `connection`, and a checkpointer on its own.
pub(super) fn start(
    connection: Connection,
    for_checkpoints: Connection,
    work: mpsc::Receiver<Work>,
    outside: Outside,
) -> Result<std::thread::JoinHandle<()>, Failure> {
    let checkpointer = Checkpointer::start(for_checkpoints)?;
    let writer = Writer { connection, outside, checkpointer };
    std::thread::Builder::new()
        .name("store-writer".to_owned())
        .spawn(move || writer.serve(work))
        .map_err(|error| Failure::Corrupt(format!("no thread for the writer: {error}")))
}

struct Writer {
    connection: Connection,
    outside: Outside,
    checkpointer: Checkpointer,
}

impl Writer {
    fn serve(mut self, mut work: mpsc::Receiver<Work>) {
        let mut waiting = Vec::with_capacity(MOST_PER_BATCH);
        while work.blocking_recv_many(&mut waiting, MOST_PER_BATCH) > 0 {
            let mut batch = Vec::with_capacity(waiting.len());
            for item in waiting.drain(..) {
                match item {
                    Work::Decide(request, reply) => batch.push((*request, reply)),
                    other => {
                        self.turn(std::mem::take(&mut batch));
                        self.single(other);
                    }
                }
            }
            self.turn(batch);
            self.checkpointer.after_commit(&self.connection);
        }
        self.checkpointer.finish(&self.connection);
    }

    /// Decides a batch; when the storage refuses it for another reason than being unusable, one by one, so that a
    /// poisonous command fails alone.
    fn turn(&mut self, batch: Vec<(Request, Reply<Outcome>)>) {
        if batch.is_empty() {
            return;
        }
        let requests: Vec<_> = batch.iter().map(|(request, _)| request).collect();
        match self.decide(&requests) {
            Ok((outcomes, jobs)) => {
                jobs.into_iter().for_each(|job| (self.outside.hand_over)(job));
                for ((_, reply), outcome) in batch.into_iter().zip(outcomes) {
                    let _ = reply.send(outcome);
                }
            }
            Err(failure) if batch.len() > 1 && !unusable(&failure) => {
                tracing::error!(%failure, commands = batch.len(), "a batch failed; its commands go one by one");
                for one in batch {
                    self.turn(vec![one]);
                }
            }
            Err(failure) => {
                tracing::error!(%failure, commands = batch.len(), "the storage refused a batch");
                let unavailable = Unavailable::from(failure);
                for (_, reply) in batch {
                    let _ = reply.send(Err(unavailable.clone()));
                }
            }
        }
    }

    fn decide(&mut self, requests: &[&Request]) -> Result<(Outcomes, Vec<Job>), Failure> {
        let keys = Arc::clone(&self.outside.keys);
        let (outcomes, changes) =
            self.transact(|connection, now| decide_at(connection, requests, now, &keys))?;
        let Changes { jobs, .. } = changes;
        Ok((outcomes, jobs))
    }

    /// Runs `body` in a transaction that holds the write lock before the clock is read; commits if it changed
    /// something. `now` never goes behind what an earlier turn saw, committed or not: a code that was refused as
    /// expired stays so when the system clock is set back.
    fn transact<T>(
        &mut self,
        body: impl FnOnce(&Connection, Timestamp) -> Result<(T, bool), Failure>,
    ) -> Result<T, Failure> {
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let now = next_instant(self.outside.last, self.outside.clock.now());
        let ended = now.map_err(Failure::ClockWentBack).and_then(|now| {
            self.outside.last = now;
            body(&self.connection, now)
        });
        self.end(ended)
    }

    /// Ends a transaction as its body says.
    fn end<T>(&self, ended: Result<(T, bool), Failure>) -> Result<T, Failure> {
        let ended = ended.and_then(|(value, changed)| {
            self.connection.execute_batch(if changed { "COMMIT" } else { "ROLLBACK" })?;
            Ok(value)
        });
        match ended {
            Ok(value) => Ok(value),
            Err(failure) => {
                if !self.connection.is_autocommit()
                    && let Err(error) = self.connection.execute_batch("ROLLBACK")
                {
                    tracing::error!(%error, "a failed transaction could not be rolled back");
                }
                Err(failure)
            }
        }
    }

    /// See [`countersign_core::store::Store::accept_clock`]. What is from the future ends first, still under the old
    /// refusal: cut off in between, nothing of it can come back to life.
    fn accept_clock(&mut self, actor: Actor, random: [u8; 10]) -> Result<Option<Duration>, Failure> {
        let clock = self.outside.clock.now();
        let Err(ClockWentBack { by }) = next_instant(self.outside.last, clock) else { return Ok(None) };
        let keys = Arc::clone(&self.outside.keys);
        for (tenant, started) in pending_after(&self.connection, clock)? {
            let request = Request::ending_future(tenant, started, random);
            self.connection.execute_batch("BEGIN IMMEDIATE")?;
            self.end(decide_at(&self.connection, &[&request], clock, &keys))?;
        }
        let event = Event::ClockAccepted(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let written = write_entry(&self.connection, &Entry::of_store(event, actor, clock, random));
        self.end(written.map(|()| ((), true)))?;
        self.outside.last = clock;
        Ok(Some(by))
    }

    fn single(&mut self, work: Work) {
        match work {
            Work::Decide(request, reply) => self.turn(vec![(*request, reply)]),
            Work::Administer(request, reply) => {
                let answer = self.transact(|connection, now| administer(connection, &request, now));
                let _ = reply.send(answer.map_err(Unavailable::from));
            }
            Work::ChangeBudget(change, reply) => {
                let granted =
                    self.transact(|connection, _| Ok((budgets::change(connection, &change)?, true)));
                let _ = reply.send(granted.map_err(Unavailable::from));
            }
            Work::Claim(most, reply) => {
                let jobs = self.transact(|connection, now| claim(connection, most, now));
                let _ = reply.send(jobs.map_err(Unavailable::from));
            }
            Work::Retire(keep, most, reply) => {
                let gone = self.transact(|connection, now| {
                    let gone = retire(connection, keep, most, now)?;
                    Ok((gone, gone > 0))
                });
                let _ = reply.send(gone.map_err(Unavailable::from));
            }
            Work::AcceptClock(actor, random, reply) => {
                let accepted = self.accept_clock(actor, random);
                let _ = reply.send(accepted.map_err(Unavailable::from));
            }
            Work::Probe(reply) => {
                let written = self.transact(|connection, now| {
                    SqliteRows(connection).set_meta("probe", &now.millis().to_be_bytes())?;
                    Ok(((), true))
                });
                let _ = reply.send(written.map_err(Unavailable::from));
            }
            #[cfg(test)]
            Work::Meddle(meddle, reply) => {
                meddle(&self.connection);
                let _ = reply.send(Ok(()));
            }
        }
    }
}

/// What a batch came to, and whether it changed something.
type Decided = ((Outcomes, Changes), bool);

fn decide_at(
    connection: &Connection,
    requests: &[&Request],
    now: Timestamp,
    keys: &Keys,
) -> Result<Decided, Failure> {
    let loaded = load(&mut SqliteRows(connection), requests, now)?;
    let (outcomes, changes) = run(requests, loaded, keys);
    write(connection, &changes)?;
    let changed = !changes.is_empty();
    Ok(((outcomes, changes), changed))
}

/// Pending verifications and challenges whose ids are later than `clock`.
fn pending_after(connection: &Connection, clock: Timestamp) -> Result<Vec<(Tenant, Started)>, Failure> {
    let rows = SqliteRows(connection);
    let after = *VerificationId::new(clock, [0xff; 10]).as_bytes();
    let mut found = Vec::new();
    for tenant in tenants(connection)? {
        let sql = "SELECT body FROM verification WHERE tenant = ?1 AND id > ?2 ORDER BY id";
        let later: Vec<Verification> = rows.bodies(sql, params![tenant.to_bytes(), after])?;
        let pending = later.into_iter().filter(|row| row.status == Status::Pending);
        found.extend(pending.map(|row| (tenant, Started::Verification(row.id))));
        let sql = "SELECT body FROM challenge WHERE tenant = ?1 AND id > ?2 ORDER BY id";
        let later: Vec<Challenge> = rows.bodies(sql, params![tenant.to_bytes(), after])?;
        let pending = later.into_iter().filter(|row| row.status == ChallengeStatus::Pending);
        found.extend(pending.map(|row| (tenant, Started::Challenge(row.id))));
    }
    Ok(found)
}

/// Whether the storage as a whole refuses, so that trying commands one by one is of no use.
fn unusable(failure: &Failure) -> bool {
    use rusqlite::ErrorCode::{
        CannotOpen, DatabaseBusy, DatabaseLocked, DiskFull, FileLockingProtocolFailed, NotADatabase,
        ReadOnly, SystemIoFailure,
    };
    let Failure::Sqlite(rusqlite::Error::SqliteFailure(error, _)) = failure else {
        return matches!(failure, Failure::ClockWentBack(_));
    };
    matches!(
        error.code,
        CannotOpen
            | DatabaseBusy
            | DatabaseLocked
            | DiskFull
            | FileLockingProtocolFailed
            | NotADatabase
            | ReadOnly
            | SystemIoFailure
    )
}

fn administer(
    connection: &Connection,
    request: &AdminRequest,
    now: Timestamp,
) -> Result<(AdminAnswer, bool), Failure> {
    let rows = SqliteRows(connection);
    let project =
        rows.body("SELECT body FROM project WHERE id = ?1", [request.change.project().as_bytes()])?;
    let key = match request.change.key() {
        Some(id) => rows.body("SELECT body FROM api_key WHERE id = ?1", [id.as_bytes()])?,
        None => None,
    };
    if let AdminChange::CreateKey(wanted) = &request.change
        && prefix_taken(connection, &wanted.prefix)?
    {
        return Ok((AdminAnswer::Conflict, false));
    }
    let (setting, settings_of_kind) = settings::found(connection, request.change.setting())?;
    let found = Found { project, key, setting, settings_of_kind };
    let (effects, answer) = tenancy::decide(request, found, now);
    settings::write(connection, &effects)?;
    if let Some(project) = &effects.project {
        put_project(connection, project)?;
    }
    if let Some(key) = &effects.key {
        put_key(connection, key)?;
    }
    if let Some(entry) = &effects.entry {
        write_entry(connection, entry)?;
    }
    Ok((answer, effects.entry.is_some()))
}

fn prefix_taken(connection: &Connection, prefix: &str) -> Result<bool, Failure> {
    let sql = "SELECT EXISTS (SELECT 1 FROM api_key WHERE prefix = ?1)";
    Ok(connection.query_row(sql, [prefix], |row| row.get(0))?)
}

fn put_project(connection: &Connection, project: &Project) -> Result<(), Failure> {
    let body = encode(project)?;
    let sql = "INSERT OR REPLACE INTO project (id, body) VALUES (?1, ?2)";
    connection.execute(sql, params![project.id.as_bytes(), body])?;
    Ok(())
}

fn put_key(connection: &Connection, key: &ApiKey) -> Result<(), Failure> {
    let body = encode(key)?;
    let sql = "INSERT INTO api_key (id, project, prefix, body) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (id) DO UPDATE SET body = ?4";
    let project = key.tenant.project;
    connection.execute(sql, params![key.id.as_bytes(), project.as_bytes(), key.prefix, body])?;
    Ok(())
}

/// Steps of workflows that are due by the clock of their project, which tests have moved.
fn due_by_test_clocks(rows: &SqliteRows<'_>, most: usize, now: Timestamp) -> Result<Vec<Delivery>, Failure> {
    let projects: Vec<Project> = rows.bodies("SELECT body FROM project", [])?;
    let sql = "SELECT body FROM delivery INDEXED BY delivery_due
               WHERE due IS NOT NULL AND due > ?2 AND due <= ?3 AND tenant = ?1 ORDER BY due";
    let mut found = Vec::new();
    for project in projects.into_iter().filter(|project| project.test_clock_ahead > 0) {
        let seen = now.plus(Duration::from_secs(project.test_clock_ahead));
        let tenant = Tenant { project: project.id, mode: Mode::Test };
        let waiting: Vec<Delivery> =
            rows.bodies(sql, params![tenant.to_bytes(), now.millis(), seen.millis()])?;
        found.extend(waiting.into_iter().filter(|delivery| is_due(delivery, now, seen)));
    }
    found.truncate(most);
    Ok(found)
}

/// Takes deliveries whose lease ended, whose next try or next step is due, for the length of a lease.
fn claim(connection: &Connection, most: usize, now: Timestamp) -> Result<(Vec<Job>, bool), Failure> {
    let mut rows = SqliteRows(connection);
    let sql = "SELECT body FROM delivery WHERE due IS NOT NULL AND due <= ?1 ORDER BY due LIMIT ?2";
    let mut due: Vec<Delivery> = rows.bodies(sql, params![now.millis(), most as i64])?;
    due.extend(due_by_test_clocks(&rows, most.saturating_sub(due.len()), now)?);
    let changed = !due.is_empty();
    let mut jobs = Vec::with_capacity(due.len());
    for mut delivery in due {
        let verification = rows.verification(&delivery.tenant, delivery.verification)?;
        let recipient = rows.recipient(delivery.recipient)?;
        // One whose verification was retired can never be sent; it must not stand before the others for ever.
        delivery.due = verification.as_ref().map(|_| now.plus(limits::LEASE));
        write_delivery(connection, &delivery, false)?;
        if let (Some(verification), Some(recipient)) = (verification, recipient) {
            jobs.push(Job { delivery, verification, data_key: recipient.data_key });
        }
    }
    Ok((jobs, changed))
}
