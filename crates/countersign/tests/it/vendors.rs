//! A vendor's preset in the real binary: a call that reads the code out, and what `doctor` says of the account.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

use axum::extract::State;
use axum::extract::rejection::FormRejection;
use axum::http::StatusCode;
use axum::routing::any;
use axum::{Form, Json, Router};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::cluster::{text, told};
use crate::harness::Server;

const DIGITS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

type Call = HashMap<String, String>;

/// Twilio's Calls resource, which takes every call.
async fn twilio() -> (String, UnboundedReceiver<Call>) {
    async fn take(
        State(calls): State<UnboundedSender<Call>>,
        form: Result<Form<Call>, FormRejection>,
    ) -> (StatusCode, Json<Value>) {
        if let Ok(Form(call)) = form {
            calls.send(call).unwrap();
        }
        (StatusCode::CREATED, Json(json!({ "sid": "CA1", "status": "queued" })))
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, calls) = unbounded_channel();
    let router = Router::new().fallback(any(take)).with_state(sender);
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, calls)
}

fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command
        .args(arguments)
        .env("COUNTERSIGN_SERVER__LISTEN", "127.0.0.1:0")
        .env("COUNTERSIGN_SERVER__DRAIN_SECONDS", "0")
        .env_remove("COUNTERSIGN_API_KEY")
        .current_dir(directory);
    command
}

/// What a person hears, as digits.
fn heard(line: &str) -> String {
    let word =
        |word: &str| DIGITS.iter().position(|digit| *digit == word.trim()).map(|digit| digit.to_string());
    line.trim_end_matches('.').split(',').map(word).collect::<Option<String>>().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_reads_out_the_code_that_approves() {
    let (twilio, mut calls) = twilio().await;
    let directory = tempfile::tempdir().unwrap();
    let made = command(directory.path(), &["init", "--json"]).output().unwrap();
    assert!(made.status.success(), "{}", told(&made));
    let key = text(&serde_json::from_slice(&made.stdout).unwrap(), "api_key");
    std::fs::write(directory.path().join("auth"), "token").unwrap();
    std::fs::write(directory.path().join("door"), "0123456789abcdef0123456789abcdef").unwrap();
    let file = directory.path().join("countersign.toml");
    let account = format!(
        "{}\n[providers.calls]\ntype = \"http\"\npreset = \"twilio_voice\"\n\
         account = {{ account_sid = \"AC1\", from = \"+15005550006\" }}\nsecrets.auth_token = {{ file = \"auth\" }}\n\
         secrets.receipt_token = {{ file = \"door\" }}\nurl = \"{twilio}/Calls.json\"\n\
         [[routes]]\nchannel = \"voice\"\nproviders = [\"calls\"]\n",
        std::fs::read_to_string(&file).unwrap()
    );
    std::fs::write(&file, account).unwrap();

    let checked = command(directory.path(), &["config", "check"]).output().unwrap();
    assert!(checked.status.success(), "{}", told(&checked));
    let doctor = told(&command(directory.path(), &["doctor"]).output().unwrap());
    let line = "provider calls: http://127.0.0.1:";
    assert!(doctor.contains(line) && doctor.contains(", preset twilio_voice, receipts on"), "{doctor}");
    assert!(!doctor.contains("0123456789abcdef"), "{doctor}");

    let server = Server::run(&mut command(directory.path(), &["serve"]), Some(key));
    let body = json!({ "to": "+48600100217", "channel": "voice" });
    let created = server.call(Method::POST, "/v1/verifications", Some(body)).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let call = calls.recv().await.unwrap();
    assert_eq!((call["To"].as_str(), call["From"].as_str()), ("+48600100217", "+15005550006"));
    assert_eq!(call.get("StatusCallback"), None, "the server does not know its own address");
    let said: Vec<String> = call["Twiml"]
        .split("<Say language=\"en-US\">")
        .filter_map(|line| line.split_once("</Say>").map(|(said, _)| heard(said)))
        .collect();
    let code = said.concat();
    assert_eq!(code.len(), 18, "three times six digits: {}", call["Twiml"]);
    assert_eq!((&code[..6], &code[6..12]), (&code[6..12], &code[12..]));
    let approved = server.check(&created.text("id"), &code[..6]).await;
    assert_eq!(approved.status, 200, "{}", approved.body);
}

#[test]
fn an_account_that_lacks_something_says_what_and_where_it_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("countersign.toml");
    for (lines, why) in [
        ("preset = \"twilo\"", "`preset` names \"twilo\""),
        ("preset = \"twilio\"", "`account.account_sid` is missing; the preset twilio needs it"),
        (
            "preset = \"sinch\"\naccount = { service_plan_id = \"p\", from = \"A\" }\nsecrets.api_token = \"hunter2\"",
            "a secret does not stand in the configuration itself",
        ),
    ] {
        std::fs::write(&file, format!("[providers.sms]\ntype = \"http\"\n{lines}\n")).unwrap();
        let ended = command(directory.path(), &["config", "check"]).output().unwrap();
        let told = told(&ended);
        assert_eq!(ended.status.code(), Some(2), "{told}");
        assert!(told.contains(why) && told.contains("fix:") && !told.contains("hunter2"), "{told}");
    }
}
