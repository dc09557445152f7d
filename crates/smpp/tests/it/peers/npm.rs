//! Against the server of the npm package `smpp`.

use std::time::Duration;

use countersign_smpp::alphabet::Alphabet;
use countersign_smpp::bind::{BindError, Mode};
use countersign_smpp::delivery::{Receipt, State};
use countersign_smpp::message::{Address, Concatenation, Message, compose};
use countersign_smpp::message_id::{IdForm, MessageIds};
use countersign_smpp::{Client, CommandStatus, Options, SubmitError};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::mpsc;

use super::{Program, Tcp, script, tool};
use crate::harness::{SOON, client, options, to};
use crate::window::join_all;

struct Npm {
    smsc: Program,
    client: Client,
    receipts: mpsc::UnboundedReceiver<Receipt>,
}

async fn npm(settings: Value, options: Options) -> Npm {
    let mut node = Command::new("node");
    node.arg(script("npm_smsc.cjs")).arg(settings.to_string());
    let mut smsc = Program::start(node.env("NODE_PATH", tool("node/node_modules")));
    let (client, receipts) = client(options, Tcp(smsc.port().await), 0);
    Npm { smsc, client, receipts }
}

impl Npm {
    async fn send(&self, number: &str) -> Result<Option<String>, SubmitError> {
        self.client.submit(to(number), SOON).await
    }

    async fn receipt(&mut self) -> Receipt {
        self.receipts.recv().await.expect("a receipt")
    }
}

#[tokio::test]
async fn what_it_hears_is_what_was_meant() {
    let mut npm = npm(json!({}), options()).await;
    let long = "482913 € ".repeat(20);
    let message = Message {
        source: Address::sender("+48500100200").expect("a sender"),
        destination: Address::recipient("+48600100217").expect("a recipient"),
        text: "Ваш код 482913 😀",
        alphabets: &[Alphabet::Gsm7, Alphabet::Ucs2],
        concatenation: Concatenation::Udh,
        service_type: "",
        validity: Duration::from_secs(599),
        receipt: true,
        reference: 0x0102,
    };
    let mut heard = Vec::new();
    for concatenation in [Concatenation::Udh, Concatenation::Sar, Concatenation::Payload] {
        let texts =
            if concatenation == Concatenation::Udh { vec![message.text, &long] } else { vec![&*long] };
        for text in texts {
            for pdu in compose(&Message { text, concatenation, ..message.clone() }).expect("PDUs") {
                npm.client.submit(pdu, SOON).await.expect("taken");
                heard.push(npm.smsc.told("to").await);
            }
        }
    }
    let [short, first, second, one, two, whole] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!(short["text"], "Ваш код 482913 😀");
    assert_eq!((&short["coding"], &short["kinds"]), (&json!(8), &json!([1, 1, 1, 1])));
    assert_eq!((&short["from"], &short["to"]), (&json!("48500100200"), &json!("48600100217")));
    let joined =
        |parts: [&Value; 2]| parts.map(|part| part["text"].as_str().unwrap_or("").to_owned()).concat();
    assert_eq!(joined([first, second]), long);
    assert_eq!([&first["udh"], &second["udh"]], [&json!([0, 3, 2, 2, 1]), &json!([0, 3, 2, 2, 2])]);
    assert_eq!([&first["receipt"], &second["receipt"]], [&json!(0), &json!(1)]);
    assert_eq!([&first["esm_class"], &short["esm_class"]], [&json!(0x40), &json!(0)]);
    assert_eq!(joined([one, two]), long);
    assert_eq!([&one["sar"], &two["sar"]], [&json!([0x0102, 2, 1]), &json!([0x0102, 2, 2])]);
    assert_eq!(whole["text"], long);
}

#[tokio::test]
async fn it_is_bound_as_version_3_4_and_left_with_an_unbind() {
    let mut npm = npm(json!({}), options()).await;
    npm.client.until_bound(1).await;
    let bound = npm.smsc.told("bound").await;
    assert_eq!(bound, json!({ "bound": "bind_transceiver", "system_id": "acme", "interface_version": 0x34 }));
    npm.client.close().await;
    npm.smsc.told("unbound").await;
}

#[tokio::test]
async fn its_receipts_meet_their_messages() {
    let mut npm = npm(json!({}), options()).await;
    for (number, state) in [
        ("+48600100217", State::Delivered),
        ("+48600100003", State::Delivered),
        ("+48600100004", State::Delivered),
        ("+48600100006", State::Undeliverable),
    ] {
        let message_id = npm.send(number).await.expect("taken");
        assert!(message_id.is_some());
        assert_eq!(npm.receipt().await, Receipt { message_id, state, error: None }, "{number}");
    }
    let id = npm.send("+48600100008").await.expect("taken");
    assert_eq!([npm.receipt().await.message_id, npm.receipt().await.message_id], [id.clone(), id]);
}

#[tokio::test]
async fn its_ids_in_hex_meet_those_in_decimal() {
    let message_ids = MessageIds { response: IdForm::Hex, receipt: IdForm::Decimal, tlv: None };
    let mut npm = npm(json!({ "hex": true }), Options { message_ids, ..options() }).await;
    // 25 is 00000019: taken for decimal it would be another message's.
    let id = npm.send("+48600100217").await.expect("taken");
    assert_eq!(id.as_deref(), Some("25"));
    assert_eq!(npm.receipt().await.message_id, id);
}

#[tokio::test]
async fn its_refusals_are_told_and_its_password_is_asked() {
    let npm = npm(json!({ "password": "s3cret" }), options()).await;
    for (number, status) in
        [("+48600100011", CommandStatus::EsmeRinvdstadr), ("+48600100069", CommandStatus::EsmeRsubmitfail)]
    {
        assert_eq!(npm.send(number).await, Err(SubmitError::Refused(status)));
    }
    let wrong = self::npm(json!({ "password": "another" }), options()).await;
    let refused = BindError::Refused(CommandStatus::EsmeRinvpaswd);
    assert_eq!(wrong.client.probe().await, Err(refused.clone()));
    assert_eq!(wrong.send("+48600100217").await, Err(SubmitError::NotBound(refused)));
    assert_eq!(npm.client.probe().await.as_deref(), Ok("npm-smpp"));
}

#[tokio::test]
async fn an_answer_that_never_comes_and_a_connection_that_drops() {
    let options = Options { response_time: Duration::from_secs(2), ..options() };
    let mut npm = npm(json!({}), options).await;
    assert_eq!(npm.send("+48600100001").await, Err(SubmitError::NoAnswer));
    assert_eq!(npm.send("+48600100002").await, Err(SubmitError::ConnectionLost));
    // It was taken, and its receipt comes over the next bind.
    assert!(npm.receipt().await.message_id.is_some());
    npm.send("+48600100217").await.expect("taken");
}

#[tokio::test]
async fn its_limit_is_found_and_kept() {
    let mut npm = npm(json!({ "tps": 20 }), Options { window: 30, ..options() }).await;
    let all =
        join_all((0..50).map(|index| npm.client.submit(to(&format!("+48600{index:02}0217")), SOON))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    let mut taken = Vec::new();
    while taken.len() < 50 {
        let heard = npm.smsc.told("to").await;
        if heard["taken"] == true {
            taken.push(heard["to"].to_string());
        }
    }
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 50, "nobody twice");
}

#[tokio::test]
async fn it_may_ask_unbind_drop_and_babble() {
    let mut npm = npm(json!({}), options()).await;
    npm.client.until_bound(1).await;
    npm.smsc.say("enquire").await;
    assert_eq!(npm.smsc.told("alive").await["alive"], 0);
    npm.smsc.say("unknown").await;
    assert_eq!(npm.smsc.told("nack").await, json!({ "nack": 3, "sequence": 0x4d }));
    for command in ["unbind", "drop", "garbage"] {
        npm.smsc.say(command).await;
        npm.smsc.told("closed").await;
        npm.smsc.told("bound").await;
        npm.client.until_bound(1).await;
        npm.send("+48600100217").await.expect(command);
        npm.receipt().await;
    }
}

#[tokio::test]
async fn a_pair_of_binds_submits_on_one_and_hears_on_the_other() {
    let binds = vec![Mode::Transmitter, Mode::Receiver];
    let mut npm = npm(json!({}), Options { binds, ..options() }).await;
    npm.client.until_bound(2).await;
    let id = npm.send("+48600100217").await.expect("taken");
    assert_eq!(npm.receipt().await.message_id, id);
}
