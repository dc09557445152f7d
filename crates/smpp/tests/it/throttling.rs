//! An SMSC that says "slower" is listened to.

use std::time::Duration;

use countersign_smpp::smsc::{Behaviour, Fate, Rates};
use countersign_smpp::{Options, SubmitError};
use rusmpp::CommandStatus;
use tokio::time::Instant;

use crate::harness::{Pair, SOON, options, to};
use crate::window::join_all;

#[tokio::test(start_paused = true)]
async fn throttling_by_rate_slows_down_and_loses_nothing() {
    let behaviour = Behaviour { messages_per_second: Some(10), ..Behaviour::default() };
    let mut pair = Pair::with(behaviour, Options { window: 50, ..options() }, 0);
    let client = &pair.client;
    let all =
        (0..60).map(|index| client.submit(to(&format!("+4860010{index:03}99")), Duration::from_secs(60)));
    for sent in join_all(all).await {
        sent.expect("taken in the end");
    }
    let submitted = pair.all_submitted();
    let mut taken: Vec<_> =
        submitted.iter().filter(|one| one.fate.is_taken()).map(|one| one.destination.clone()).collect();
    taken.sort();
    taken.dedup();
    assert_eq!(taken.len(), 60, "every message once");
    let refused = submitted.len() - 60;
    // Of the first window all but ten are refused; after that the rate follows.
    assert!(refused < 80, "{refused} refusals for 60 messages");
}

#[tokio::test(start_paused = true)]
async fn a_configured_rate_below_the_smscs_is_never_refused() {
    let behaviour = Behaviour { messages_per_second: Some(10), ..Behaviour::default() };
    let options = Options { messages_per_second: Some(9.0), window: 50, ..options() };
    let mut pair = Pair::with(behaviour, options, 0);
    let client = &pair.client;
    join_all((0..40).map(|_| client.submit(to("+48600100217"), SOON))).await;
    assert!(pair.all_submitted().iter().all(|one| one.fate == Fate::Delivered));
}

#[tokio::test(start_paused = true)]
async fn throttling_by_number_ends_with_the_time_there_is() {
    for (number, status) in
        [("+48600100088", CommandStatus::EsmeRthrottled), ("+48600100020", CommandStatus::EsmeRmsgqful)]
    {
        let mut pair = Pair::new(Behaviour::default());
        let start = Instant::now();
        let sent = pair.client.submit(to(number), Duration::from_secs(10)).await;
        assert_eq!(sent, Err(SubmitError::Refused(status)));
        assert!(start.elapsed() <= Duration::from_secs(10));
        let tries = pair.all_submitted().len();
        assert!((3..=12).contains(&tries), "{tries} tries in 10 seconds");
    }
}

#[tokio::test(start_paused = true)]
async fn now_and_then_too_fast_is_only_slower() {
    let rates = Rates { throttled: 0.1, queue_full: 0.05, ..Rates::default() };
    let mut pair = Pair::new(Behaviour { rates, ..Behaviour::default() });
    for index in 0..30 {
        pair.send(&format!("+4860010{index:03}99")).await.expect("taken");
    }
    let submitted = pair.all_submitted();
    assert_eq!(submitted.iter().filter(|one| one.fate.is_taken()).count(), 30);
    assert!(submitted.len() > 30, "some were refused first");
}
