//! A store that was restored from a backup and fenced: nothing that was used since can be used again.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::challenge::{Challenge, Method};
use countersign_core::command::{Answer, Request};
use countersign_core::factor::{Factor, Means};
use countersign_core::ids::FactorId;
use countersign_core::journal::{Actor, Event};
use countersign_core::limits;
use countersign_core::refusal::Refusal;
use countersign_core::store::Store;
use countersign_core::subject::{Act, Aim, SubjectSnapshot};
use countersign_core::time::{Clock as _, Timestamp};
use countersign_core::verification::Verification;
use countersign_sim::subjects::{
    Device, backup_list, entered, hotp_of, hotp_token, listed_code, totp, totp_at,
};
use countersign_sim::{FakeClock, Requests, SeededEntropy, test_ring};
use countersign_store::sqlite::{self, Failure, Options, SqliteStore};
use countersign_store::{copy, postgres};

use crate::nodes::Cluster;

const PHONE: &str = "+48600100217";
const MINUTE: Duration = Duration::from_secs(60);

async fn answer(store: &dyn Store, request: Request) -> Answer {
    store.submit(request).await.unwrap().answer
}

async fn shown(store: &dyn Store, request: Request) -> SubjectSnapshot {
    match answer(store, request).await {
        Answer::Subject(snapshot) | Answer::Granted(snapshot, _) => *snapshot,
        other => panic!("{other:?}"),
    }
}

async fn grants(store: &dyn Store, request: Request) -> bool {
    matches!(answer(store, request).await, Answer::Granted(..))
}

/// A directory with a store in a file, and a clock for it.
struct Place {
    directory: tempfile::TempDir,
    clock: Arc<FakeClock>,
}

impl Place {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), clock: Arc::default() }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("countersign.db")
    }

    fn backup(&self) -> PathBuf {
        self.directory.path().join("backup.db")
    }

    fn open(&self) -> SqliteStore {
        let options = Options {
            path: &self.path(),
            roots: &test_ring(),
            clock: self.clock.clone(),
            entropy: &SeededEntropy::new(3),
            hand_over: Arc::new(drop),
        };
        SqliteStore::open(&options).unwrap()
    }

    fn fence(&self) -> Result<Timestamp, Failure> {
        sqlite::fence(&self.path(), self.clock.as_ref(), &SeededEntropy::new(4))
    }
}

/// What a person had at the time of the backup.
struct Had {
    token: FactorId,
    device: Device,
    /// One more, that is answered after the restore.
    open: Challenge,
    pushed: Challenge,
    verification: Verification,
    code: String,
}

/// People with factors of every kind, each a person of its own, with what is open.
async fn before(store: &dyn Store, mine: &Requests) -> Had {
    shown(store, mine.enrol("app", totp())).await;
    let token = shown(store, mine.enrol("token", hotp_token())).await.factor.unwrap();
    shown(store, mine.enrol("list", backup_list())).await;
    let waiting = shown(store, mine.enrol("device", countersign_core::subject::FactorPlan::Push)).await;
    let device = Device::of(waiting.factor.unwrap(), [6; 32]);
    shown(store, device.enrol(mine, &waiting.subject)).await;
    let open = shown(store, mine.ask("app", &[])).await.challenge.unwrap();
    let pushed = shown(store, mine.ask("device", &[Method::Push])).await.challenge.unwrap();
    let Answer::Done(begun) = answer(store, mine.create(PHONE)).await else { panic!("not begun") };
    let code = mine.code_of(&begun.verification);
    Had { token, device, open, pushed, verification: begun.verification, code }
}

/// Everything is used after the backup.
async fn use_up(store: &dyn Store, mine: &Requests, had: &Had, now: Timestamp) {
    assert!(grants(store, mine.respond(had.open.id, &totp_at(now, 0))).await);
    for counter in 0..4 {
        assert!(grants(store, mine.try_code("token", &hotp_of(counter))).await);
    }
    for nth in 0..3 {
        assert!(grants(store, mine.try_code("list", &listed_code(nth))).await);
    }
    assert!(grants(store, had.device.approve(mine, &had.pushed)).await);
    let approved = answer(store, mine.check(had.verification.id, &had.code)).await;
    assert!(matches!(approved, Answer::Approved(..)), "{approved:?}");
}

/// After restore and fence all of it is dead, and what is new works.
async fn all_is_dead(store: &dyn Store, mine: &Requests, had: &Had, clock: &FakeClock) {
    let late = answer(store, mine.check(had.verification.id, &had.code)).await;
    assert!(matches!(late, Answer::Refused(Refusal::CodeIncorrect, _)), "{late:?}");
    for request in
        [mine.respond(had.open.id, &totp_at(clock.now(), 0)), had.device.approve(mine, &had.pushed)]
    {
        let late = answer(store, request).await;
        assert!(matches!(late, Answer::Declined(Refusal::ChallengeExpired, _)), "{late:?}");
    }
    for steps in [-1, 0, 1] {
        assert!(!grants(store, mine.try_code("app", &totp_at(clock.now(), steps))).await, "{steps}");
    }
    for nth in 0..4 {
        assert!(!grants(store, mine.try_code("list", &listed_code(nth))).await, "{nth}");
    }
    for counter in 0..4 {
        assert!(!grants(store, mine.try_code("token", &hotp_of(counter))).await, "{counter}");
    }
    clock.advance(MINUTE * 70);
    assert!(!grants(store, mine.try_code("token", &hotp_of(6))).await, "not before it is set right");
    let resync = |first| {
        let codes = [entered(&hotp_of(first)), entered(&hotp_of(first + 1))];
        mine.subject(Aim::Factor(had.token), Act::Resync(codes))
    };
    clock.advance(MINUTE * 70);
    let used = answer(store, resync(2)).await;
    assert!(matches!(used, Answer::Declined(Refusal::CodeIncorrect, _)), "{used:?}");
    clock.advance(MINUTE * 70);
    shown(store, resync(8)).await;
    assert!(grants(store, mine.try_code("token", &hotp_of(10))).await);
    assert!(grants(store, mine.try_code("app", &totp_at(clock.now(), 0))).await, "later steps are good");
    let pushed = shown(store, mine.ask("device", &[Method::Push])).await.challenge.unwrap();
    assert!(grants(store, had.device.approve(mine, &pushed)).await, "a device holds its key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_restored_and_fenced_takes_nothing_a_second_time() {
    let place = Place::new();
    let store = place.open();
    let mine = Requests::new(store.keys(), 1);
    let had = before(&store, &mine).await;
    store.close().await.unwrap();
    std::fs::copy(place.path(), place.backup()).unwrap();

    place.clock.advance(MINUTE);
    let store = place.open();
    use_up(&store, &Requests::new(store.keys(), 2), &had, place.clock.now()).await;
    store.close().await.unwrap();

    std::fs::copy(place.backup(), place.path()).unwrap();
    let fenced_at = place.fence().unwrap();
    assert_eq!(fenced_at, place.clock.now());
    let store = place.open();
    assert_eq!(store.keys().fenced_at(), Some(fenced_at));
    all_is_dead(&store, &Requests::new(store.keys(), 3), &had, &place.clock).await;
    let journal = store.journal(0, 1_000).await.unwrap();
    let fences: Vec<_> = journal.iter().filter(|one| one.entry.event == Event::Fenced).collect();
    assert_eq!(fences.len(), 1);
    assert_eq!((fences[0].entry.actor, fences[0].entry.at), (Actor::Operator, fenced_at));
    assert!(journal.iter().map(|one| one.number).eq(1..=journal.len() as u64));
}

/// The control of the test above: without the fence the backup would take all of it again.
#[tokio::test(flavor = "multi_thread")]
async fn without_the_fence_it_would() {
    let place = Place::new();
    let store = place.open();
    let mine = Requests::new(store.keys(), 1);
    let had = before(&store, &mine).await;
    store.close().await.unwrap();
    std::fs::copy(place.path(), place.backup()).unwrap();
    for seed in [2, 3] {
        let store = place.open();
        use_up(&store, &Requests::new(store.keys(), seed), &had, place.clock.now()).await;
        store.close().await.unwrap();
        std::fs::copy(place.backup(), place.path()).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fence_needs_a_store_and_a_clock_that_can_be_right() {
    let place = Place::new();
    assert!(matches!(place.fence(), Err(Failure::Missing)));
    assert!(!place.path().exists(), "nothing is made where nothing was");
    let store = place.open();
    answer(&store, Requests::new(store.keys(), 1).create(PHONE)).await;
    let epoch = *store.keys().epoch();
    store.close().await.unwrap();
    place.clock.step_back(limits::CLOCK_TOLERANCE + Duration::from_millis(1));
    assert!(matches!(place.fence(), Err(Failure::ClockWentBack(_))));
    assert_eq!(*place.open().keys().epoch(), epoch, "nothing was changed");
    place.clock.advance(Duration::from_millis(1));
    let at = place.fence().unwrap();
    assert!(at > place.clock.now(), "never behind the last commit");
    assert_ne!(*place.open().keys().epoch(), epoch);
}

/// A file of the release before is brought up to date on the way.
#[tokio::test(flavor = "multi_thread")]
async fn a_fence_counts_for_every_row_however_late_it_is_read() {
    let place = Place::new();
    let store = place.open();
    let mine = Requests::new(store.keys(), 1);
    let app = shown(&store, mine.enrol("app", totp())).await.factor.unwrap();
    store.close().await.unwrap();
    place.clock.advance(MINUTE);
    place.fence().unwrap();
    place.clock.advance(MINUTE * 60);
    let second = place.fence().unwrap();
    let store = place.open();
    let mine = Requests::new(store.keys(), 2);
    assert!(!grants(&store, mine.try_code("app", &totp_at(second, 0))).await, "the later fence counts");
    let row = store.subject(mine.tenant, Aim::Factor(app)).await.unwrap().unwrap().subject;
    let last = |factor: &Factor| match factor.means {
        Means::Totp { last_step, .. } => last_step,
        _ => None,
    };
    assert_eq!(row.factor(app).and_then(last), Some(second.seconds() as u64 / 30 + 1));
}

/// The same in PostgreSQL, where a store that was copied there after a fence knows of it, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_fenced_takes_nothing_a_second_time() {
    let place = Place::new();
    let store = place.open();
    let had = before(&store, &Requests::new(store.keys(), 1)).await;
    store.close().await.unwrap();
    let cluster = Cluster { clock: Arc::clone(&place.clock), ..Cluster::new().await };
    let settings = postgres::Settings::new(cluster.url.as_str());
    copy::copy(&place.path(), &settings, &mut |_| ()).await.unwrap();
    place.clock.advance(MINUTE);

    let entropy = SeededEntropy::new(5);
    let fence = || {
        let given = Some(place.clock.clone() as Arc<dyn countersign_core::time::Clock>);
        postgres::fence_with(&settings, &entropy, given)
    };
    let node = cluster.node(1).await;
    answer(&*node, Requests::new(node.keys(), 2).create(PHONE)).await;
    let refused = fence().await.unwrap_err();
    assert!(matches!(refused, postgres::Failure::InUse(1)), "{refused:?}");
    node.close().await.unwrap();
    let at = fence().await.unwrap();
    let node = cluster.node(2).await;
    assert_eq!(node.keys().fenced_at(), Some(at));
    all_is_dead(&*node, &Requests::new(node.keys(), 3), &had, &place.clock).await;
    crate::bench::number_journal(&node).await;
    let journal = node.journal(0, 1_000).await.unwrap();
    assert_eq!(journal.iter().filter(|one| one.entry.event == Event::Fenced).count(), 1);
    assert!(journal.iter().map(|one| one.number).eq(1..=journal.len() as u64));
}

/// A node that slept through a fence wakes up in an epoch that has ended: it decides nothing, and nobody is sent to it.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_slept_through_a_fence_decides_nothing() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let mine = Requests::new(node.keys(), 1);
    answer(&*node, mine.create(PHONE)).await;
    node.ready().await.unwrap();
    let aside = cluster.aside().await;
    aside
        .batch_execute("UPDATE meta SET value = decode(repeat('07', 16), 'hex') WHERE key = 'epoch'")
        .await
        .unwrap();
    let refused = node.submit(mine.create("ann@example.com")).await.unwrap_err().to_string();
    assert!(refused.contains("was fenced after a restore"), "{refused}");
    assert!(node.ready().await.is_err() && node.claim(1).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_fenced_is_copied_with_its_fence() {
    let place = Place::new();
    let store = place.open();
    shown(&store, Requests::new(store.keys(), 1).enrol("app", totp())).await;
    store.close().await.unwrap();
    place.clock.advance(MINUTE);
    let at = place.fence().unwrap();
    let cluster = Cluster { clock: Arc::clone(&place.clock), ..Cluster::new().await };
    copy::copy(&place.path(), &postgres::Settings::new(cluster.url.as_str()), &mut |_| ()).await.unwrap();
    let node = cluster.node(1).await;
    assert_eq!(node.keys().fenced_at(), Some(at));
    let mine = Requests::new(node.keys(), 2);
    assert!(!grants(&*node, mine.try_code("app", &totp_at(at, 0))).await);
    let empty = Cluster::new().await;
    let none = postgres::fence(&postgres::Settings::new(empty.url.as_str()), &SeededEntropy::new(5)).await;
    assert!(matches!(none, Err(postgres::Failure::Missing)), "{none:?}");
}
