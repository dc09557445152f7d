//! How a client ends.

use countersign_smpp::SubmitError;
use countersign_smpp::smsc::{Behaviour, Event};
use rusmpp::{CommandId, CommandStatus, Pdu};

use crate::harness::{Pair, SOON, by_hand, options, to};

#[tokio::test(start_paused = true)]
async fn a_close_waits_for_answers_and_unbinds() {
    let (client, mut arrivals, _receipts) = by_hand(options());
    client.start();
    let mut peer = arrivals.bound().await;
    let (sent, (), ()) = tokio::join!(
        client.submit(to("+48600100217"), SOON),
        async {
            let submit = peer.hear().await;
            let enquired = tokio::time::timeout(std::time::Duration::from_secs(1), peer.hear()).await;
            assert!(enquired.is_err(), "it unbinds before the answer");
            peer.take(&submit, "1").await;
            let unbind = peer.hear().await;
            assert_eq!(unbind.id, CommandId::Unbind);
            peer.answer(&unbind, CommandStatus::EsmeRok, Pdu::UnbindResp).await;
            assert!(peer.is_left().await);
        },
        async {
            tokio::task::yield_now().await;
            client.until_bound(1).await;
            tokio::task::yield_now().await;
            client.close().await;
        },
    );
    assert_eq!(sent, Ok(Some("1".to_owned())));
    assert_eq!(client.submit(to("+48600100217"), SOON).await, Err(SubmitError::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_close_ends_even_when_the_peer_does_not_answer() {
    let (client, mut arrivals, _receipts) = by_hand(options());
    client.start();
    let mut peer = arrivals.bound().await;
    let (sent, (), ()) = tokio::join!(
        client.submit(to("+48600100217"), SOON),
        async {
            let _submit = peer.hear().await;
            while !peer.hear().await.id.eq(&CommandId::Unbind) {}
        },
        async {
            client.until_bound(1).await;
            tokio::task::yield_now().await;
            client.close().await;
        },
    );
    assert!(sent.is_err_and(|error| error.may_have_been_taken()));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_started_is_closed_at_once() {
    let pair = Pair::new(Behaviour::default());
    pair.client.close().await;
    assert_eq!(pair.send("+48600100217").await, Err(SubmitError::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_dropped_unbinds() {
    let mut pair = Pair::new(Behaviour::default());
    pair.client.until_bound(1).await;
    let Pair { client, events, .. } = &mut pair;
    drop(std::mem::replace(client, Pair::new(Behaviour::default()).client));
    loop {
        if events.recv().await.expect("an event") == Event::Unbound {
            break;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_binds_and_unbinds() {
    let mut pair = Pair::new(Behaviour::default());
    assert_eq!(pair.client.probe().await.as_deref(), Ok("SANDBOX"));
    pair.event(|event| (event == Event::Unbound).then_some(())).await;
    assert_eq!(pair.client.bound(), 0);
}
