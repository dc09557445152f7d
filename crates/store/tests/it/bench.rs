//! An engine under test, with a clock that stands still and a record of what it handed over.

use std::sync::{Arc, Mutex};

use countersign_core::batch::Outcome;
use countersign_core::command::{Answer, Job, Request, Snapshot};
use countersign_core::ids::VerificationId;
use countersign_core::journal::Entry;
use countersign_core::refusal::Refusal;
use countersign_core::store::{Shown, Store};
use countersign_core::subject::SubjectSnapshot;
use countersign_core::tenancy::{AdminAnswer, AdminChange};
use countersign_core::verification::Verification;
use countersign_sim::{FakeClock, Requests, SeededEntropy, test_keys, test_ring};
use countersign_store::HandOver;
use countersign_store::memory::MemoryStore;
use countersign_store::postgres::{self, PostgresStore};
use countersign_store::sqlite::{Options, SqliteStore};

/// One engine and what is around it.
pub(crate) struct Bench {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<FakeClock>,
    pub(crate) requests: Requests,
    jobs: Arc<Mutex<Vec<Job>>>,
    postgres: Option<Arc<PostgresStore>>,
    _directory: Option<tempfile::TempDir>,
}

impl Bench {
    pub(crate) fn memory() -> Self {
        let (clock, jobs) = (Arc::new(FakeClock::default()), Arc::default());
        let store = MemoryStore::new(clock.clone(), test_keys(), recorder(&jobs));
        Self {
            store: Arc::new(store),
            clock,
            requests: Requests::new(test_keys(), 1),
            jobs,
            postgres: None,
            _directory: None,
        }
    }

    /// A database of its own on the server that the tests of this process share.
    pub(crate) async fn postgres(prepared_statements: bool) -> Self {
        let (clock, jobs) = (Arc::new(FakeClock::default()), Arc::default());
        let url =
            tokio::task::spawn_blocking(|| countersign_peers::shared().create_database()).await.unwrap();
        let settings = postgres::Settings { prepared_statements, lanes: 3, ..postgres::Settings::new(url) };
        let options = postgres::Options {
            settings: &settings,
            roots: &test_ring(),
            clock: clock.clone(),
            entropy: Arc::new(SeededEntropy::new(9)),
            hand_over: recorder(&jobs),
        };
        let store = Arc::new(PostgresStore::open_with(&options, Some(clock.clone())).await.unwrap());
        let requests = Requests::new(store.keys(), 1);
        Self { store: store.clone(), clock, requests, jobs, postgres: Some(store), _directory: None }
    }

    pub(crate) fn sqlite() -> Self {
        let (clock, jobs) = (Arc::new(FakeClock::default()), Arc::default());
        let directory = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&Options {
            path: &directory.path().join("countersign.db"),
            roots: &test_ring(),
            clock: clock.clone(),
            entropy: &SeededEntropy::new(9),
            hand_over: recorder(&jobs),
        });
        let store = store.unwrap();
        let requests = Requests::new(store.keys(), 1);
        Self { store: Arc::new(store), clock, requests, jobs, postgres: None, _directory: Some(directory) }
    }

    /// The outcome of a request.
    pub(crate) async fn outcome(&self, request: Request) -> Outcome {
        self.store.submit(request).await.unwrap()
    }

    /// The answer to a request.
    pub(crate) async fn answer(&self, request: Request) -> Answer {
        self.outcome(request).await.answer
    }

    /// What a request that must be carried out shows.
    pub(crate) async fn done(&self, request: Request) -> Snapshot {
        match self.answer(request).await {
            Answer::Done(snapshot) | Answer::Approved(snapshot, _) => *snapshot,
            other => panic!("{other:?}"),
        }
    }

    /// What a request about a subject that must be carried out shows.
    pub(crate) async fn subject(&self, request: Request) -> SubjectSnapshot {
        match self.answer(request).await {
            Answer::Subject(snapshot) | Answer::Granted(snapshot, _) => *snapshot,
            other => panic!("{other:?}"),
        }
    }

    /// Why a request about a subject is not carried out.
    pub(crate) async fn declined(&self, request: Request) -> Refusal {
        match self.answer(request).await {
            Answer::Declined(refusal, _) => refusal,
            other => panic!("{other:?}"),
        }
    }

    /// Begins a verification of `to`.
    pub(crate) async fn begin(&self, to: &str) -> Verification {
        self.done(self.requests.create(to)).await.verification
    }

    /// A verification of the usual tenant that must be there.
    pub(crate) async fn shown(&self, id: VerificationId) -> Shown {
        self.store.verification(self.requests.tenant, id).await.unwrap().unwrap()
    }

    /// The names of a verification's events, oldest first.
    pub(crate) async fn events(&self, id: VerificationId) -> Vec<&'static str> {
        let history = self.store.history(self.requests.tenant, id).await.unwrap().unwrap();
        history.entries.iter().map(|entry| entry.event.name()).collect()
    }

    /// Makes the tenant's project.
    pub(crate) async fn found(&self) {
        let made = self.administer(AdminChange::CreateProject(self.requests.project())).await;
        assert!(matches!(made, AdminAnswer::Project(_)), "{made:?}");
    }

    pub(crate) async fn administer(&self, change: AdminChange) -> AdminAnswer {
        self.store.administer(self.requests.admin(change)).await.unwrap()
    }

    /// The whole journal, oldest first.
    pub(crate) async fn journal(&self) -> Vec<Entry> {
        if let Some(postgres) = &self.postgres {
            number_journal(postgres).await;
        }
        let numbered = self.store.journal(0, 10_000).await.unwrap();
        numbered.into_iter().map(|numbered| numbered.entry).collect()
    }

    /// What was handed over since the last call.
    pub(crate) fn handed_over(&self) -> Vec<Job> {
        std::mem::take(&mut *self.jobs.lock().unwrap())
    }
}

/// Numbers the journal, which only the leader may: a node becomes that with its first heartbeat.
pub(crate) async fn number_journal(postgres: &PostgresStore) {
    let leads = async {
        while !postgres.leads() {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(std::time::Duration::from_secs(10), leads).await;
    assert!(in_time.is_ok(), "the only node does not come to lead");
    postgres.number_journal().await.unwrap();
}

fn recorder(jobs: &Arc<Mutex<Vec<Job>>>) -> HandOver {
    let jobs = Arc::clone(jobs);
    Arc::new(move |job| jobs.lock().unwrap().push(job))
}
