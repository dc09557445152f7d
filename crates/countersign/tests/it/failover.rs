//! The database fails over to its synchronous standby, and the nodes find the new primary by themselves.

use std::sync::Arc;

use countersign_peers::Postgres;
use serde_json::json;

use crate::cluster::Cluster;
use crate::faults::until_ready;
use crate::load::{Balancer, DEADLINE, Dice, Load};

#[tokio::test(flavor = "multi_thread")]
async fn promotion_of_the_synchronous_standby_loses_nothing_that_was_acknowledged() {
    let mut dice = Dice::new();
    let primary = Postgres::durable();
    let database = primary.create_database();
    let standby = primary.standby();
    let both = database.replace("/test_", &format!(",127.0.0.1:{}/test_", standby.port()));
    let cluster = Cluster::at(format!("{both}?target_session_attrs=read-write"));
    let nodes = ["a", "b"].map(|name| Arc::new(cluster.node(name)));
    let load = Load::start(&Balancer::over(&nodes), 6, &mut dice);
    load.more(60).await;
    // A commit that the standby does not have yet is not acknowledged.
    standby.pause();
    let refused = nodes[0].post("/v1/verifications", json!({ "to": "+48600120001" })).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    standby.resume();
    load.more(20).await;
    primary.kill_nine();
    standby.promote();
    for node in &nodes {
        until_ready(node).await;
    }
    load.more(60).await;
    let history = load.stop().await;
    assert!(history.slowest < DEADLINE, "{:?}", history.slowest);
    assert!(history.others_than(&[200, 201, 409, 422, 503]).is_empty(), "{:?}", history.answers);
    history.holds(&nodes[0]).await;
}
