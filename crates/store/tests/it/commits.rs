//! What becomes of a batch when its connection, its statements or its commit fail: it happens once or not at all, and
//! nobody is told otherwise.

use std::sync::Arc;

use countersign_core::command::Answer;
use countersign_core::refusal::Refusal;
use countersign_core::store::{Store as _, Unavailable};
use countersign_peers::{Postgres, Proxy, shared};
use countersign_sim::test_ring;
use countersign_store::postgres::{PostgresStore, Settings};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

use crate::nodes::{Cluster, begin, requests, submit};

const PHONE: &str = "+48600100217";

/// A node behind a proxy, with its lane connected.
async fn behind(proxy: &Proxy, cluster: &Cluster) -> Arc<PostgresStore> {
    let settings = Settings { lanes: 1, ..Settings::new(proxy.through(&cluster.url)) };
    let node = cluster.node_by(1, &test_ring(), &settings).await;
    begin(&node, &requests(&node, 11), "warm@example.com").await;
    node
}

/// Keeps every batch from being written, until it is rolled back. Loading does not touch the journal.
async fn journal_locked(cluster: &Cluster) -> Client {
    let aside = cluster.aside().await;
    aside.batch_execute("BEGIN; LOCK TABLE journal IN EXCLUSIVE MODE").await.unwrap();
    aside
}

/// A right code whose batch waits to be written until the lock beside it is rolled back.
async fn right_code_held(cluster: &Cluster, node: &Arc<PostgresStore>) -> (Client, JoinHandle<Answer>) {
    let mine = requests(node, 1);
    let begun = begin(node, &mine, PHONE).await;
    let aside = journal_locked(cluster).await;
    let check = submit(node, mine.check(begun.id, &mine.code_of(&begun)));
    cluster.until_waiting(1).await;
    (aside, check)
}

/// The commit happened and nobody heard of it: the lane's row tells, and the right code is not told to be used up.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_told_as_what_it_was() {
    let cluster = Cluster::new().await;
    let proxy = Proxy::to(shared().address());
    let node = behind(&proxy, &cluster).await;
    let (aside, check) = right_code_held(&cluster, &node).await;
    proxy.hold(true);
    aside.batch_execute("ROLLBACK").await.unwrap();
    cluster.until_counted("SELECT max(batch) FROM lane", 3).await;
    proxy.cut();
    proxy.hold(false);
    let told = check.await.unwrap();
    assert!(matches!(told, Answer::Approved(..)), "{told:?}");
    assert_eq!(cluster.count("SELECT max(batch) FROM lane").await, 3, "decided once");
}

/// The connection breaks before the commit; whether the server still carries it out or not, it is carried out once.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_whose_connection_breaks_is_carried_out_once() {
    let cluster = Cluster::new().await;
    let proxy = Proxy::to(shared().address());
    let node = behind(&proxy, &cluster).await;
    let (aside, check) = right_code_held(&cluster, &node).await;
    proxy.cut();
    // The old session, and the new one that prepares its statements.
    let waiting = "SELECT least(count(*), 2) FROM pg_stat_activity WHERE datname = current_database()
                   AND wait_event_type = 'Lock' AND query LIKE 'INSERT INTO journal %'";
    cluster.until_counted(waiting, 2).await;
    aside.batch_execute("ROLLBACK").await.unwrap();
    let told = check.await.unwrap();
    assert!(matches!(told, Answer::Approved(..)), "{told:?}");
    assert_eq!(cluster.count("SELECT count(*) FROM journal").await, 3);
}

/// The commit takes longer than the lane has patience, and happens while the lane asks: the lane's row waits for it.
#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_is_still_on_its_way_is_waited_for() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let mine = requests(&node, 1);
    let begun = begin(&node, &mine, PHONE).await;
    let aside = cluster.aside().await;
    aside.batch_execute("BEGIN; SELECT 1 FROM verification FOR UPDATE").await.unwrap();
    let check = node.submit(mine.check(begun.id, &mine.code_of(&begun)));
    let settling = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
                    AND wait_event_type = 'Lock' AND query LIKE 'SELECT holder, batch FROM lane%'";
    cluster.until_counted(settling, 1).await;
    aside.batch_execute("ROLLBACK").await.unwrap();
    // On a busy machine there may be no time left to tell; something else must never be told.
    let told = check.await.map(|told| told.answer);
    assert!(matches!(told, Ok(Answer::Approved(..)) | Err(Unavailable::Storage(_))), "{told:?}");
    cluster.until_counted("SELECT count(*) FROM journal", 2).await;
}

/// Whoever was told that there is no answer is not served afterwards: neither what waited too long behind others, nor what
/// the lane had to connect for.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_waits_for_any_more_is_not_begun() {
    let cluster = Cluster::new().await;
    let proxy = Proxy::to(shared().address());
    let node = behind(&proxy, &cluster).await;
    let mine = requests(&node, 1);
    let aside = cluster.aside().await;
    aside.batch_execute("BEGIN; SELECT 1 FROM recipient FOR UPDATE").await.unwrap();
    let busy = node.submit(mine.create("warm@example.com"));
    cluster.until_waiting(1).await;
    assert!(node.submit(mine.create(PHONE)).await.is_err());
    assert!(busy.await.is_err());
    let next = node.submit(mine.create("ann@example.com"));
    aside.batch_execute("ROLLBACK").await.unwrap();
    assert!(matches!(next.await.unwrap().answer, Answer::Done(_)));
    assert_eq!(cluster.count("SELECT count(*) FROM recipient").await, 2);
    proxy.hold(true);
    proxy.cut();
    assert!(node.submit(mine.create(PHONE)).await.is_err());
    proxy.hold(false);
    begin(&node, &mine, "bob@example.com").await;
    assert_eq!(cluster.count("SELECT count(*) FROM recipient").await, 3);
}

/// The server ends the session in the middle: nothing of the batch happened, and it is decided again.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_the_server_cut_off_is_decided_again() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let (aside, check) = right_code_held(&cluster, &node).await;
    let ended = "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock' AND backend_xid IS NOT NULL
                 AND query ~ 'INTO journal '";
    assert_eq!(cluster.count(ended).await, 1);
    aside.batch_execute("ROLLBACK").await.unwrap();
    let told = check.await.unwrap();
    assert!(matches!(told, Answer::Approved(..)), "{told:?}");
    assert_eq!(cluster.count("SELECT count(*) FROM journal").await, 2);
}

/// The lane went to another node before its past was asked for: then nobody knows, and nobody is told anything.
#[tokio::test(flavor = "multi_thread")]
async fn what_happened_on_a_lane_that_was_lost_is_not_guessed() {
    let cluster = Cluster::new().await;
    let proxy = Proxy::to(shared().address());
    let node = behind(&proxy, &cluster).await;
    let mine = requests(&node, 1);
    let aside = journal_locked(&cluster).await;
    let create = mine.create(PHONE);
    let start = tokio::spawn({
        let node = Arc::clone(&node);
        async move { node.submit(create).await }
    });
    cluster.until_waiting(1).await;
    proxy.refuse(true);
    proxy.hold(true);
    aside.batch_execute("ROLLBACK").await.unwrap();
    cluster.until_counted("SELECT max(batch) FROM lane", 2).await;
    let taken = "UPDATE lane SET holder = '\\x00000000000000000000000000000001', batch = batch + 7";
    aside.batch_execute(taken).await.unwrap();
    proxy.cut();
    proxy.hold(false);
    proxy.refuse(false);
    assert!(start.await.unwrap().is_err());
    assert_eq!(cluster.count("SELECT count(*) FROM verification").await, 2, "nor is it begun again");
}

/// A lane's row that another node took is never written by the one that lost it.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_was_taken_for_dead_takes_another_lane() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let mine = requests(&node, 1);
    begin(&node, &mine, PHONE).await;
    let aside = cluster.aside().await;
    let taken = "INSERT INTO node SELECT '\\x00000000000000000000000000000001', seen, ring FROM node;
                 UPDATE lane SET node = '\\x00000000000000000000000000000001',
                   holder = '\\x00000000000000000000000000000001'";
    aside.batch_execute(taken).await.unwrap();
    begin(&node, &mine, PHONE).await;
    assert_eq!(cluster.count("SELECT batch FROM lane WHERE id = 1").await, 1);
    assert_eq!(cluster.count("SELECT batch FROM lane WHERE id = 2").await, 1);
}

/// Raises `code` when a row comes into `table` and `condition` holds, at the end of the transaction if `deferred`.
async fn raise(cluster: &Cluster, table: &str, condition: &str, code: &str, deferred: bool) {
    let kind = if deferred { "CONSTRAINT TRIGGER" } else { "TRIGGER" };
    let when = if deferred { "DEFERRABLE INITIALLY DEFERRED" } else { "" };
    // A sequence is not rolled back: it counts the attempts.
    let sql = format!(
        "CREATE SEQUENCE attempt;
         CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
           IF {condition} THEN RAISE EXCEPTION 'planted' USING ERRCODE = '{code}'; END IF; RETURN NEW; END $$;
         CREATE {kind} fail AFTER INSERT ON {table} {when} FOR EACH ROW EXECUTE FUNCTION fail()"
    );
    cluster.aside().await.batch_execute(&sql).await.unwrap();
}

/// A refusal of the commit itself is one of the whole batch; what may pass is tried again, also when the server does not
/// know how it ended.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_commit_is_tried_again() {
    for code in ["40001", "40P01", "23505", "40003"] {
        let cluster = Cluster::new().await;
        let node = cluster.node(1).await;
        let mine = requests(&node, 1);
        begin(&node, &mine, "warm@example.com").await;
        raise(&cluster, "journal", "nextval('attempt') < 3", code, true).await;
        begin(&node, &mine, PHONE).await;
        assert_eq!(cluster.count("SELECT nextval('attempt')").await, 4, "{code}");
        assert_eq!(cluster.count("SELECT count(*) FROM journal").await, 2);
    }
}

/// One command the server does not take fails alone, whatever else is in its batch.
#[tokio::test(flavor = "multi_thread")]
async fn a_poisonous_command_fails_alone() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let mine = requests(&node, 1);
    let warm = begin(&node, &mine, "warm@example.com").await;
    raise(&cluster, "verification", "NEW.subject IS NOT NULL", "P0001", false).await;
    let aside = cluster.aside().await;
    aside.batch_execute("BEGIN; SELECT 1 FROM recipient FOR UPDATE").await.unwrap();
    let busy = submit(&node, mine.check(warm.id, &mine.code_of(&warm)));
    cluster.until_waiting(1).await;
    let subject = |n: u32| (n == 4).then(|| "user-4".to_owned());
    let starts = (0..10).map(|n| {
        let to = format!("person{n}@example.com");
        node.submit(mine.create_with(&to, |create| create.private.subject = subject(n)))
    });
    let starts: Vec<_> = starts.collect();
    aside.batch_execute("ROLLBACK").await.unwrap();
    assert!(matches!(busy.await.unwrap(), Answer::Approved(..)));
    for (n, start) in starts.into_iter().enumerate() {
        assert_eq!(start.await.is_err(), n == 4, "{n}");
    }
    assert_eq!(cluster.count("SELECT count(*) FROM recipient_index").await, 10);
}

/// A connection on which statements fail for good is given up: the next command has another one.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_lost_its_statements_is_not_used_again() {
    let cluster = Cluster::new().await;
    let node = cluster.node(1).await;
    let mine = requests(&node, 1);
    begin(&node, &mine, "warm@example.com").await;
    let sql = "CREATE SEQUENCE attempt;
               CREATE FUNCTION forget() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 IF nextval('attempt') = 1 THEN EXECUTE 'DEALLOCATE ALL'; END IF; RETURN NEW; END $$;
               CREATE TRIGGER forget AFTER INSERT ON journal FOR EACH ROW EXECUTE FUNCTION forget()";
    cluster.aside().await.batch_execute(sql).await.unwrap();
    assert!(node.submit(mine.create(PHONE)).await.is_err());
    begin(&node, &mine, PHONE).await;
}

/// A server that became read-only under a lane's connection is left for the one that takes writes.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_writes_any_more_is_left() {
    let server = tokio::task::spawn_blocking(Postgres::start).await.unwrap();
    let cluster = Cluster::at(server.create_database());
    let node = cluster.node(1).await;
    let mine = requests(&node, 1);
    begin(&node, &mine, "warm@example.com").await;
    let writes = "DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = off', current_database());
      END $$";
    cluster.aside().await.batch_execute(writes).await.unwrap();
    server.set("default_transaction_read_only", "on");
    begin(&node, &mine, PHONE).await;
    server.psql(&server.url("postgres"), "SET default_transaction_read_only = off; ALTER SYSTEM RESET ALL");
}

/// What changes nothing is answered also when the end of its transaction is lost on the way.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_changes_does_not_need_its_rollback() {
    let cluster = Cluster::new().await;
    let proxy = Proxy::to(shared().address());
    let node = behind(&proxy, &cluster).await;
    let mine = requests(&node, 1);
    let begun = begin(&node, &mine, PHONE).await;
    let mine = mine.of_tenant(countersign_core::tenant::Tenant {
        mode: countersign_core::tenant::Mode::Test,
        ..mine.tenant
    });
    proxy.cut_before(b"ROLLBACK");
    let told = submit(&node, mine.check(begun.id, "000000")).await.unwrap();
    assert!(matches!(told, Answer::Refused(Refusal::NotFound, _)), "{told:?}");
    assert_eq!(proxy.fired(), 1);
}
