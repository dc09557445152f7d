//! Binds that end: what was certainly not taken goes again, what may have been is said to be so.

use std::collections::HashMap;
use std::time::Duration;

use countersign_smpp::bind::BindError;
use countersign_smpp::smsc::{Behaviour, Event, Rates};
use countersign_smpp::{Options, SubmitError};
use rusmpp::pdus::{BindTransceiverResp, SubmitSmResp};
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use tokio::time::Instant;

use crate::harness::{Pair, SOON, by_hand, options, to};
use crate::window::join_all;

#[tokio::test(start_paused = true)]
async fn a_connection_that_drops_before_the_answer_may_have_taken_the_message() {
    let mut pair = Pair::new(Behaviour::default());
    let sent = pair.send("+48600100002").await;
    assert_eq!(sent, Err(SubmitError::ConnectionLost));
    assert!(SubmitError::ConnectionLost.may_have_been_taken());
    // It had: the receipt comes after the next bind, and the next message goes over it.
    assert_eq!(pair.receipt().await.message_id.as_deref(), Some("msg-10"));
    pair.send("+48600100217").await.expect("taken");
}

#[tokio::test(start_paused = true)]
async fn an_unbind_within_the_window_waits_for_the_answers_that_come() {
    let (client, mut arrivals, _receipts) = by_hand(options());
    client.start();
    let mut peer = arrivals.bound().await;
    let sends = join_all(["+48600100217", "+48600100218"].map(|number| client.submit(to(number), SOON)));
    let (sent, ()) = tokio::join!(sends, async {
        let (first, _second) = (peer.hear().await, peer.hear().await);
        peer.say(Command::new(CommandStatus::EsmeRok, 900, Pdu::Unbind)).await;
        peer.take(&first, "1").await;
        let answer = peer.hear().await;
        assert_eq!((answer.id, answer.sequence), (CommandId::UnbindResp, 900));
        assert!(peer.is_left().await);
    });
    assert_eq!(sent, [Ok(Some("1".to_owned())), Err(SubmitError::ConnectionLost)]);
}

/// It has its room and waits for its turn in the rate; who has said goodbye would not answer it.
#[tokio::test(start_paused = true)]
async fn nothing_is_written_to_a_peer_that_unbinds() {
    let (client, mut arrivals, _receipts) = by_hand(Options { messages_per_second: Some(2.0), ..options() });
    client.start();
    let mut peer = arrivals.bound().await;
    let sends = join_all(["+48600100217", "+48600100218"].map(|number| client.submit(to(number), SOON)));
    let (sent, ()) = tokio::join!(sends, async {
        let _unanswered = peer.hear().await;
        peer.say(Command::new(CommandStatus::EsmeRok, 900, Pdu::Unbind)).await;
        assert_eq!(peer.hear().await.id, CommandId::UnbindResp);
        let mut next = arrivals.bound().await;
        let submit = next.hear().await;
        next.take(&submit, "2").await;
    });
    assert_eq!(sent, [Err(SubmitError::ConnectionLost), Ok(Some("2".to_owned()))]);
}

#[tokio::test(start_paused = true)]
async fn what_waited_for_room_goes_over_the_next_bind() {
    let (client, mut arrivals, _receipts) = by_hand(Options { window: 1, ..options() });
    client.start();
    let mut peer = arrivals.bound().await;
    let sends = join_all(["+48600100217", "+48600100218"].map(|number| client.submit(to(number), SOON)));
    let (sent, ()) = tokio::join!(sends, async {
        let _unanswered = peer.hear().await;
        peer.hang_up().await;
        let mut next = arrivals.bound().await;
        let submit = next.hear().await;
        next.take(&submit, "2").await;
    });
    assert_eq!(sent, [Err(SubmitError::ConnectionLost), Ok(Some("2".to_owned()))]);
}

#[tokio::test(start_paused = true)]
async fn an_smsc_that_forgot_the_bind_is_bound_to_again() {
    let (client, mut arrivals, _receipts) = by_hand(options());
    client.start();
    let mut peer = arrivals.bound().await;
    let sends = join_all(["+48600100217", "+48600100218"].map(|number| client.submit(to(number), SOON)));
    let (sent, ()) = tokio::join!(sends, async {
        let (first, second) = (peer.hear().await, peer.hear().await);
        peer.answer(&first, CommandStatus::EsmeRinvbndsts, SubmitSmResp::default()).await;
        peer.take(&second, "2").await;
        assert_eq!(peer.hear().await.id, CommandId::Unbind);
        peer.hang_up().await;
    });
    let refused = Err(SubmitError::Refused(CommandStatus::EsmeRinvbndsts));
    assert_eq!(sent, [refused, Ok(Some("2".to_owned()))]);
    let _again = arrivals.bound().await;
    client.until_bound(1).await;
}

#[tokio::test(start_paused = true)]
async fn an_account_that_is_refused_knocks_slowly_and_says_why_at_once() {
    let account = Some(("acme".to_owned(), "another".to_owned()));
    let mut pair = Pair::new(Behaviour { account, ..Behaviour::default() });
    let refused = || Err(SubmitError::NotBound(BindError::Refused(CommandStatus::EsmeRinvpaswd)));
    assert_eq!(pair.send("+48600100217").await, refused());
    let start = Instant::now();
    assert_eq!(pair.send("+48600100217").await, refused());
    assert_eq!(start.elapsed(), Duration::ZERO, "the next try is not waited for");
    let refusal = |event| match event {
        Event::BindRefused { status, .. } => Some(status),
        _ => None,
    };
    for _ in 0..3 {
        assert_eq!(pair.event(refusal).await, "ESME_RINVPASWD");
    }
    assert!(start.elapsed() >= Duration::from_secs(20), "{:?}", start.elapsed());
    assert_eq!(pair.client.probe().await, Err(BindError::Refused(CommandStatus::EsmeRinvpaswd)));
}

#[tokio::test(start_paused = true)]
async fn tries_become_rarer_while_nobody_answers() {
    let (client, mut arrivals, _receipts) = by_hand(options());
    client.start();
    let mut times = Vec::new();
    let start = Instant::now();
    for _ in 0..6 {
        drop(arrivals.next().await);
        times.push(start.elapsed().as_millis());
    }
    let pauses: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000]);
    let sent = client.submit(to("+48600100217"), SOON).await;
    assert_eq!(sent, Err(SubmitError::NotBound(BindError::HungUp)));
    // And it comes back by itself.
    let _peer = arrivals.bound().await;
    client.until_bound(1).await;
}

#[tokio::test(start_paused = true)]
async fn a_bind_that_is_never_answered_is_given_up() {
    let (client, mut arrivals, _receipts) = by_hand(options());
    client.start();
    let mut peer = arrivals.next().await;
    let sent = client.submit(to("+48600100217"), SOON).await;
    assert_eq!(sent, Err(SubmitError::NotBound(BindError::Silent)));
    assert_eq!(peer.hear().await.id, CommandId::BindTransceiver);
    assert!(peer.is_left().await);
}

#[tokio::test(start_paused = true)]
async fn what_comes_before_the_bind_is_no_obstacle() {
    let (client, mut arrivals, _receipts) = by_hand(options());
    client.start();
    let mut peer = arrivals.next().await;
    peer.say(Command::new(CommandStatus::EsmeRok, 5, Pdu::EnquireLink)).await;
    let bind = peer.hear().await;
    assert_eq!(peer.hear().await.id, CommandId::EnquireLinkResp);
    peer.answer(&bind, CommandStatus::EsmeRok, BindTransceiverResp::default()).await;
    client.until_bound(1).await;
}

/// Many messages through an SMSC that drops, unbinds, answers garbage or nothing: whoever sends again only what was
/// certainly not taken reaches everyone, and nobody twice unless it was said that this may be.
#[tokio::test(start_paused = true)]
async fn through_all_faults_nothing_is_lost_and_nothing_is_doubled_in_silence() {
    for seed in 0..8 {
        let rates = Rates {
            throttled: 0.03,
            queue_full: 0.02,
            unanswered: 0.02,
            dropped: 0.04,
            garbage: 0.02,
            early: 0.05,
            duplicate: 0.05,
            ..Rates::default()
        };
        let behaviour =
            Behaviour { seed, rates, answer_after: Duration::from_millis(20), ..Behaviour::default() };
        let mut pair = Pair::new(behaviour);
        let client = &pair.client;
        let maybe: Vec<bool> = join_all((0..200).map(|index| async move {
            let number = format!("+4860010{index:03}99");
            loop {
                match client.submit(to(&number), SOON).await {
                    Ok(_) => return false,
                    Err(error) if error.may_have_been_taken() => return true,
                    Err(SubmitError::NotBound(_) | SubmitError::NoRoom | SubmitError::Refused(_)) => {
                        tokio::time::timeout(Duration::from_secs(1), std::future::pending::<()>())
                            .await
                            .unwrap_err();
                    }
                    Err(error) => panic!("{error}"),
                }
            }
        }))
        .await;
        let mut taken: HashMap<String, usize> = HashMap::new();
        for one in pair.all_submitted().into_iter().filter(|one| one.fate.is_taken()) {
            *taken.entry(one.destination).or_default() += 1;
        }
        for (index, maybe) in maybe.into_iter().enumerate() {
            let times = taken.get(&format!("4860010{index:03}99")).copied().unwrap_or(0);
            let right = if maybe { times <= 1 } else { times == 1 };
            assert!(right, "seed {seed}: message {index} was taken {times} times, maybe: {maybe}");
        }
    }
}
