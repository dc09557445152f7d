//! Money in the real server: what a message costs, and the day's budgets that stop it.

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::faults::send;
use crate::harness::{Answer, Server};
use crate::site::{Gateway, Site, as_key, until_delivery};

/// A site with one gateway at 0.05 EUR (0.10 behind the prefix), and a budget for Poland.
fn site(gateway: &Gateway, per_day: &str) -> Site {
    let table = gateway.table("a");
    let site = Site::new(&format!(
        "[[budgets]]\nname = \"poland\"\nper_day = \"{per_day}\"\ncountries = [\"PL\"]\n\
         {table}[[routes]]\nchannel = \"sms\"\nproviders = [\"a\"]\n",
    ));
    let config = site.path().join("countersign.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    let text = text.replace("[money]\n", "[money]\nprices = \"prices.csv\"\ncurrency = \"EUR\"\n");
    std::fs::write(&config, text).unwrap();
    let prices = "provider,country,prefix,price,currency\na,PL,,0.05,EUR\na,PL,+48601,0.10,EUR\na,*,,9,EUR\n";
    std::fs::write(site.path().join("prices.csv"), prices).unwrap();
    site
}

async fn start(server: &Server, to: &str) -> Answer {
    server.post("/v1/verifications", json!({ "to": to })).await
}

fn refused(answer: &Answer) -> bool {
    (answer.status.as_u16(), answer.code()) == (403, "budget_exceeded")
}

fn left(site: &Site) -> Value {
    site.cli(&["budgets", "show"])["data"][0]["remaining"]["amount"].clone()
}

#[tokio::test]
async fn a_budget_is_spent_to_the_last_cent_and_outlives_restarts() {
    let mut gateway = Gateway::start(200).await;
    let site = site(&gateway, "0.19");
    let server = site.serve();
    let (mut ids, mut starts) = (Vec::new(), 0);
    loop {
        let answer = start(&server, &format!("+4860020000{starts}")).await;
        if answer.status != 201 {
            assert!(refused(&answer), "{}", answer.body);
            break;
        }
        gateway.next().await;
        ids.push(answer.text("id"));
        starts += 1;
    }
    assert_eq!(starts, 3, "a fourth would be 0.20");
    assert_eq!(start(&server, "+4915123456789").await.status, 201, "Germany is not covered");
    gateway.next().await;
    for id in &ids {
        until_delivery(&server, id, "sent").await;
    }
    let timeline = server.get(&format!("/v1/verifications/{}/timeline", ids[0])).await;
    let cost = &timeline.body["data"][1]["data"]["cost"];
    assert_eq!(*cost, json!({ "amount": 5000, "scale": 5, "currency": "EUR" }), "{}", timeline.body);
    assert_eq!(left(&site), 4_000);
    send(&server, Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    assert_eq!(left(&site), 4_000, "also without a server");
    let server = site.serve();
    assert!(refused(&start(&server, "+48600200009").await));
    let resolved = server.post("/v1/routes/resolve", json!({ "to": "+48601200009" })).await;
    let price = &resolved.body["steps"][0]["price"];
    assert_eq!(*price, json!({ "amount": 10_000, "scale": 5, "currency": "EUR" }), "{}", resolved.body);
    let mine = server.get("/v1/budgets").await;
    assert_eq!(mine.body["data"], json!([]), "a budget of all projects is for operators");
}

#[tokio::test]
async fn a_server_that_is_killed_never_lets_more_through_than_the_cap() {
    let mut gateway = Gateway::start(200).await;
    let site = site(&gateway, "0.25");
    let mut sends = 0;
    for round in 0..4 {
        let server = site.serve();
        for n in 0..2 {
            let answer = start(&server, &format!("+486003{round:04}{n}")).await;
            if answer.status == 201 {
                gateway.next().await;
                sends += 1;
            } else {
                assert!(refused(&answer), "{}", answer.body);
            }
        }
        server.kill();
    }
    assert_eq!(sends, 5, "near the cap a block is what one send needs, so nothing is lost either");
}

#[tokio::test]
async fn what_was_not_sent_is_given_back() {
    let mut gateway = Gateway::start(400).await;
    let site = site(&gateway, "0.05");
    let server = site.serve();
    for n in 0..3 {
        let answer = start(&server, &format!("+4860040000{n}")).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        gateway.next().await;
        until_delivery(&server, &answer.text("id"), "failed").await;
        // The outcome is visible before its budget is settled.
        let settled = tokio::time::timeout(std::time::Duration::from_secs(30), async {
            while left(&site) != 5_000 {
                tokio::task::yield_now().await;
            }
        });
        settled.await.expect("it is given back");
    }
    let dry = json!({ "to": "+48600400009", "dry_run": true });
    for _ in 0..3 {
        assert_eq!(
            server.post("/v1/verifications", dry.clone()).await.status,
            201,
            "a dry run spends nothing"
        );
    }
    assert_eq!(left(&site), 5_000);
}

#[tokio::test]
async fn a_resend_and_a_repeated_start_are_paid_as_what_they_are() {
    let mut gateway = Gateway::start(200).await;
    let site = site(&gateway, "0.10");
    let server = site.serve();
    let body = Some(json!({ "to": "+48600500001" }));
    for _ in 0..3 {
        let once = [("idempotency-key", "one")];
        let answer =
            server.call_as(Some(&server.key), Method::POST, "/v1/verifications", body.clone(), &once).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    gateway.next().await;
    assert_eq!(left(&site), 5_000, "a repetition is none");
    let other = start(&server, "+48600500002").await;
    gateway.next().await;
    assert_eq!(other.status, 201);
    let operator = site.cli(&["keys", "create", "--kind", "operator"]);
    let seen = as_key(&server, operator["secret"].as_str().unwrap(), Method::GET, "/v1/budgets", None).await;
    assert_eq!(seen.body["data"][0]["remaining"]["amount"], 0, "{}", seen.body);
    let resend = server.post(&format!("/v1/verifications/{}/resend", other.text("id")), json!({})).await;
    assert_eq!(resend.code(), "resend_too_soon", "the rules of the recipient come first");
}
