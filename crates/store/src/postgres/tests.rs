//! What single statements must do on a real server, whatever its planner thinks of them.

use std::time::Duration;

use countersign_peers::shared;
use tokio_postgres::{Client, NoTls};

use super::Settings;
use super::session::Connector;
use super::sql::Sql;

async fn database() -> (String, Client) {
    let url = tokio::task::spawn_blocking(|| shared().create_database()).await.unwrap();
    super::migrate(&Settings::new(url.as_str())).await.unwrap();
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
    tokio::spawn(connection);
    (url, client)
}

/// The rows a batch waited for are locked and told, or each wait would cost it a second attempt.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_changed_while_a_batch_waited_for_it_is_locked() {
    let (url, aside) = database().await;
    let rows = "INSERT INTO recipient (id, body) SELECT decode(lpad(to_hex(n), 32, '0'), 'hex'), '\\x00' FROM generate_series(1, 3) n;
         INSERT INTO verification (tenant, id, recipient, body) SELECT '\\x01', id, id, '\\x00' FROM recipient";
    aside.batch_execute(rows).await.unwrap();
    let session = Connector::new(&Settings::new(url.as_str())).unwrap().session().await.unwrap();
    aside.batch_execute("BEGIN; UPDATE recipient SET body = '\\x01'").await.unwrap();
    let locking = tokio::spawn(async move {
        let none: Vec<Vec<u8>> = Vec::new();
        let tenants = vec![vec![1_u8]; 3];
        let ids: Vec<Vec<u8>> = (1..=3_u128).map(|n| n.to_be_bytes().to_vec()).collect();
        session.query(Sql::Lock, &[&none, &none, &tenants, &ids, &none, &none]).await.unwrap().len()
    });
    until_waiting(&url).await;
    aside.batch_execute("COMMIT").await.unwrap();
    assert_eq!(locking.await.unwrap(), 3);
}

/// The same for subjects, by all that leads to them: a name, an id, a factor, a challenge.
#[tokio::test(flavor = "multi_thread")]
async fn a_subject_that_changed_while_a_batch_waited_for_it_is_locked() {
    let (url, aside) = database().await;
    let rows = "INSERT INTO subject (tenant, id, body) SELECT '\\x01', decode(lpad(to_hex(n), 32, '0'), 'hex'), '\\x00' FROM generate_series(1, 5) n;
         INSERT INTO subject_index (tenant, digest, subject) SELECT tenant, id, id FROM subject;
         INSERT INTO factor (tenant, id, subject) SELECT tenant, id, id FROM subject;
         INSERT INTO challenge (tenant, id, subject, body) SELECT tenant, id, id, '\\x00' FROM subject";
    aside.batch_execute(rows).await.unwrap();
    let session = Connector::new(&Settings::new(url.as_str())).unwrap().session().await.unwrap();
    aside.batch_execute("BEGIN; UPDATE subject SET body = '\\x01'").await.unwrap();
    let locking = tokio::spawn(async move {
        let of = vec![vec![1_u8]];
        let id = |n: u128| vec![n.to_be_bytes().to_vec()];
        let (name, subject, factor, challenge) = (id(4), id(1), id(3), id(2));
        let rows = session
            .query(Sql::LockSubjects, &[&of, &name, &of, &subject, &of, &factor, &of, &challenge])
            .await
            .unwrap();
        rows.iter().map(|row| row.get::<_, &[u8]>(0)[15]).collect::<Vec<_>>()
    });
    until_waiting(&url).await;
    aside.batch_execute("COMMIT").await.unwrap();
    assert_eq!(locking.await.unwrap(), [1, 2, 3, 4], "in the order of their ids");
}

/// Waits until somebody waits for a lock in this database.
async fn until_waiting(url: &str) {
    let (watch, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    let waiting = async {
        let sql = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'";
        while watch.query_one(sql, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(4), waiting).await.unwrap();
}

/// A plan made while the tables were empty must not walk over the whole journal when they have grown.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_number_is_found_without_reading_what_has_one() {
    let (url, aside) = database().await;
    let session = Connector::new(&Settings::new(url.as_str())).unwrap().session().await.unwrap();
    session.query(Sql::Unnumbered, &[&10_i64]).await.unwrap();
    let rows = "INSERT INTO lane (id, node, holder, batch, entries, at, stamp) VALUES (1, '\\x00', '\\x00', 1, 20001, 0, 0);
         INSERT INTO journal (lane, n, stamp, body) SELECT 1, n, n, '\\x00' FROM generate_series(1, 20001) n;
         INSERT INTO journal_lane (lane, numbered) VALUES (1, 20000)";
    aside.batch_execute(rows).await.unwrap();
    let read = "SELECT coalesce(sum(idx_tup_fetch + seq_tup_read), 0)::INT8 FROM pg_stat_user_tables WHERE relname = 'journal'";
    aside.batch_execute("SELECT pg_stat_force_next_flush()").await.unwrap();
    assert_eq!(session.query(Sql::Unnumbered, &[&10_i64]).await.unwrap().len(), 1);
    session.run("SELECT pg_stat_force_next_flush()").await.unwrap();
    let fetched: i64 = aside.query_one(read, &[]).await.unwrap().get(0);
    assert!(fetched < 1_000, "{fetched} rows of the journal were read");
}
