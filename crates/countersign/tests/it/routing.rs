//! Routes and the health of providers, in the real server with real gateways.

use reqwest::Method;
use serde_json::{Value, json};

use crate::site::{Gateway, Site, as_key, until_delivery};

const TO: &str = "+48600100217";

/// Two gateways that share Poland, one that stands behind them, and a route of another project.
async fn site(a: &Gateway, b: &Gateway) -> Site {
    let (first, second) = (a.table("a"), b.table("b"));
    Site::new(&format!(
        "{first}{second}\
         [[routes]]\nname = \"poland\"\nchannel = \"sms\"\nprefixes = [\"+48\"]\nproviders = [\"a\", \"b\"]\n\
         senders = {{ PL = \"ACME\" }}\n\
         [[routes]]\nname = \"secret\"\nchannel = \"sms\"\nprojects = [\"prj_01m83n1fqkeat9ryjx42vfks43\"]\nproviders = [\"b\"]\n\
         [[routes]]\nname = \"germany\"\nchannel = \"sms\"\ncountries = [\"DE\"]\nproviders = [\"b\"]\n",
    ))
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_message_that_the_first_provider_refuses_goes_by_the_second_and_says_so() {
    let (mut a, mut b) = (Gateway::start(503).await, Gateway::start(200).await);
    let site = site(&a, &b).await;
    let server = site.serve();
    let id = server.create(TO).await;
    let (refused, taken) = (a.next().await, b.next().await);
    assert_eq!(refused, taken, "the same code from the same sender");
    assert_eq!(taken["from"], "ACME");
    until_delivery(&server, &id, "sent").await;
    let timeline = server.get(&format!("/v1/verifications/{id}/timeline")).await;
    let facts: Vec<_> = timeline.body["data"].as_array().unwrap().iter().collect();
    let types: Vec<_> = facts.iter().map(|fact| fact["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["verification.created", "delivery.refused", "delivery.accepted"]);
    assert_eq!(facts[0]["data"]["route"], json!(["a", "b"]));
    assert_eq!(
        (&facts[1]["data"]["provider"], &facts[1]["data"]["error"]["class"]),
        (&json!("a"), &json!("unavailable"))
    );
    let approved = server.check(&id, taken["code"].as_str().unwrap()).await;
    assert_eq!(approved.status, 200, "{}", approved.body);
    let seen = site.cli(&["routes", "providers"]);
    assert_eq!(names(&seen["data"]), ["a", "b"]);
    assert_eq!(
        (&seen["data"][0]["weight"], &seen["data"][0]["numbers"]["failures"]),
        (&json!(800), &json!(1))
    );
    let learned = &seen["data"][1]["numbers"]["conversion"][0];
    assert_eq!(
        (&learned["country"], &learned["sent"], &learned["approved"]),
        (&json!("PL"), &json!(1), &json!(1))
    );
}

#[tokio::test]
async fn a_provider_that_keeps_failing_is_left_out_and_the_explanation_tells() {
    let (a, mut b) = (Gateway::start(503).await, Gateway::start(200).await);
    let site = site(&a, &b).await;
    let server = site.serve();
    for n in 0..5 {
        server.create(&format!("+4860010030{n}")).await;
        b.next().await;
    }
    let explained = site.cli(&["routes", "explain", TO]);
    let steps = explained["steps"].as_array().unwrap();
    assert_eq!((&steps[0]["provider"], &steps[1]["provider"]), (&json!("b"), &json!("a")), "{explained}");
    assert!(steps[1]["open_until"].is_string(), "{explained}");
    assert_eq!((&steps[0]["on_failure"], &steps[1]["on_failure"]), (&json!("a"), &Value::Null));
}

#[tokio::test]
async fn an_explanation_shows_a_project_its_own_routes_and_an_operator_all() {
    let (a, b) = (Gateway::start(200).await, Gateway::start(200).await);
    let site = site(&a, &b).await;
    let unserved = site.cli(&["routes", "explain", TO]);
    assert_eq!(names(&unserved["routes"]), ["poland", "secret", "germany"], "also without a server");
    assert_eq!(unserved["routes"][1]["mismatches"], json!(["project"]));
    assert_eq!(
        (&unserved["routes"][0]["prefix_length"], &unserved["steps"][0]["sender"]),
        (&json!(3), &json!("ACME"))
    );
    let server = site.serve();
    let mine = server.post("/v1/routes/resolve", json!({ "to": TO, "purpose": "transaction" })).await;
    assert_eq!((mine.status.as_u16(), names(&mine.body["routes"])), (200, vec!["poland", "germany"]));
    assert_eq!(names(&server.get("/v1/routes").await.body["data"]), ["poland", "germany"]);
    let providers = server.get("/v1/providers").await;
    assert_eq!(providers.body["data"][0]["numbers"], Value::Null, "counts are of all projects");
    let other = json!({ "to": TO, "project": "prj_01m83n1fqkeat9ryjx42vfks43" });
    let foreign = server.post("/v1/routes/resolve", other.clone()).await;
    assert_eq!((foreign.status.as_u16(), foreign.code()), (404, "resource_not_found"), "wrong project");
    let own = server.post("/v1/routes/resolve", json!({ "to": TO, "project": site.project })).await;
    assert_eq!(own.status, 200, "{}", own.body);
    let operator = site.cli(&["keys", "create", "--kind", "operator"]);
    let operator = operator["secret"].as_str().unwrap();
    let all = as_key(&server, operator, Method::POST, "/v1/routes/resolve", Some(other)).await;
    assert_eq!(all.body["routes"][1]["mismatches"], json!([]), "{}", all.body);
    for wrong in [json!({ "to": TO, "channel": "email" }), json!({ "to": TO, "channel": "self" })] {
        let refused = server.post("/v1/routes/resolve", wrong).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (422, "recipient_cannot_receive"));
    }
}
