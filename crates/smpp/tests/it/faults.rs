//! Peers that say what they should not, or nothing.

use std::time::Duration;

use countersign_smpp::{Options, SubmitError};
use rusmpp::pdus::{BindTransceiverResp, QuerySm};
use rusmpp::types::AnyOctetString;
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use tokio::time::Instant;

use crate::harness::{SOON, by_hand, options, to};

#[tokio::test(start_paused = true)]
async fn a_submission_that_is_not_answered_may_have_been_taken_and_the_peer_is_asked() {
    let (client, mut arrivals, _receipts) = by_hand(options());
    client.start();
    let mut peer = arrivals.bound().await;
    let start = Instant::now();
    let (sent, ()) = tokio::join!(client.submit(to("+48600100217"), SOON), async {
        let submit = peer.hear().await;
        let enquire = peer.hear().await;
        assert_eq!(enquire.id, CommandId::EnquireLink);
        assert_eq!(start.elapsed(), Duration::from_secs(5));
        peer.answer(&enquire, CommandStatus::EsmeRok, Pdu::EnquireLinkResp).await;
        // The answer after all; nobody waits for it any more.
        peer.take(&submit, "1").await;
    });
    assert_eq!(sent, Err(SubmitError::NoAnswer));
    // The bind stands, and the window has its room back.
    let (sent, ()) = tokio::join!(client.submit(to("+48600100217"), SOON), async {
        let submit = peer.hear().await;
        peer.take(&submit, "2").await;
    });
    assert_eq!(sent, Ok(Some("2".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_half_open_connection_is_found_out() {
    let (client, mut arrivals, _receipts) = by_hand(options());
    client.start();
    let mut dead = arrivals.bound().await;
    let start = Instant::now();
    // Nothing is heard for 30 seconds, the question is not answered for 5 more.
    assert_eq!(dead.hear().await.id, CommandId::EnquireLink);
    assert_eq!(start.elapsed().as_secs(), 30);
    assert!(dead.is_left().await);
    assert_eq!(start.elapsed().as_secs(), 35);
    let _alive = arrivals.bound().await;
    client.until_bound(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_nothing_is_found_out() {
    let options = Options { window: 5_000, in_hand: 5_000, ..options() };
    let (client, mut arrivals, _receipts) = by_hand(options);
    client.start();
    let peer = arrivals.bound().await;
    let sends = (0..4_000).map(|_| client.submit(to("+48600100217"), Duration::from_secs(6)));
    let (sent, _again) = tokio::join!(crate::window::join_all(sends), arrivals.next());
    assert!(sent.iter().all(Result::is_err));
    let unsent = sent.iter().filter(|sent| !sent.as_ref().is_err_and(SubmitError::may_have_been_taken));
    assert!(unsent.count() > 0, "what stayed in the queue is known not to have gone");
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_pdu_that_is_too_long_or_too_short_ends_the_connection_with_a_word() {
    for length in [0_u32, 15, 70_001, u32::MAX] {
        let (client, mut arrivals, _receipts) = by_hand(options());
        client.start();
        let mut peer = arrivals.bound().await;
        peer.octets(&length.to_be_bytes()).await;
        let word = peer.hear().await;
        assert_eq!((word.id, word.status), (CommandId::GenericNack, CommandStatus::EsmeRinvcmdlen));
        assert!(peer.is_left().await, "{length}");
        let _again = arrivals.bound().await;
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_ends_the_connection_and_not_the_client() {
    for garbage in [&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], b"\x16\x03\x01\x02\x00\x01\x00", &[0xff; 64]] {
        let (client, mut arrivals, _receipts) = by_hand(options());
        client.start();
        let mut peer = arrivals.bound().await;
        peer.octets(garbage).await;
        let _word = peer.hear().await;
        assert!(peer.is_left().await);
        let _again = arrivals.bound().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_we_do_not_do_is_refused_and_the_bind_stands() {
    let (client, mut arrivals, _receipts) = by_hand(options());
    client.start();
    let mut peer = arrivals.bound().await;
    let vendors_own = Pdu::Other {
        command_id: CommandId::from(0x0001_0200),
        body: AnyOctetString::from_static_slice(b"x"),
    };
    for (sequence, pdu) in [(7, vendors_own), (8, QuerySm::default().into())] {
        peer.say(Command::new(CommandStatus::EsmeRok, sequence, pdu)).await;
        let nack = peer.hear().await;
        let told = (nack.id, nack.status, nack.sequence);
        assert_eq!(told, (CommandId::GenericNack, CommandStatus::EsmeRinvcmdid, sequence));
    }
    // Answers to nothing we asked, an outbind and an alert need no word.
    peer.say(Command::new(CommandStatus::EsmeRok, 77, BindTransceiverResp::default())).await;
    peer.say(Command::new(CommandStatus::EsmeRinvcmdlen, 0, Pdu::GenericNack)).await;
    peer.say(Command::new(CommandStatus::EsmeRok, 9, Pdu::EnquireLink)).await;
    let answer = peer.hear().await;
    assert_eq!((answer.id, answer.sequence), (CommandId::EnquireLinkResp, 9));
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_cannot_be_read_is_refused_for_good() {
    let (client, mut arrivals, _receipts) = by_hand(options());
    client.start();
    let mut peer = arrivals.bound().await;
    let body = AnyOctetString::from_static_slice(b"no NUL in here");
    let broken = Pdu::Other { command_id: CommandId::DeliverSm, body };
    peer.say(Command::new(CommandStatus::EsmeRok, 3, broken)).await;
    let answer = peer.hear().await;
    let told = (answer.id, answer.status, answer.sequence);
    assert_eq!(told, (CommandId::DeliverSmResp, CommandStatus::EsmeRxRAppn, 3));
}

#[tokio::test(start_paused = true)]
async fn a_nack_of_a_submission_is_its_refusal_even_when_it_says_ok() {
    for (said, heard) in [
        (CommandStatus::EsmeRinvcmdid, CommandStatus::EsmeRinvcmdid),
        (CommandStatus::EsmeRok, CommandStatus::EsmeRunknownerr),
    ] {
        let (client, mut arrivals, _receipts) = by_hand(options());
        client.start();
        let mut peer = arrivals.bound().await;
        let (sent, ()) = tokio::join!(client.submit(to("+48600100217"), SOON), async {
            let submit = peer.hear().await;
            peer.answer(&submit, said, Pdu::GenericNack).await;
        });
        assert_eq!(sent, Err(SubmitError::Refused(heard)));
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_with_an_id_that_is_none_is_still_an_answer() {
    for (id, expected) in [("", None), ("a b", Some("ab")), (&"7".repeat(64), Some(&*"7".repeat(64)))] {
        let (client, mut arrivals, _receipts) = by_hand(options());
        client.start();
        let mut peer = arrivals.bound().await;
        let (sent, ()) = tokio::join!(client.submit(to("+48600100217"), SOON), async {
            let submit = peer.hear().await;
            peer.take(&submit, id).await;
        });
        assert_eq!(sent, Ok(expected.map(str::to_owned)));
    }
    // No NUL and too long: kept to the limit, and the bind stands.
    let (client, mut arrivals, _receipts) = by_hand(options());
    client.start();
    let mut peer = arrivals.bound().await;
    let (sent, ()) = tokio::join!(client.submit(to("+48600100217"), SOON), async {
        let submit = peer.hear().await;
        let body = AnyOctetString::from_vec(vec![b'9'; 300]);
        peer.answer(
            &submit,
            CommandStatus::EsmeRok,
            Pdu::Other { command_id: CommandId::SubmitSmResp, body },
        )
        .await;
    });
    assert_eq!(sent, Ok(Some("9".repeat(64))));
}
