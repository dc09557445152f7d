//! Our SMSC judged by smpplib.

use std::sync::Arc;

use countersign_smpp::smsc::{Behaviour, Event, Smsc};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::sync::mpsc;

use super::{Program, script, tool};

#[tokio::test]
async fn an_esme_of_others_takes_our_smsc_for_one() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, mut events) = mpsc::unbounded_channel();
    let account = Some(("judge".to_owned(), "s3cret".to_owned()));
    let behaviour = Behaviour { account, ..Behaviour::default() };
    let smsc = Smsc::new(behaviour, Arc::new(move |event| drop(sender.send(event))));
    let serving = tokio::spawn(async move { smsc.accept(listener).await });

    let mut python = Command::new(tool("venv/bin/python"));
    python.arg(script("smpplib_client.py")).arg(port.to_string());
    let numbers = ["48600100217", "48600100004", "48600100006", "48600100008", "48600100011"];
    let mut judge = Program::start(python.args(numbers));
    assert_eq!(judge.told("refused").await["refused"], 0x0e);
    judge.told("bound").await;
    // Delivered, early, undeliverable, and one twice; the fifth is refused.
    judge.say("5").await;
    let (mut receipts, mut statuses) = (Vec::new(), Vec::new());
    loop {
        let said = judge.next().await;
        if let Some(status) = said.get("status") {
            statuses.push(status.clone());
        } else if said.get("receipt").is_some() {
            let id = said["receipt"].as_str().expect("an id");
            assert!(
                said["text"].as_str().expect("a text").starts_with(&format!("id:{id} sub:001")),
                "{said}"
            );
            assert_eq!(said["esm_class"], 4);
            receipts.push(said["state"].as_u64().expect("a state"));
        } else if said.get("done").is_some() {
            break;
        }
    }
    receipts.sort_unstable();
    assert_eq!(receipts, [2, 2, 2, 2, 5]);
    assert_eq!(
        statuses.iter().filter(|status| **status == 0x0b).count(),
        3,
        "three parts refused: {statuses:?}"
    );

    let mut texts = String::new();
    while let Ok(event) = events.try_recv() {
        if let Event::Submitted(submitted) = event
            && submitted.destination.ends_with("0217")
        {
            assert_eq!((submitted.part.1, submitted.data_coding), (3, 8));
            texts.push_str(&submitted.text);
        }
    }
    assert_eq!(texts, "482913 — your code is here, and this text is long enough for two parts. ".repeat(2));
    serving.abort();
}
