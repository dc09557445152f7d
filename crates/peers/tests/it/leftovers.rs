//! Nothing outlives the tests, however they end.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;
use std::{env, fs};

use countersign_peers::{Pgbouncer, Postgres, shared, until};
use tempfile::TempDir;

#[test]
fn nothing_is_left_of_a_test_that_was_killed() {
    let (mut test, place) = start("waits_with_everything_running");
    let ports = ports_of(&mut test);
    assert_eq!(ports.len(), 3);
    assert!(ports.iter().all(|port| is_open(*port)));
    test.kill().unwrap();
    test.wait().unwrap();
    until("the end of the servers", Duration::from_secs(20), || {
        let gone = fs::read_dir(place.path()).unwrap().count() == 0;
        (gone && ports.iter().all(|port| !is_open(*port))).then_some(())
    });
}

#[test]
fn nothing_is_left_of_a_server_that_was_killed() {
    let postgres = Postgres::start();
    let directory = postgres.data_directory();
    let state = fs::read_to_string(directory.join("postmaster.pid")).unwrap();
    let segment = state.lines().nth(6).unwrap().split_whitespace().last().unwrap().to_owned();
    assert!(segments().contains(&segment));
    postgres.kill_nine();
    drop(postgres);
    assert!(!directory.parent().unwrap().exists());
    assert!(!segments().contains(&segment));
}

#[test]
#[ignore = "the other half of a test above, in a process of its own"]
fn waits_with_everything_running() {
    let postgres = Postgres::start();
    let pooler = Pgbouncer::in_front_of(&postgres);
    println!("ports {} {} {}", postgres.port(), pooler.port(), shared().port());
    let _ = std::io::stdin().read(&mut [0]);
}

/// Runs one ignored test of this program with a place of its own for temporary files.
fn start(name: &str) -> (Child, TempDir) {
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--ignored", "--nocapture", "--exact"]).arg(format!("leftovers::{name}"));
    command.env("TMPDIR", place.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
    (command.spawn().unwrap(), place)
}

fn ports_of(test: &mut Child) -> Vec<u16> {
    let mut output: BufReader<&mut ChildStdout> = BufReader::new(test.stdout.as_mut().unwrap());
    let mut line = String::new();
    loop {
        line.clear();
        assert_ne!(output.read_line(&mut line).unwrap(), 0, "it ended early");
        if let Some((_, ports)) = line.split_once("ports ") {
            return ports.split_whitespace().map(|port| port.parse().unwrap()).collect();
        }
    }
}

fn is_open(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// The ids of the System V segments of this machine.
fn segments() -> Vec<String> {
    let output = Command::new("ipcs").arg("-m").output().unwrap();
    let output = String::from_utf8_lossy(&output.stdout).into_owned();
    output.lines().filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect()
}
