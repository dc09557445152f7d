//! The database as a copy writes it. Until the copy is complete a mark keeps servers off it.
//!
//! Each chunk is one transaction that also moves the cursor of its table, and moves it only from where this copy left it:
//! of two copies into one database one ends before it does harm.

use std::collections::BTreeMap;

use tokio_postgres::types::{ToSql, Type};

use super::rows::column;
use super::session::{BEGIN, Connector, Param, Session};
use super::settings::Settings;
use super::sql::Sql;
use super::{Failure, epoch, node, schema};
use crate::copy::{Chunk, Column, CopyFailure, Cursor, Cursors, Kind, LastEntry, Table};
use crate::sqlite::Identity;

/// Stands in `meta` while a copy is not complete.
pub(super) const RUNNING: &str = "copy/running";
/// Stands there once it is.
const DONE: &str = "copy/done";
/// What a mark says: which kind of copy it is, should there ever be another one.
const MARK: &[u8] = b"sqlite/1";
/// Entries of the journal under one run of numbers, at most, and how much of the time: retention removes whole runs.
const RUN_ENTRIES: i64 = 1_000;
const RUN_MICROS: i64 = 24 * 60 * 60 * 1_000_000;

const INSERT_RUNS: &str = "INSERT INTO journal_run (first, lane, n, length, stamp)
     SELECT k.first, 0, k.first, k.length, k.stamp FROM unnest($1, $2, $3) AS k (first, length, stamp)
     ON CONFLICT DO NOTHING";
const MOVE_CURSOR: &str = "UPDATE meta SET value = $3 WHERE key = $1 AND value = $2";
/// The copied journal is the work of one lane, whose node is gone; the first node that needs a lane adopts it.
const INSERT_LANE: &str =
    "INSERT INTO lane (id, node, holder, batch, entries, at, stamp) VALUES (0, $1, $1, 0, $2, $3, $4)";

/// A database that is copied into.
pub(crate) struct Target {
    session: Session,
    cursors: Cursors,
    complete: bool,
}

/// What stands in a database.
enum Found {
    Nothing,
    /// A copy of the same store: how far it is, and whether it is complete.
    Copy(Box<Cursors>, bool),
}

impl Target {
    /// Connects, brings the schema up to date and marks the database as the copy of this store. Where it is that already,
    /// the copy goes on.
    pub(crate) async fn open(settings: &Settings, of: &Identity) -> Result<Self, CopyFailure> {
        let connector = Connector::new(settings)?;
        let session = connector.bare().await?;
        let sql = "SELECT count(*) FROM information_schema.tables WHERE table_schema = current_schema()
                   AND table_name IN ('meta', 'node', 'refinery_schema_history')";
        // What will be refused is refused before its schema is touched.
        if session.scalar(sql).await? == 3 {
            let kept = meta(&session, "").await?;
            find(&session, kept, of).await?;
        }
        schema::run(&connector).await?;
        session.run(BEGIN).await?;
        match claim(&session, of).await {
            Ok((cursors, complete)) => {
                session.run("COMMIT").await?;
                Ok(Self { session, cursors, complete })
            }
            Err(failure) => {
                session.run("ROLLBACK").await?;
                Err(failure)
            }
        }
    }

    pub(crate) const fn cursors(&self) -> Cursors {
        self.cursors
    }

    pub(crate) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Writes a chunk; answers how many rows it has.
    pub(crate) async fn write(&mut self, chunk: &Chunk) -> Result<u64, CopyFailure> {
        let cursor = &mut self.cursors[chunk.table as usize];
        let (key, before, now) = (cursor_key(chunk.table), cursor.to_bytes(), chunk.cursor.to_bytes());
        let (before, now) = (before.as_slice(), now.as_slice());
        let session = &self.session;
        let place = [(&key as Param<'_>, Type::TEXT), (&before, Type::BYTEA), (&now, Type::BYTEA)];
        let (begun, moved, inserted, numbered) = futures_util::join!(
            session.run(BEGIN),
            execute(session, MOVE_CURSOR, &place),
            insert(session, chunk),
            number(session, chunk),
        );
        begun?;
        if moved? != 1 {
            return Err(CopyFailure::Overtaken);
        }
        inserted?;
        numbered?;
        session.run("COMMIT").await?;
        let rows = chunk.cursor.rows - cursor.rows;
        *cursor = chunk.cursor;
        Ok(rows)
    }

    /// The rows of every table.
    pub(crate) async fn counts(&self) -> Result<Vec<(&'static str, u64)>, CopyFailure> {
        let mut counts = Vec::with_capacity(Table::ALL.len());
        for table in Table::ALL {
            let rows = self.session.scalar(&format!("SELECT count(*) FROM {}", table.name())).await?;
            counts.push((table.name(), rows.unsigned_abs()));
        }
        Ok(counts)
    }

    /// The copy is complete: the journal goes on behind its last entry, and servers may come.
    pub(crate) async fn finish(self, last: LastEntry) -> Result<(), CopyFailure> {
        let LastEntry { number, at, stamp } = last;
        let (next, nobody) = ((number + 1).to_be_bytes(), [0_u8; 16].as_slice());
        let session = &self.session;
        session.run(BEGIN).await?;
        let sql = "DELETE FROM meta WHERE key = $1";
        if execute(session, sql, &[(&RUNNING, Type::TEXT)]).await? != 1 {
            return Err(CopyFailure::Overtaken);
        }
        let lane: [(Param<'_>, Type); 4] =
            [(&nobody, Type::BYTEA), (&number, Type::INT8), (&at, Type::INT8), (&stamp, Type::INT8)];
        execute(session, INSERT_LANE, &lane).await?;
        session.execute(Sql::NumberedUpTo, &[&vec![0_i64], &vec![number]]).await?;
        session.execute(Sql::KeepMeta, &[&node::NEXT_NUMBER, &next.as_slice()]).await?;
        session.execute(Sql::KeepMeta, &[&DONE, &MARK]).await?;
        Ok(session.run("COMMIT").await?)
    }
}

/// Marks an empty database as the copy of this store, or finds that it is that already; inside a transaction.
async fn claim(session: &Session, of: &Identity) -> Result<(Cursors, bool), CopyFailure> {
    // The first to write the epoch has the database; a server that starts at this moment waits here, too.
    let first = session.execute(Sql::KeepMeta, &[&"epoch", &of.epoch.as_slice()]).await? == 1;
    // An earlier run may have been cut off with a commit under way: this waits for it.
    let mut kept = meta(session, "FOR UPDATE").await?;
    if first {
        kept.remove("epoch");
    }
    match find(session, kept, of).await? {
        Found::Copy(cursors, complete) => Ok((*cursors, complete)),
        Found::Nothing => {
            let cursors = Cursors::default();
            session.execute(Sql::KeepMeta, &[&RUNNING, &MARK]).await?;
            if let Some(at) = &of.fenced_at {
                session.execute(Sql::KeepMeta, &[&epoch::FENCED_AT, at]).await?;
            }
            for (key, value) in &of.check_values {
                session.execute(Sql::KeepMeta, &[key, value]).await?;
            }
            for (table, cursor) in Table::ALL.into_iter().zip(&cursors) {
                let value = cursor.to_bytes();
                session.execute(Sql::KeepMeta, &[&cursor_key(table), &value.as_slice()]).await?;
            }
            Ok((cursors, false))
        }
    }
}

/// What stands in the database, unless the copy must keep its hands off it.
async fn find(
    session: &Session,
    kept: BTreeMap<String, Vec<u8>>,
    of: &Identity,
) -> Result<Found, CopyFailure> {
    let servers = session.query(Sql::LiveRings, &[&node::LIVE]).await?.len();
    if servers > 0 {
        return Err(CopyFailure::InUse(servers));
    }
    let complete = kept.contains_key(DONE);
    if kept.is_empty() {
        for table in Table::ALL.map(Table::name).into_iter().chain(["lane", "journal_run"]) {
            let sql = format!("SELECT count(*) FROM (SELECT 1 FROM {table} LIMIT 1) AS k");
            if session.scalar(&sql).await? > 0 {
                return Err(CopyFailure::Foreign);
            }
        }
        return Ok(Found::Nothing);
    }
    let same = kept.get("epoch").is_some_and(|epoch| *epoch == of.epoch);
    if !same || !(complete || kept.contains_key(RUNNING)) {
        return Err(CopyFailure::Foreign);
    }
    let mut cursors = Cursors::default();
    for (table, cursor) in Table::ALL.into_iter().zip(&mut cursors) {
        let bytes =
            kept.get(&cursor_key(table)).and_then(|bytes| <[u8; 16]>::try_from(bytes.as_slice()).ok());
        *cursor = bytes.map(Cursor::from_bytes).ok_or(CopyFailure::Foreign)?;
    }
    Ok(Found::Copy(Box::new(cursors), complete))
}

async fn meta(session: &Session, lock: &str) -> Result<BTreeMap<String, Vec<u8>>, CopyFailure> {
    let rows = session.client().query_typed(&format!("SELECT key, value FROM meta {lock}"), &[]).await?;
    Ok(rows.iter().map(|row| Ok((column(row, 0)?, column(row, 1)?))).collect::<Result<_, Failure>>()?)
}

fn cursor_key(table: Table) -> String {
    format!("copy/{}", table.name())
}

async fn execute(session: &Session, sql: &str, params: &[(Param<'_>, Type)]) -> Result<u64, CopyFailure> {
    Ok(session.client().execute_typed(sql, params).await?)
}

/// Writes the rows of a chunk.
async fn insert(session: &Session, chunk: &Chunk) -> Result<u64, CopyFailure> {
    let table = chunk.table;
    let names: Vec<&str> = table.columns().iter().map(|(name, _)| *name).collect();
    let (lane, zero) = if table == Table::Journal { ("lane, ", "0, ") } else { ("", "") };
    let places: Vec<String> = (1..=names.len()).map(|place| format!("${place}")).collect();
    let sql = format!(
        "INSERT INTO {table} ({lane}{columns}) SELECT {zero}k.{spread} FROM unnest({places}) AS k ({columns})
         ON CONFLICT DO NOTHING",
        table = table.name(),
        columns = names.join(", "),
        spread = names.join(", k."),
        places = places.join(", "),
    );
    let kinds = table.columns().iter().map(|(_, kind)| *kind);
    let params: Vec<_> =
        chunk.columns.iter().zip(kinds).map(|(column, kind)| (param(column), array(kind))).collect();
    execute(session, &sql, &params).await
}

fn param(column: &Column) -> &(dyn ToSql + Sync) {
    match column {
        Column::Bytes(values) => values,
        Column::Numbers(values) => values,
        Column::Texts(values) => values,
    }
}

const fn array(kind: Kind) -> Type {
    match kind {
        Kind::Bytes => Type::BYTEA_ARRAY,
        Kind::Number => Type::INT8_ARRAY,
        Kind::Text => Type::TEXT_ARRAY,
    }
}

/// Gives the entries of a chunk the numbers that they had.
async fn number(session: &Session, chunk: &Chunk) -> Result<u64, CopyFailure> {
    let [Column::Numbers(numbers), Column::Numbers(stamps), ..] = chunk.columns.as_slice() else {
        return Ok(0);
    };
    let entries = numbers.iter().zip(stamps).filter_map(|(number, stamp)| Some(((*number)?, (*stamp)?)));
    let [firsts, lengths, stamps] = runs(entries);
    let types = || Type::INT8_ARRAY;
    execute(session, INSERT_RUNS, &[(&firsts, types()), (&lengths, types()), (&stamps, types())]).await
}

/// Runs of consecutive numbers: the first of each, how many it has, and the stamp of its last entry.
fn runs(entries: impl IntoIterator<Item = (i64, i64)>) -> [Vec<i64>; 3] {
    let [mut firsts, mut lengths, mut stamps]: [Vec<i64>; 3] = Default::default();
    let mut began = 0;
    for (number, stamp) in entries {
        let fits = |first: i64, length: i64| {
            first + length == number && length < RUN_ENTRIES && stamp < began + RUN_MICROS
        };
        match (firsts.last(), lengths.last_mut(), stamps.last_mut()) {
            (Some(first), Some(length), Some(last)) if fits(*first, *length) => {
                *length += 1;
                *last = stamp;
            }
            _ => {
                began = stamp;
                firsts.push(number);
                lengths.push(1);
                stamps.push(stamp);
            }
        }
    }
    [firsts, lengths, stamps]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_at_a_gap_at_its_limit_and_after_a_day() {
        assert_eq!(runs([]), [vec![], vec![], vec![]]);
        assert_eq!(runs([(3, 5), (4, 5), (6, 7)]), [vec![3, 6], vec![2, 1], vec![5, 7]]);
        let [firsts, lengths, _] = runs((1..=RUN_ENTRIES + 1).map(|number| (number, 0)));
        assert_eq!((firsts, lengths), (vec![1, RUN_ENTRIES + 1], vec![RUN_ENTRIES, 1]));
        let days = [(1, 0), (2, RUN_MICROS - 1), (3, RUN_MICROS), (4, RUN_MICROS + 1)];
        assert_eq!(runs(days), [vec![1, 3], vec![2, 2], vec![RUN_MICROS - 1, RUN_MICROS + 1]]);
    }
}
