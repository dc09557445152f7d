//! Faults in random order, the same for the same seed, while clients are at work.

use std::sync::Arc;

use countersign_peers::{Proxy, shared};
use rustix::process::Signal;

use crate::cluster::{Cluster, until};
use crate::cuts::COMMIT;
use crate::faults::{send, until_ready};
use crate::harness::Server;
use crate::load::{Balancer, DEADLINE, Dice, Load};

const FAULTS: usize = 10;
const NAMES: [&str; 2] = ["a", "b"];

/// Two nodes, each behind a proxy of its own.
struct Scene {
    cluster: Cluster,
    proxies: [Proxy; 2],
    nodes: [Arc<Server>; 2],
    balancer: Balancer,
}

impl Scene {
    fn new() -> Self {
        let cluster = Cluster::on(shared());
        let proxies = NAMES.map(|_| Proxy::to(shared().address()));
        let nodes = [0, 1].map(|number| start(&cluster, &proxies, number));
        let balancer = Balancer::over(&nodes);
        Self { cluster, proxies, nodes, balancer }
    }

    async fn fault(&mut self, dice: &mut Dice, load: &Load) {
        let number = dice.roll(2) as usize;
        let proxy = &self.proxies[number];
        let kind = dice.roll(8);
        println!("fault {kind} at {}", NAMES[number]);
        match kind {
            0 => proxy.cut(),
            1 => proxy.cut_before(COMMIT),
            2 => proxy.cut_reply_to(COMMIT),
            3 => drop(shared().terminate_backends(&self.cluster.database)),
            4 => {
                proxy.refuse(true);
                proxy.cut();
                load.more(3).await;
                proxy.refuse(false);
            }
            5 => {
                // Fallen asleep in the middle of whatever it did; half of the times its connections are gone meanwhile.
                self.balancer.remove(&self.nodes[number]);
                send(&self.nodes[number], Signal::STOP);
                if dice.roll(2) == 0 {
                    proxy.cut();
                }
                load.more(3).await;
                send(&self.nodes[number], Signal::CONT);
                self.balancer.add(&self.nodes[number]);
            }
            6 => self.sleep_until_taken_for_dead(number, load).await,
            _ => {
                send(&self.nodes[number], Signal::KILL);
                self.balancer.remove(&self.nodes[number]);
                load.more(3).await;
                self.nodes[number] = start(&self.cluster, &self.proxies, number);
                self.balancer.add(&self.nodes[number]);
            }
        }
        load.more(8).await;
    }
    /// A node falls asleep for so long that another takes over its lanes. (A minute; here the database is told that nobody
    /// was heard of for longer.)
    async fn sleep_until_taken_for_dead(&self, number: usize, load: &Load) {
        self.balancer.remove(&self.nodes[number]);
        send(&self.nodes[number], Signal::STOP);
        self.proxies[number].cut();
        shared().psql(&self.cluster.database, "UPDATE node SET seen = 0");
        let heir = Arc::new(self.cluster.node("heir"));
        self.balancer.add(&heir);
        load.more(8).await;
        send(&self.nodes[number], Signal::CONT);
        self.balancer.add(&self.nodes[number]);
        load.more(8).await;
        self.balancer.remove(&heir);
        send(&heir, Signal::KILL);
    }

    /// Every entry of the journal gets a number, and no number is missing or given twice.
    async fn the_journal_is_numbered(&self) {
        let ask = |sql: &str| shared().psql(&self.cluster.database, sql);
        let numbered = "SELECT (SELECT count(*) FROM journal) = (SELECT sum(length) FROM journal_run)";
        until("all entries to be numbered", async || (ask(numbered) == "t").then_some(())).await;
        let numbers = "SELECT min(n) = 1 AND max(n) = count(*) AND count(DISTINCT n) = count(*) FROM (
               SELECT r.first + j.n - r.n AS n FROM journal_run r
               JOIN journal j ON j.lane = r.lane AND j.n >= r.n AND j.n < r.n + r.length) AS numbered";
        assert_eq!(ask(numbers), "t");
    }
}

fn start(cluster: &Cluster, proxies: &[Proxy; 2], number: usize) -> Arc<Server> {
    let through = proxies[number].through(&cluster.database);
    Arc::new(cluster.node_with(NAMES[number], &[("COUNTERSIGN_STORE__URL", &through)]))
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_in_any_order_lose_nothing_and_approve_nothing_twice() {
    let mut dice = Dice::new();
    let mut scene = Scene::new();
    let load = Load::start(&scene.balancer, 8, &mut dice);
    load.more(20).await;
    for _ in 0..FAULTS {
        scene.fault(&mut dice, &load).await;
    }
    let history = load.stop().await;
    assert!(history.slowest < DEADLINE, "{:?}", history.slowest);
    assert!(history.others_than(&[0, 200, 201, 409, 422, 503]).is_empty(), "{:?}", history.answers);
    let rows = shared().psql(&scene.cluster.database, "SELECT count(*) FROM verification");
    assert!(history.starts().contains(&rows.parse().unwrap()), "{rows} of {:?}", history.starts());
    for node in &scene.nodes {
        until_ready(node).await;
    }
    scene.the_journal_is_numbered().await;
    history.holds(&scene.nodes[0]).await;
}
