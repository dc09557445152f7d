//! A database that cannot be used is told in one sentence with the fix, the exit code is not zero, and nothing is changed.

use countersign_peers::{Postgres, shared};

use crate::cluster::{Cluster, told};

/// What must be as it was, of a database with our tables.
const STATE: &str = "SELECT (SELECT string_agg(key || encode(value, 'hex'), ' ' ORDER BY key) FROM meta),
     (SELECT count(*) FROM lane), (SELECT count(*) FROM node), (SELECT count(*) FROM journal),
     (SELECT count(*) FROM refinery_schema_history)";

/// Starts a node as `variables` say; what it says of it.
fn refused(cluster: &Cluster, variables: &[(&str, &str)], why: &str, fix: &str) {
    for arguments in [&["serve"][..], &["migrate"], &["doctor"]] {
        let mut command = cluster.command("a", arguments);
        let ended = command.envs(variables.iter().copied()).output().expect("the binary runs");
        let told = told(&ended);
        assert!(matches!(ended.status.code(), Some(1 | 2)), "{arguments:?}: {:?}: {told}", ended.status);
        assert!(
            told.contains(why) && told.contains(fix),
            "{arguments:?} should say {why:?} and {fix:?}: {told}"
        );
        assert!(!told.contains("hunter2") && !told.contains("panicked"), "{arguments:?}: {told}");
    }
}

#[test]
fn an_unknown_role_a_wrong_password_and_a_missing_database_are_named() {
    let cluster = Cluster::on(shared());
    let state = || shared().psql(&cluster.database, STATE);
    let before = state();
    let right = shared().with_password(&cluster.database, "hunter22");
    let url = "COUNTERSIGN_STORE__URL";
    let wrong = right.replace("hunter22", "hunter2");
    refused(&cluster, &[(url, &wrong)], "the database refuses the user", "store.password_file");
    let unknown = cluster.database.replace("postgres@", "nobody:hunter2@");
    refused(&cluster, &[(url, &unknown)], "the database refuses the user", "create the role");
    let without = cluster.database.replace("postgres@", "nobody@");
    refused(&cluster, &[(url, &without)], "password", "store.password_file");
    let (server, _) = cluster.database.rsplit_once('/').unwrap();
    let missing = format!("{server}/no_such_database");
    refused(&cluster, &[(url, &missing)], "there is no such database", "createdb");
    assert_eq!(state(), before);
}

#[test]
fn a_role_that_may_make_no_tables_is_named() {
    let cluster = Cluster::on(shared());
    let database = shared().create_database();
    let role = format!("reader_{}", database.rsplit('_').next().unwrap());
    shared().psql(&database, &format!("CREATE ROLE {role} LOGIN PASSWORD 'hunter2'"));
    let url = database.replace("postgres@", &format!("{role}:hunter2@"));
    refused(&cluster, &[("COUNTERSIGN_STORE__URL", &url)], "permission denied", "grant the role CREATE");
    let tables = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(shared().psql(&database, tables), "0");
}

#[test]
fn a_newer_schema_and_a_foreign_key_ring_are_named_and_left_alone() {
    let cluster = Cluster::on(shared());
    let state = || shared().psql(&cluster.database, STATE);
    let before = state();
    let other = Cluster::on(shared());
    let ring = other.path().join("keys.ring");
    let variables = [("COUNTERSIGN_KEYS__RING_FILE", ring.to_str().unwrap())];
    let ended = cluster.command("a", &["serve"]).envs(variables).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(told(&ended).contains("is not the one this database was written with"), "{}", told(&ended));
    assert_eq!(state(), before);
    shared().psql(&cluster.database, "UPDATE schema_lock SET oldest = 999");
    refused(&cluster, &[], "the schema is newer than this program", "or a later one");
    assert_eq!(state(), before);
}

#[tokio::test]
async fn tls_is_used_with_an_authority_that_is_trusted_and_refused_with_another() {
    let postgres = Postgres::with_tls();
    let url = postgres.create_database();
    let cluster = Cluster::on(shared());
    let secure = format!("{url}?sslmode=require");
    let ca = cluster.path().join("ca.pem");
    std::fs::copy(postgres.ca_file(), &ca).unwrap();
    let other = Postgres::with_tls();
    let other_ca = cluster.path().join("other.pem");
    std::fs::copy(other.ca_file(), &other_ca).unwrap();
    let (at, by) = ("COUNTERSIGN_STORE__URL", "COUNTERSIGN_STORE__CA_FILE");
    let variables = [(at, secure.as_str()), (by, other_ca.to_str().unwrap())];
    refused(&cluster, &variables, "invalid peer certificate", "store.ca_file");
    refused(&cluster, &[(at, &secure)], "invalid peer certificate", "store.ca_file");
    refused(&cluster, &[(at, &secure), (by, "nowhere.pem")], "nowhere.pem cannot be read", "store.ca_file");
    refused(&cluster, &[(at, &format!("{url}?sslmode=disable"))], "no encryption", "sslmode");
    let plain = format!("{}?sslmode=require", cluster.database);
    refused(&cluster, &[(at, &plain)], "server does not support TLS", "sslmode=disable");
    let node = cluster.node_with("a", &[(at, &secure), (by, ca.to_str().unwrap())]);
    assert_eq!(node.get("/readyz").await.status, 200);
    let ssl = "SELECT bool_and(ssl) FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
               WHERE a.application_name = 'countersign'";
    assert_eq!(postgres.psql(&postgres.url("postgres"), ssl), "t");
}
