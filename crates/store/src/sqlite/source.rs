//! The file as a copy reads it: table by table, in the order of the keys, as it was at one instant.

use std::path::Path;

use countersign_core::delivery::Delivery;
use rusqlite::types::{Value, ValueRef};
use rusqlite::{Connection, OpenFlags, params_from_iter};

use super::epoch::FENCED_AT;
use super::rows::{SqliteRows, decode};
use super::{Failure, migrations};
use crate::copy::{Chunk, Column, CopyFailure, Cursor, Cursors, LastEntry, Table};

/// What a chunk holds at most, in bytes, unless a single row is greater.
const BYTES_PER_CHUNK: usize = 4 * 1024 * 1024;
/// Milliseconds to microseconds.
const MICROS: i64 = 1_000;

/// A file that is copied from. Nothing is written to it.
pub(crate) struct Source {
    connection: Connection,
    identity: Identity,
    counts: [u64; Table::ALL.len()],
    /// SQLite's count of what others committed.
    version: i64,
}

/// What makes a store the one it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) epoch: [u8; 16],
    /// When the epoch began, if it followed a restore.
    pub(crate) fenced_at: Option<Vec<u8>>,
    /// Of each root that was ever used: the key it is kept under and the value.
    pub(crate) check_values: Vec<(String, Vec<u8>)>,
}

/// What was read.
pub(crate) enum Read {
    /// So many rows that were copied earlier and have not changed.
    Again(Table, u64),
    /// Rows that are not copied yet.
    New(Chunk),
}

impl Source {
    /// Opens a file that must be a store of this program's schema.
    pub(crate) fn open(path: &Path) -> Result<Self, CopyFailure> {
        if !path.is_file() {
            return Err(CopyFailure::NotAStore(format!("there is no file {}", path.display())));
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        // One transaction from here on: all tables as they are at this instant.
        connection.execute_batch("BEGIN")?;
        check_schema(&connection, path)?;
        connection.pragma_update(None, "cache_size", -16 * 1024)?;
        let identity = identity(&connection, path)?;
        let mut counts = [0; Table::ALL.len()];
        for (table, count) in Table::ALL.iter().zip(&mut counts) {
            let sql = format!("SELECT count(*) FROM {}", table.name());
            *count = connection.query_row(&sql, [], |row| row.get::<_, i64>(0))?.unsigned_abs();
        }
        let version = version(&connection)?;
        Ok(Self { connection, identity, counts, version })
    }

    pub(crate) const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The rows of each table, in the order of [`Table::ALL`].
    pub(crate) const fn counts(&self) -> [u64; Table::ALL.len()] {
        self.counts
    }

    /// Reads everything and gives it to `take` in chunks of at most `rows`, until that says that nobody listens. What
    /// was copied up to `cursors` must be as it was then.
    pub(crate) fn read(
        &self,
        cursors: &Cursors,
        rows: usize,
        mut take: impl FnMut(Read) -> bool,
    ) -> Result<LastEntry, CopyFailure> {
        let mut last = LastEntry::default();
        for (table, copied) in Table::ALL.into_iter().zip(cursors) {
            let mut reading = Reading::of(table, rows);
            loop {
                let before = reading.cursor.rows;
                let old = copied.rows.saturating_sub(before);
                let columns = reading.next(&self.connection, old)?;
                let cursor = reading.cursor;
                if cursor.rows == before {
                    break;
                }
                if old > 0 && cursor.rows == copied.rows && cursor.sum != copied.sum {
                    return Err(CopyFailure::SourceChanged);
                }
                let read = match old {
                    0 => Read::New(Chunk { table, columns, cursor }),
                    _ => Read::Again(table, cursor.rows - before),
                };
                if !take(read) {
                    return Ok(last);
                }
            }
            if reading.cursor.rows < copied.rows {
                return Err(CopyFailure::SourceChanged);
            }
            if table == Table::Journal {
                last = reading.last;
            }
        }
        // The lock beside the file keeps servers away that know it by the same path; this finds all others.
        self.connection.execute_batch("COMMIT")?;
        match version(&self.connection)? == self.version {
            true => Ok(last),
            false => Err(CopyFailure::SourceChanged),
        }
    }
}

/// How a table is read: the columns that [`Table::columns`] asks for, a null where the body has to tell; the key, and
/// where it stands among the columns.
const fn select(table: Table) -> (&'static str, &'static str, &'static [usize]) {
    match table {
        Table::Project | Table::Recipient => ("id, body", "id", &[0]),
        Table::ApiKey => ("id, project, prefix, body", "id", &[0]),
        Table::RecipientIndex => ("tenant, digest, recipient", "tenant, digest", &[0, 1]),
        Table::Verification => ("tenant, id, recipient, subject, body", "tenant, id", &[0, 1]),
        Table::Delivery => ("tenant, id, verification, NULL, due, body", "tenant, id", &[0, 1]),
        Table::Journal => ("seq, at, verification, body", "seq", &[0]),
        Table::Once => ("key, at, body, seq", "seq", &[3]),
        Table::SentMessage => ("provider, message, tenant, delivery, at, seq", "seq", &[5]),
        Table::Setting => ("tenant, kind, id, body", "tenant, kind, id", &[0, 1, 2]),
        Table::Subject => ("tenant, id, removed_at, body", "tenant, id", &[0, 1]),
        Table::SubjectIndex => ("tenant, digest, subject", "tenant, digest", &[0, 1]),
        Table::Factor => ("id, tenant, subject", "id", &[0]),
        Table::Challenge => ("tenant, id, subject, body", "tenant, id", &[0, 1]),
        Table::Budget => ("id, day, reserved", "id, day", &[0, 1]),
    }
}

/// A table that is being read.
struct Reading {
    table: Table,
    sql: String,
    most: usize,
    /// The key of the last row.
    after: Vec<Value>,
    cursor: Cursor,
    last: LastEntry,
}

impl Reading {
    fn of(table: Table, most: usize) -> Self {
        let (columns, key, places) = select(table);
        let (name, end) = (table.name(), places.len() + 1);
        let from = ["?1", "?1, ?2", "?1, ?2, ?3"][places.len() - 1];
        let sql =
            format!("SELECT {columns} FROM {name} WHERE ({key}) > ({from}) ORDER BY {key} LIMIT ?{end}");
        let least = match table {
            Table::Journal | Table::Once | Table::SentMessage => Value::Integer(i64::MIN),
            _ => Value::Blob(Vec::new()),
        };
        let (after, cursor) = (vec![least; places.len()], Cursor::default());
        Self { table, sql, most, after, cursor, last: LastEntry::default() }
    }

    /// The next rows; where `old` of them come first that were copied already, no others with them.
    fn next(&mut self, connection: &Connection, old: u64) -> Result<Vec<Column>, Failure> {
        let most = if old > 0 { (self.most as u64).min(old) } else { self.most as u64 };
        let kinds = self.table.columns();
        let mut columns: Vec<Column> = kinds.iter().map(|(_, kind)| Column::new(*kind)).collect();
        let mut statement = connection.prepare_cached(&self.sql)?;
        let limit = Value::Integer(i64::try_from(most).unwrap_or(i64::MAX));
        let mut rows = statement.query(params_from_iter(self.after.iter().chain([&limit])))?;
        let (_, _, key) = select(self.table);
        let mut bytes = 0;
        while let Some(row) = rows.next()? {
            let mut values = Vec::with_capacity(columns.len() + 1);
            for place in 0..columns.len() {
                values.push(row.get_ref(place)?);
                bytes += sum(&mut self.cursor, values[place]);
            }
            let entry = self.entry(&values)?;
            for ((place, column), value) in columns.iter_mut().enumerate().zip(&values) {
                match (self.table, place) {
                    (Table::Delivery, 3) => push(column, ValueRef::Blob(&recipient(values[5])?))?,
                    (Table::Journal, 1) => push(column, ValueRef::Integer(entry.stamp))?,
                    _ => push(column, *value)?,
                }
            }
            self.last = entry;
            self.cursor.rows += 1;
            for (after, place) in self.after.iter_mut().zip(key) {
                *after = row.get(*place)?;
            }
            if bytes >= BYTES_PER_CHUNK {
                break;
            }
        }
        Ok(columns)
    }

    /// What the last entry of the journal is with this row. Stamps give the time and, also where the clock was set back,
    /// the order.
    fn entry(&self, values: &[ValueRef<'_>]) -> Result<LastEntry, Failure> {
        if self.table != Table::Journal {
            return Ok(self.last);
        }
        let (number, at) = (values[0].as_i64()?, values[1].as_i64()?);
        Ok(LastEntry { number, at, stamp: self.last.stamp.max(at.saturating_mul(MICROS)) })
    }
}

/// Takes a value into the sum; answers its size.
fn sum(cursor: &mut Cursor, value: ValueRef<'_>) -> usize {
    let number;
    let (kind, bytes) = match value {
        ValueRef::Null => (1, [].as_slice()),
        ValueRef::Blob(bytes) => (2, bytes),
        ValueRef::Text(bytes) => (3, bytes),
        ValueRef::Integer(value) => {
            number = value.to_be_bytes();
            (4, number.as_slice())
        }
        ValueRef::Real(value) => {
            number = value.to_be_bytes();
            (5, number.as_slice())
        }
    };
    cursor.add(kind, bytes);
    bytes.len()
}

fn push(column: &mut Column, value: ValueRef<'_>) -> Result<(), Failure> {
    match column {
        Column::Bytes(values) => values.push(value.as_blob_or_null()?.map(<[u8]>::to_vec)),
        Column::Numbers(values) => values.push(value.as_i64_or_null()?),
        Column::Texts(values) => values.push(value.as_str()?.to_owned()),
    }
    Ok(())
}

/// PostgreSQL keeps the recipient of a delivery in a column; here it stands in the body only.
fn recipient(body: ValueRef<'_>) -> Result<[u8; 16], Failure> {
    let delivery: Delivery = decode(body.as_blob()?)?;
    Ok(*delivery.recipient.as_bytes())
}

fn version(connection: &Connection) -> Result<i64, Failure> {
    Ok(connection.query_row("PRAGMA data_version", [], |row| row.get(0))?)
}

fn check_schema(connection: &Connection, path: &Path) -> Result<(), CopyFailure> {
    let sql = "SELECT coalesce(max(version), 0) FROM refinery_schema_history";
    let applied: i64 = match connection.query_row(sql, [], |row| row.get(0)) {
        Ok(applied) => applied,
        Err(rusqlite::Error::SqliteFailure(error, _))
            if matches!(error.code, rusqlite::ErrorCode::NotADatabase | rusqlite::ErrorCode::Unknown) =>
        {
            return Err(not_a_store(path));
        }
        Err(error) => return Err(error.into()),
    };
    let runner = migrations::migrations::runner();
    let newest = runner.get_migrations().iter().map(refinery::Migration::version).max().unwrap_or(0);
    let differs = match applied.cmp(&i64::from(newest)) {
        std::cmp::Ordering::Equal => return Ok(()),
        std::cmp::Ordering::Less => "older",
        std::cmp::Ordering::Greater => "newer",
    };
    Err(CopyFailure::SourceSchema(format!(
        "the schema of {} is {differs} than this program's: {applied} instead of {newest}",
        path.display()
    )))
}

fn identity(connection: &Connection, path: &Path) -> Result<Identity, CopyFailure> {
    let rows = SqliteRows(connection);
    let epoch = rows.meta("epoch")?.ok_or_else(|| not_a_store(path))?;
    let epoch = epoch.try_into().map_err(|_| Failure::Corrupt("the epoch".to_owned()))?;
    let sql = "SELECT key, value FROM meta WHERE key LIKE 'check_value/%' ORDER BY key";
    let mut statement = connection.prepare(sql)?;
    let check_values = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let check_values = check_values.collect::<Result<_, _>>()?;
    Ok(Identity { epoch, fenced_at: rows.meta(FENCED_AT)?, check_values })
}

fn not_a_store(path: &Path) -> CopyFailure {
    CopyFailure::NotAStore(format!("{} is not a store of countersign", path.display()))
}
