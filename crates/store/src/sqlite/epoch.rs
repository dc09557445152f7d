//! Which store this is: its epoch, and the check values of the ring it was written with.

use std::path::Path;

use countersign_core::journal::{Actor, Entry, Event};
use countersign_core::keys::Keys;
use countersign_core::time::{Clock, EntropySource, Timestamp, next_instant};
use rusqlite::Connection;

use super::rows::{SqliteRows, write_entry};
use super::{Failure, Options, connect, last_commit, migrate_connection};

/// When the epoch began, if it followed a restore; milliseconds, big-endian.
pub(super) const FENCED_AT: &str = "fenced_at";

/// The epoch of the store, made with the file, and the check values of the ring, compared at every start.
pub(super) fn prepare(connection: &Connection, options: &Options<'_>) -> Result<Keys, Failure> {
    let rows = SqliteRows(connection);
    let epoch = match rows.meta("epoch")? {
        Some(epoch) => <[u8; 16]>::try_from(epoch).map_err(|_| Failure::Corrupt("the epoch".to_owned()))?,
        None => {
            let mut epoch = [0; 16];
            options.entropy.fill(&mut epoch);
            rows.set_meta("epoch", &epoch)?;
            epoch
        }
    };
    for root in options.roots {
        let name = format!("check_value/{}", root.id.0);
        match rows.meta(&name)? {
            Some(known) if known == root.check_value().as_bytes() => {}
            Some(_) => {
                return Err(Failure::WrongRing(format!(
                    "the key ring's {} is not the one this database was written with",
                    root.id
                )));
            }
            None => rows.set_meta(&name, root.check_value().as_bytes())?,
        }
    }
    let keys = Keys::derive(options.roots, epoch).map_err(|error| Failure::WrongRing(error.to_string()))?;
    let fenced = rows.meta(FENCED_AT)?.map(<[u8; 8]>::try_from).transpose();
    let fenced = fenced.map_err(|_| Failure::Corrupt("the time of the fence".to_owned()))?;
    Ok(keys.fenced(fenced.map(|at| Timestamp::from_millis(i64::from_be_bytes(at)))))
}

/// After a restore: begins a new epoch in the file, so that nothing counts as unused that was used since the backup.
/// Answers when. Nobody else may have the file open; whoever calls this sees to that.
///
/// # Errors
/// When there is no store in the file, it cannot be used, or the clock is too far behind the last commit.
pub fn fence(path: &Path, clock: &dyn Clock, entropy: &dyn EntropySource) -> Result<Timestamp, Failure> {
    if !path.is_file() {
        return Err(Failure::Missing);
    }
    let mut connection = connect(path, 2)?;
    migrate_connection(&mut connection)?;
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let rows = SqliteRows(&connection);
    if rows.meta("epoch")?.is_none() {
        return Err(Failure::Missing);
    }
    let at = next_instant(last_commit(&connection)?, clock.now()).map_err(Failure::ClockWentBack)?;
    let (mut epoch, mut random) = ([0; 16], [0; 10]);
    entropy.fill(&mut epoch);
    entropy.fill(&mut random);
    rows.set_meta("epoch", &epoch)?;
    rows.set_meta(FENCED_AT, &at.millis().to_be_bytes())?;
    write_entry(&connection, &Entry::of_store(Event::Fenced, Actor::Operator, at, random))?;
    connection.execute_batch("COMMIT")?;
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    Ok(at)
}
