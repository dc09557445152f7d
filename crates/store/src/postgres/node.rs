//! A node among others: its heartbeat, who leads, the root that all may use, and the numbers of the journal.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use countersign_core::keys::{NodeRing, RootId, next_active};
use minicbor::{Decode, Encode};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep};

use super::Failure;
use super::engine::Engine;
use super::lane::Work;
use super::rows::{body, bytes, column, encode};
use super::session::{BEGIN, Session};
use super::sql::Sql;

/// How often a node says that it lives, and the leader numbers the journal.
const BEAT: Duration = Duration::from_millis(400);
/// The lease of whoever does the periodic work, in microseconds; and for how long a node believes in its own.
const LEASE: i64 = 5_000_000;
const LEADS_FOR: Duration = Duration::from_secs(4);
/// A node that was not heard of for this long does not count where all live nodes must agree.
pub(super) const LIVE: i64 = 10_000_000;
/// A node that was not heard of for this long is forgotten.
const FORGOTTEN: i64 = 24 * 60 * 60 * 1_000_000;
/// Batches that get numbers at once. The next beat goes on: a backlog must not take longer than a beat may.
const NUMBERED_MOST: i64 = 2_000;
/// The name of the lease.
pub(super) const PERIODIC: &str = "periodic";

/// Where the number of the next journal entry is kept.
pub(super) const NEXT_NUMBER: &str = "journal_next";

/// What a node says of its key ring.
#[derive(Debug, Encode, Decode)]
struct Ring {
    #[n(0)]
    holds: Vec<RootId>,
    #[n(1)]
    wants: RootId,
}

/// The ring of this node as it says it to others.
pub(super) fn ring(holds: Vec<RootId>, wants: RootId) -> Result<Vec<u8>, Failure> {
    encode(&Ring { holds, wants })
}

/// Says that the node lives, until `stopped`; then says that it leaves.
pub(super) async fn live(
    engine: Arc<Engine>,
    ring: Vec<u8>,
    work: mpsc::WeakSender<Work>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut session = None;
    let mut believed: Option<Instant> = None;
    let mut unheard = false;
    loop {
        let now = Instant::now();
        let kept = session.take().filter(|session: &Session| !session.is_closed());
        match beat(&engine, kept, &ring, &work).await {
            Ok((kept, leads)) => {
                session = Some(kept);
                believed = leads.then_some(now);
                unheard = false;
            }
            // Once per outage: it may last.
            Err(failure) if !std::mem::replace(&mut unheard, true) => {
                tracing::warn!(%failure, "this node could not say that it lives; it goes on trying");
            }
            Err(failure) => tracing::debug!(%failure, "this node could not say that it lives"),
        }
        let leads = believed.is_some_and(|since| since.elapsed() < LEADS_FOR);
        engine.leads.store(leads, Ordering::Relaxed);
        tokio::select! {
            biased;
            _ = stopped.wait_for(|stopped| *stopped) => break,
            () = sleep(BEAT) => (),
        }
    }
    engine.leads.store(false, Ordering::Relaxed);
    let node = engine.node.as_slice();
    let leaving = engine.with_session(|session| async move {
        session.execute(Sql::ReleaseLease, &[&PERIODIC, &node]).await?;
        session.execute(Sql::Leave, &[&node]).await
    });
    if let Err(failure) = leaving.await {
        tracing::warn!(%failure, "this node could not say that it leaves; the others notice by themselves");
    }
}

/// One heartbeat, with the work of the leader where this node is it.
async fn beat(
    engine: &Engine,
    session: Option<Session>,
    ring: &[u8],
    work: &mpsc::WeakSender<Work>,
) -> Result<(Session, bool), Failure> {
    let beating = async {
        let session = match session {
            Some(session) => session,
            None => engine.connector.session().await?,
        };
        let node = engine.node.as_slice();
        let (seen, lease) =
            futures_util::join!(async { session.query_opt(Sql::Heartbeat, &[&node, &ring]).await }, async {
                session.query_opt(Sql::TakeLease, &[&PERIODIC, &node, &LEASE]).await
            },);
        if let Some(row) = seen? {
            engine.shown(column(&row, 0)?);
        }
        let leads = lease?.is_some();
        if leads {
            number(&session, engine).await?;
            agree(&session, engine, work).await?;
            session.execute(Sql::ForgetNodes, &[&FORGOTTEN]).await?;
        }
        Ok((session, leads))
    };
    tokio::time::timeout(super::engine::READ_TIME, beating)
        .await
        .unwrap_or_else(|_| Err(Failure::Unreachable("the heartbeat takes too long".to_owned())))
}

/// Makes a new root active once every live node holds it.
async fn agree(session: &Session, engine: &Engine, work: &mpsc::WeakSender<Work>) -> Result<(), Failure> {
    let rows = session.query(Sql::LiveRings, &[&LIVE]).await?;
    let rings = rows.iter().map(|row| body::<Ring>(row, 0)).collect::<Result<Vec<_>, _>>()?;
    let rings: Vec<_> = rings.into_iter().map(|Ring { holds, wants }| NodeRing { holds, wants }).collect();
    let active = session.query_opt(Sql::Meta, &[&"active_root"]).await?.ok_or(Failure::Conflict)?;
    let active = RootId(u16::from_be_bytes(bytes(&active, 0)?));
    engine.follow_root(active)?;
    let Some(next) = next_active(active, &rings) else { return Ok(()) };
    let Some(lanes) = work.upgrade() else { return Ok(()) };
    let (reply, done) = oneshot::channel();
    tracing::info!(root = %next, "every live node holds this root: it becomes the active one");
    if lanes.try_send(Work::Activate(next, reply)).is_ok() {
        let _ = done.await;
    }
    Ok(())
}

/// A stretch of one lane's entries that gets consecutive numbers.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    lane: i64,
    n: i64,
    length: i64,
    stamp: i64,
}

/// Numbers what is committed and not numbered yet. No entry is written for that: a run says where its numbers begin.
pub(super) async fn number(session: &Session, engine: &Engine) -> Result<(), Failure> {
    session.run(BEGIN).await?;
    let numbered = number_in_transaction(session, engine).await;
    session.run(if numbered.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    numbered
}

async fn number_in_transaction(session: &Session, engine: &Engine) -> Result<(), Failure> {
    let node = engine.node.as_slice();
    if session.query_opt(Sql::HoldLease, &[&PERIODIC, &node]).await?.is_none() {
        return Ok(());
    }
    let rows = session.query(Sql::Unnumbered, &[&NUMBERED_MOST]).await?;
    if rows.is_empty() {
        return Ok(());
    }
    let mut batches = Vec::with_capacity(rows.len());
    for row in &rows {
        let (lane, stamp, n, length) = (column(row, 0)?, column(row, 1)?, column(row, 2)?, column(row, 3)?);
        batches.push(Run { lane, n, length, stamp });
    }
    let next = session.query_opt(Sql::Meta, &[&NEXT_NUMBER]).await?.ok_or(Failure::Conflict)?;
    let next = i64::from_be_bytes(bytes(&next, 0)?);
    let length: i64 = batches.iter().map(|batch| batch.length).sum();
    write_runs(session, &merged(batches), next).await?;
    let next = (next + length).to_be_bytes();
    session.execute(Sql::SetMeta, &[&NEXT_NUMBER, &next.as_slice()]).await.map(drop)
}

/// Neighbours of one lane become one run.
fn merged(batches: Vec<Run>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for batch in batches {
        match runs.last_mut() {
            Some(run) if run.lane == batch.lane && run.n + run.length == batch.n => {
                run.length += batch.length;
                run.stamp = batch.stamp;
            }
            _ => runs.push(batch),
        }
    }
    runs
}

async fn write_runs(session: &Session, runs: &[Run], next: i64) -> Result<(), Failure> {
    let mut first = next;
    let mut firsts = Vec::with_capacity(runs.len());
    let mut ends = std::collections::BTreeMap::new();
    for run in runs {
        firsts.push(first);
        first += run.length;
        ends.insert(run.lane, run.n + run.length - 1);
    }
    let column = |of: fn(&Run) -> i64| runs.iter().map(of).collect::<Vec<_>>();
    let (lanes, places) = (column(|run| run.lane), column(|run| run.n));
    let (lengths, stamps) = (column(|run| run.length), column(|run| run.stamp));
    let params: [super::session::Param<'_>; 5] = [&firsts, &lanes, &places, &lengths, &stamps];
    session.execute(Sql::InsertRuns, &params).await?;
    let (lanes, ends): (Vec<i64>, Vec<i64>) = ends.into_iter().unzip();
    session.execute(Sql::NumberedUpTo, &[&lanes, &ends]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(lane: i64, n: i64, length: i64, stamp: i64) -> Run {
        Run { lane, n, length, stamp }
    }

    #[test]
    fn neighbours_of_one_lane_share_a_run_and_others_stay_in_order() {
        let batches = vec![run(1, 5, 2, 10), run(1, 7, 1, 11), run(2, 1, 4, 12), run(1, 8, 1, 13)];
        assert_eq!(merged(batches), [run(1, 5, 3, 11), run(2, 1, 4, 12), run(1, 8, 1, 13)]);
        assert_eq!(merged(Vec::new()), []);
    }
}
