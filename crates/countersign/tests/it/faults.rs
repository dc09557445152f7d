//! What breaks while clients are at work. Afterwards their own history is held against the database.

use std::sync::Arc;

use countersign_peers::{Postgres, shared};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::cluster::{Cluster, until};
use crate::harness::Server;
use crate::load::{Balancer, DEADLINE, Dice, Load};
use crate::races::at_once;

/// Sends a signal from outside, while clients still hold the server.
pub(crate) fn send(server: &Server, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(server.pid()).unwrap()).unwrap();
    kill_process(pid, signal).unwrap();
}

/// Waits until a load balancer would send requests to it.
pub(crate) async fn until_ready(server: &Server) {
    until("the node to be ready", async || (server.get("/readyz").await.status == 200).then_some(())).await;
}

/// Resident memory in MB.
fn resident(server: &Server) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_minus_nine_of_a_node_under_load_loses_nothing_and_the_other_serves_on() {
    let mut dice = Dice::new();
    let cluster = Cluster::on(shared());
    let nodes = ["a", "b"].map(|name| Arc::new(cluster.node(name)));
    let load = Load::start(&Balancer::over(&nodes), 6, &mut dice);
    load.more(60).await;
    send(&nodes[0], Signal::KILL);
    load.more(60).await;
    let history = load.stop().await;
    assert!(history.slowest < DEADLINE, "{:?}", history.slowest);
    // 0: whoever asked the dead node.
    assert!(history.others_than(&[0, 200, 201, 409, 422]).is_empty(), "{:?}", history.answers);
    history.holds(&nodes[1]).await;
    // The dead one comes back under its own name.
    let again = Arc::new(cluster.node("a"));
    let id = again.create("+48600300001").await;
    let code = again.code_of("+48600300001", &id).await;
    assert_eq!(nodes[1].check(&id, &code).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_minus_nine_of_the_database_is_refused_in_time_and_service_returns_by_itself() {
    let mut dice = Dice::new();
    let postgres = Postgres::durable();
    let cluster = Cluster::on(&postgres);
    let nodes = ["a", "b"].map(|name| Arc::new(cluster.node(name)));
    let load = Load::start(&Balancer::over(&nodes), 6, &mut dice);
    load.more(60).await;
    let before = resident(&nodes[0]);
    postgres.kill_nine();
    for _ in 0..3 {
        let ask = |number: u64| {
            let node = Arc::clone(&nodes[0]);
            async move { node.post("/v1/verifications", json!({ "to": format!("+4860040{number:04}") })).await }
        };
        let answers = at_once((0..1000).map(ask)).await;
        for answer in &answers {
            assert_eq!(answer.status, 503, "{}", answer.body);
            assert!(answer.headers.contains_key("retry-after"));
        }
    }
    assert_eq!(nodes[0].get("/healthz").await.status, 200);
    assert_eq!(nodes[0].get("/readyz").await.status, 503);
    let after = resident(&nodes[0]);
    assert!(after < before + 64, "from {before} to {after} MB");
    postgres.restart();
    for node in &nodes {
        until_ready(node).await;
    }
    load.more(60).await;
    let history = load.stop().await;
    assert!(history.slowest < DEADLINE, "{:?}", history.slowest);
    assert!(history.others_than(&[200, 201, 409, 422, 503]).is_empty(), "{:?}", history.answers);
    history.holds(&nodes[1]).await;
}
