//! Roots are rotated on a store with codes under way.

use std::process::Command;

use serde_json::Value;

use crate::harness::Server;

fn ring(directory: &std::path::Path, arguments: &[&str]) -> Value {
    let ended = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["--json", "ring", "--data"])
        .arg(directory.join("data"))
        .args(arguments)
        .output()
        .expect("the binary runs");
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    serde_json::from_slice(&ended.stdout).expect("it prints JSON")
}

#[tokio::test]
async fn a_code_that_was_sent_before_a_rotation_is_accepted_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let id = server.create("+48600100217").await;
    let code = server.code_of("+48600100217", &id).await;
    assert_eq!(ring(directory.path(), &["add"])["added"], 2);
    server.kill();
    let server = Server::start(directory.path());
    let during = server.create("+48600100218").await;
    ring(directory.path(), &["activate", "2"]);
    server.kill();
    let status = ring(directory.path(), &["status"]);
    let states: Vec<_> = status["roots"].as_array().unwrap().iter().map(|root| &root["state"]).collect();
    assert_eq!(states, ["retiring", "active"]);
    let server = Server::start(directory.path());
    assert_eq!(server.check(&id, &code).await.status, 200);
    let code = server.code_of("+48600100218", &during).await;
    assert_eq!(server.check(&during, &code).await.status, 200);
    let after = server.create("+48600100217").await;
    let code = server.code_of("+48600100217", &after).await;
    assert_eq!(server.check(&after, &code).await.status, 200);
}
