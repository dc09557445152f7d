//! The one place that knows which engine a configuration names: opens it, brings its schema up to date, says what is
//! wrong with it.

use std::path::Path;
use std::sync::Arc;

use countersign_core::command::Job;
use countersign_core::keys::{Keys, Root};
use countersign_core::store::Store;
use countersign_core::time::{Clock, Timestamp};
use countersign_delivery::worker;
use countersign_store::HandOver;
use countersign_store::postgres::{self, PostgresStore, Settings};
use countersign_store::sqlite::{self, SqliteStore};
use tokio::sync::mpsc;

use super::alone::Alone;
use crate::clock::SystemClock;
use crate::config::{Config, Engine};
use crate::entropy::SystemEntropy;
use crate::problem::{Exit, Outcome, Problem};
use crate::ring;

/// An open store, not yet served.
pub(crate) struct Opened {
    /// The store.
    pub(crate) store: Arc<dyn Store>,
    /// Its keys.
    pub(crate) keys: Arc<Keys>,
    /// Its clock: the database's where many nodes share one, since that of a node may be an hour off.
    pub(crate) clock: Arc<dyn Clock>,
    /// Fresh deliveries, for the worker.
    pub(super) jobs: mpsc::Receiver<Job>,
    /// Held as long as a SQLite file is open.
    pub(super) alone: Option<Alone>,
}

impl Opened {
    /// Finishes what is queued and lets go of the store.
    pub(crate) async fn close(self) {
        close(self.store.as_ref()).await;
    }
}

/// Opens the store of a configuration with its key ring.
pub(crate) async fn open(config: &Config) -> Outcome<Opened> {
    open_with(config, &ring::read(&config.ring())?).await
}

/// Opens, or makes, the store of a configuration with these roots.
pub(crate) async fn open_with(config: &Config, roots: &[Root]) -> Outcome<Opened> {
    let (inbox, jobs) = worker::queue();
    let hand_over: HandOver = Arc::new(move |job| inbox.take(job));
    match config.engine()? {
        Engine::Sqlite(database) => open_sqlite(&database, roots, hand_over, jobs),
        Engine::Postgres(settings) => open_postgres(config, &settings, roots, hand_over, jobs).await,
    }
}

/// Brings the schema up to date and says which migrations ran.
pub(crate) async fn migrate(config: &Config) -> Outcome<Vec<String>> {
    match config.engine()? {
        Engine::Sqlite(database) => {
            let _alone = Alone::with(&database)?;
            sqlite::migrate(&database).map_err(|failure| sqlite_problem(&database, &failure))
        }
        Engine::Postgres(settings) => {
            postgres::migrate(&settings).await.map_err(|failure| postgres_problem(config, &failure))
        }
    }
}

/// After a restore: begins a new epoch of the store, while nobody works on it. Answers when.
pub(crate) async fn fence(config: &Config) -> Outcome<Timestamp> {
    match config.engine()? {
        Engine::Sqlite(database) => {
            // The lock's directory would be made; a file that is not there must not have that effect.
            let _alone = if database.is_file() { Some(Alone::with(&database)?) } else { None };
            sqlite::fence(&database, &SystemClock, &SystemEntropy)
                .map_err(|failure| sqlite_problem(&database, &failure))
        }
        Engine::Postgres(settings) => postgres::fence(&settings, &SystemEntropy)
            .await
            .map_err(|failure| postgres_problem(config, &failure)),
    }
}

/// Closes a store; what goes wrong with it is logged.
pub(super) async fn close(store: &dyn Store) {
    if let Err(error) = store.close().await {
        tracing::error!(%error, "the store could not be closed in order");
    }
}

fn open_sqlite(
    database: &Path,
    roots: &[Root],
    hand_over: HandOver,
    jobs: mpsc::Receiver<Job>,
) -> Outcome<Opened> {
    let alone = Some(Alone::with(database)?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let options = sqlite::Options {
        path: database,
        roots,
        clock: Arc::clone(&clock),
        entropy: &SystemEntropy,
        hand_over,
    };
    let store = SqliteStore::open(&options).map_err(|failure| sqlite_problem(database, &failure))?;
    let keys = store.keys();
    Ok(Opened { store: Arc::new(store), keys, clock, jobs, alone })
}

async fn open_postgres(
    config: &Config,
    settings: &Settings,
    roots: &[Root],
    hand_over: HandOver,
    jobs: mpsc::Receiver<Job>,
) -> Outcome<Opened> {
    let options = postgres::Options {
        settings,
        roots,
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        hand_over,
    };
    let opened = PostgresStore::open(&options).await;
    let store = opened.map_err(|failure| postgres_problem(config, &failure))?;
    let (keys, clock) = (store.keys(), store.clock());
    Ok(Opened { store: Arc::new(store), keys, clock, jobs, alone: None })
}

fn sqlite_problem(database: &Path, failure: &sqlite::Failure) -> Problem {
    let fix = match failure {
        sqlite::Failure::WrongRing(_) => "use the key ring that this store was made with",
        sqlite::Failure::Migration(_) => {
            "use the version of countersign that wrote this store, or a later one"
        }
        sqlite::Failure::Missing => "name the file that was restored, in store.url",
        sqlite::Failure::TooOld(_) => "build countersign with its bundled SQLite",
        sqlite::Failure::Corrupt(_) => "restore the store from a backup",
        sqlite::Failure::ClockWentBack(_) => {
            "set the clock right, or accept what it shows with `countersign clock accept`"
        }
        sqlite::Failure::Sqlite(_) => {
            "check the file, its permissions and the disk; see `countersign doctor`"
        }
    };
    Problem::new(format!("the store {} cannot be opened", database.display()), failure, fix)
}

fn postgres_problem(config: &Config, failure: &postgres::Failure) -> Problem {
    let exit = match failure {
        postgres::Failure::Settings(_) => Exit::Usage,
        _ => Exit::Failed,
    };
    let what = format!("the store {} cannot be opened", config.store.url);
    Problem { exit, ..Problem::new(what, failure, failure.fix()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_database_that_does_not_answer_is_named_without_its_password() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("countersign.toml");
        let text = "[store]\nurl = \"postgres://anna:hunter2@127.0.0.1:1/codes\"\n";
        let config = Config::of_text(text, &path).unwrap();
        let roots = ring::create(&config.ring()).unwrap();
        for problem in
            [open_with(&config, &roots).await.map(drop).unwrap_err(), migrate(&config).await.unwrap_err()]
        {
            let text = problem.to_string();
            assert!(text.contains("postgres://anna:***@127.0.0.1:1/codes"), "{text}");
            assert!(!text.contains("hunter2") && problem.fix.contains("start the database"), "{text}");
        }
    }
}
