//! A store that comes out of a backup is fenced before anybody serves it.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::cluster::{text, told};
use crate::harness::Server;

const PHONE: &str = "+48600100217";

fn fence(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["store", "fence"])
        .args(arguments)
        .current_dir(directory)
        .output()
        .expect("the binary runs")
}

#[tokio::test]
async fn a_code_that_was_used_after_the_backup_is_dead_after_the_fence() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let (file, backup) = (at.join("data/countersign.db"), at.join("backup.db"));
    let server = Server::start(at);
    let id = server.create(PHONE).await;
    let code = server.code_of(PHONE, &id).await;
    let refused = fence(at, &["--data", "data"]);
    assert!(!refused.status.success() && told(&refused).contains("is in use"), "{}", told(&refused));
    server.kill();
    std::fs::copy(&file, &backup).unwrap();
    // What a killed server had not folded into its file yet belongs to the backup.
    let wal = |name: &Path| name.with_extension("db-wal");
    std::fs::copy(wal(&file), wal(&backup)).unwrap();

    let server = Server::start(at);
    assert_eq!(server.check(&id, &code).await.text("status"), "approved");
    server.kill();
    std::fs::remove_file(at.join("data/countersign.db-shm")).unwrap();
    for (from, to) in [(&backup, &file), (&wal(&backup), &wal(&file))] {
        std::fs::copy(from, to).unwrap();
    }
    let fenced = fence(at, &["--data", "data"]);
    assert!(fenced.status.success(), "{}", told(&fenced));
    assert!(told(&fenced).contains("is fenced: what could have been used before 20"), "{}", told(&fenced));
    let again = fence(at, &["--data", "data", "--json"]);
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert!(text(&again, "fenced_at").ends_with('Z'), "{again}");

    let server = Server::start(at);
    let shown = server.get(&format!("/v1/verifications/{id}")).await;
    assert_eq!(shown.text("status"), "pending", "the backup does not know better");
    assert_eq!(server.check(&id, &code).await.code(), "code_incorrect");
    let next = server.create(PHONE).await;
    let code = server.code_of(PHONE, &next).await;
    assert_eq!(server.check(&next, &code).await.text("status"), "approved");
}

#[test]
fn where_there_is_no_store_nothing_is_fenced_and_nothing_is_made() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let refused = fence(at, &["--data", "data"]);
    assert!(
        refused.status.code() == Some(2) && told(&refused).contains("no server was found"),
        "{}",
        told(&refused)
    );
    std::fs::write(at.join("c.toml"), "[store]\nurl = \"sqlite:gone/countersign.db\"\n").unwrap();
    let refused = fence(at, &["--config", "c.toml", "--json"]);
    let why: Value = serde_json::from_slice(&refused.stderr)
        .or_else(|_| serde_json::from_slice(&refused.stdout))
        .unwrap_or_else(|_| json!(told(&refused)));
    assert!(refused.status.code() == Some(1) && why.to_string().contains("no store of countersign"), "{why}");
    assert!(!at.join("gone").exists());
}
