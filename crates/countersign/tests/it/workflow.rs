//! Workflows over the real binary: what makes the next channel follow, as the timeline tells it.

use std::process::Command;

use serde_json::{Value, json};

use crate::cluster::until;
use crate::harness::Server;

const PHONE: &str = "+48600100217";

/// Starts one over these steps.
async fn begin(server: &Server, to: &str, steps: Value) -> String {
    let created = server.post("/v1/verifications", json!({ "to": to, "channel": steps })).await;
    assert_eq!(created.status, 201, "{}", created.body);
    created.text("id")
}

async fn shown(server: &Server, id: &str) -> Value {
    server.get(&format!("/v1/verifications/{id}")).await.body
}

/// The facts of a timeline as `type` and one member of their data.
async fn told(server: &Server, id: &str, member: &str) -> Vec<(String, String)> {
    let timeline = server.get(&format!("/v1/verifications/{id}/timeline")).await;
    let facts = timeline.body["data"].as_array().expect("facts").clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    facts.iter().map(|fact| (text(&fact["type"]), text(&fact["data"][member]))).collect()
}

/// Waits until the message of this verification that was sent last came over this channel and is where it should be.
async fn until_sent(server: &Server, id: &str, channel: &str, state: &str) -> Value {
    until("the next message", async || {
        let shown = shown(server, id).await;
        (shown["channel"] == channel && shown["delivery"]["state"] == state).then_some(shown)
    })
    .await
}

async fn advance(server: &Server, seconds: u64) {
    let advanced = server.post("/v1/test/clock/advance", json!({ "seconds": seconds })).await;
    assert_eq!(advanced.status, 200, "{}", advanced.body);
}

fn pairs<'a>(facts: &'a [(String, String)], kind: &str) -> Vec<&'a str> {
    facts.iter().filter(|(known, _)| known == kind).map(|(_, data)| data.as_str()).collect()
}

#[tokio::test]
async fn without_a_check_in_time_a_call_follows_with_the_same_code() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let id = begin(&server, PHONE, json!([{ "channel": "sms", "wait": 60 }, { "channel": "voice" }])).await;
    let code = server.code_of(PHONE, &id).await;
    let waiting = until_sent(&server, &id, "sms", "sent").await;
    assert_eq!(waiting["workflow"]["steps"].as_array().unwrap().len(), 2);
    assert!(waiting["workflow"]["next_step_at"].is_string(), "{waiting}");
    advance(&server, 59).await;
    assert_eq!(shown(&server, &id).await["channel"], "sms");
    advance(&server, 1).await;
    let called = until_sent(&server, &id, "voice", "sent").await;
    assert_eq!((&called["workflow"]["step"], &called["workflow"]["next_step_at"]), (&json!(1), &Value::Null));
    let reasons = told(&server, &id, "reason").await;
    assert_eq!(pairs(&reasons, "workflow.stepped"), ["not_checked"]);
    let providers = told(&server, &id, "channel").await;
    assert_eq!(pairs(&providers, "delivery.accepted"), ["sms", "voice"]);
    assert_eq!(server.check(&id, &code).await.status, 200, "always the same code");
}

#[tokio::test]
async fn what_the_network_reports_or_does_not_report_leads_on() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let steps = || json!([{ "channel": "sms", "receipt_within": 20 }, { "channel": "voice" }]);
    let undelivered = begin(&server, "+15005550016", steps()).await;
    until_sent(&server, &undelivered, "voice", "sent").await;
    let facts = told(&server, &undelivered, "reason").await;
    assert_eq!(pairs(&facts, "workflow.stepped"), ["undelivered"]);
    let facts = told(&server, &undelivered, "provider").await;
    assert_eq!(pairs(&facts, "delivery.undelivered"), ["test_undelivered"]);

    let lost = begin(&server, "+15005550010", steps()).await;
    let delivered = begin(&server, "+15005550006", steps()).await;
    until_sent(&server, &lost, "sms", "sent").await;
    until_sent(&server, &delivered, "sms", "delivered").await;
    advance(&server, 20).await;
    until_sent(&server, &lost, "voice", "sent").await;
    let facts = told(&server, &lost, "reason").await;
    assert_eq!(pairs(&facts, "workflow.stepped"), ["no_receipt"]);
    assert_eq!(shown(&server, &delivered).await["channel"], "sms");
    let facts = told(&server, &delivered, "provider").await;
    assert_eq!(pairs(&facts, "delivery.delivered"), ["test_delivers"]);
    for id in [undelivered, lost, delivered] {
        assert_eq!(shown(&server, &id).await["status"], "pending", "no receipt ends or approves anything");
    }
}

#[tokio::test]
async fn a_step_that_waits_survives_a_crash() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let id = begin(&server, PHONE, json!([{ "channel": "sms", "wait": 60 }, { "channel": "voice" }])).await;
    until_sent(&server, &id, "sms", "sent").await;
    server.kill();
    let server = Server::start(directory.path());
    advance(&server, 60).await;
    until_sent(&server, &id, "voice", "sent").await;
}

#[tokio::test]
async fn a_wish_for_another_message_is_the_next_step() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let id = begin(&server, PHONE, json!([{ "channel": "sms", "wait": 60 }, { "channel": "voice" }])).await;
    let resent = server.post(&format!("/v1/verifications/{id}/resend"), json!({})).await;
    assert_eq!((resent.status.as_u16(), resent.body["channel"].as_str()), (200, Some("voice")));
    let wished = server.post(&format!("/v1/verifications/{id}/resend"), json!({ "channel": "sms" })).await;
    assert_eq!((wished.status.as_u16(), wished.body["channel"].as_str()), (200, Some("sms")));
}

#[tokio::test]
async fn a_landline_is_called_and_a_dry_run_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let landline = "+48221234567";
    let steps = json!([{ "channel": "sms", "wait": 60 }, { "channel": "voice" }]);
    let body = json!({ "to": landline, "channel": steps, "dry_run": true });
    let said = server.post("/v1/verifications", body).await.body;
    assert_eq!((&said["channel"], &said["channels_available"][0]), (&json!("voice"), &json!("voice")));
    let skipped = json!([{ "channel": "sms", "reason": "recipient_cannot_receive" }]);
    assert_eq!(said["workflow"]["skipped"], skipped);
    let created = server.post("/v1/verifications", json!({ "to": landline })).await;
    assert_eq!(created.body["channel"], "voice", "{}", created.body);
    let refused = server.post("/v1/verifications", json!({ "to": landline, "channel": "sms" })).await;
    assert_eq!((refused.status.as_u16(), refused.code()), (422, "recipient_cannot_receive"));
}

#[tokio::test]
async fn a_wrong_step_is_named_with_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    for (steps, param, code) in [
        (
            json!([{ "channel": "sms" }, { "channel": "voice", "wait": 60 }]),
            "channel[1].wait",
            "parameter_invalid",
        ),
        (json!([{ "channel": "sms", "wait": 60 }, { "wait": 5 }]), "channel[1].channel", "parameter_missing"),
        (
            json!([{ "channel": "sms", "wait": 60 }, { "channel": "email" }]),
            "channel[1].channel",
            "recipient_cannot_receive",
        ),
        (json!([]), "channel", "parameter_invalid"),
    ] {
        let refused = server.post("/v1/verifications", json!({ "to": PHONE, "channel": steps })).await;
        assert_eq!((refused.code(), refused.body["param"].as_str()), (code, Some(param)), "{}", refused.body);
    }
}

#[tokio::test]
async fn the_scenario_of_the_fraud_guard_asks_for_a_challenge() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let created = server.post("/v1/verifications", json!({ "to": "+15005550013" })).await;
    assert_eq!(
        (created.status.as_u16(), created.body["risk"]["decision"].as_str()),
        (201, Some("challenge"))
    );
    let id = created.text("id");
    assert_eq!(shown(&server, &id).await["risk"]["decision"], "challenge");
}

#[tokio::test]
async fn the_command_line_sends_by_a_workflow_and_shows_the_timeline() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_countersign"))
            .args(arguments)
            .args(["--url", &server.base])
            .env("COUNTERSIGN_API_KEY", &server.key)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let sent: Value =
        serde_json::from_str(&run(&["--json", "send", PHONE, "--workflow", "sms:60,voice"])).unwrap();
    let id = sent["id"].as_str().unwrap();
    until_sent(&server, id, "sms", "sent").await;
    advance(&server, 60).await;
    until_sent(&server, id, "voice", "sent").await;
    let lines = run(&["timeline", id]);
    assert!(lines.contains("workflow=sms:60→voice"), "{lines}");
    let step = lines.lines().find(|line| line.contains("workflow.stepped")).unwrap();
    assert!(step.contains("reason=not_checked") && step.contains("channel=voice"), "{lines}");
}

#[tokio::test]
async fn auto_goes_by_the_workflow_of_the_configuration() {
    let directory = tempfile::tempdir().unwrap();
    let steps = [("COUNTERSIGN_DELIVERY__WORKFLOW", "sms:60,voice")];
    let server = Server::start_with(directory.path(), &steps);
    let id = server.create(PHONE).await;
    assert_eq!(shown(&server, &id).await["workflow"]["steps"][1]["channel"], "voice");
    let one = server.post("/v1/verifications", json!({ "to": PHONE, "channel": "sms" })).await;
    assert_eq!(one.body["workflow"], Value::Null, "{}", one.body);
    let mail = server.create("ann@example.com").await;
    assert_eq!(shown(&server, &mail).await["channel"], "email");
    assert_eq!(shown(&server, &mail).await["workflow"], Value::Null);
}
