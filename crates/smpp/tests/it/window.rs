//! How many messages are under way, over how many binds.

use std::sync::Arc;
use std::time::Duration;

use countersign_smpp::bind::Mode;
use countersign_smpp::smsc::{Behaviour, Event};
use countersign_smpp::{Options, SubmitError};
use rusmpp::CommandId;
use tokio::time::Instant;

use crate::harness::{Pair, SOON, by_hand, options, pdus, to};

#[tokio::test(start_paused = true)]
async fn no_more_than_the_window_waits_for_answers() {
    for window in [1, 2, 10] {
        let (client, mut arrivals, _receipts) = by_hand(Options { window, ..options() });
        let client = Arc::new(client);
        client.start();
        let mut peer = arrivals.bound().await;
        let all: Vec<_> = (0..window + 3)
            .map(|_| {
                let client = Arc::clone(&client);
                tokio::spawn(async move { client.submit(to("+48600100217"), SOON).await })
            })
            .collect();
        let mut submits = Vec::new();
        for _ in 0..window {
            submits.push(peer.hear().await);
        }
        // The next thing to be heard is another sign of life, much later: the window is full.
        let quiet = tokio::time::timeout(Duration::from_secs(1), peer.hear()).await;
        assert!(quiet.is_err(), "a window of {window} was not kept");
        for submit in submits {
            peer.take(&submit, "1").await;
        }
        for _ in 0..3 {
            let submit = peer.hear().await;
            peer.take(&submit, "2").await;
        }
        for one in all {
            one.await.expect("a task").expect("taken");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_finds_no_room_in_time_was_not_sent() {
    let (client, mut arrivals, _receipts) = by_hand(Options { window: 1, ..options() });
    let client = Arc::new(client);
    client.start();
    let mut peer = arrivals.bound().await;
    let first = {
        let client = Arc::clone(&client);
        tokio::spawn(async move { client.submit(to("+48600100217"), SOON).await })
    };
    let submit = peer.hear().await;
    let second = client.submit(to("+48600100218"), Duration::from_secs(2)).await;
    assert_eq!(second, Err(SubmitError::NoRoom));
    assert!(!SubmitError::NoRoom.may_have_been_taken());
    peer.take(&submit, "1").await;
    assert_eq!(first.await.expect("a task"), Ok(Some("1".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn more_than_may_be_in_hand_are_refused_at_once() {
    let (client, mut arrivals, _receipts) = by_hand(Options { window: 1, in_hand: 2, ..options() });
    client.start();
    let _peer = arrivals.bound().await;
    let start = Instant::now();
    let (first, second, third) = tokio::join!(
        client.submit(to("+48600100217"), Duration::from_secs(9)),
        client.submit(to("+48600100218"), Duration::from_secs(9)),
        async {
            let third = client.submit(to("+48600100219"), Duration::from_secs(9)).await;
            (third, start.elapsed())
        },
    );
    assert_eq!(third, (Err(SubmitError::NoRoom), Duration::ZERO));
    assert_eq!(first, Err(SubmitError::NoAnswer));
    assert!(second.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_nobody_waits_for_any_more_is_not_written() {
    let (client, mut arrivals, _receipts) = by_hand(Options { window: 1, ..options() });
    client.start();
    let mut peer = arrivals.bound().await;
    let (first, _) = tokio::join!(client.submit(to("+48600100217"), SOON), async {
        let submit = peer.hear().await;
        // Gives up while it waits for room.
        let given_up = client.submit(to("+48600100218"), SOON);
        assert!(tokio::time::timeout(Duration::from_secs(1), given_up).await.is_err());
        peer.take(&submit, "1").await;
    });
    assert_eq!(first, Ok(Some("1".to_owned())));
    // The next PDU is the sign of life.
    assert_eq!(peer.hear().await.id, CommandId::EnquireLink);
}

#[tokio::test(start_paused = true)]
async fn messages_are_spread_over_the_binds() {
    let binds = vec![Mode::Transceiver; 3];
    let behaviour = Behaviour { answer_after: Duration::from_millis(50), ..Behaviour::default() };
    let mut pair = Pair::with(behaviour, Options { binds, window: 4, ..options() }, 0);
    pair.client.until_bound(3).await;
    let start = Instant::now();
    let client = &pair.client;
    let sends = (0..12).map(|_| client.submit(to("+48600100217"), SOON));
    for sent in join_all(sends).await {
        sent.expect("taken");
    }
    // Three windows of four take twelve at once.
    assert!(start.elapsed() < Duration::from_millis(100), "{:?}", start.elapsed());
    assert_eq!(pair.all_submitted().len(), 12);
}

/// Polls all to their end.
pub(crate) async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut pending: Vec<_> = futures.into_iter().map(Box::pin).map(Some).collect();
    let mut outputs: Vec<Option<F::Output>> = pending.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        let mut all = true;
        for (slot, output) in pending.iter_mut().zip(&mut outputs) {
            if let Some(future) = slot {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(done) => (*output, *slot) = (Some(done), None),
                    std::task::Poll::Pending => all = false,
                }
            }
        }
        if all { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[tokio::test(start_paused = true)]
async fn what_arrives_is_what_was_meant() {
    let mut pair = Pair::new(Behaviour::default());
    let text = format!("482913 {} €", "x".repeat(200));
    for pdu in pdus("+48600100217", &text) {
        pair.client.submit(pdu, SOON).await.expect("taken");
    }
    let (first, second) = (pair.submitted().await, pair.submitted().await);
    assert_eq!(first.text.clone() + &second.text, text);
    assert_eq!([first.part, second.part], [(1, 2), (2, 2)]);
    assert_eq!((first.source.as_str(), first.destination.as_str()), ("ACME", "48600100217"));
    assert_eq!(first.kinds, [5, 0, 1, 1]);
    assert_eq!((first.validity_period.as_str(), first.data_coding), ("000000000500000R", 0));
    assert_eq!([first.receipt, second.receipt], [false, true]);
}

#[tokio::test(start_paused = true)]
async fn the_configured_rate_is_kept() {
    let options = Options { messages_per_second: Some(20.0), window: 100, ..options() };
    let mut pair = Pair::with(Behaviour::default(), options, 0);
    pair.client.until_bound(1).await;
    let start = Instant::now();
    let client = &pair.client;
    for sent in join_all((0..41).map(|_| client.submit(to("+48600100217"), SOON))).await {
        sent.expect("taken");
    }
    assert_eq!(start.elapsed().as_secs(), 2);
    let bound = pair.event(|event| matches!(event, Event::Bound { .. }).then_some(()));
    bound.await;
}
