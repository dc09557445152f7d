//! Deliveries that are due, codes whose time ran out, rows that retention no longer keeps.

use countersign_core::challenge::{Challenge, ChallengeStatus};
use countersign_core::command::{Job, Started};
use countersign_core::delivery::Delivery;
use countersign_core::ids::VerificationId;
use countersign_core::ledger::RecipientRow;
use countersign_core::limits;
use countersign_core::store::{Overdue, Retention};
use countersign_core::tenancy::Project;
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::Timestamp;
use countersign_core::verification::{Status, Verification};
use std::collections::BTreeMap;
use std::time::Duration;

use super::engine::Engine;
use super::rows::{bodies, body, column};
use super::session::{BEGIN, Session};
use super::sql::Sql;
use super::turn::{last, stands};
use super::write::write_deliveries;
use super::{Failure, receipts, subjects};
use crate::load::is_due;

/// Verifications of the clock's future that are read at once.
const FUTURE_MOST: i64 = 256;

/// Every project in both modes.
pub(super) async fn tenants(session: &Session) -> Result<Vec<Tenant>, Failure> {
    let projects: Vec<Project> = bodies(&session.query(Sql::Projects, &[]).await?)?;
    let of_both_modes =
        |project: Project| [Mode::Test, Mode::Live].map(|mode| Tenant { project: project.id, mode });
    Ok(projects.into_iter().flat_map(of_both_modes).collect())
}

/// Takes deliveries whose lease ended or whose next try is due, for the length of a lease. Those another node takes at
/// this moment are left to it.
pub(super) async fn claim(session: &Session, engine: &Engine, most: usize) -> Result<Vec<Job>, Failure> {
    session.run(BEGIN).await?;
    let claimed = claim_in_transaction(session, engine, most).await;
    session.run(if claimed.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    claimed
}

async fn claim_in_transaction(session: &Session, engine: &Engine, most: usize) -> Result<Vec<Job>, Failure> {
    let instant = session.query_opt(Sql::Instant, &[]).await?.ok_or(Failure::Conflict)?;
    stands(engine, &instant)?;
    let now = engine.instant(column(&instant, 0)?, last(&instant)?).map_err(Failure::ClockWentBack)?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut due: Vec<Delivery> = bodies(&session.query(Sql::Claim, &[&now.millis(), &most]).await?)?;
    due.extend(due_by_test_clocks(session, now).await?);
    due.truncate(usize::try_from(most).unwrap_or(usize::MAX));
    if due.is_empty() {
        return Ok(Vec::new());
    }
    let tenants: Vec<_> = due.iter().map(|delivery| delivery.tenant.to_bytes()).collect();
    let tenants: Vec<&[u8]> = tenants.iter().map(<[u8; 17]>::as_slice).collect();
    let ids: Vec<&[u8]> = due.iter().map(|delivery| delivery.id.as_bytes().as_slice()).collect();
    let none: Vec<&[u8]> = Vec::new();
    let rows = session.query(Sql::Verifications, &[&none, &none, &tenants, &ids]).await?;
    let mut stand: BTreeMap<VerificationId, (Verification, RecipientRow)> = BTreeMap::new();
    for row in &rows {
        let verification: Verification = body(row, 0)?;
        stand.insert(verification.id, (verification, body(row, 1)?));
    }
    let mut jobs = Vec::with_capacity(due.len());
    for delivery in &mut due {
        let found = stand.get(&delivery.verification);
        // One whose verification was retired can never be sent; it must not stand before the others for ever.
        delivery.due = found.map(|_| now.plus(limits::LEASE));
        if let Some((verification, recipient)) = found {
            let data_key = recipient.data_key.clone();
            jobs.push(Job { delivery: delivery.clone(), verification: verification.clone(), data_key });
        }
    }
    write_deliveries(session, &due).await?;
    Ok(jobs)
}

/// Steps of workflows that are due by the clock of their project, which tests have moved.
async fn due_by_test_clocks(session: &Session, now: Timestamp) -> Result<Vec<Delivery>, Failure> {
    let projects: Vec<Project> = bodies(&session.query(Sql::Projects, &[]).await?)?;
    let mut found = Vec::new();
    for project in projects.into_iter().filter(|project| project.test_clock_ahead > 0) {
        let seen = now.plus(Duration::from_secs(project.test_clock_ahead));
        let tenant = Tenant { project: project.id, mode: Mode::Test }.to_bytes().to_vec();
        let waiting = session.query(Sql::DueLater, &[&tenant, &now.millis(), &seen.millis()]).await?;
        let waiting: Vec<Delivery> = bodies(&waiting)?;
        found.extend(waiting.into_iter().filter(|delivery| is_due(delivery, now, seen)));
    }
    Ok(found)
}

/// Pending verifications and challenges that were made long enough ago that an ordinary code has run out.
pub(super) async fn overdue(
    session: &Session,
    now: Timestamp,
    after: VerificationId,
    most: usize,
) -> Result<Overdue, Failure> {
    let until = VerificationId::new(now.minus(limits::MAX_LIFETIME), [0; 10]);
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let mut overdue = Overdue::default();
    let mut furthest = None;
    for tenant in tenants(session).await? {
        let of = tenant.to_bytes();
        let (from, to) = (after.as_bytes().as_slice(), until.as_bytes().as_slice());
        let range: [super::session::Param<'_>; 4] = [&of.as_slice(), &from, &to, &limit];
        let rows: Vec<Verification> = bodies(&session.query(Sql::VerificationsBetween, &range).await?)?;
        if rows.len() == most {
            let last = rows.last().map(|verification| verification.id);
            furthest = furthest.min(last).or(last);
        }
        let due = |row: &&Verification| row.status != row.status_at(now);
        overdue.ids.extend(rows.iter().filter(due).map(|row| (tenant, Started::Verification(row.id))));
        let rows: Vec<Challenge> = bodies(&session.query(Sql::ChallengesBetween, &range).await?)?;
        if rows.len() == most {
            let last = rows.last().map(|row| VerificationId::from_bytes(*row.id.as_bytes()));
            furthest = furthest.min(last).or(last);
        }
        let due = rows.iter().filter(|row| row.is_overdue(now));
        overdue.ids.extend(due.map(|row| (tenant, Started::Challenge(row.id))));
    }
    overdue.next = Some(furthest.unwrap_or(until));
    Ok(overdue)
}

/// What a walk over everything that was started looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Verification,
    Challenge,
}

/// Where such a walk stands.
pub(super) struct Place {
    kind: Kind,
    tenant: Tenant,
    id: [u8; 16],
}

/// Pending verifications and challenges whose ids are later than `clock`, some hundreds from `from` on, and where to go
/// on. An hour of them is more than fits into one read.
pub(super) async fn pending_after(
    session: &Session,
    clock: Timestamp,
    from: Option<Place>,
) -> Result<(Vec<(Tenant, Started)>, Option<Place>), Failure> {
    let first = *VerificationId::new(clock, [0xff; 10]).as_bytes();
    let mut found = Vec::new();
    let tenants = tenants(session).await?;
    let of_kind = |kind| tenants.iter().map(move |tenant| (kind, *tenant));
    let mut all: Vec<_> = [Kind::Verification, Kind::Challenge].into_iter().flat_map(of_kind).collect();
    let stood = from.as_ref().map(|place| (place.kind, place.tenant));
    all.drain(..all.iter().position(|place| Some(*place) == stood).unwrap_or(0));
    for (kind, tenant) in all {
        let begun = from.as_ref().filter(|_| stood == Some((kind, tenant))).map(|place| place.id);
        let later = later(session, kind, tenant, begun.unwrap_or(first)).await?;
        let last = later.last().map(|(started, _)| *started.as_bytes());
        let last = last.filter(|_| later.len() as i64 == FUTURE_MOST);
        let pending = later.into_iter().filter(|(_, pending)| *pending);
        found.extend(pending.map(|(started, _)| (tenant, started)));
        if last.is_some() || found.len() as i64 >= FUTURE_MOST {
            return Ok((found, Some(Place { kind, tenant, id: last.unwrap_or([0xff; 16]) })));
        }
    }
    Ok((found, None))
}

/// What a tenant started with ids behind `after`, each with whether it is pending; at most [`FUTURE_MOST`].
async fn later(
    session: &Session,
    kind: Kind,
    tenant: Tenant,
    after: [u8; 16],
) -> Result<Vec<(Started, bool)>, Failure> {
    let (of, after, end) = (tenant.to_bytes(), after.as_slice(), [0xff_u8; 16].as_slice());
    let params: [super::session::Param<'_>; 4] = [&of.as_slice(), &after, &end, &FUTURE_MOST];
    Ok(match kind {
        Kind::Verification => {
            let rows: Vec<Verification> = bodies(&session.query(Sql::VerificationsBetween, &params).await?)?;
            let pending = |row: Verification| (row.id, row.status == Status::Pending);
            rows.into_iter().map(pending).map(|(id, pending)| (Started::Verification(id), pending)).collect()
        }
        Kind::Challenge => {
            let rows: Vec<Challenge> = bodies(&session.query(Sql::ChallengesBetween, &params).await?)?;
            let pending = |row: Challenge| (row.id, row.status == ChallengeStatus::Pending);
            rows.into_iter().map(pending).map(|(id, pending)| (Started::Challenge(id), pending)).collect()
        }
    })
}

/// Removes rows that retention no longer keeps, at most `most` of each table. Rows somebody works on are left for the
/// next time, so nobody waits for this.
pub(super) async fn retire(
    session: &Session,
    keep: Retention,
    most: usize,
    now: Timestamp,
) -> Result<u64, Failure> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let before = now.minus(limits::IDEMPOTENCY_LIFETIME).millis();
    let mut gone = session.execute(Sql::RetireOnce, &[&before, &most]).await?;
    gone += receipts::retire(session, now, most).await?;
    gone += retire_journal(session, now.minus(keep.journal), most).await?;
    let bound = VerificationId::new(now.minus(keep.verifications), [0; 10]);
    let bound = bound.as_bytes().as_slice();
    for tenant in tenants(session).await? {
        let tenant = tenant.to_bytes().to_vec();
        for sql in [Sql::RetireDeliveries, Sql::RetireVerifications, Sql::RetireChallenges] {
            gone += session.execute(sql, &[&tenant, &bound, &most]).await?;
        }
    }
    gone += subjects::retire_removed(session, now.minus(keep.journal), most).await?;
    Ok(gone)
}

/// Whole runs, oldest first, so that what is left has no gaps in its numbers.
async fn retire_journal(session: &Session, before: Timestamp, most: i64) -> Result<u64, Failure> {
    let runs = session.query(Sql::OldestRuns, &[&most]).await?;
    let mut gone = 0;
    for run in &runs {
        let stamp: i64 = column(run, 4)?;
        if stamp >= before.millis().saturating_mul(1000) || gone >= most.unsigned_abs() {
            break;
        }
        let (first, lane): (i64, i64) = (column(run, 0)?, column(run, 1)?);
        let (n, length): (i64, i64) = (column(run, 2)?, column(run, 3)?);
        session.run(BEGIN).await?;
        let (rows, run, ended) = futures_util::join!(
            async { session.execute(Sql::RetireJournal, &[&lane, &n, &(n + length)]).await },
            async { session.execute(Sql::RetireRun, &[&first]).await },
            session.run("COMMIT"),
        );
        gone += rows?;
        run?;
        ended?;
    }
    Ok(gone)
}
