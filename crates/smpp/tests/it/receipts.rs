//! Receipts meet their messages, whatever the SMSC makes of ids, order and repetition.

use std::time::Duration;

use countersign_smpp::bind::Mode;
use countersign_smpp::delivery::{Receipt, State};
use countersign_smpp::message_id::{IdForm, MessageIds};
use countersign_smpp::smsc::{Behaviour, Event};

use crate::harness::{Pair, options};

fn delivered(id: Option<String>) -> Receipt {
    Receipt { message_id: id, state: State::Delivered, error: None }
}

#[tokio::test(start_paused = true)]
async fn a_message_and_its_receipt_have_one_id() {
    let mut pair = Pair::new(Behaviour::default());
    let id = pair.send("+48600100217").await.expect("taken");
    assert_eq!(id.as_deref(), Some("msg-10"));
    assert_eq!(pair.receipt().await, delivered(id));
}

#[tokio::test(start_paused = true)]
async fn ids_in_hex_here_and_in_decimal_there_meet() {
    use IdForm::{Decimal, Hex};
    for [response, receipt] in [[Hex, Decimal], [Decimal, Hex], [Hex, Hex], [Decimal, Decimal]] {
        for receipt_tlvs in [true, false] {
            let behaviour = Behaviour { id_forms: [response, receipt], receipt_tlvs, ..Behaviour::default() };
            let message_ids = MessageIds { response, receipt, tlv: None };
            let mut pair = Pair::with(behaviour, countersign_smpp::Options { message_ids, ..options() }, 0);
            let id = pair.send("+48600100217").await.expect("taken");
            assert_eq!(id.as_deref(), Some("10"), "{response:?} {receipt:?}");
            assert_eq!(pair.receipt().await, delivered(id), "{response:?} {receipt:?} {receipt_tlvs}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_receipt_may_come_before_the_answer() {
    let behaviour = Behaviour { answer_after: Duration::from_secs(1), ..Behaviour::default() };
    let mut pair = Pair::new(behaviour);
    let (client, receipts) = (&pair.client, &mut pair.receipts);
    let submit = client.submit(crate::harness::to("+48600100004"), crate::harness::SOON);
    tokio::pin!(submit);
    let receipt = tokio::select! {
        biased;
        _ = &mut submit => panic!("answered first"),
        receipt = receipts.recv() => receipt.expect("a receipt"),
    };
    assert_eq!(delivered(submit.await.expect("taken")), receipt);
}

#[tokio::test(start_paused = true)]
async fn failures_and_repetitions_are_told_as_they_come() {
    let mut pair = Pair::new(Behaviour::default());
    for (number, state) in [("+48600100006", State::Undeliverable), ("+48600100007", State::Expired)] {
        let message_id = pair.send(number).await.expect("taken");
        let error = Some("001".to_owned());
        assert_eq!(pair.receipt().await, Receipt { message_id, state, error });
    }
    let id = pair.send("+48600100008").await.expect("taken");
    assert_eq!(pair.receipt().await, delivered(id.clone()));
    assert_eq!(pair.receipt().await, delivered(id));
}

#[tokio::test(start_paused = true)]
async fn a_receipt_that_is_not_taken_comes_again() {
    let mut pair = Pair::with(Behaviour::default(), options(), 2);
    let id = pair.send("+48600100217").await.expect("taken");
    assert_eq!(pair.receipt().await, delivered(id));
    let mut answers = Vec::new();
    while answers.len() < 3 {
        answers.push(
            pair.event(|event| match event {
                Event::Receipt { answer, .. } => Some(answer),
                _ => None,
            })
            .await,
        );
    }
    assert_eq!(answers, ["ESME_RX_T_APPN", "ESME_RX_T_APPN", "ESME_ROK"]);
}

#[tokio::test(start_paused = true)]
async fn a_receipt_comes_over_the_receiver_of_a_pair() {
    let binds = vec![Mode::Transmitter, Mode::Receiver];
    let mut pair = Pair::with(Behaviour::default(), countersign_smpp::Options { binds, ..options() }, 0);
    pair.client.until_bound(2).await;
    let id = pair.send("+48600100217").await.expect("taken");
    assert_eq!(pair.receipt().await, delivered(id));
}

#[tokio::test(start_paused = true)]
async fn a_receipt_of_before_comes_after_the_next_bind() {
    let mut pair = Pair::new(Behaviour::default());
    let id = pair.send("+48600100003").await.expect("answered before it dropped");
    assert_eq!(pair.receipt().await, delivered(id));
}
