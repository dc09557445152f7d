//! The root keys are rotated on a cluster: a root is used once every node has it, and never by one that has not.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

use countersign_peers::shared;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::cluster::{Cluster, told, until};
use crate::faults::{send, until_ready};
use crate::harness::{Server, wrong};

/// A cluster whose nodes have a ring file each.
struct Rings(Cluster);

impl Rings {
    fn new(nodes: &[&str]) -> Self {
        let rings = Self(Cluster::on(shared()));
        let made = rings.0.path().join("keys.ring");
        for node in nodes {
            let directory = rings.0.path().join(node);
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o700)).unwrap();
            std::fs::copy(&made, directory.join("keys.ring")).unwrap();
        }
        rings
    }

    fn file(node: &str) -> String {
        format!("{node}/keys.ring")
    }

    fn start(&self, node: &str) -> Server {
        self.0.node_with(node, &[("COUNTERSIGN_KEYS__RING_FILE", &Self::file(node))])
    }

    fn ring(&self, node: &str, arguments: &[&str]) -> Value {
        let output = self.run(node, &[&["--json", "ring"], arguments].concat());
        assert!(output.status.success(), "{}", told(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn run(&self, node: &str, arguments: &[&str]) -> Output {
        let mut command = self.0.command(node, arguments);
        command.env("COUNTERSIGN_KEYS__RING_FILE", Self::file(node)).output().unwrap()
    }

    /// Copies the ring as an operator would.
    fn copy(&self, from: &str, to: &str) {
        let [from, to] = [from, to].map(|node| self.0.path().join(Self::file(node)));
        std::fs::remove_file(&to).unwrap();
        std::fs::copy(from, to).unwrap();
    }

    /// Restarts a node in order.
    fn restart(&self, node: &str, server: Server) -> Server {
        send(&server, Signal::TERM);
        assert_eq!(server.exit_code(), Some(0));
        self.start(node)
    }

    /// The number of the root that is in use.
    fn active(&self) -> String {
        shared().psql(&self.0.database, "SELECT encode(value, 'hex') FROM meta WHERE key = 'active_root'")
    }

    fn set_active(&self, root: &str) {
        let sql = format!("UPDATE meta SET value = decode('{root}', 'hex') WHERE key = 'active_root'");
        shared().psql(&self.0.database, &sql);
    }
}

async fn created(node: &Server, to: &str) -> (String, String) {
    let created = node.post("/v1/verifications", json!({ "to": to, "channel": "self" })).await;
    assert_eq!(created.status, 201, "{}", created.body);
    (created.text("id"), created.text("code"))
}

#[tokio::test]
async fn a_new_root_is_used_once_every_node_has_it() {
    let rings = Rings::new(&["a", "b", "old"]);
    let (a, b) = (rings.start("a"), rings.start("b"));
    let (before, its_code) = created(&a, "+48600110001").await;
    assert_eq!(rings.ring("a", &["add"])["added"], 2);
    rings.ring("a", &["activate", "2"]);
    let a = rings.restart("a", a);
    // b does not have it yet. Two heartbeats of whoever leads pass, with messages that both must be able to read.
    let seen = "SELECT sum(seen) FROM node";
    for number in 2..6 {
        let beat = shared().psql(&rings.0.database, seen);
        let (id, code) = created(&a, &format!("+4860011000{number}")).await;
        assert_eq!(b.check(&id, &code).await.status, 200);
        until("a heartbeat", async || (shared().psql(&rings.0.database, seen) != beat).then_some(())).await;
    }
    assert_eq!(rings.active(), "0001", "b lacks root 2");
    rings.copy("a", "b");
    let b = rings.restart("b", b);
    until("root 2 to be used", async || (rings.active() == "0002").then_some(())).await;
    assert_eq!(b.check(&before, &its_code).await.status, 200, "what began under root 1 goes on");
    for (maker, checker, to) in [(&a, &b, "+48600110011"), (&b, &a, "+48600110012")] {
        let (id, code) = created(maker, to).await;
        assert_eq!(checker.check(&id, &code).await.status, 200);
    }
    // Whoever comes with the old ring is not let in.
    let refused = rings.run("old", &["serve"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = told(&refused);
    assert!(
        told.contains("active, and the key ring of this node lacks it") && told.contains("fix:"),
        "{told}"
    );
}

#[tokio::test]
async fn a_node_that_lacks_the_active_root_answers_503_and_spends_no_try() {
    let rings = Rings::new(&["a"]);
    let node = rings.start("a");
    let (id, code) = created(&node, "+48600110021").await;
    rings.set_active("0007");
    for _ in 0..7 {
        let refused = node.check(&id, &wrong(&code)).await;
        assert_eq!(
            (refused.status.as_u16(), refused.code()),
            (503, "storage_unavailable"),
            "{}",
            refused.body
        );
    }
    assert_eq!(node.post("/v1/verifications", json!({ "to": "+48600110022" })).await.status, 503);
    assert_eq!(node.get("/readyz").await.status, 503);
    rings.set_active("0001");
    until_ready(&node).await;
    assert_eq!(node.get(&format!("/v1/verifications/{id}")).await.body["attempts_remaining"], 5);
    assert_eq!(node.check(&id, &code).await.status, 200);
}
