//! A store moves up from a SQLite file to PostgreSQL, and whoever waits for a code does not notice.

use std::path::Path;
use std::process::{Command, Output};

use countersign_peers::shared;
use reqwest::Method;
use serde_json::{Value, json};

use crate::cluster::told;
use crate::harness::{Server, wrong};

const FROM: &str = "sqlite:data/countersign.db";

fn store_copy(directory: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["store", "copy"])
        .args(arguments)
        .env_remove("COUNTERSIGN_STORE__URL")
        .envs(variables.iter().copied())
        .current_dir(directory)
        .output()
        .expect("the binary runs")
}

/// A server on the database, with the ring that `dev` made.
fn serve(directory: &Path, database: &str, key: &str) -> Server {
    std::fs::write(directory.join("data/moved.toml"), format!("[store]\nurl = {database:?}\n")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command
        .args(["serve", "--config", "data/moved.toml"])
        .env("COUNTERSIGN_SERVER__LISTEN", "127.0.0.1:0")
        .env("COUNTERSIGN_SERVER__DRAIN_SECONDS", "0")
        .current_dir(directory);
    Server::run(&mut command, Some(key.to_owned()))
}

#[tokio::test]
async fn a_pending_verification_is_approved_after_the_move() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    let server = Server::start(at);
    let id = server.create("+48600100217").await;
    let code = server.code_of("+48600100217", &id).await;
    assert_eq!(server.check(&id, &wrong(&code)).await.code(), "code_incorrect");
    let once = [("idempotency-key", "order-42")];
    let create = |server: &Server| {
        let (base, key) = (format!("{}/v1/verifications", server.base), server.key.clone());
        let (name, value) = once[0];
        let request = server.client.post(base).bearer_auth(key).header(name, value);
        request.json(&json!({ "to": "ann@example.com" })).send()
    };
    let first: Value = create(&server).await.unwrap().json().await.unwrap();

    let database = shared().create_database();
    let refused = store_copy(at, &["--from", FROM, "--to", &database], &[]);
    assert!(!refused.status.success() && told(&refused).contains("is in use"), "{}", told(&refused));
    let key = server.key.clone();
    server.kill();

    let copied = store_copy(at, &["--from", FROM, "--to", &database], &[]);
    assert!(copied.status.success(), "{}", told(&copied));
    let text = told(&copied);
    let counted = |line: &str| line.split_whitespace().eq(["verification", "2", "2"]);
    assert!(text.lines().any(counted) && text.contains("\nComplete: "), "{text}");
    assert!(text.contains(&format!("store.url = \"{database}\"")) && text.contains("Never serve"), "{text}");
    let again = store_copy(at, &["--from", FROM, "--json"], &[("COUNTERSIGN_STORE__URL", &database)]);
    assert!(again.status.success() && again.stderr.is_empty(), "{}", told(&again));
    let again: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!((&again["was_complete"], &again["written"]), (&json!(true), &json!(0)));

    let server = serve(at, &database, &key);
    let shown = server.get(&format!("/v1/verifications/{id}")).await;
    assert_eq!((shown.text("status"), &shown.body["attempts_remaining"]), ("pending".to_owned(), &json!(4)));
    let twin: Value = create(&server).await.unwrap().json().await.unwrap();
    assert_eq!(twin["id"], first["id"]);
    let approved = server.check(&id, &code).await;
    assert_eq!((approved.status.as_u16(), approved.text("status")), (200, "approved".to_owned()));
    assert_eq!(server.check(&id, &code).await.code(), "verification_already_approved");
    let timeline = server.call(Method::GET, &format!("/v1/verifications/{id}/timeline"), None).await;
    for fact in ["verification.created", "check.rejected", "verification.approved"] {
        assert!(timeline.body.to_string().contains(fact), "{}", timeline.body);
    }
    let refused = store_copy(at, &["--from", FROM, "--to", &database], &[]);
    assert!(
        told(&refused).contains("the database is in use; servers that work on it: 1"),
        "{}",
        told(&refused)
    );
}

#[test]
fn what_cannot_be_copied_is_told_and_nothing_is_made() {
    const NOBODY: &str = "postgres://anna@127.0.0.1:1/codes";
    let secret = NOBODY.replace("anna@", "anna:hunter2@");
    for (arguments, variables, code, why) in [
        (&["--from", FROM, "--to", &secret][..], &[][..], 2, "--to has a password in it"),
        (&["--from", NOBODY, "--to", NOBODY], &[], 2, "from a SQLite file only"),
        (&["--from", FROM, "--to", "sqlite:other.db"], &[], 2, "cannot be the URL of a PostgreSQL database"),
        (&["--from", FROM, "--to", "postgres://anna@/codes"], &[], 2, "it names no host"),
        (&["--from", FROM], &[], 2, "no database is named"),
        (&["--from", FROM, "--to", NOBODY], &[("COUNTERSIGN_STORE__URL", secret.as_str())], 2, "two stores"),
        (&["--from", FROM, "--to", NOBODY], &[], 2, "there is no file data/countersign.db"),
        (&["--from", FROM], &[("COUNTERSIGN_STORE__URL", secret.as_str())], 2, "there is no file"),
        (&["--from", FROM, "--to", NOBODY, "--to-password-file", "none"], &[], 1, "none cannot be read"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let ended = store_copy(directory.path(), arguments, variables);
        let told = told(&ended);
        assert_eq!(ended.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(
            told.contains(why) && told.contains("fix:") && !told.contains("hunter2"),
            "{arguments:?}: {told}"
        );
        assert!(std::fs::read_dir(directory.path()).unwrap().next().is_none(), "{arguments:?}");
    }
}

#[tokio::test]
async fn the_password_of_the_database_comes_from_a_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    Server::start(at).kill();
    let url = shared().create_database();
    let (_, name) = url.rsplit_once('/').unwrap();
    shared().psql(
        &url,
        &format!("CREATE ROLE mover LOGIN PASSWORD 'hunter2'; ALTER DATABASE {name} OWNER TO mover"),
    );
    let database = url.replace("postgres@", "mover@");
    let file = at.join("password");
    let copy = |password: &str| {
        let _ = std::fs::remove_file(&file);
        std::fs::write(&file, password).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o400)).unwrap();
        store_copy(at, &["--from", FROM, "--to", &database, "--to-password-file", "password"], &[])
    };
    let refused = copy("wrong");
    assert_eq!(refused.status.code(), Some(1));
    assert!(told(&refused).contains("the database refuses the user"), "{}", told(&refused));
    let copied = copy("hunter2\n");
    assert!(copied.status.success() && !told(&copied).contains("hunter2"), "{}", told(&copied));
}
