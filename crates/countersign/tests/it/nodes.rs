//! Any node serves any request: what one did, the others know.

use std::time::Duration;

use countersign_peers::shared;
use reqwest::Method;
use serde_json::json;
use tokio::time::Instant;

use crate::cluster::{Cluster, text};
use crate::harness::wrong;

#[tokio::test]
async fn a_verification_goes_from_node_to_node() {
    let cluster = Cluster::on(shared());
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let to = "+48600100217";
    let id = a.create(to).await;
    // The message is sent by a, and b has to notice by itself.
    let code = b.code_of(to, &id).await;
    let resent = b.post(&format!("/v1/verifications/{id}/resend"), json!({})).await;
    assert_eq!(resent.status, 200, "{}", resent.body);
    assert_eq!(b.check(&id, &wrong(&code)).await.body["verification"]["attempts_remaining"], 4);
    let approved = a.check(&id, &code).await;
    assert_eq!(approved.status, 200, "{}", approved.body);
    let again = b.check(&id, &code).await;
    assert_eq!((again.status.as_u16(), again.code()), (409, "verification_already_approved"));
    let timeline = b.get(&format!("/v1/verifications/{id}/timeline")).await.body.to_string();
    for fact in ["verification.created", "verification.resent", "check.rejected", "verification.approved"] {
        assert!(timeline.contains(fact), "no {fact} in {timeline}");
    }
    let keys = async |server: &crate::harness::Server| server.get("/.well-known/jwks-test.json").await.body;
    assert_eq!(keys(&a).await, keys(&b).await, "a proof of one node is verified with the keys of any");
}

#[tokio::test]
async fn a_wait_for_a_message_on_one_node_ends_when_another_sends_it() {
    let cluster = Cluster::on(shared());
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let path = "/v1/test/outbox?to=%2B48600100218&wait=20";
    let waiting = async {
        let begun = Instant::now();
        let outbox = b.get(path).await;
        (outbox, begun.elapsed())
    };
    // Polled in this order: the wait has been sent before the verification is.
    let ((outbox, waited), id) = tokio::join!(waiting, a.create("+48600100218"));
    assert_eq!(outbox.body["data"][0]["verification"], id.as_str(), "{}", outbox.body);
    assert!(waited < Duration::from_secs(5), "{waited:?}");
}

#[tokio::test]
async fn an_idempotency_key_tells_the_same_outcome_on_every_node() {
    let cluster = Cluster::on(shared());
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let once = [("idempotency-key", "order-42")];
    let (path, body) = ("/v1/verifications", json!({ "to": "+48600100219" }));
    let first = a.call_as(Some(&a.key), Method::POST, path, Some(body.clone()), &once).await;
    let second = b.call_as(Some(&b.key), Method::POST, path, Some(body), &once).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (201, 201), "{}", second.body);
    assert_eq!(first.text("id"), second.text("id"));
    assert!(!first.headers.contains_key("idempotent-replayed"));
    assert_eq!(second.headers["idempotent-replayed"], "true");
    let other = json!({ "to": "+48600100220" });
    let reused = b.call_as(Some(&b.key), Method::POST, path, Some(other), &once).await;
    assert_eq!(reused.code(), "idempotency_key_reused");
    let (code, check) =
        (a.code_of("+48600100219", &first.text("id")).await, [("idempotency-key", "check-1")]);
    let path = format!("{path}/{}/check", first.text("id"));
    let body = json!({ "code": code });
    let first = b.call_as(Some(&b.key), Method::POST, &path, Some(body.clone()), &check).await;
    let second = a.call_as(Some(&a.key), Method::POST, &path, Some(body), &check).await;
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200), "{}", second.body);
}

#[tokio::test]
async fn projects_and_keys_made_at_one_node_work_on_all() {
    let cluster = Cluster::on(shared());
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let project = text(&cluster.run("a", &["projects", "create", "Shop"]), "id");
    let key = cluster.run("b", &["keys", "create", "--test", "--project", &project]);
    let secret = text(&key, "secret");
    for node in [&a, &b] {
        let body = Some(json!({ "to": "+48600100221" }));
        let made = node.call_as(Some(&secret), Method::POST, "/v1/verifications", body, &[]).await;
        assert_eq!(made.status, 201, "{}", made.body);
        let foreign = node.get(&format!("/v1/verifications/{}", made.text("id"))).await;
        assert_eq!(foreign.code(), "resource_not_found", "it belongs to the other project");
    }
}

#[tokio::test]
async fn a_revoked_key_stops_working_on_every_node_within_a_second() {
    let cluster = Cluster::on(shared());
    let (a, b) = (cluster.node("a"), cluster.node("b"));
    let operator = text(&cluster.run("a", &["keys", "create", "--kind", "operator"]), "secret");
    let key = cluster.run("a", &["keys", "create", "--test"]);
    let (id, secret) = (text(&key, "id"), text(&key, "secret"));
    let ask = async || b.call_as(Some(&secret), Method::GET, "/v1/verifications?limit=1", None, &[]).await;
    assert_eq!(ask().await.status, 200);
    let revoked = a.call_as(Some(&operator), Method::DELETE, &format!("/v1/api_keys/{id}"), None, &[]).await;
    let acknowledged = Instant::now();
    assert!(revoked.status.is_success(), "{}", revoked.body);
    let at_home = a.call_as(Some(&secret), Method::GET, "/v1/verifications?limit=1", None, &[]).await;
    assert_eq!(at_home.code(), "key_revoked");
    loop {
        let asked = acknowledged.elapsed();
        let answer = ask().await;
        if answer.code() == "key_revoked" {
            break;
        }
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(asked < Duration::from_secs(1), "asked {asked:?} after its end, the key still worked");
    }
}

#[tokio::test]
async fn two_nodes_that_start_at_once_on_an_empty_database_migrate_it_once() {
    let cluster = Cluster::on(shared());
    // Another empty database under the same ring.
    let database = shared().create_database();
    let variables = [("COUNTERSIGN_STORE__URL", database.as_str())];
    let nodes: Vec<_> = std::thread::scope(|scope| {
        let (cluster, variables) = (&cluster, &variables);
        let start = |name| scope.spawn(move || cluster.node_with(name, variables));
        let starting: Vec<_> = ["a", "b", "c"].map(start).into_iter().collect();
        starting.into_iter().map(|node| node.join().unwrap()).collect()
    });
    for node in &nodes {
        assert_eq!(node.get("/readyz").await.status, 200);
    }
    let history = "SELECT count(*), count(DISTINCT version) FROM refinery_schema_history";
    let ran = shared().psql(&database, history);
    let (rows, versions) = ran.split_once('|').unwrap();
    assert!(rows == versions && rows != "0", "{ran}");
    let epochs = shared().psql(&database, "SELECT count(*) FROM meta WHERE key = 'epoch'");
    assert_eq!(epochs, "1");
}
