//! PgBouncer in front of the shared server.

use countersign_peers::{Pgbouncer, shared};

#[test]
fn a_pooler_passes_queries_and_comes_back_after_a_kill() {
    let pooler = Pgbouncer::in_front_of(shared());
    let database = pooler.through(&shared().create_database());
    assert_eq!(shared().psql(&database, "SELECT 6 * 7"), "42");
    pooler.kill();
    assert!(shared().try_psql(&database, "SELECT 1").is_err());
    pooler.restart();
    assert_eq!(shared().psql(&database, "SELECT 6 * 7"), "42");
}

#[test]
fn sessions_are_shared_between_transactions() {
    let pooler = Pgbouncer::in_front_of(shared());
    let database = pooler.through(&shared().create_database());
    let backend = "SELECT pg_backend_pid()";
    assert_eq!(shared().psql(&database, backend), shared().psql(&database, backend), "{}", pooler.log());
}
