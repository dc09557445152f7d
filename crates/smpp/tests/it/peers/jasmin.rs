//! Against the SMSCs of Jasmin's own tests, each with a fault of its own.

use std::time::Duration;

use countersign_smpp::bind::BindError;
use countersign_smpp::delivery::{Receipt, State};
use countersign_smpp::{Client, CommandStatus, Options, SubmitError};
use tokio::process::Command;
use tokio::sync::mpsc;

use super::{Program, Tcp, script, tool};
use crate::harness::{SOON, client, options, to};

struct Jasmin {
    smsc: Program,
    client: Client,
    receipts: mpsc::UnboundedReceiver<Receipt>,
}

async fn jasmin(class: &str) -> Jasmin {
    jasmin_with(class, options()).await
}

/// For answers that never come; long enough for those that do.
fn hurried() -> Options {
    Options { response_time: Duration::from_secs(2), ..options() }
}

async fn jasmin_with(class: &str, options: Options) -> Jasmin {
    let mut python = Command::new(tool("venv/bin/python"));
    python.arg(script("jasmin_smsc.py")).arg(tool("jasmin/jasmin-0.11.1/tests/protocols/smpp"));
    let mut smsc = Program::start(python.arg(class));
    let (client, receipts) = client(options, Tcp(smsc.port().await), 0);
    Jasmin { smsc, client, receipts }
}

impl Jasmin {
    async fn send(&self) -> Result<Option<String>, SubmitError> {
        self.client.submit(to("+48600100217"), SOON).await
    }

    /// Until it hears a PDU of this name.
    async fn hears(&mut self, name: &str) -> serde_json::Value {
        loop {
            let heard = self.smsc.told("heard").await;
            if heard["heard"] == name {
                return heard;
            }
        }
    }
}

#[tokio::test]
async fn an_answer_without_an_id_is_an_answer() {
    let mut jasmin = jasmin("HappySMSC").await;
    assert_eq!(jasmin.send().await, Ok(None));
    jasmin.client.close().await;
    jasmin.hears("Unbind").await;
}

#[tokio::test]
async fn refusals_of_a_message() {
    for (class, status) in [
        ("ErrorOnSubmitSMSC", CommandStatus::EsmeRinvesmclass),
        ("GenericNackWithSeqNumOnSubmitSMSC", CommandStatus::EsmeRinvcmdid),
        ("NoSubmitSmWhenReceiverIsBoundSMSC", CommandStatus::EsmeRinvbndsts),
    ] {
        assert_eq!(jasmin(class).await.send().await, Err(SubmitError::Refused(status)), "{class}");
    }
}

#[tokio::test]
async fn refusals_of_a_bind() {
    for (class, status) in [
        ("BindErrorSMSC", CommandStatus::EsmeRbindfail),
        ("BindErrorGenericNackSMSC", CommandStatus::EsmeRinvcmdid),
    ] {
        let jasmin = jasmin(class).await;
        let refused = BindError::Refused(status);
        assert_eq!(jasmin.send().await, Err(SubmitError::NotBound(refused.clone())), "{class}");
        assert_eq!(jasmin.client.probe().await, Err(refused), "{class}");
    }
}

#[tokio::test]
async fn silence_leaves_it_open_whether_a_message_was_taken() {
    for class in ["NoResponseOnSubmitSMSC", "GenericNackNoSeqNumOnSubmitSMSC"] {
        let mut jasmin = jasmin_with(class, hurried()).await;
        assert_eq!(jasmin.send().await, Err(SubmitError::NoAnswer), "{class}");
        // The peer is asked whether it is there; it is, and the bind stands.
        jasmin.hears("EnquireLink").await;
        assert_eq!(jasmin.client.bound(), 1, "{class}");
    }
}

#[tokio::test]
async fn an_unbind_instead_of_an_answer() {
    let mut jasmin = jasmin("UnbindOnSubmitSMSC").await;
    assert_eq!(jasmin.send().await, Err(SubmitError::ConnectionLost));
    jasmin.hears("UnbindResp").await;
    // It is bound to again.
    jasmin.hears("BindTransceiver").await;
    jasmin.client.until_bound(1).await;
}

#[tokio::test]
async fn an_unbind_that_is_never_answered() {
    let mut jasmin = jasmin_with("UnbindNoResponseSMSC", hurried()).await;
    assert_eq!(jasmin.send().await, Ok(None));
    jasmin.client.close().await;
    jasmin.hears("Unbind").await;
    jasmin.smsc.told("closed").await;
}

#[tokio::test]
async fn pdus_that_cannot_be_followed_end_the_connection_and_not_the_client() {
    let mut jasmin = jasmin("CommandLengthTooShortSMSC").await;
    jasmin.client.start();
    let nack = jasmin.hears("GenericNack").await;
    assert_eq!(nack["status"], "ESME_RINVCMDLEN");
    jasmin.smsc.told("closed").await;
    jasmin.hears("BindTransceiver").await;
}

/// It announces 65,535 octets, sends 16 and waits. Nothing more is ever heard; the question is not answered either.
#[tokio::test]
async fn a_pdu_that_never_ends_is_a_dead_connection() {
    let short = Duration::from_millis(200);
    let options = Options { response_time: short, enquire_every: short, ..options() };
    let mut jasmin = jasmin_with("CommandLengthTooLongSMSC", options).await;
    jasmin.client.start();
    jasmin.smsc.told("closed").await;
    jasmin.client.until_bound(1).await;
}

#[tokio::test]
async fn pdus_that_mean_nothing_here_are_answered_and_the_bind_stands() {
    let invalid = jasmin("InvalidCommandIdSMSC").await;
    invalid.client.start();
    // 0xF0000009 has the bit of an answer, to nothing we asked.
    invalid.client.until_bound(1).await;
    let mut query = jasmin("NonFatalParseErrorSMSC").await;
    query.client.start();
    let nack = query.hears("GenericNack").await;
    assert_eq!((nack["status"].as_str(), nack["sequence"].as_u64()), (Some("ESME_RINVCMDID"), Some(2654)));
    assert_eq!(query.client.bound(), 1);
    assert_eq!(invalid.client.bound(), 1);
}

#[tokio::test]
async fn what_is_said_before_the_bind() {
    let mut early = jasmin("DeliverSMBeforeBoundSMSC").await;
    early.client.start();
    let answer = early.hears("DeliverSMResp").await;
    assert_eq!(answer["status"], "ESME_RINVBNDSTS");
    let outbind = jasmin("OutbindSMSC").await;
    assert_eq!(outbind.send().await, Ok(None));
}

#[tokio::test]
async fn a_message_of_a_handset_is_taken_and_is_no_receipt() {
    for class in ["DeliverSMSMSC", "DeliverSMAndUnbindSMSC"] {
        let mut jasmin = jasmin(class).await;
        jasmin.client.start();
        let answer = jasmin.hears("DeliverSMResp").await;
        assert_eq!(answer["status"], "ESME_ROK", "{class}");
        assert!(jasmin.receipts.try_recv().is_err(), "{class}");
    }
}

#[tokio::test]
async fn a_receipt_of_class_zero_is_one_by_its_tlvs() {
    let mut jasmin = jasmin("DeliveryReceiptSMSC").await;
    jasmin.client.start();
    let message_id = Some("1891273321".to_owned());
    let receipt = jasmin.receipts.recv().await.expect("a receipt");
    assert_eq!(receipt, Receipt { message_id, state: State::Delivered, error: None });
    assert_eq!(jasmin.hears("DeliverSMResp").await["status"], "ESME_ROK");
}

#[tokio::test]
async fn two_messages_per_second_are_found_out() {
    let jasmin = jasmin("QoSSMSC_2MPS").await;
    let sends = (0..4).map(|_| jasmin.client.submit(to("+48600100217"), SOON));
    for sent in crate::window::join_all(sends).await {
        assert_eq!(sent, Ok(None));
    }
}

#[tokio::test]
async fn an_enquiry_is_answered_with_an_enquiry() {
    let options = Options { enquire_every: Duration::from_millis(100), ..options() };
    let mut jasmin = jasmin_with("EnquireLinkEchoSMSC", options).await;
    jasmin.client.start();
    jasmin.hears("EnquireLinkResp").await;
    assert_eq!(jasmin.client.bound(), 1);
}
