//! What only the file engine promises: it survives, keeps to itself, and says no without breaking.

mod failing;
mod file;
mod subjects;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};

use countersign_core::command::{Answer, Request, Snapshot};
use countersign_core::keys::Root;
use countersign_core::store::{Store as _, Unavailable};
use countersign_sim::{FakeClock, Requests, SeededEntropy, test_ring};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::writer::Work;
use super::{Failure, Options, SqliteStore};

/// A directory with a database that can be closed and opened again.
struct Place {
    clock: Arc<FakeClock>,
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { clock: Arc::new(FakeClock::default()), directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("countersign.db")
    }

    fn open_with(&self, roots: &[Root]) -> Result<SqliteStore, Failure> {
        SqliteStore::open(&Options {
            path: &self.path(),
            roots,
            clock: self.clock.clone(),
            entropy: &SeededEntropy::new(9),
            hand_over: Arc::new(|_| ()),
        })
    }

    fn open(&self) -> SqliteStore {
        self.open_with(&test_ring()).unwrap()
    }

    /// A connection beside the engine's own.
    fn aside(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }
}

impl SqliteStore {
    /// Does something to the writer's connection, in turn with its other work.
    fn meddle(
        &self,
        meddle: impl FnOnce(&Connection) + Send + 'static,
    ) -> impl Future<Output = Result<(), Unavailable>> {
        self.queue.send(|reply: oneshot::Sender<_>| Work::Meddle(Box::new(meddle), reply))
    }

    /// Holds the writer up until the sender is used or dropped.
    async fn hold(&self) -> mpsc::Sender<()> {
        let (release, held) = mpsc::channel();
        let (reached, at_it) = oneshot::channel();
        drop(self.meddle(move |_| {
            let _ = reached.send(());
            let _ = held.recv();
        }));
        at_it.await.unwrap();
        release
    }
}

async fn done(store: &SqliteStore, request: Request) -> Snapshot {
    match store.submit(request).await.unwrap().answer {
        Answer::Done(snapshot) | Answer::Approved(snapshot, _) => *snapshot,
        other => panic!("{other:?}"),
    }
}

/// Every row of every table, as it is stored.
fn dump(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).unwrap();
    let tables = [
        "project",
        "api_key",
        "recipient_index",
        "recipient",
        "verification",
        "delivery",
        "journal",
        "once",
        "setting",
        "subject",
        "subject_index",
        "factor",
        "challenge",
    ];
    let mut rows = Vec::new();
    for table in tables {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut found = statement.query([]).unwrap();
        while let Some(row) = found.next().unwrap() {
            let values = (0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap()));
            rows.push(format!("{table}: {}", values.collect::<Vec<_>>().join(" ")));
        }
    }
    rows
}

/// Requests whose ids no other call of this gives out.
fn requests(store: &SqliteStore) -> Requests {
    static SEED: AtomicU64 = AtomicU64::new(1);
    Requests::new(store.keys(), SEED.fetch_add(1, Ordering::Relaxed))
}
