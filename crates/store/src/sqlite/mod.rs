//! The embedded engine: one SQLite file, one writer thread that commits in groups, a few readers.

mod budgets;
mod epoch;
mod housekeeping;
mod read;
mod receipts;
mod rows;
mod settings;
mod source;
mod subjects;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::batch::Outcome;
use countersign_core::budget::{BudgetId, Change, Day};
use countersign_core::command::{Job, RecipientIndex, Request};
use countersign_core::ids::{ChallengeId, DeliveryId, FactorId, ProjectId, SubjectId, VerificationId};
use countersign_core::journal::Actor;
use countersign_core::keys::{Keys, Root};
use countersign_core::receipt::About;
use countersign_core::setting::{Setting, SettingKind};
use countersign_core::store::{
    ChallengePage, EarlyReceipts, Filter, History, KeyRecord, Numbered, OutboxItem, Overdue, Page, Pending,
    Retention, Shown, Store, SubjectPage, SubjectShown, Unavailable,
};
use countersign_core::subject::Aim;
use countersign_core::tenancy::{AdminAnswer, AdminRequest, ApiKey, Project};
use countersign_core::tenant::Tenant;
use countersign_core::time::{Clock, ClockWentBack, EntropySource, Timestamp};
use rusqlite::Connection;
use tokio::sync::mpsc;

use crate::HandOver;
use crate::queue::Entrance;
pub use epoch::fence;
use epoch::prepare;
pub(crate) use source::{Identity, Read, Source};
use writer::Work;

mod migrations {
    refinery::embed_migrations!("migrations/sqlite");
}

/// Commands that may wait for the writer; one more is refused as `overloaded`.
const QUEUE: usize = 8_192;
/// SQLite before this may corrupt a WAL database (the WAL-reset bug, fixed in 3.51.3).
const OLDEST_SQLITE: i32 = 3_051_003;
/// Connections that read beside the writer.
const READERS: usize = 2;

/// Why the file could not be opened, read or written.
#[derive(Debug)]
pub enum Failure {
    /// SQLite's own error.
    Sqlite(rusqlite::Error),
    /// A row that cannot be read.
    Corrupt(String),
    /// The schema could not be brought up to date.
    Migration(String),
    /// There is no store in the file.
    Missing,
    /// The linked SQLite is too old to be trusted.
    TooOld(String),
    /// The key ring does not belong to this database.
    WrongRing(String),
    /// The clock is too far behind the last commit.
    ClockWentBack(ClockWentBack),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(error) => write!(f, "{error}"),
            Self::Corrupt(reason) => write!(f, "a stored row cannot be read: {reason}"),
            Self::Migration(reason) => write!(f, "the schema could not be brought up to date: {reason}"),
            Self::Missing => f.write_str("there is no store of countersign in this file"),
            Self::TooOld(version) => write!(f, "SQLite {version} is linked; 3.51.3 or later is needed"),
            Self::WrongRing(reason) => f.write_str(reason),
            Self::ClockWentBack(back) => write!(f, "{}", Unavailable::ClockWentBack(*back)),
        }
    }
}

impl std::error::Error for Failure {}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<rusqlite::types::FromSqlError> for Failure {
    fn from(error: rusqlite::types::FromSqlError) -> Self {
        Self::Corrupt(error.to_string())
    }
}

impl From<Failure> for Unavailable {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::ClockWentBack(back) => Self::ClockWentBack(back),
            other => Self::Storage(other.to_string()),
        }
    }
}

/// What the engine needs from the outside.
pub struct Options<'a> {
    /// The file; `-wal` and `-shm` lie beside it.
    pub path: &'a Path,
    /// The roots of the key ring.
    pub roots: &'a [Root],
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// For the epoch of a new file.
    pub entropy: &'a dyn EntropySource,
    /// Takes fresh deliveries.
    pub hand_over: HandOver,
}

/// The embedded engine.
pub struct SqliteStore {
    queue: Entrance<Work>,
    readers: Arc<read::Readers>,
    keys: Arc<Keys>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    path: PathBuf,
}

impl SqliteStore {
    /// Opens or makes the file, brings its schema up to date, checks the key ring and starts the writer.
    ///
    /// # Errors
    /// When SQLite is too old, the file cannot be used, its schema is newer, or the ring is another one's.
    pub fn open(options: &Options<'_>) -> Result<Self, Failure> {
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(Failure::TooOld(rusqlite::version().to_owned()));
        }
        make_private(options.path);
        let mut connection = connect(options.path, 40)?;
        migrate_connection(&mut connection)?;
        let keys = Arc::new(prepare(&connection, options)?);
        let last = last_commit(&connection)?;
        let readers = Arc::new(read::Readers::open(options.path, READERS, Arc::clone(&options.clock))?);
        let (queue, work) = mpsc::channel(QUEUE);
        let writer = writer::start(
            connection,
            connect(options.path, 2)?,
            work,
            writer::Outside {
                clock: Arc::clone(&options.clock),
                keys: Arc::clone(&keys),
                hand_over: Arc::clone(&options.hand_over),
                last,
            },
        )?;
        Ok(Self {
            queue: Entrance::new(queue),
            readers,
            keys,
            writer: Mutex::new(Some(writer)),
            path: options.path.to_owned(),
        })
    }

    /// The keys of this store: the ring's subkeys with the store's epoch.
    #[must_use]
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys)
    }

    /// Finishes what is queued, folds the WAL into the file and closes it. Later commands are refused.
    fn finish(&self) -> impl FnOnce() + Send + 'static {
        self.queue.close();
        let writer = self.writer.lock().ok().and_then(|mut writer| writer.take());
        let path = self.path.clone();
        move || {
            if writer.is_some_and(|writer| writer.join().is_err()) {
                tracing::error!(path = %path.display(), "the writer of the store ended badly");
            }
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.finish()();
    }
}

/// Brings the schema of a file up to date and says which migrations ran.
///
/// # Errors
/// When the file cannot be used, or its schema is newer than this program.
pub fn migrate(path: &Path) -> Result<Vec<String>, Failure> {
    make_private(path);
    migrate_connection(&mut connect(path, 2)?)
}

fn migrate_connection(connection: &mut Connection) -> Result<Vec<String>, Failure> {
    let report = migrations::migrations::runner().run(connection).map_err(|error| {
        Failure::Migration(format!("{error}. A file written by a newer countersign needs that newer version"))
    })?;
    Ok(report.applied_migrations().iter().map(ToString::to_string).collect())
}

/// A file with recipients in it is its owner's business, also before SQLite makes it.
fn make_private(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let made = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    drop(made);
}

fn connect(path: &Path, cache_mib: i32) -> Result<Connection, Failure> {
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    connection.pragma_update(None, "cache_size", -1024 * cache_mib)?;
    Ok(connection)
}

fn last_commit(connection: &Connection) -> Result<Timestamp, Failure> {
    use rusqlite::OptionalExtension as _;
    let sql = "SELECT at FROM journal ORDER BY seq DESC LIMIT 1";
    let at = connection.query_row(sql, [], |row| row.get(0)).optional()?;
    Ok(Timestamp::from_millis(at.unwrap_or_default()))
}

impl Store for SqliteStore {
    fn submit(&self, request: Request) -> Pending<'_, Outcome> {
        self.queue.send(|answer| Work::Decide(Box::new(request), answer))
    }

    fn administer(&self, request: AdminRequest) -> Pending<'_, AdminAnswer> {
        self.queue.send(|answer| Work::Administer(Box::new(request), answer))
    }

    fn change_budget(&self, change: Change) -> Pending<'_, u64> {
        self.queue.send(|answer| Work::ChangeBudget(change, answer))
    }

    fn budgets(&self, day: Day) -> Pending<'_, Vec<(BudgetId, u64)>> {
        self.readers.run(move |reading| budgets::of_day(reading.rows.0, day))
    }

    fn claim(&self, most: usize) -> Pending<'_, Vec<Job>> {
        self.queue.send(|answer| Work::Claim(most, answer))
    }

    fn retire(&self, keep: Retention, most: usize) -> Pending<'_, u64> {
        self.queue.send(|answer| Work::Retire(keep, most, answer))
    }

    fn ready(&self) -> Pending<'_, ()> {
        self.queue.send(Work::Probe)
    }

    fn verification(&self, tenant: Tenant, id: VerificationId) -> Pending<'_, Option<Shown>> {
        self.readers.run(move |reading| reading.shown(&tenant, id))
    }

    fn verifications(
        &self,
        tenant: Tenant,
        filter: Filter,
        before: Option<VerificationId>,
        limit: usize,
    ) -> Pending<'_, Page> {
        self.readers.run(move |reading| reading.page(&tenant, &filter, before, limit))
    }

    fn history(&self, tenant: Tenant, id: VerificationId) -> Pending<'_, Option<History>> {
        self.readers.run(move |reading| reading.history(&tenant, id))
    }

    fn outbox(
        &self,
        tenant: Tenant,
        after: Option<Timestamp>,
        to: Option<RecipientIndex>,
        limit: usize,
    ) -> Pending<'_, Vec<OutboxItem>> {
        self.readers.run(move |reading| reading.outbox(&tenant, after, to.as_ref(), limit))
    }

    fn key(&self, prefix: String) -> Pending<'_, Option<KeyRecord>> {
        self.readers.run(move |reading| reading.key(&prefix))
    }

    fn projects(&self) -> Pending<'_, Vec<Project>> {
        self.readers.run(|reading| reading.rows.bodies("SELECT body FROM project ORDER BY id", []))
    }

    fn keys(&self, project: ProjectId) -> Pending<'_, Vec<ApiKey>> {
        self.readers.run(move |reading| {
            let sql = "SELECT body FROM api_key WHERE project = ?1 ORDER BY id";
            reading.rows.bodies(sql, [project.as_bytes()])
        })
    }

    fn settings(&self, tenant: Tenant, kind: SettingKind) -> Pending<'_, Vec<Setting>> {
        self.readers.run(move |reading| settings::all(&reading.rows, tenant, kind))
    }

    fn subject(&self, tenant: Tenant, aim: Aim) -> Pending<'_, Option<SubjectShown>> {
        self.readers.run(move |reading| reading.subject(&tenant, &aim))
    }

    fn subjects(&self, tenant: Tenant, before: Option<SubjectId>, limit: usize) -> Pending<'_, SubjectPage> {
        self.readers.run(move |reading| reading.subjects(&tenant, before, limit))
    }

    fn challenges(
        &self,
        tenant: Tenant,
        of: Option<SubjectId>,
        before: Option<ChallengeId>,
        limit: usize,
    ) -> Pending<'_, ChallengePage> {
        self.readers.run(move |reading| reading.challenges(&tenant, of, before, limit))
    }

    fn tenant_of_factor(&self, id: FactorId) -> Pending<'_, Option<Tenant>> {
        self.readers.run(move |reading| reading.tenant_of_factor(id))
    }

    fn addressee(&self, provider: String, about: About) -> Pending<'_, Option<(Tenant, DeliveryId)>> {
        self.readers.run(move |reading| receipts::addressee(&reading.rows, &provider, &about))
    }

    fn early_receipts(&self, most: usize) -> Pending<'_, EarlyReceipts> {
        self.readers.run(move |reading| receipts::early(&reading.rows, most))
    }

    fn overdue(&self, after: VerificationId, most: usize) -> Pending<'_, Overdue> {
        self.readers.run(move |reading| reading.overdue(after, most))
    }

    fn journal(&self, after: u64, most: usize) -> Pending<'_, Vec<Numbered>> {
        self.readers.run(move |reading| reading.journal(after, most))
    }

    /// The file has one server.
    fn leads(&self) -> bool {
        true
    }

    fn accept_clock(&self, actor: Actor, random: [u8; 10]) -> Pending<'_, Option<Duration>> {
        self.queue.send(|answer| Work::AcceptClock(actor, random, answer))
    }

    fn close(&self) -> Pending<'_, ()> {
        let finish = self.finish();
        Box::pin(async { tokio::task::spawn_blocking(finish).await.map_err(|_| Unavailable::Internal) })
    }
}
