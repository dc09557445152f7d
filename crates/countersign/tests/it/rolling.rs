//! Nodes are restarted one after the other behind a load balancer.

use std::sync::Arc;

use rustix::process::Signal;

use countersign_peers::shared;

use crate::cluster::{Cluster, until};
use crate::faults::{send, until_ready};
use crate::harness::Server;
use crate::load::{Balancer, Dice, Load};

/// Longer than the balancer here needs to notice.
const DRAIN: [(&str, &str); 1] = [("COUNTERSIGN_SERVER__DRAIN_SECONDS", "1")];

#[tokio::test(flavor = "multi_thread")]
async fn a_rolling_restart_fails_no_request() {
    let mut dice = Dice::new();
    let cluster = Cluster::on(shared());
    let names = ["a", "b"];
    let nodes = names.map(|name| Arc::new(cluster.node_with(name, &DRAIN)));
    let balancer = Balancer::over(&nodes);
    let load = Load::start(&balancer, 4, &mut dice);
    load.more(30).await;
    for (name, node) in names.into_iter().zip(nodes) {
        send(&node, Signal::TERM);
        until("the node to say that it goes", async || {
            (node.get("/readyz").await.status == 503).then_some(())
        })
        .await;
        balancer.remove(&node);
        assert_eq!(ended(node).await, Some(0));
        load.more(15).await;
        let fresh = Arc::new(cluster.node_with(name, &DRAIN));
        until_ready(&fresh).await;
        balancer.add(&fresh);
        load.more(30).await;
    }
    let history = load.stop().await;
    assert!(history.others_than(&[200, 201, 422]).is_empty(), "{:?}", history.answers);
    history.holds(&Arc::new(cluster.node("c"))).await;
}

/// Its exit code, once the last client that asked it has its answer.
async fn ended(node: Arc<Server>) -> Option<i32> {
    let mut shared = Some(node);
    let node = until("the last answer", async || match Arc::try_unwrap(shared.take()?) {
        Ok(node) => Some(node),
        Err(still) => {
            shared = Some(still);
            None
        }
    });
    node.await.exit_code()
}
