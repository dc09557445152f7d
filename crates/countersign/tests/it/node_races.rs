//! Races that only several nodes can have: each decides on its own, and the database's locks keep them apart.

use std::sync::Arc;

use countersign_peers::shared;
use reqwest::Method;
use serde_json::json;

use crate::cluster::Cluster;
use crate::harness::{Answer, Server, wrong};
use crate::races::{at_once, count};

/// Two nodes of one cluster.
fn two(cluster: &Cluster) -> [Arc<Server>; 2] {
    ["a", "b"].map(|name| Arc::new(cluster.node(name)))
}

/// The same check so many times at once, taking turns between the nodes.
async fn checked(nodes: &[Arc<Server>; 2], times: usize, id: &str, code: &str) -> Vec<Answer> {
    let check = |time: usize| {
        let (node, id, code) = (Arc::clone(&nodes[time % 2]), id.to_owned(), code.to_owned());
        async move { node.check(&id, &code).await }
    };
    at_once((0..times).map(check)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_wrong_guesses_over_two_nodes_five_are_evaluated() {
    let cluster = Cluster::on(shared());
    let nodes = two(&cluster);
    let id = nodes[0].create("+48600200001").await;
    let code = nodes[1].code_of("+48600200001", &id).await;
    let answers = checked(&nodes, 200, &id, &wrong(&code)).await;
    assert_eq!((count(&answers, "code_incorrect"), count(&answers, "verification_max_attempts")), (5, 195));
    for node in &nodes {
        assert_eq!(node.check(&id, &code).await.code(), "verification_max_attempts");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_wrong_guesses_over_two_nodes_and_many_verifications_five_are_evaluated() {
    let cluster = Cluster::on(shared());
    let nodes = two(&cluster);
    let to = "+48600200002";
    let mut guesses = Vec::new();
    for turn in 0..8 {
        let id = nodes[turn % 2].create(to).await;
        let code = nodes[turn % 2].code_of(to, &id).await;
        guesses.push((id, wrong(&code)));
    }
    let guess = |time: usize| {
        let (node, (id, code)) = (Arc::clone(&nodes[time % 2]), guesses[time / 2 % 8].clone());
        async move { node.check(&id, &code).await }
    };
    let answers = at_once((0..200).map(guess)).await;
    assert_eq!(count(&answers, "code_incorrect"), 5);
    let refused = count(&answers, "recipient_paused") + count(&answers, "verification_max_attempts");
    assert_eq!(refused, 195);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_100_right_codes_over_two_nodes_one_is_approved() {
    let cluster = Cluster::on(shared());
    let nodes = two(&cluster);
    let id = nodes[0].create("+48600200003").await;
    let code = nodes[1].code_of("+48600200003", &id).await;
    let answers = checked(&nodes, 100, &id, &code).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(count(&answers, "verification_already_approved"), 99);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_starts_for_one_new_number_over_two_nodes_five_are_sent_from_one_ledger() {
    let cluster = Cluster::on(shared());
    let nodes = two(&cluster);
    let start = |time: usize| {
        let node = Arc::clone(&nodes[time % 2]);
        async move {
            let (body, limits) = (json!({ "to": "+48600200004" }), [("countersign-simulate-limits", "true")]);
            node.call_as(Some(&node.key), Method::POST, "/v1/verifications", Some(body), &limits).await
        }
    };
    let answers = at_once((0..200).map(start)).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 5);
    assert_eq!(count(&answers, "recipient_rate_limited"), 195);
    let rows = |table: &str| shared().psql(&cluster.database, &format!("SELECT count(*) FROM {table}"));
    assert_eq!((rows("recipient").as_str(), rows("recipient_index").as_str()), ("1", "1"));
    assert_eq!(rows("verification"), "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn twins_of_an_idempotent_start_on_two_nodes_are_one_start() {
    let cluster = Cluster::on(shared());
    let nodes = two(&cluster);
    let start = |time: usize| {
        let node = Arc::clone(&nodes[time % 2]);
        async move {
            let (body, once) = (json!({ "to": "+48600200005" }), [("idempotency-key", "order-7")]);
            node.call_as(Some(&node.key), Method::POST, "/v1/verifications", Some(body), &once).await
        }
    };
    let answers = at_once((0..100).map(start)).await;
    let first = answers[0].text("id");
    assert!(answers.iter().all(|answer| answer.status == 201 && answer.text("id") == first));
    let fresh = answers.iter().filter(|answer| !answer.headers.contains_key("idempotent-replayed"));
    assert_eq!(fresh.count(), 1);
}
