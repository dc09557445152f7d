//! Which engine a server has is a choice of `store.url`; a wrong one is told in one sentence and changes nothing.

use std::path::Path;
use std::process::{Command, Output};

/// Nobody listens on port 1.
const NOBODY: &str = "postgres://anna@127.0.0.1:1/codes";

fn countersign(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(arguments)
        .envs(variables.iter().copied())
        .current_dir(directory)
        .output()
        .expect("the binary runs")
}

fn told(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

fn is_empty(directory: &Path) -> bool {
    std::fs::read_dir(directory).unwrap().next().is_none()
}

#[test]
fn an_init_that_fails_names_cause_and_remedy_and_leaves_nothing_behind() {
    for (url, code, why) in [
        (NOBODY, 1, "the database does not answer"),
        ("postgres://anna:hunter2@127.0.0.1:1/codes", 2, "has a password in it"),
        ("postgres://anna@/codes", 2, "store.url: "),
        ("mysql://anna@127.0.0.1/codes", 2, "not a store this program knows"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let ended = countersign(directory.path(), &["init", "--store", url], &[]);
        let told = told(&ended);
        assert_eq!(ended.status.code(), Some(code), "{url}: {told}");
        assert!(told.contains(why) && told.contains("fix:") && !told.contains("hunter2"), "{url}: {told}");
        assert!(is_empty(directory.path()), "{url}");
    }
}

#[test]
fn every_command_says_that_the_database_does_not_answer_and_how_to_go_on() {
    let directory = tempfile::tempdir().unwrap();
    assert!(countersign(directory.path(), &["init"], &[]).status.success());
    let secret = NOBODY.replace("anna@", "anna:hunter2@");
    let variables = [("COUNTERSIGN_STORE__URL", secret.as_str())];
    for arguments in [&["serve"][..], &["migrate"], &["keys", "list"], &["doctor"]] {
        let ended = countersign(directory.path(), arguments, &variables);
        let told = told(&ended);
        assert_eq!(ended.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.contains("the database does not answer"), "{arguments:?}: {told}");
        assert!(told.contains("postgres://anna:***@127.0.0.1:1/codes"), "{arguments:?}: {told}");
        assert!(told.contains("start the database") && !told.contains("hunter2"), "{arguments:?}: {told}");
    }
    for arguments in [&["config", "show"][..], &["config", "show", "--json"], &["config", "check"]] {
        let shown = countersign(directory.path(), arguments, &variables);
        assert!(shown.status.success() && !told(&shown).contains("hunter2"), "{}", told(&shown));
    }
}

#[test]
fn dev_keeps_off_a_database_that_others_may_use() {
    let directory = tempfile::tempdir().unwrap();
    let variables = [("COUNTERSIGN_STORE__URL", "postgres://anna:hunter2@db/codes")];
    let ended = countersign(directory.path(), &["dev", "--listen", "127.0.0.1:0"], &variables);
    assert_eq!(ended.status.code(), Some(2));
    assert!(told(&ended).contains("COUNTERSIGN_STORE__URL names postgres://anna:***@db/codes"));
}
