//! A primary and its standby.

use std::thread;
use std::time::Duration;

use countersign_peers::{Postgres, until};

#[test]
fn what_was_acknowledged_is_on_the_promoted_standby() {
    let primary = Postgres::start();
    let database = primary.create_database();
    let standby = primary.standby();
    let name = database.rsplit('/').next().unwrap();
    primary.psql(&database, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (7)");
    assert!(standby.try_psql(&standby.url(name), "INSERT INTO kept VALUES (8)").is_err());
    primary.kill_nine();
    standby.promote();
    let read_and_write = "SELECT n FROM kept; INSERT INTO kept VALUES (8); SELECT count(*) FROM kept";
    assert_eq!(standby.psql(&standby.url(name), read_and_write), "7\n2");
}

#[test]
fn without_its_standby_the_primary_does_not_acknowledge() {
    let primary = Postgres::start();
    let database = primary.create_database();
    primary.psql(&database, "CREATE TABLE kept (n int)");
    let standby = primary.standby();
    standby.stop();
    thread::scope(|scope| {
        let insert = scope.spawn(|| primary.psql(&database, "INSERT INTO kept VALUES (1)"));
        until("the commit to wait", Duration::from_secs(10), || {
            let waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'";
            (primary.psql(&database, waiting) == "1").then_some(())
        });
        assert!(!insert.is_finished());
        standby.restart();
        insert.join().unwrap();
    });
    standby.stop();
    primary.set("synchronous_standby_names", "");
    primary.psql(&database, "INSERT INTO kept VALUES (2)");
}
