//! One transaction of a lane: what it stands on, what is decided in it, what it writes.

use std::time::Duration;

use countersign_core::batch::{Changes, Outcome, run};
use countersign_core::command::{Job, Request, Started};
use countersign_core::journal::{Actor, Entry, Event};
use countersign_core::keys::RootId;
use countersign_core::store::Unavailable;
use countersign_core::tenancy::{self, AdminAnswer, AdminRequest, Found};
use countersign_core::tenant::Tenant;
use countersign_core::time::{Clock as _, ClockWentBack, Timestamp, next_instant};

use tokio_postgres::Row;

use super::Failure;
use super::engine::Engine;
use super::load::{Fetched, Locked, Wanted};
use super::rows::{body, bytes, column, encode};
use super::session::{BEGIN, Session};
use super::settings_table;
use super::sql::Sql;
use super::write::Writes;

/// What a lane is to do in one transaction.
pub(super) enum Task<'a> {
    /// Decide commands.
    Decide(&'a [&'a Request]),
    /// Change projects or keys.
    Administer(&'a AdminRequest),
    /// End what was started in the clock's future, at what it shows now.
    EndFuture(&'a [(Tenant, Started)], [u8; 10]),
    /// Accept that the clock went back.
    AcceptClock(Actor, [u8; 10]),
    /// Make another root the active one.
    Activate(RootId),
}

/// What came of it.
pub(super) enum Product {
    Outcomes(Vec<Result<Outcome, Unavailable>>, Vec<Job>),
    Admin(AdminAnswer),
    Accepted(Option<Duration>),
    Nothing,
}

/// A lane's row, as this lane holds it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claim {
    pub(super) id: i64,
    /// Fresh with every claim: a lane that slept through a take-over must not take the row for its own again, even when
    /// another lane of the same node has it by then.
    pub(super) holder: [u8; 16],
}

/// The place of a transaction.
pub(super) struct Stand {
    pub(super) lane: i64,
    /// Its number in the lane.
    pub(super) batch: i64,
    /// Journal entries of the lane before it.
    pub(super) entries: i64,
    /// The last committed instant from here on.
    pub(super) last: Timestamp,
    /// Greater than that of any transaction this one could see; in microseconds.
    pub(super) stamp: i64,
}

/// A transaction that is open on the server.
pub(super) struct Turn {
    pub(super) stand: Stand,
    pub(super) product: Product,
    /// `None` when nothing changes.
    pub(super) writes: Option<Writes>,
}

/// A transaction as it begins.
struct Opened {
    lane: i64,
    batch: i64,
    entries: i64,
    /// What the database's clock shows, in microseconds.
    clock: i64,
    last: Timestamp,
    stamp: i64,
}

impl Opened {
    fn at(self, now: Timestamp) -> Stand {
        let stamp = now.millis().saturating_mul(1000).max(self.stamp.saturating_add(1));
        let last = now.max(self.last);
        Stand { lane: self.lane, batch: self.batch + 1, entries: self.entries, last, stamp }
    }
}

/// Opens a transaction on `lane` and does all of `task` but the writing.
pub(super) async fn prepare(
    session: &Session,
    engine: &Engine,
    lane: Claim,
    task: &Task<'_>,
) -> Result<Turn, Failure> {
    match task {
        Task::Decide(requests) => decide(session, engine, lane, requests, false).await,
        Task::Administer(request) => administer(session, engine, lane, request).await,
        Task::EndFuture(pending, random) => {
            let pending = pending.iter();
            let requests: Vec<_> =
                pending.map(|(of, started)| Request::ending_future(*of, *started, *random)).collect();
            let requests: Vec<_> = requests.iter().collect();
            decide(session, engine, lane, &requests, true).await
        }
        Task::AcceptClock(actor, random) => accept_clock(session, engine, lane, *actor, *random).await,
        Task::Activate(root) => activate(session, engine, lane, *root).await,
    }
}

/// Begins a transaction, locks and reads, everything in one round trip.
async fn open(
    session: &Session,
    engine: &Engine,
    lane: Claim,
    wanted: &Wanted,
) -> Result<(Opened, Locked, super::load::Found), Failure> {
    let holder = lane.holder.as_slice();
    let (begun, place, reserved, locked, found, instant) = futures_util::join!(
        session.run(BEGIN),
        async { session.query(Sql::Lane, &[&lane.id, &holder]).await },
        wanted.reserve(session),
        wanted.lock(session),
        wanted.read(session),
        async { session.query(Sql::Instant, &[]).await },
    );
    begun?;
    let place = place?.into_iter().next().ok_or(Failure::LaneLost)?;
    reserved?;
    let (locked, found) = (locked?, found?);
    let instant = instant?.into_iter().next().ok_or(Failure::Conflict)?;
    stands(engine, &instant)?;
    let opened = Opened {
        lane: lane.id,
        batch: column(&place, 0)?,
        entries: column(&place, 1)?,
        clock: column(&instant, 0)?,
        last: last(&instant)?,
        stamp: column(&instant, 3)?,
    };
    Ok((opened, locked, found))
}

async fn decide(
    session: &Session,
    engine: &Engine,
    lane: Claim,
    requests: &[&Request],
    whatever_the_clock: bool,
) -> Result<Turn, Failure> {
    let wanted = Wanted::of(requests, engine.clock.now());
    let (opened, locked, found) = open(session, engine, lane, &wanted).await?;
    let now = if whatever_the_clock {
        engine.shown(opened.clock)
    } else {
        engine.instant(opened.clock, opened.last).map_err(Failure::ClockWentBack)?
    };
    let fetched = Fetched::of(session, requests, &wanted, &locked, found).await?;
    let unused = fetched.reserved(&wanted);
    let stale = fetched.outlived(now);
    let loaded = fetched.load(requests, now)?;
    let (outcomes, changes) = run(requests, loaded, &engine.keys);
    let writes = if changes.is_empty() {
        None
    } else {
        let unused = unused.into_iter().filter(|(id, _)| !changes.new_recipients.contains(id));
        Some(Writes::of(&changes, unused.map(|(_, key)| key).collect(), stale)?)
    };
    let Changes { jobs, .. } = changes;
    Ok(Turn { stand: opened.at(now), product: Product::Outcomes(outcomes, jobs), writes })
}

async fn administer(
    session: &Session,
    engine: &Engine,
    lane: Claim,
    request: &AdminRequest,
) -> Result<Turn, Failure> {
    let (opened, ..) = open(session, engine, lane, &Wanted::of(&[], Timestamp::default())).await?;
    let now = engine.instant(opened.clock, opened.last).map_err(Failure::ClockWentBack)?;
    let stand = opened.at(now);
    let project = request.change.project();
    let project = session.query_opt(Sql::LockProject, &[&project.as_bytes().as_slice()]).await?;
    let project = project.map(|row| body(&row, 0)).transpose()?;
    let key = match request.change.key() {
        Some(id) => session.query_opt(Sql::LockKey, &[&id.as_bytes().as_slice()]).await?,
        None => None,
    };
    let key = key.map(|row| body(&row, 0)).transpose()?;
    if let tenancy::AdminChange::CreateKey(wanted) = &request.change
        && session.query_opt(Sql::KeyByPrefix, &[&wanted.prefix]).await?.is_some()
    {
        return Ok(Turn { stand, product: Product::Admin(AdminAnswer::Conflict), writes: None });
    }
    let (setting, settings_of_kind) = settings_table::found(session, request.change.setting()).await?;
    let found = Found { project, key, setting, settings_of_kind };
    let (effects, answer) = tenancy::decide(request, found, now);
    settings_table::write(session, &effects).await?;
    if let Some(project) = &effects.project {
        session.execute(Sql::PutProject, &[&project.id.as_bytes().as_slice(), &encode(project)?]).await?;
    }
    if let Some(key) = &effects.key {
        let (id, of) = (key.id.as_bytes().as_slice(), key.tenant.project);
        let params: [super::session::Param<'_>; 4] =
            [&id, &of.as_bytes().as_slice(), &key.prefix, &encode(key)?];
        session.execute(Sql::PutKey, &params).await?;
    }
    let writes = effects.entry.as_ref().map(Writes::of_entry).transpose()?;
    Ok(Turn { stand, product: Product::Admin(answer), writes })
}

async fn accept_clock(
    session: &Session,
    engine: &Engine,
    lane: Claim,
    actor: Actor,
    random: [u8; 10],
) -> Result<Turn, Failure> {
    let (opened, ..) = open(session, engine, lane, &Wanted::of(&[], Timestamp::default())).await?;
    let now = engine.shown(opened.clock);
    let back = next_instant(opened.last, now);
    let stand = opened.at(now);
    let Err(ClockWentBack { by }) = back else {
        return Ok(Turn { stand, product: Product::Accepted(None), writes: None });
    };
    session.execute(Sql::SetClock, &[&now.millis()]).await?;
    let stand = Stand { last: now, ..stand };
    let event = Event::ClockAccepted(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
    let entry = Entry::of_store(event, actor, now, random);
    Ok(Turn { stand, product: Product::Accepted(Some(by)), writes: Some(Writes::of_entry(&entry)?) })
}

async fn activate(session: &Session, engine: &Engine, lane: Claim, root: RootId) -> Result<Turn, Failure> {
    let (opened, ..) = open(session, engine, lane, &Wanted::of(&[], Timestamp::default())).await?;
    let now = engine.instant(opened.clock, opened.last).map_err(Failure::ClockWentBack)?;
    let stand = opened.at(now);
    if session.execute(Sql::ActivateRoot, &[&root.0.to_be_bytes().as_slice()]).await? == 0 {
        return Ok(Turn { stand, product: Product::Nothing, writes: None });
    }
    let event = Event::RootActivated(root);
    let entry = Entry::of_store(event, Actor::System, now, engine.random());
    Ok(Turn { stand, product: Product::Nothing, writes: Some(Writes::of_entry(&entry)?) })
}

/// The last committed instant, of a row of [`Sql::Instant`].
pub(super) fn last(instant: &Row) -> Result<Timestamp, Failure> {
    column(instant, 2).map(Timestamp::from_millis)
}

/// Whether this node's keys are still those of the store, by a row of [`Sql::Instant`]: it follows the root that is active,
/// and decides nothing in an epoch that has ended.
pub(super) fn stands(engine: &Engine, instant: &Row) -> Result<(), Failure> {
    if bytes(instant, 4)? != *engine.keys.epoch() {
        return Err(Failure::Fenced);
    }
    engine.follow_root(bytes(instant, 1).map(|number| RootId(u16::from_be_bytes(number)))?)
}
