//! A PostgreSQL server alone.

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::thread;
use std::time::Duration;

use countersign_peers::{Postgres, Settings, shared, until};

#[test]
fn databases_are_separate() {
    let (one, other) = (shared().create_database(), shared().create_database());
    shared().psql(&one, "CREATE TABLE here (n int)");
    assert!(shared().try_psql(&other, "SELECT * FROM here").unwrap_err().contains("does not exist"));
}

/// The same without root's rights, in a process of its own. Where the tests run without them, all tests do.
#[test]
fn a_server_starts_without_root() {
    let id = |option| {
        let output = Command::new("id").args([option, "nobody"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().parse::<u32>()
    };
    let (Ok(user), Ok(group), true) = (id("-u"), id("-g"), is_root()) else { return };
    let directory = tempfile::tempdir().unwrap();
    // The build directory may be closed to others.
    let copy = directory.path().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(directory.path(), open).unwrap();
    let mut command = Command::new(copy);
    command.args(["--exact", "postgres::databases_are_separate"]).gid(group).uid(user).current_dir("/");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
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
    assert_eq!(postgres.psql(&database, "SHOW fsync; SHOW synchronous_commit"), "on\non");
}

#[test]
fn a_paused_server_answers_when_it_is_resumed() {
    let postgres = Postgres::start_with(&Settings::new().set("shared_buffers", "16MB"));
    let database = postgres.create_database();
    postgres.pause();
    thread::scope(|scope| {
        let question = scope.spawn(|| postgres.psql(&database, "SHOW shared_buffers"));
        assert!(!question.is_finished());
        postgres.resume();
        assert_eq!(question.join().unwrap(), "16MB");
    });
    postgres.stop();
    postgres.restart();
    assert_eq!(postgres.psql(&database, "SELECT 1"), "1");
    assert!(!postgres.log().contains("not properly shut down"));
}

#[test]
fn only_the_backends_of_one_database_are_terminated() {
    let (one, other) = (shared().create_database(), shared().create_database());
    assert_eq!(shared().terminate_backends(&one), 0);
    thread::scope(|scope| {
        let asleep = scope.spawn(|| shared().try_psql(&one, "SELECT pg_sleep(60)"));
        until("the backend", Duration::from_secs(10), || {
            let asleep = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'";
            (shared().psql(&other, asleep) == "1").then_some(())
        });
        assert_eq!(shared().terminate_backends(&one), 1);
        assert!(asleep.join().unwrap().unwrap_err().contains("terminating connection"));
    });
}

#[test]
fn a_role_with_a_password_gets_in_with_it_only() {
    let database = shared().create_database();
    let url = shared().with_password(&database, "p/w: it's @ secret");
    shared().psql(&url, "CREATE TABLE mine (n int)");
    let wrong = url.replace("secret", "guess");
    assert!(shared().try_psql(&wrong, "SELECT 1").unwrap_err().contains("password authentication failed"));
}

#[test]
fn a_server_with_tls_takes_nothing_else() {
    let postgres = Postgres::with_tls();
    let database = postgres.create_database();
    let trusting = format!("{database}?sslmode=verify-full&sslrootcert={}", postgres.ca_file().display());
    let secured = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(postgres.psql(&trusting, secured), "t");
    let refused = postgres.try_psql(&format!("{database}?sslmode=disable"), "SELECT 1").unwrap_err();
    assert!(refused.contains("no encryption"), "{refused}");
}

#[test]
fn the_socket_leads_to_the_same_server() {
    let place = shared().socket_directory().display();
    let by_socket = format!("postgres:///postgres?user=postgres&host={place}&port={}", shared().port());
    assert_eq!(shared().psql(&by_socket, "SELECT inet_server_addr() IS NULL"), "t");
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
