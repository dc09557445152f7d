//! A database that gives no more connections, and a pooler in front of one.

use std::sync::Arc;

use countersign_peers::{Pgbouncer, shared};
use serde_json::json;
use tokio::time::Instant;

use crate::cluster::{Cluster, told};
use crate::harness::{Answer, Server, wrong};
use crate::load::{Balancer, DEADLINE, Dice, Load};
use crate::races::{at_once, count};

#[tokio::test(flavor = "multi_thread")]
async fn a_role_whose_connections_are_used_up_is_refused_clearly_and_nothing_hangs() {
    let url = shared().with_password(&shared().create_database(), "hunter2");
    let cluster = Cluster::at(url.clone());
    let limit = |most: u32| {
        shared()
            .psql(&shared().url("postgres"), &format!("ALTER ROLE {} CONNECTION LIMIT {most}", role(&url)));
    };
    limit(0);
    let variables = [("COUNTERSIGN_STORE__URL", url.as_str())];
    let ended = cluster.command("a", &["serve"]).envs(variables).output().unwrap();
    assert_eq!(ended.status.code(), Some(1));
    assert!(
        told(&ended).contains("too many connections") && told(&ended).contains("CONNECTION LIMIT"),
        "{}",
        told(&ended)
    );
    // One to start with, and too few for all that a node opens.
    limit(3);
    let node = Arc::new(cluster.node_with("a", &variables));
    let ask = |number: u32| {
        let node = Arc::clone(&node);
        async move {
            let asked = Instant::now();
            let body = json!({ "to": format!("+4860070{number:04}"), "channel": "self" });
            let answer = node.post("/v1/verifications", body).await;
            assert!(asked.elapsed() < DEADLINE, "{:?}", asked.elapsed());
            answer
        }
    };
    let answers = at_once((0..200).map(ask)).await;
    let refused = |answers: &[Answer]| answers.iter().filter(|answer| answer.status != 201).count();
    assert_eq!(count(&answers, "storage_unavailable"), refused(&answers));
    limit(50);
    crate::faults::until_ready(&node).await;
    let answers = at_once((200..400).map(ask)).await;
    assert_eq!(refused(&answers), 0);
}

/// The user of a URL.
fn role(url: &str) -> &str {
    url.split("://").nth(1).and_then(|rest| rest.split(':').next()).expect("a URL with a user")
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pooler_in_transaction_mode_everything_works_the_same() {
    let mut dice = Dice::new();
    let cluster = Cluster::on(shared());
    let pooler = Pgbouncer::in_front_of(shared());
    let through = pooler.through(&cluster.database);
    let variables =
        [("COUNTERSIGN_STORE__URL", through.as_str()), ("COUNTERSIGN_STORE__PREPARED_STATEMENTS", "false")];
    let nodes = ["a", "b"].map(|name| Arc::new(cluster.node_with(name, &variables)));
    let id = nodes[0].create("+48600700001").await;
    let code = nodes[1].code_of("+48600700001", &id).await;
    let check = |code: &str| {
        let (id, code, nodes) = (id.clone(), code.to_owned(), nodes.clone());
        move |time: usize| {
            let (node, id, code): (Arc<Server>, _, _) =
                (Arc::clone(&nodes[time % 2]), id.clone(), code.clone());
            async move { node.check(&id, &code).await }
        }
    };
    assert_eq!(nodes[0].check(&id, &wrong(&code)).await.body["verification"]["attempts_remaining"], 4);
    let answers = at_once((0..100).map(check(&code))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(count(&answers, "verification_already_approved"), 99);
    let load = Load::start(&Balancer::over(&nodes), 4, &mut dice);
    load.more(30).await;
    pooler.kill();
    pooler.restart();
    load.more(30).await;
    let history = load.stop().await;
    assert!(history.others_than(&[200, 201, 409, 422, 503]).is_empty(), "{:?}", history.answers);
    history.holds(&nodes[1]).await;
}
