//! A database that takes longer than a request may: refused in time, and all is well again when it wakes.

use std::sync::Arc;

use countersign_peers::{Postgres, shared};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cluster::{Cluster, until};
use crate::faults::until_ready;
use crate::harness::{Server, wrong};
use crate::load::DEADLINE;

/// Starts, checks and reads at once, one check with a wrong code; all are refused in time.
async fn all_refused_in_time(node: &Arc<Server>, id: &str, code: &str) {
    let mut requests = JoinSet::new();
    for number in 0..20 {
        let create = json!({ "to": format!("+4860060{number:04}"), "channel": "self" });
        let code = if number == 0 { wrong(code) } else { "no code".to_owned() };
        let check = ("/v1/verifications/{id}/check", Some(json!({ "code": code })));
        let read = if number % 2 == 0 { "/v1/verifications/{id}" } else { "/v1/verifications?limit=5" };
        for (path, body) in [("/v1/verifications", Some(create)), check, (read, None)] {
            let (node, path) = (Arc::clone(node), path.replace("{id}", id));
            requests.spawn(async move {
                let asked = Instant::now();
                let method = if body.is_some() { Method::POST } else { Method::GET };
                let answer = node.call(method, &path, body).await;
                assert!(asked.elapsed() < DEADLINE, "{path}: {:?}", asked.elapsed());
                assert_eq!(answer.status, 503, "{path}: {}", answer.body);
                assert_eq!(answer.body["retryable"], true);
            });
        }
    }
    while let Some(ended) = requests.join_next().await {
        ended.unwrap();
    }
}

/// The wrong code that got no answer counts once or not at all, and the right one is accepted.
async fn goes_on(node: &Arc<Server>, id: &str, code: &str) {
    until_ready(node).await;
    let shown = node.get(&format!("/v1/verifications/{id}")).await;
    let left = shown.body["attempts_remaining"].as_u64().unwrap();
    assert!(left == 4 || left == 5, "{}", shown.body);
    assert_eq!(node.check(id, code).await.status, 200);
    let fresh = node.create("+48600600999").await;
    let code = node.code_of("+48600600999", &fresh).await;
    assert_eq!(node.check(&fresh, &code).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_hangs_is_refused_in_time_and_service_returns_by_itself() {
    let postgres = Postgres::start();
    let cluster = Cluster::on(&postgres);
    let node = Arc::new(cluster.node("a"));
    let created = node.post("/v1/verifications", json!({ "to": "+48600600001", "channel": "self" })).await;
    let (id, code) = (created.text("id"), created.text("code"));
    postgres.pause();
    let (ready, ()) = tokio::join!(node.get("/readyz"), all_refused_in_time(&node, &id, &code));
    assert_eq!((ready.status.as_u16(), ready.code()), (503, "storage_unavailable"));
    postgres.resume();
    goes_on(&node, &id, &code).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_locked_for_long_is_refused_in_time_and_service_returns_by_itself() {
    let cluster = Cluster::on(shared());
    let node = Arc::new(cluster.node("a"));
    let created = node.post("/v1/verifications", json!({ "to": "+48600600002", "channel": "self" })).await;
    let (id, code) = (created.text("id"), created.text("code"));
    let database = cluster.database.clone();
    let holder = std::thread::spawn(move || {
        shared().try_psql(&database, "BEGIN; LOCK TABLE verification; SELECT pg_sleep(100)")
    });
    let holding =
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    let pid = until("the lock", async || {
        Some(shared().psql(&cluster.database, holding)).filter(|pid| !pid.is_empty())
    })
    .await;
    all_refused_in_time(&node, &id, &code).await;
    shared().psql(&cluster.database, &format!("SELECT pg_terminate_backend({pid})"));
    assert!(holder.join().unwrap().is_err(), "it held the lock all the time");
    goes_on(&node, &id, &code).await;
}
