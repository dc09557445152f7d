//! A store in a SQLite file becomes one in PostgreSQL, and nobody can tell by what it answers.

mod refused;
mod resume;
mod same;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::budget::{BudgetId, Change, Day};
use countersign_core::command::{Answer, Command, Create, Request, Sent, Snapshot};
use countersign_core::delivery::DeliveryState;
use countersign_core::ids::KeyId;
use countersign_core::keys::Keys;
use countersign_core::setting::{Put, Setting, SettingKey, SettingKind};
use countersign_core::store::Store;
use countersign_core::subject::{Act, Authority};
use countersign_core::tenancy::{AdminChange, ApiKey, KeyKind};
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::{Clock as _, Timestamp};
use countersign_core::verification::{Report as Told, Verification};
use countersign_sim::subjects::{backup_list, hotp_token, totp, totp_at};
use countersign_sim::{FakeClock, Requests, SeededEntropy, test_ring};
use countersign_store::copy::{CopyFailure, Report, copy};
use countersign_store::postgres::{self, PostgresStore};
use countersign_store::sqlite::{self, SqliteStore};

const PHONE: &str = "+48600100217";
const SECOND: Duration = Duration::from_secs(1);

/// A file of its own and a clock for whatever works on it.
struct File {
    directory: tempfile::TempDir,
    clock: Arc<FakeClock>,
    seed: u64,
}

impl File {
    fn new(seed: u64) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), clock: Arc::default(), seed }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("countersign.db")
    }

    fn open(&self) -> SqliteStore {
        let options = sqlite::Options {
            path: &self.path(),
            roots: &test_ring(),
            clock: self.clock.clone(),
            entropy: &SeededEntropy::new(self.seed),
            hand_over: Arc::new(drop),
        };
        SqliteStore::open(&options).unwrap()
    }

    /// A file with `people` who each wait for a code.
    async fn with(people: usize, seed: u64) -> Self {
        let file = Self::new(seed);
        let store = file.open();
        let requests = requests(&store.keys());
        for n in 0..people {
            done(&store, requests.create(&format!("person{n}@example.com"))).await;
        }
        store.close().await.unwrap();
        file
    }

    async fn copy(&self, to: &postgres::Settings) -> Result<Report, CopyFailure> {
        copy(&self.path(), to, &mut |_| ()).await
    }

    async fn served_by(&self, to: &postgres::Settings) -> Result<PostgresStore, postgres::Failure> {
        let options = postgres::Options {
            settings: to,
            roots: &test_ring(),
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(77)),
            hand_over: Arc::new(drop),
        };
        PostgresStore::open_with(&options, Some(self.clock.clone())).await
    }
}

/// An empty database.
async fn database() -> postgres::Settings {
    let url = tokio::task::spawn_blocking(|| countersign_peers::shared().create_database()).await.unwrap();
    postgres::Settings { lanes: 1, ..postgres::Settings::new(url) }
}

/// What `psql` answers there.
async fn psql(at: &postgres::Settings, sql: &'static str) -> String {
    let url = at.url.to_string();
    tokio::task::spawn_blocking(move || countersign_peers::shared().psql(&url, sql)).await.unwrap()
}

/// Everything that stands in the tables of a store, those of nodes aside.
async fn dump(at: &postgres::Settings) -> String {
    let sql = "SELECT * FROM meta ORDER BY 1; SELECT * FROM project ORDER BY 1; SELECT * FROM api_key ORDER BY 1;
        SELECT * FROM recipient_index ORDER BY 1, 2; SELECT * FROM recipient ORDER BY 1;
        SELECT * FROM verification ORDER BY 1, 2; SELECT * FROM delivery ORDER BY 1, 2; SELECT * FROM lane ORDER BY 1;
        SELECT * FROM journal ORDER BY 1, 2; SELECT first, lane, n, stamp FROM journal_run ORDER BY 1;
        SELECT * FROM journal_lane ORDER BY 1; SELECT * FROM once ORDER BY 1; SELECT * FROM setting ORDER BY 1, 2, 3;
        SELECT tenant, id, body, removed_at, 'subject' FROM subject ORDER BY 1, 2;
        SELECT * FROM subject_index ORDER BY 1, 2; SELECT * FROM factor ORDER BY 1;
        SELECT *, 'challenge' FROM challenge ORDER BY 1, 2";
    psql(at, sql).await
}

fn requests(keys: &Arc<Keys>) -> Requests {
    Requests::new(Arc::clone(keys), 1)
}

async fn answer(store: &dyn Store, request: Request) -> Answer {
    store.submit(request).await.unwrap().answer
}

async fn done(store: &dyn Store, request: Request) -> Snapshot {
    match answer(store, request).await {
        Answer::Done(snapshot) | Answer::Approved(snapshot, _) => *snapshot,
        other => panic!("{other:?}"),
    }
}

fn key(requests: &Requests) -> ApiKey {
    ApiKey::new(KeyId::from_bytes([3; 16]), requests.tenant, KeyKind::Secret, &[3; 32], false).0
}

fn test_tenant(requests: &Requests) -> Tenant {
    Tenant { mode: Mode::Test, ..requests.tenant }
}

/// What a store holds that was in use.
struct Story {
    file: File,
    pending: Verification,
    guessed: Verification,
    approved: Verification,
    waiting: Verification,
}

/// The day on which budgets were spent.
const TODAY: Day = Day(20_000);

/// Subjects with factors and challenges in all states, and one who was removed.
async fn people(store: &dyn Store, mine: &Requests, now: Timestamp) {
    let requests = [
        mine.enrol("ann", totp()),
        mine.enrol("ann", backup_list()),
        mine.ask("ann", &[]),
        mine.try_code("ann", &totp_at(now, 0)),
        mine.enrol("ben", hotp_token()),
        mine.ask("ben", &[]),
        mine.subject(mine.named("ben"), Act::Remove(Authority::Key)),
        mine.of_tenant(test_tenant(mine)).enrol("ann", totp()),
    ];
    for request in requests {
        let answer = answer(store, request).await;
        assert!(matches!(answer, Answer::Subject(_) | Answer::Granted(..)), "{answer:?}");
    }
}

/// A file with everything in it: a project with its key, budgets, verifications in all states, of people and of subjects,
/// deliveries that are due, sent and failed, idempotency records.
async fn story() -> Story {
    let file = File::new(5);
    let store = file.open();
    let mine = requests(&store.keys());
    store.administer(mine.admin(AdminChange::CreateProject(mine.project()))).await.unwrap();
    store.administer(mine.admin(AdminChange::CreateKey(key(&mine)))).await.unwrap();
    for n in 1..=3 {
        let key = SettingKey { tenant: mine.tenant, kind: SettingKind::RateLimit, id: [n; 16] };
        let now = file.clock.now();
        let setting = Setting { key, under: [9; 16], body: vec![n], created_at: now, updated_at: now };
        store.administer(mine.admin(AdminChange::PutSetting(setting, Put::New))).await.unwrap();
    }
    for name in ["all", "poland"] {
        let budget = BudgetId::named(name, "EUR");
        let change = Change { budget, day: TODAY, cap: 100, wanted: name.len() as u64, returned: 0 };
        store.change_budget(change).await.unwrap();
    }
    let begin = |to: &'static str| done(&store, mine.create(to));
    let expired = begin("old@example.com").await.verification;
    file.clock.set(expired.expires_at);
    done(&store, mine.of(Command::Expire(expired.id))).await;

    let approved = begin("ann@example.com").await.verification;
    let right = mine.check(approved.id, &mine.code_of(&approved));
    done(&store, Requests::once(right, "approve", "b")).await;
    done(&store, mine.of(Command::Report(approved.id, Told::Fraud))).await;
    let canceled = begin("ben@example.com").await;
    done(&store, mine.of(Command::Cancel(canceled.verification.id))).await;
    let failed = begin("carl@example.com").await.verification;
    for _ in 0..5 {
        file.clock.advance(SECOND);
        answer(&store, mine.check(failed.id, &mine.wrong_code_of(&failed))).await;
    }
    answer(&store, mine.of_tenant(test_tenant(&mine)).create("+15005550004")).await;

    let subject = |create: &mut Create| {
        create.private.subject = Some("customer-1".to_owned());
        create.private.metadata = vec![("order".to_owned(), "42".to_owned())];
    };
    file.clock.advance(SECOND);
    let guessed = done(&store, mine.create_with("dora@example.com", subject)).await;
    answer(&store, mine.check(guessed.verification.id, &mine.wrong_code_of(&guessed.verification))).await;
    done(&store, mine.sent(guessed.delivery.unwrap().id, DeliveryState::Failed)).await;
    let waiting = begin("+48600100218").await;
    let later = Sent {
        delivery: waiting.delivery.unwrap().id,
        attempts: Vec::new(),
        state: DeliveryState::Queued,
        retry_at: Some(file.clock.now().plus(SECOND * 5)),
        receipts: false,
    };
    done(&store, mine.of(Command::Sent(later))).await;
    file.clock.advance(SECOND);
    let pending = done(&store, Requests::once(mine.create(PHONE), "start", "b")).await;
    people(&store, &mine, file.clock.now()).await;
    done(&store, mine.taken(pending.delivery.unwrap().id, "m1")).await;
    store.close().await.unwrap();
    Story {
        file,
        pending: pending.verification,
        guessed: guessed.verification,
        approved,
        waiting: waiting.verification,
    }
}
