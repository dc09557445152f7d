//! Moving up: a store in a SQLite file becomes one in PostgreSQL, with the same epoch, so that pending codes stay good.
//!
//! Nobody may serve the file meanwhile; whoever calls this sees to that. `sqlite::source` reads, one chunk ahead, while
//! `postgres::target` writes. Each chunk is one transaction that also says how far its table is copied, so a copy that
//! broke off goes on there. Before it goes on it reads what was copied once more: had the file changed since, an approved
//! verification could be pending again in the copy.

mod failure;
mod table;

use std::path::Path;

use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

pub use failure::CopyFailure;
pub(crate) use table::{Chunk, Column, Cursor, Cursors, Kind, LastEntry, Table};

use crate::postgres::{Settings, Target};
use crate::sqlite::{Read, Source};

/// Rows that travel together, at most.
const ROWS_PER_CHUNK: usize = 5_000;

/// How far a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The table it is at.
    pub table: &'static str,
    /// Rows that are in the database, of all tables.
    pub rows: u64,
    /// Rows that the file has, of all tables.
    pub total: u64,
}

/// The rows of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Its name.
    pub table: &'static str,
    /// In the file.
    pub source: u64,
    /// In the database.
    pub target: u64,
}

/// What came of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Every table, counted on both sides.
    pub tables: Vec<Count>,
    /// Rows that this run wrote.
    pub written: u64,
    /// Whether it was complete before this run, which then changed nothing.
    pub was_complete: bool,
}

/// Copies the store in the file `from` into the empty database `to`, or goes on with a copy that broke off, and counts
/// the rows of both.
///
/// # Errors
/// When the file is no store or cannot be read, when the database cannot be used or holds anything else, and when the
/// rows differ in the end. The database refuses servers until a copy into it is complete.
pub async fn copy(
    from: &Path,
    to: &Settings,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, CopyFailure> {
    copy_in_chunks(from, to, ROWS_PER_CHUNK, progress).await
}

/// The same with chunks of at most `rows`, for tests of what happens between them.
///
/// # Errors
/// As [`copy`].
pub async fn copy_in_chunks(
    from: &Path,
    to: &Settings,
    rows: usize,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Report, CopyFailure> {
    let path = from.to_owned();
    let source = spawn_blocking(move || Source::open(&path)).await;
    let source = source.unwrap_or_else(|error| Err(ended_badly(&error)))?;
    let counted = source.counts();
    let mut target = Target::open(to, source.identity()).await?;
    let (cursors, was_complete) = (target.cursors(), target.is_complete());
    let mut so_far = Progress { table: "", rows: 0, total: counted.iter().sum() };
    let mut written = 0;

    let (chunks, mut incoming) = mpsc::channel(1);
    let reader =
        spawn_blocking(move || source.read(&cursors, rows, |read| chunks.blocking_send(read).is_ok()));
    // Whoever leaves this loop early closes the channel, and the reader stops.
    while let Some(read) = incoming.recv().await {
        let (table, rows) = match read {
            Read::Again(table, rows) => (table, rows),
            Read::New(_) if was_complete => return Err(CopyFailure::SourceChanged),
            Read::New(chunk) => {
                let rows = target.write(&chunk).await?;
                written += rows;
                (chunk.table, rows)
            }
        };
        so_far = Progress { table: table.name(), rows: so_far.rows + rows, ..so_far };
        progress(so_far);
    }
    let last = reader.await.unwrap_or_else(|error| Err(ended_badly(&error)))?;

    let tables = target.counts().await?;
    let tables = tables.into_iter().zip(counted);
    let tables = tables.map(|((table, target), source)| Count { table, source, target }).collect();
    let report = Report { tables, written, was_complete };
    if report.tables.iter().any(|table| table.source != table.target) {
        return Err(CopyFailure::Differs(report));
    }
    if !was_complete {
        target.finish(last).await?;
    }
    Ok(report)
}

fn ended_badly(error: &tokio::task::JoinError) -> CopyFailure {
    CopyFailure::Source(crate::sqlite::Failure::Corrupt(format!("reading it ended badly: {error}")))
}
