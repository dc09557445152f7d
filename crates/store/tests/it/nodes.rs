//! Several nodes over one PostgreSQL: what only they can get wrong.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use countersign_core::command::{Answer, Request};
use countersign_core::ids::VerificationId;
use countersign_core::journal::Event;
use countersign_core::keys::{Root, RootId, RootState};
use countersign_core::refusal::Refusal;
use countersign_core::store::{Store as _, Unavailable};
use countersign_core::verification::Verification;
use countersign_sim::{FakeClock, Requests, SeededEntropy, test_ring};
use countersign_store::postgres::{Options, PostgresStore, Settings};
use tokio::sync::Barrier;
use tokio::task::{JoinHandle, JoinSet};
use tokio_postgres::{Client, NoTls};
use zeroize::Zeroizing;

const PHONE: &str = "+48600100217";

/// A database of its own, with as many nodes over it as a test starts.
pub(crate) struct Cluster {
    pub(crate) url: String,
    pub(crate) clock: Arc<FakeClock>,
}

impl Cluster {
    pub(crate) async fn new() -> Self {
        let url =
            tokio::task::spawn_blocking(|| countersign_peers::shared().create_database()).await.unwrap();
        Self::at(url)
    }

    /// The nodes of a database, wherever it is.
    pub(crate) fn at(url: String) -> Self {
        Self { url, clock: Arc::new(FakeClock::default()) }
    }

    pub(crate) async fn node(&self, seed: u64) -> Arc<PostgresStore> {
        self.node_with(seed, &test_ring()).await
    }

    pub(crate) async fn node_with(&self, seed: u64, roots: &[Root]) -> Arc<PostgresStore> {
        self.node_by(seed, roots, &Settings { lanes: 1, ..Settings::new(self.url.as_str()) }).await
    }

    pub(crate) async fn node_by(&self, seed: u64, roots: &[Root], settings: &Settings) -> Arc<PostgresStore> {
        let options = Options {
            settings,
            roots,
            clock: self.clock.clone(),
            entropy: Arc::new(SeededEntropy::new(seed)),
            hand_over: Arc::new(|_| ()),
        };
        Arc::new(PostgresStore::open_with(&options, Some(self.clock.clone())).await.unwrap())
    }

    /// Two nodes whose lanes are connected: a lane that prepares its statements waits for locks on tables, too.
    pub(crate) async fn two_at_work(&self) -> (Arc<PostgresStore>, Arc<PostgresStore>) {
        let (a, b) = (self.node(1).await, self.node(2).await);
        for (node, seed) in [(&a, 11), (&b, 12)] {
            begin(node, &requests(node, seed), &format!("warm{seed}@example.com")).await;
        }
        (a, b)
    }

    /// A connection beside the nodes.
    pub(crate) async fn aside(&self) -> Client {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// A number that the database answers.
    pub(crate) async fn count(&self, sql: &str) -> i64 {
        self.aside().await.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Waits until the database answers this number.
    pub(crate) async fn until_counted(&self, sql: &str, wanted: i64) {
        let aside = self.aside().await;
        let counted = async {
            while aside.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) != wanted {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(std::time::Duration::from_secs(10), counted).await;
        assert!(in_time.is_ok(), "{sql} never was {wanted}");
    }

    /// Waits until so many batches of this database wait for a lock. Leases are waited for, too, and do not count, nor do
    /// connections that prepare their statements: those have not written anything yet.
    pub(crate) async fn until_waiting(&self, sessions: i64) {
        let aside = self.aside().await;
        let sql = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock' AND backend_xid IS NOT NULL
                   AND query ~ 'INTO journal |INTO recipient_index|FOR UPDATE OF r'";
        let waiting = async {
            while aside.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) < sessions {
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(std::time::Duration::from_secs(4), waiting).await;
        assert!(in_time.is_ok(), "no {sessions} batches came to wait for a lock");
    }
}

/// Requests whose randomness no other node's repeats.
pub(crate) fn requests(node: &PostgresStore, seed: u64) -> Requests {
    Requests::new(node.keys(), 1_000 + seed)
}

pub(crate) async fn begin(node: &PostgresStore, mine: &Requests, to: &str) -> Verification {
    match node.submit(mine.create(to)).await.unwrap().answer {
        Answer::Done(snapshot) => snapshot.verification,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn submit(node: &Arc<PostgresStore>, request: Request) -> JoinHandle<Answer> {
    let node = Arc::clone(node);
    tokio::spawn(async move { node.submit(request).await.unwrap().answer })
}

/// Node A holds the ledger's lock with its approval not yet committed, while B loads. A read joined to the lock would
/// show B the verification as it was before, and it would be approved twice.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_behind_a_lock_is_what_the_other_wrote() {
    let cluster = Cluster::new().await;
    let (a, b) = cluster.two_at_work().await;
    let mine = requests(&a, 1);
    let begun = begin(&a, &mine, PHONE).await;
    let code = mine.code_of(&begun);
    let aside = cluster.aside().await;
    // Loading does not touch the journal; writing does.
    aside.batch_execute("BEGIN; LOCK TABLE journal IN EXCLUSIVE MODE").await.unwrap();
    let first = submit(&a, mine.check(begun.id, &code));
    cluster.until_waiting(1).await;
    let second = submit(&b, mine.check(begun.id, &code));
    cluster.until_waiting(2).await;
    aside.batch_execute("ROLLBACK").await.unwrap();
    let first = first.await.unwrap();
    assert!(matches!(first, Answer::Approved(..)), "{first:?}");
    let second = second.await.unwrap();
    assert!(matches!(second, Answer::Refused(Refusal::AlreadyApproved, _)), "{second:?}");
}

/// The same for a recipient nobody knows yet: there is no row to lock, but an id is reserved.
#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_that_see_a_person_for_the_first_time_make_one_ledger() {
    let cluster = Cluster::new().await;
    let (a, b) = cluster.two_at_work().await;
    let mine = requests(&a, 1);
    let aside = cluster.aside().await;
    aside.batch_execute("BEGIN; LOCK TABLE journal IN EXCLUSIVE MODE").await.unwrap();
    let first = submit(&a, mine.create(PHONE));
    cluster.until_waiting(1).await;
    let second = submit(&b, mine.create(PHONE));
    cluster.until_waiting(2).await;
    aside.batch_execute("ROLLBACK").await.unwrap();
    let ledgers = [first.await.unwrap(), second.await.unwrap()]
        .map(|answer| answer.snapshot().unwrap().verification.recipient);
    assert_eq!(ledgers[0], ledgers[1]);
    assert_eq!(cluster.count("SELECT count(*) FROM recipient").await, 3, "this one and those of the warm-up");
    assert_eq!(cluster.count("SELECT count(*) FROM recipient_index").await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_start_leaves_no_reserved_id_behind() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let mine = requests(&node, 1);
    let scenario = mine.create("+15005550001");
    let (refused, done) = (submit(&node, scenario), submit(&node, mine.create(PHONE)));
    assert!(matches!(refused.await.unwrap(), Answer::Refused(Refusal::RecipientInvalid, _)));
    assert!(matches!(done.await.unwrap(), Answer::Done(_)));
    assert_eq!(cluster.count("SELECT count(*) FROM recipient_index").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_nodes_race_two_hundred_guesses_at_one_recipient() {
    let cluster = Cluster::new().await;
    let nodes = [cluster.node(1).await, cluster.node(2).await];
    let mine = requests(&nodes[0], 1);
    let begun = begin(&nodes[0], &mine, PHONE).await;
    let wrong = mine.wrong_code_of(&begun);
    let barrier = Arc::new(Barrier::new(200));
    let mut guesses = JoinSet::new();
    for n in 0..200 {
        let (node, barrier) = (Arc::clone(&nodes[n % 2]), Arc::clone(&barrier));
        let guess = mine.check(begun.id, &wrong);
        guesses.spawn(async move {
            barrier.wait().await;
            node.submit(guess).await.unwrap().answer
        });
    }
    let answers = guesses.join_all().await;
    let evaluated = |answer: &&Answer| matches!(answer, Answer::Refused(Refusal::CodeIncorrect, _));
    assert_eq!(answers.iter().filter(evaluated).count(), 5);
    let shown = nodes[1].verification(mine.tenant, begun.id).await.unwrap().unwrap();
    assert_eq!(shown.verification.checks_used, 5);
}

/// One node leads, numbers what both wrote, without gaps, and never the effect before its cause.
#[tokio::test(flavor = "multi_thread")]
async fn the_journal_of_all_nodes_is_numbered_in_the_order_of_cause_and_effect() {
    let cluster = Cluster::new().await;
    let nodes = [cluster.node(1).await, cluster.node(2).await];
    let mut work = JoinSet::new();
    for worker in 0..8_u64 {
        let node = |n: usize| Arc::clone(&nodes[n % 2]);
        let (here, there) = (node(worker as usize), node(worker as usize + 1));
        let mine = requests(&here, worker);
        work.spawn(async move {
            for n in 0..10 {
                let begun = begin(&here, &mine, &format!("person{worker}x{n}@example.com")).await;
                let approved =
                    there.submit(mine.check(begun.id, &mine.code_of(&begun))).await.unwrap().answer;
                assert!(matches!(approved, Answer::Approved(..)), "{approved:?}");
            }
        });
    }
    work.join_all().await;
    let numbered = until_numbered(&nodes[0], 160).await;
    let numbers: Vec<_> = numbered.iter().map(|(number, ..)| *number).collect();
    assert_eq!(numbers, Vec::from_iter(1..=160));
    let mut begun = BTreeSet::new();
    for (_, verification, event) in numbered {
        match event {
            Event::Created { .. } => assert!(begun.insert(verification)),
            Event::Approved => assert!(begun.contains(&verification), "approved before it began"),
            other => panic!("{other:?}"),
        }
    }
    until_led(&[&nodes[0], &nodes[1]]).await;
}

pub(crate) async fn until_numbered(node: &PostgresStore, count: usize) -> Vec<(u64, VerificationId, Event)> {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(1);
    loop {
        let entries = node.journal(0, 1_000).await.unwrap();
        if entries.len() >= count {
            let told =
                entries.into_iter().map(|one| (one.number, one.entry.verification.unwrap(), one.entry.event));
            return told.collect();
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{} of {count} numbered within a second",
            entries.len()
        );
        tokio::task::yield_now().await;
    }
}

/// Waits until exactly one of them knows that it leads, which it does a little after it numbered.
pub(crate) async fn until_led(nodes: &[&Arc<PostgresStore>]) {
    let led = async {
        while nodes.iter().filter(|node| node.leads()).count() != 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(8), led).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_left_hands_its_lanes_and_its_lead_on() {
    let cluster = Cluster::new().await;
    let first = cluster.node(1).await;
    let mine = requests(&first, 1);
    let begun = begin(&first, &mine, PHONE).await;
    first.close().await.unwrap();
    let lanes = cluster.count("SELECT count(*) FROM lane").await;
    let second = cluster.node(2).await;
    assert!(matches!(
        second.submit(mine.check(begun.id, &mine.code_of(&begun))).await.unwrap().answer,
        Answer::Approved(..)
    ));
    assert_eq!(
        cluster.count("SELECT count(*) FROM lane").await,
        lanes,
        "a lane is taken over, not made anew"
    );
    assert_eq!(until_numbered(&second, 2).await.len(), 2);
    until_led(&[&second]).await;
    assert_eq!(cluster.count("SELECT count(*) FROM node").await, 1);
}

/// Another took the lane over while a commit was on its way, and went on: that its batches are committed says nothing of
/// ours, not even when it is a lane of the same node.
#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_was_lost_during_a_commit_tells_no_outcome_and_is_not_used_again() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let mine = requests(&node, 1);
    let begun = begin(&node, &mine, PHONE).await;
    let (aside, taker) = (cluster.aside().await, cluster.aside().await);
    aside.batch_execute("BEGIN; LOCK TABLE journal IN EXCLUSIVE MODE").await.unwrap();
    let checking = {
        let (node, check) = (Arc::clone(&node), mine.check(begun.id, &mine.code_of(&begun)));
        tokio::spawn(async move { node.submit(check).await })
    };
    cluster.until_waiting(1).await;
    let take = "UPDATE lane SET holder = decode(repeat('07', 16), 'hex'), batch = batch + 5";
    let taking = tokio::spawn(async move { taker.batch_execute(take).await });
    let of =
        "FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock' AND query";
    while cluster.count(&format!("SELECT count(*) {of} LIKE 'UPDATE lane SET holder%'")).await == 0 {}
    cluster.count(&format!("SELECT count(pg_terminate_backend(pid)) {of} ~ 'INTO journal '")).await;
    taking.await.unwrap().unwrap();
    aside.batch_execute("ROLLBACK").await.unwrap();
    let unknown = checking.await.unwrap();
    assert!(matches!(&unknown, Err(Unavailable::Storage(why)) if why.contains("not known")), "{unknown:?}");
    let again = node.submit(mine.check(begun.id, &mine.code_of(&begun))).await.unwrap().answer;
    assert!(matches!(again, Answer::Approved(..)), "{again:?}");
    assert_eq!(cluster.count("SELECT count(*) FROM lane").await, 2, "the node has a lane of its own again");
}

/// A ring of several roots gives a person several blind indexes; all lead to one ledger, whichever root is active.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_with_different_active_roots_share_one_ledger_per_person() {
    let ring = |active: u16| {
        [1, 2].map(|id| Root {
            id: RootId(id),
            state: if id == active { RootState::Active } else { RootState::Present },
            secret: Zeroizing::new([0x5a + id as u8 - 1; 32]),
        })
    };
    let cluster = Cluster::new().await;
    let old = cluster.node(1).await;
    let known = begin(&old, &requests(&old, 1), PHONE).await;
    let nodes = [cluster.node_with(2, &ring(1)).await, cluster.node_with(3, &ring(2)).await];
    let mut ledgers: BTreeMap<String, BTreeSet<_>> = BTreeMap::new();
    for round in 0..20 {
        let to = format!("person{round}@example.com");
        // What the edge of each node computes while it thinks another root is active.
        let starts = nodes.iter().zip(1..).map(|(node, active)| {
            let keys = countersign_core::keys::Keys::derive(&ring(active), *node.keys().epoch()).unwrap();
            let theirs = Requests::new(Arc::new(keys), 5_000 + round * 2 + u64::from(active));
            submit(node, theirs.create(&to))
        });
        for start in starts.collect::<Vec<_>>() {
            let answer = start.await.unwrap();
            ledgers.entry(to.clone()).or_default().insert(answer.snapshot().unwrap().verification.recipient);
        }
    }
    assert!(ledgers.values().all(|of| of.len() == 1), "{ledgers:?}");
    let again = begin(&nodes[1], &requests(&nodes[1], 9), PHONE).await;
    assert_eq!(again.recipient, known.recipient, "known under the old root alone");
}

/// The leader makes a root active only when every live node holds it; then all write under it.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_root_waits_for_the_last_node() {
    let secret = |id: u16| Zeroizing::new([0x5a + id as u8 - 1; 32]);
    let root = |id, state| Root { id: RootId(id), state, secret: secret(id) };
    let both = [root(1, RootState::Retiring), root(2, RootState::Active)];
    let cluster = Cluster::new().await;
    let without = cluster.node(1).await;
    let with = cluster.node_with(2, &both).await;
    let mine = requests(&with, 2);
    let first = begin(&with, &mine, PHONE).await;
    assert_eq!(first.root, RootId(1), "one node lacks the new root");
    without.close().await.unwrap();
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    while with.keys().active() != RootId(2) {
        assert!(tokio::time::Instant::now() < deadline, "the new root never became active");
        tokio::task::yield_now().await;
    }
    assert_eq!(begin(&with, &mine, "ann@example.com").await.root, RootId(2));
    assert!(matches!(
        with.submit(mine.check(first.id, &mine.code_of(&first))).await.unwrap().answer,
        Answer::Approved(..)
    ));
    let settings = Settings::new(cluster.url.as_str());
    let options = Options {
        settings: &settings,
        roots: &test_ring(),
        clock: cluster.clock.clone(),
        entropy: Arc::new(SeededEntropy::new(7)),
        hand_over: Arc::new(|_| ()),
    };
    let refused = PostgresStore::open(&options).await.map(drop).unwrap_err().to_string();
    assert!(refused.contains("root-2 is active"), "{refused}");
    let events = with.journal(0, 100).await.unwrap().into_iter().map(|one| one.entry.event);
    assert_eq!(events.filter(|event| *event == Event::RootActivated(RootId(2))).count(), 1);
}
