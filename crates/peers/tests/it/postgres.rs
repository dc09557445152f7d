//! A PostgreSQL server alone.

use countersign_peers::{Postgres, shared};

#[test]
fn databases_are_separate() {
    let (one, other) = (shared().create_database(), shared().create_database());
    shared().psql(&one, "CREATE TABLE here (n int)");
    assert!(shared().try_psql(&other, "SELECT * FROM here").unwrap_err().contains("does not exist"));
}

#[test]
fn what_was_committed_survives_kill_nine() {
    let postgres = Postgres::durable();
    let database = postgres.create_database();
    postgres.psql(&database, "CREATE TABLE kept (n int); INSERT INTO kept VALUES (1), (2)");
    postgres.kill_nine();
    assert!(postgres.try_psql(&database, "SELECT 1").is_err());
    postgres.restart();
    assert_eq!(postgres.psql(&database, "SELECT n FROM kept ORDER BY n"), "1\n2");
    assert!(postgres.log().contains("database system was not properly shut down"));
}
