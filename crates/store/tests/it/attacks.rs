//! Interleavings of several nodes that would let somebody in twice, count too little, or stand still for ever.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::command::Answer;
use countersign_core::journal::Actor;
use countersign_core::keys::{Digest, Keys, Root, RootId, RootState};
use countersign_core::refusal::Refusal;
use countersign_core::store::{Retention, Store as _};
use countersign_core::tenancy::AdminChange;
use countersign_core::time::Clock as _;
use countersign_sim::{Requests, test_ring};
use countersign_store::postgres::Settings;
use tokio::task::JoinSet;
use zeroize::Zeroizing;

use crate::nodes::{Cluster, begin, requests, submit, until_led, until_numbered};

const PHONE: &str = "+48600100217";
const OTHER: &str = "'\\x00000000000000000000000000000001'::bytea";

/// B locks before A begins with a person, and reads afterwards: what it finds then it holds no lock on. A guess that B
/// decided on it would take back the one that A counts meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_came_to_be_after_the_locks_is_locked_first() {
    let cluster = Cluster::new().await;
    let (a, b) = cluster.two_at_work().await;
    let mine = requests(&a, 1);
    let held = [begin(&a, &mine, "x@example.com").await, begin(&a, &mine, "y@example.com").await];
    let locked = held.clone().map(|held| format!("\\x{}", hex(held.recipient.as_bytes())));
    let (first, second) = (cluster.aside().await, cluster.aside().await);
    let lock = |id: &str| format!("BEGIN; SELECT 1 FROM recipient WHERE id = '{id}' FOR UPDATE");
    first.batch_execute(&lock(&locked[0])).await.unwrap();
    second.batch_execute(&lock(&locked[1])).await.unwrap();
    let wrong = |of| mine.wrong_code_of(of);
    let busy = submit(&b, mine.check(held[0].id, &wrong(&held[0])));
    cluster.until_waiting(1).await;
    // The next batch of B: somebody nobody knows yet, and a ledger that keeps it waiting. Codes are of six digits.
    let guess = b.submit(mine.check_by(PHONE, "000000"));
    let waits = b.submit(mine.check(held[1].id, &wrong(&held[1])));
    first.batch_execute("ROLLBACK").await.unwrap();
    busy.await.unwrap();
    cluster.until_waiting(1).await;
    let begun = begin(&a, &mine, PHONE).await;
    let journal = cluster.aside().await;
    journal.batch_execute("BEGIN; LOCK TABLE journal IN EXCLUSIVE MODE").await.unwrap();
    let counted = submit(&a, mine.check(begun.id, &wrong(&begun)));
    cluster.until_waiting(2).await;
    second.batch_execute("ROLLBACK").await.unwrap();
    // B found the new ledger and waits for A's lock on it.
    let behind = "SELECT count(*) FROM pg_stat_activity b JOIN pg_stat_activity a ON a.pid = ANY (pg_blocking_pids(b.pid))
                  WHERE b.query ~ 'FOR UPDATE OF r' AND a.query ~ 'INTO journal ' AND b.datname = current_database()";
    cluster.until_counted(behind, 1).await;
    journal.batch_execute("ROLLBACK").await.unwrap();
    let answers = [guess.await.unwrap().answer, waits.await.unwrap().answer, counted.await.unwrap()];
    for answer in answers {
        assert!(matches!(answer, Answer::Refused(Refusal::CodeIncorrect, _)), "{answer:?}");
    }
    let shown = a.verification(mine.tenant, begun.id).await.unwrap().unwrap();
    assert_eq!(shown.verification.checks_used, 2);
}

/// Two rings: one node reserves the index under the old root alone, the other one first that under the new root.
#[tokio::test(flavor = "multi_thread")]
async fn indexes_that_were_reserved_apart_lead_to_one_ledger() {
    let cluster = Cluster::new().await;
    let (old, new) = (cluster.node(1).await, cluster.node_with(2, &ring(1)).await);
    let keys = Keys::derive(&ring(2), *new.keys().epoch()).unwrap();
    let (mine, theirs) = (requests(&old, 1), Requests::new(Arc::new(keys), 77));
    begin(&old, &mine, "warm1@example.com").await;
    begin(&new, &theirs, "warm2@example.com").await;
    // The digests are inserted in their order; the one under root 2 must come first.
    let first = |to: &&String| matches!(theirs.index(to).folded.as_slice(), [two, one] if two < one);
    let names: Vec<_> = (0..64).map(|n| format!("person{n}@example.com")).collect();
    let to = names.iter().find(first).unwrap();
    let aside = cluster.aside().await;
    aside.batch_execute("BEGIN; LOCK TABLE journal IN EXCLUSIVE MODE").await.unwrap();
    let here = submit(&old, mine.create(to));
    cluster.until_waiting(1).await;
    let there = submit(&new, theirs.create(to));
    cluster.until_waiting(2).await;
    aside.batch_execute("ROLLBACK").await.unwrap();
    let mut ledgers = BTreeSet::new();
    for start in [here, there] {
        ledgers.insert(start.await.unwrap().snapshot().unwrap().verification.recipient);
    }
    assert_eq!(ledgers.len(), 1);
    assert_eq!(cluster.count("SELECT count(*) FROM recipient").await, 3);
}

/// A refused start in a batch that writes something else gives its reserved id back with that.
#[tokio::test(flavor = "multi_thread")]
async fn a_reserved_id_is_given_back_by_the_batch_that_did_not_need_it() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let mine = requests(&node, 1);
    let warm = begin(&node, &mine, "warm@example.com").await;
    let aside = cluster.aside().await;
    aside.batch_execute("BEGIN; SELECT 1 FROM recipient FOR UPDATE").await.unwrap();
    let busy = submit(&node, mine.check(warm.id, &mine.code_of(&warm)));
    cluster.until_waiting(1).await;
    let (refused, done) = (node.submit(mine.create("+15005550001")), node.submit(mine.create(PHONE)));
    aside.batch_execute("ROLLBACK").await.unwrap();
    assert!(matches!(busy.await.unwrap(), Answer::Approved(..)));
    assert!(matches!(refused.await.unwrap().answer, Answer::Refused(Refusal::RecipientInvalid, _)));
    assert!(matches!(done.await.unwrap().answer, Answer::Done(_)));
    assert_eq!(cluster.count("SELECT max(batch) FROM lane").await, 3, "both were in one batch");
    assert_eq!(cluster.count("SELECT count(*) FROM recipient_index").await, 2);
}

/// The word of a node is late: its own lanes must not take each other's rows, for the batch that one of them looks for
/// after a broken commit could then be the other's.
#[tokio::test(flavor = "multi_thread")]
async fn two_lanes_of_one_node_never_share_a_row() {
    let cluster = Cluster::new().await;
    let settings = Settings { lanes: 2, ..Settings::new(cluster.url.as_str()) };
    let node = cluster.node_by(1, &test_ring(), &settings).await;
    let late = "CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.seen := 0; RETURN NEW; END $$;
                CREATE TRIGGER late BEFORE INSERT OR UPDATE ON node FOR EACH ROW EXECUTE FUNCTION late();
                UPDATE node SET seen = 0";
    cluster.aside().await.batch_execute(late).await.unwrap();
    let mine = requests(&node, 1);
    // While one lane decides, the other one takes the next.
    for n in 0..4 {
        begin(&node, &mine, &format!("person{n}@example.com")).await;
    }
    assert_eq!(cluster.count("SELECT count(*) FROM lane").await, 2);
}

/// One key on two nodes for two people: whoever comes second is told so, not that the database failed.
#[tokio::test(flavor = "multi_thread")]
async fn one_idempotency_key_for_two_people_at_once_starts_one() {
    let cluster = Cluster::new().await;
    let (a, b) = cluster.two_at_work().await;
    let mine = requests(&a, 1);
    let aside = cluster.aside().await;
    aside.batch_execute("BEGIN; LOCK TABLE journal IN EXCLUSIVE MODE").await.unwrap();
    let first = submit(&a, Requests::once(mine.create(PHONE), "k", "b"));
    cluster.until_waiting(1).await;
    let second = submit(&b, Requests::once(mine.create("ann@example.com"), "k", "c"));
    cluster.until_waiting(2).await;
    aside.batch_execute("ROLLBACK").await.unwrap();
    let answers = [first.await.unwrap(), second.await.unwrap()];
    let reused = |answer: &&Answer| **answer == Answer::Refused(Refusal::IdempotencyKeyReused, None);
    assert_eq!(answers.iter().filter(reused).count(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Answer::Done(_))).count(), 1);
}

/// While one node claims a delivery, it is nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_claimed_by_one_node() {
    let cluster = Cluster::new().await;
    let (a, b) = cluster.two_at_work().await;
    for node in [&a, &b] {
        assert!(node.claim(10).await.unwrap().is_empty());
    }
    cluster.clock.advance(Duration::from_secs(31));
    let aside = cluster.aside().await;
    // Lets rows be locked, but not be changed.
    aside.batch_execute("BEGIN; LOCK TABLE delivery IN SHARE MODE").await.unwrap();
    let first = tokio::spawn(async move { a.claim(10).await });
    let changing = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                    AND wait_event_type = 'Lock' AND query LIKE 'UPDATE delivery %'";
    cluster.until_counted(changing, 1).await;
    let second = b.claim(10).await.unwrap();
    aside.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!((first.await.unwrap().unwrap().len(), second.len()), (2, 0));
    // What can never be sent any more is not claimed for ever.
    aside.batch_execute("DELETE FROM verification").await.unwrap();
    cluster.clock.advance(Duration::from_secs(31));
    assert!(b.claim(10).await.unwrap().is_empty());
    assert_eq!(cluster.count("SELECT count(due) FROM delivery").await, 0);
}

/// Numbers are given by whoever holds the lease when it gives them, not by whoever held it once.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_the_lease_numbers_nothing() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let (mine, aside) = (requests(&node, 1), cluster.aside().await);
    let elsewhere = format!(
        "INSERT INTO lease VALUES ('periodic', {OTHER}, (extract(epoch FROM now()) * 1000000)::INT8 + 8000000)
         ON CONFLICT (task) DO UPDATE SET node = excluded.node, until = excluded.until"
    );
    aside.batch_execute(&elsewhere).await.unwrap();
    begin(&node, &mine, PHONE).await;
    node.number_journal().await.unwrap();
    assert_eq!(cluster.count("SELECT count(*) FROM journal_run").await, 0);
    aside.batch_execute("DELETE FROM lease").await.unwrap();
    until_led(&[&node]).await;
    assert_eq!(until_numbered(&node, 1).await.len(), 1);
}

/// The leader died, and then the clock was set back by an hour: nobody waits for an hour.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_from_the_clocks_future_is_not_waited_for() {
    let cluster = Cluster::new().await;
    let aside = cluster.aside().await;
    let node = cluster.node(1).await;
    let ahead = format!(
        "INSERT INTO lease VALUES ('periodic', {OTHER}, (extract(epoch FROM now()) * 1000000)::INT8 + 3600000000)
         ON CONFLICT (task) DO UPDATE SET node = excluded.node, until = excluded.until"
    );
    aside.batch_execute(&ahead).await.unwrap();
    let taken = format!("SELECT count(*) FROM lease WHERE node <> {OTHER}");
    cluster.until_counted(&taken, 1).await;
    until_led(&[&node]).await;
}

/// More than is numbered at once: the next beat goes on where this one stopped.
#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_of_numbers_is_worked_off_in_steps() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let backlog = "BEGIN;
        INSERT INTO lane (id, node, holder, batch, entries, at, stamp)
          SELECT l, '\\x02', '\\x02', 1500, 1500, 0, 1500 FROM generate_series(101, 102) l;
        INSERT INTO journal SELECT l, n, n, NULL, '\\x' FROM generate_series(101, 102) l, generate_series(1, 1500) n;
        COMMIT";
    cluster.aside().await.batch_execute(backlog).await.unwrap();
    cluster.until_counted("SELECT coalesce(sum(length), 0)::INT8 FROM journal_run", 3_000).await;
    let gaps = "SELECT count(*) FROM (
        SELECT first, lag(first + length, 1, 1::INT8) OVER (ORDER BY first) AS expected FROM journal_run) r
        WHERE first <> expected";
    assert_eq!(cluster.count(gaps).await, 0);
    let unordered = "SELECT count(*) FROM (
        SELECT stamp, lag(stamp) OVER (ORDER BY first) AS before FROM journal_run) r WHERE stamp < before";
    assert_eq!(cluster.count(unordered).await, 0);
    drop(node);
}

/// A batch that was seen late has the lower stamp and the higher number. Retention stops before the first that stays.
#[tokio::test(flavor = "multi_thread")]
async fn retention_leaves_no_gap_in_the_numbers() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let day = Duration::from_secs(24 * 60 * 60);
    let edge = cluster.clock.now().minus(day).millis() * 1000;
    let runs = format!(
        "INSERT INTO journal_run VALUES (1, 101, 1, 1, {}), (2, 101, 2, 1, {}), (3, 101, 3, 1, {})",
        edge - 2,
        edge + 1,
        edge - 1
    );
    cluster.aside().await.batch_execute(&runs).await.unwrap();
    node.retire(Retention { verifications: day, journal: day }, 100).await.unwrap();
    assert_eq!(cluster.count("SELECT min(first) FROM journal_run").await, 2);
    assert_eq!(cluster.count("SELECT count(*) FROM journal_run").await, 2);
}

/// More verifications from the future than end in one transaction.
#[tokio::test(flavor = "multi_thread")]
async fn everything_from_the_clocks_future_ends_before_it_is_accepted() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let other = cluster.node(2).await;
    begin(&other, &requests(&other, 2), "other@example.com").await;
    let mine = requests(&node, 1);
    let made = node.administer(mine.admin(AdminChange::CreateProject(mine.project()))).await;
    assert!(made.is_ok(), "{made:?}");
    let mut starts = JoinSet::new();
    for n in 0..600 {
        let (node, start) = (Arc::clone(&node), mine.create(&format!("person{n}@example.com")));
        starts.spawn(async move { node.submit(start).await.unwrap() });
    }
    starts.join_all().await;
    cluster.clock.step_back(Duration::from_secs(3600));
    assert!(node.submit(mine.create(PHONE)).await.is_err());
    assert!(node.accept_clock(Actor::Operator, [7; 10]).await.unwrap().is_some());
    let entries = "SELECT count(*) FROM journal WHERE verification IS NOT NULL";
    assert_eq!(cluster.count(entries).await, 1202, "each began and ended");
    for node in [&node, &other] {
        begin(node, &mine, PHONE).await;
    }
}

/// The leader asks for an activation, and it was carried out meanwhile: it is one change, and one entry.
#[tokio::test(flavor = "multi_thread")]
async fn a_root_that_was_asked_for_twice_is_activated_once() {
    let cluster = Cluster::new().await;
    drop(cluster.node_with(1, &ring(1)).await);
    let aside = cluster.aside().await;
    aside.batch_execute("BEGIN; SELECT 1 FROM meta WHERE key = 'active_root' FOR UPDATE").await.unwrap();
    let node = cluster.node_with(2, &ring(2)).await;
    let asked = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND wait_event_type = 'Lock' AND query LIKE 'UPDATE meta%'";
    cluster.until_counted(asked, 1).await;
    let meanwhile = "UPDATE meta SET value = '\\x0002' WHERE key = 'active_root'; COMMIT";
    aside.batch_execute(meanwhile).await.unwrap();
    assert_eq!(begin(&node, &requests(&node, 1), PHONE).await.root, RootId(2));
    assert_eq!(cluster.count("SELECT count(*) FROM journal").await, 1, "no second activation");
}

/// The role ends transactions that are idle and waits for no lock for long; the lock on migrations is another matter.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_waits_for_another_ones_migration() {
    let cluster = Cluster::new().await;
    let aside = cluster.aside().await;
    let held = "DO $$ BEGIN
          EXECUTE format('ALTER DATABASE %I SET lock_timeout = ''100ms''', current_database());
        END $$;
        CREATE TABLE schema_lock (id INT8 PRIMARY KEY, oldest INT8 NOT NULL);
        INSERT INTO schema_lock VALUES (1, 1)";
    aside.batch_execute(held).await.unwrap();
    aside.batch_execute("BEGIN; SELECT 1 FROM schema_lock FOR UPDATE").await.unwrap();
    let settings = Settings::new(cluster.url.as_str());
    let migrating = tokio::spawn(async move {
        countersign_store::postgres::migrate(&settings).await.map_err(|e| e.to_string())
    });
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                 AND query LIKE '%FROM schema_lock%FOR UPDATE' AND wait_event_type = 'Lock'
                 AND clock_timestamp() - query_start > interval '500 ms'";
    cluster.until_counted(waits, 1).await;
    aside.batch_execute("ROLLBACK").await.unwrap();
    assert!(migrating.await.unwrap().is_ok_and(|ran| !ran.is_empty()), "all of them ran");
}

fn ring(active: u16) -> [Root; 2] {
    [1, 2].map(|id| Root {
        id: RootId(id),
        state: if id == active { RootState::Active } else { RootState::Present },
        secret: Zeroizing::new([0x5a + id as u8 - 1; 32]),
    })
}

fn hex(id: &[u8; 16]) -> String {
    let mut wide = [0; 32];
    wide[..16].copy_from_slice(id);
    Digest(wide).hex()[..32].to_owned()
}
