//! What time it is is the database's to say: a node may be wrong, and when the database is, nobody decides anything.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use countersign_peers::{faketime, shared};
use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::cluster::{Cluster, told, until};
use crate::faults::until_ready;
use crate::harness::Server;

/// A node whose machine shows another time.
fn node_off_by(cluster: &Cluster, name: &str, by: &str) -> Server {
    let library = faketime();
    let preload = library.to_str().expect("a path in UTF-8");
    // The monotonic clock has no date that could be wrong.
    cluster
        .node_with(name, &[("LD_PRELOAD", preload), ("FAKETIME", by), ("FAKETIME_DONT_FAKE_MONOTONIC", "1")])
}

/// The claims of a proof.
fn claims(proof: &str) -> Value {
    let payload = proof.split('.').nth(1).expect("three parts");
    serde_json::from_slice(&BASE64URL_NOPAD.decode(payload.as_bytes()).expect("base64url")).expect("JSON")
}

#[expect(clippy::disallowed_methods, reason = "real programs live in real time")]
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}

#[tokio::test]
async fn a_node_whose_clock_is_an_hour_off_does_as_the_others_do() {
    let cluster = Cluster::on(shared());
    let right = cluster.node("right");
    for (turn, by) in ["+1h", "-1h"].into_iter().enumerate() {
        let wrong = node_off_by(&cluster, by, by);
        let date = wrong.get("/healthz").await.headers["date"].to_str().unwrap().to_owned();
        let to = [format!("+4860090000{turn}"), format!("+4860091000{turn}")];
        let here = wrong.post("/v1/verifications", json!({ "to": to[0] })).await;
        let there = right.post("/v1/verifications", json!({ "to": to[1] })).await;
        // To the minute, or the next one.
        let ends = [&here, &there].map(|created| created.text("expires_at"));
        let hours = ends.each_ref().map(|end| end[..13].to_owned());
        assert!(hours[0] == hours[1] || ends[1][14..16] < *"02", "{ends:?}");
        // Both are delivered, whoever made them, and checked by the other.
        for (created, to, by) in [(&here, &to[0], &right), (&there, &to[1], &wrong)] {
            let id = created.text("id");
            let code = right.code_of(to, &id).await;
            let approved = by.check(&id, &code).await;
            assert_eq!(approved.status, 200, "{}", approved.body);
            let issued = claims(&approved.text("proof"))["iat"].as_i64().expect("a number");
            assert!((issued - now()).abs() < 60, "{issued} on a machine of {date}");
        }
        // What ends ends for both.
        let to = format!("+4860092000{turn}");
        let id = wrong.create(&to).await;
        let code = right.code_of(&to, &id).await;
        let advanced = wrong.post("/v1/test/clock/advance", json!({ "seconds": 600 })).await;
        assert_eq!(advanced.status, 200, "{}", advanced.body);
        for node in [&wrong, &right] {
            // A node hears of a test clock that another moved within a second.
            let path = format!("/v1/verifications/{id}");
            until("the end", async || (node.get(&path).await.body["status"] == "expired").then_some(()))
                .await;
            assert_eq!(node.check(&id, &code).await.code(), "verification_expired");
        }
    }
}

/// A database whose clock can be set. Names are looked up in `public` first there, and so the function that the nodes
/// ask for the time is ours.
fn settable_clock() -> String {
    let database = shared().create_database();
    let name = database.rsplit('/').next().expect("a URL");
    shared().psql(
        &database,
        &format!(
            "CREATE TABLE clock (ahead INTERVAL NOT NULL);
             INSERT INTO clock VALUES ('0');
             CREATE FUNCTION clock_timestamp() RETURNS TIMESTAMPTZ LANGUAGE SQL VOLATILE AS
               'SELECT pg_catalog.clock_timestamp() + (SELECT ahead FROM public.clock)';
             ALTER DATABASE {name} SET search_path = public, pg_catalog"
        ),
    );
    database
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_clock_that_was_set_back_is_refused_until_somebody_accepts_it() {
    let cluster = Cluster::at(settable_clock());
    let set = |ahead: &str| shared().psql(&cluster.database, &format!("UPDATE clock SET ahead = '{ahead}'"));
    let nodes = ["a", "b"].map(|name| Arc::new(cluster.node(name)));
    set("1 hour");
    let created =
        nodes[0].post("/v1/verifications", json!({ "to": "+48600930001", "channel": "self" })).await;
    let (id, code) = (created.text("id"), created.text("code"));
    set("0");
    for node in &nodes {
        let ready = node.get("/readyz").await;
        assert_eq!((ready.status.as_u16(), ready.code()), (503, "storage_unavailable"), "{}", ready.body);
        let refused = [
            node.check(&id, &code).await,
            node.post("/v1/verifications", json!({ "to": "+48600930002" })).await,
        ];
        for refused in refused {
            assert_eq!(refused.status, 503, "{}", refused.body);
            assert!(refused.text("detail").contains("clock"), "{}", refused.body);
        }
    }
    let of_the_store =
        || shared().psql(&cluster.database, "SELECT count(*) FROM journal WHERE verification IS NULL");
    let entries: u32 = of_the_store().parse().unwrap();
    let accepted = cluster.run("a", &["clock", "accept"]);
    let back = accepted["back_by_seconds"].as_u64().expect("a number");
    assert!(back.abs_diff(3600) < 60, "{accepted}");
    assert_eq!(of_the_store(), (entries + 1).to_string(), "it is in the journal");
    for node in &nodes {
        until_ready(node).await;
        let dead = node.check(&id, &code).await;
        assert_eq!(dead.status, 410, "a code of the clock's future: {}", dead.body);
        let fresh = node.post("/v1/verifications", json!({ "to": "+48600930003", "channel": "self" })).await;
        assert_eq!(node.check(&fresh.text("id"), &fresh.text("code")).await.status, 200);
    }
    let again = cluster.command("b", &["clock", "accept"]).output().unwrap();
    assert!(!again.status.success() && told(&again).contains("nothing to accept"), "{}", told(&again));
    assert_eq!(of_the_store(), (entries + 1).to_string());
}
