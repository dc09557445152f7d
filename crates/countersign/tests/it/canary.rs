use serde_json::json;

use crate::harness::Server;

/// Every file below a directory, as bytes.
fn files(directory: &std::path::Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
    found
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn no_code_key_or_recipient_stands_in_a_database_file_a_log_or_an_answer() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (to, mail) = ("+48600400123", "canary.person@example.com");
    let mut codes = Vec::new();
    let mut answers = String::new();
    for recipient in [to, mail] {
        let body = json!({ "to": recipient, "subject": "canary-subject", "session": "canary-session",
            "metadata": { "order": "canary-metadata" }, "context": { "ip": "203.0.113.77" } });
        let created = server.post("/v1/verifications", body).await;
        assert_eq!(created.status, 201, "{}", created.body);
        let id = created.text("id");
        answers.push_str(&created.body.to_string());
        let code = server.code_of(recipient, &id).await;
        let check = json!({ "code": code, "session": "canary-session" });
        answers
            .push_str(&server.post(&format!("/v1/verifications/{id}/check"), check).await.body.to_string());
        answers.push_str(&server.get(&format!("/v1/verifications/{id}/timeline")).await.body.to_string());
        codes.push(code);
    }
    for secret in [to, &to[1..], mail, "canary.person"] {
        assert!(!answers.contains(secret), "an answer shows {secret}");
        assert!(!server.log().contains(secret), "the log shows {secret}");
    }
    let log = server.log();
    for code in &codes {
        assert!(
            !log.split(|symbol: char| !symbol.is_ascii_digit()).any(|run| run == code),
            "the log shows a code"
        );
    }
    assert!(!log.contains(&server.key), "the log shows the key");
    let private =
        [to, &to[1..], mail, "canary.person", "canary-subject", "canary-session", "canary-metadata"];
    for (name, bytes) in files(&directory.path().join("data")) {
        // The profile is where `dev` keeps its test key on purpose, readable by its owner only.
        if name.ends_with("profile.toml") {
            continue;
        }
        for secret in private.iter().copied().chain([server.key.as_str()]) {
            assert!(!holds(&bytes, secret), "{name} holds {secret}");
        }
        for code in &codes {
            let quoted = [format!("\"{code}\""), format!("code {code}"), format!("{code} is")];
            assert!(quoted.iter().all(|form| !holds(&bytes, form)), "{name} holds a code");
        }
    }
}
