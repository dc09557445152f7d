//! What runs beside the hot path: checkpoints of the WAL, and retention in small steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use countersign_core::ids::{ProjectId, VerificationId};
use countersign_core::limits;
use countersign_core::store::Retention;
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::Timestamp;
use rusqlite::{Connection, params};

use super::{Failure, receipts, subjects};

/// Commits between two passive checkpoints.
const COMMITS_PER_CHECKPOINT: u32 = 64;
/// Pages of 4 KiB in the WAL from which on the writer itself empties it: 128 MiB.
const WAL_CAP: i64 = 32_768;

/// Folds the WAL into the file: passively on a thread of its own, by force when it has grown past the cap.
pub(super) struct Checkpointer {
    wake: mpsc::SyncSender<()>,
    thread: std::thread::JoinHandle<()>,
    over_cap: Arc<AtomicBool>,
    commits: u32,
}

impl Checkpointer {
    pub(super) fn start(connection: Connection) -> Result<Self, Failure> {
        let (wake, woken) = mpsc::sync_channel(1);
        let over_cap = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&over_cap);
        let thread = std::thread::Builder::new()
            .name("store-checkpoint".to_owned())
            .spawn(move || {
                while woken.recv().is_ok() {
                    match checkpoint(&connection, "PASSIVE") {
                        Ok(pages) => flag.store(pages > WAL_CAP, Ordering::Relaxed),
                        Err(error) => tracing::warn!(%error, "a checkpoint failed; the next one tries again"),
                    }
                }
            })
            .map_err(|error| Failure::Corrupt(format!("no thread for checkpoints: {error}")))?;
        Ok(Self { wake, thread, over_cap, commits: 0 })
    }

    /// Called by the writer between two batches.
    pub(super) fn after_commit(&mut self, writer: &Connection) {
        if self.over_cap.swap(false, Ordering::Relaxed)
            && let Err(error) = checkpoint(writer, "RESTART")
        {
            tracing::warn!(%error, "a forced checkpoint failed; the next one tries again");
        }
        self.commits += 1;
        if self.commits >= COMMITS_PER_CHECKPOINT {
            self.commits = 0;
            let _ = self.wake.try_send(());
        }
    }

    /// The last checkpoint, at the end. The thread goes first: a checkpoint of its own would turn this one away.
    pub(super) fn finish(self, writer: &Connection) {
        drop(self.wake);
        if self.thread.join().is_err() {
            tracing::error!("the thread for checkpoints ended badly");
        }
        if let Err(error) = checkpoint(writer, "TRUNCATE") {
            tracing::warn!(%error, "the last checkpoint failed; the WAL is read at the next start");
        }
    }
}

/// Runs a checkpoint; answers the pages in the WAL.
fn checkpoint(connection: &Connection, mode: &str) -> Result<i64, rusqlite::Error> {
    connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(1))
}

/// Removes rows that retention no longer keeps, at most `most` of each table.
pub(super) fn retire(
    connection: &Connection,
    keep: Retention,
    most: usize,
    now: Timestamp,
) -> Result<u64, Failure> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let mut gone = 0;
    let once = "DELETE FROM once WHERE seq IN
                (SELECT seq FROM (SELECT seq, at FROM once ORDER BY seq LIMIT ?2) WHERE at < ?1)";
    let before = now.minus(limits::IDEMPOTENCY_LIFETIME).millis();
    gone += connection.prepare_cached(once)?.execute(params![before, most])?;
    let journal = "DELETE FROM journal WHERE seq IN
                   (SELECT seq FROM (SELECT seq, at FROM journal ORDER BY seq LIMIT ?2) WHERE at < ?1)";
    gone += connection.prepare_cached(journal)?.execute(params![now.minus(keep.journal).millis(), most])?;
    gone += receipts::retire(connection, now, most)?;
    gone += retire_verifications(connection, now.minus(keep.verifications), most)?;
    gone += subjects::retire_removed(connection, now.minus(keep.journal), most)?;
    Ok(gone as u64)
}

/// Verifications, deliveries and challenges are in the order of their ids, so the old ones of a tenant lie at its front.
fn retire_verifications(connection: &Connection, before: Timestamp, most: i64) -> Result<usize, Failure> {
    let bound = VerificationId::new(before, [0; 10]);
    let mut gone = 0;
    for tenant in tenants(connection)?.into_iter().map(Tenant::to_bytes) {
        for table in ["delivery", "verification"] {
            let sql = format!(
                "DELETE FROM {table} WHERE (tenant, id) IN
                 (SELECT tenant, id FROM {table} WHERE tenant = ?1 AND id < ?2 ORDER BY id LIMIT ?3)"
            );
            gone += connection.prepare_cached(&sql)?.execute(params![tenant, bound.as_bytes(), most])?;
        }
        gone += subjects::retire_challenges(connection, tenant, before, most)?;
    }
    Ok(gone)
}

/// Every project in both modes.
pub(super) fn tenants(connection: &Connection) -> Result<Vec<Tenant>, Failure> {
    let mut projects = connection.prepare_cached("SELECT id FROM project")?;
    let projects = projects.query_map([], |row| row.get(0))?.collect::<Result<Vec<[u8; 16]>, _>>()?;
    let of_both_modes = |id| {
        let project = ProjectId::from_bytes(id);
        [Mode::Test, Mode::Live].map(|mode| Tenant { project, mode })
    };
    Ok(projects.into_iter().flat_map(of_both_modes).collect())
}
