use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Method;
use serde_json::json;

use crate::harness::Server;

/// What a client knows for certain: only what was answered.
#[derive(Default)]
struct Seen {
    created: Vec<(String, String)>,
    approved: Vec<(String, String)>,
}

/// Starts and approves verifications until the server is gone.
async fn until_it_dies(server: Arc<Server>, worker: usize, done: Arc<AtomicUsize>) -> Seen {
    let mut seen = Seen::default();
    for n in 0.. {
        let to = format!("+486003{:05}", worker * 5_000 + n);
        let body = json!({ "to": to, "channel": "self" });
        let call = |path: String, body| {
            let server = Arc::clone(&server);
            async move { server.try_call(Some(&server.key), Method::POST, &path, Some(body), &[]).await }
        };
        let Ok(created) = call("/v1/verifications".to_owned(), body).await else { break };
        let (id, code) = (created.text("id"), created.text("code"));
        seen.created.push((id.clone(), code.clone()));
        let path = format!("/v1/verifications/{id}/check");
        let Ok(checked) = call(path, json!({ "code": code })).await else { break };
        assert_eq!(checked.status, 200, "{}", checked.body);
        seen.approved.push((id, code));
        done.fetch_add(1, Ordering::Relaxed);
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_minus_nine_under_load_loses_nothing_and_revives_no_code() {
    let directory = tempfile::tempdir().unwrap();
    for round in 0..3 {
        let server = Arc::new(Server::start(directory.path()));
        let done = Arc::new(AtomicUsize::new(0));
        let workers: Vec<_> = (0..4)
            .map(|n| tokio::spawn(until_it_dies(Arc::clone(&server), round * 4 + n, Arc::clone(&done))))
            .collect();
        while done.load(Ordering::Relaxed) < 40 {
            tokio::task::yield_now().await;
        }
        kill_process(&server);
        let mut seen = Seen::default();
        for worker in workers {
            let one = worker.await.unwrap();
            seen.created.extend(one.created);
            seen.approved.extend(one.approved);
        }
        drop(server);
        let server = Server::start(directory.path());
        for (id, _) in &seen.created {
            assert_eq!(
                server.get(&format!("/v1/verifications/{id}")).await.status,
                200,
                "{id} was acknowledged"
            );
        }
        for (id, code) in &seen.approved {
            let again = server.check(id, code).await;
            assert_eq!(
                again.code(),
                "verification_already_approved",
                "{id} was approved and is {}",
                again.body
            );
        }
    }
}

/// `kill -9` from outside, while clients still hold the server.
fn kill_process(server: &Server) {
    let pid = server.pid().to_string();
    let status = std::process::Command::new("kill").args(["-9", &pid]).status().expect("kill runs");
    assert!(status.success());
}
