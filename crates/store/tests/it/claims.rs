//! Deliveries: leased at birth, claimed by one worker when they are due.

use std::time::Duration;

use countersign_core::command::{Answer, Command, Sent};
use countersign_core::delivery::DeliveryState;
use countersign_core::limits::LEASE;
use countersign_core::refusal::Refusal;
use countersign_core::time::Clock as _;

use crate::bench::Bench;

const PHONE: &str = "+48600100217";
const MILLI: Duration = Duration::from_millis(1);

pub(crate) async fn a_delivery_is_born_leased_and_handed_over(bench: &Bench) {
    let begun = bench.done(bench.requests.create(PHONE)).await;
    let jobs = bench.handed_over();
    let [job] = jobs.as_slice() else { panic!("{jobs:?}") };
    assert_eq!(Some(&job.delivery), begun.delivery.as_ref());
    assert_eq!(job.verification, begun.verification);
    assert_eq!(job.data_key, bench.shown(begun.verification.id).await.recipient.data_key);
    assert_eq!(job.delivery.due, Some(bench.clock.now().plus(LEASE)));
    bench.clock.advance(LEASE - MILLI);
    assert!(bench.store.claim(10).await.unwrap().is_empty());
}

pub(crate) async fn an_orphan_is_claimed_once_after_its_lease(bench: &Bench) {
    let begun = bench.done(bench.requests.create(PHONE)).await;
    bench.clock.advance(LEASE);
    let claims: Vec<_> = (0..8).map(|_| bench.store.claim(10)).collect();
    let mut claimed = Vec::new();
    for claim in claims {
        claimed.extend(claim.await.unwrap());
    }
    let [job] = claimed.as_slice() else { panic!("{claimed:?}") };
    assert_eq!(job.delivery.id, begun.delivery.clone().unwrap().id);
    assert_eq!(job.verification, begun.verification);
    bench.clock.advance(LEASE);
    assert_eq!(bench.store.claim(10).await.unwrap().len(), 1, "that worker died too");
    assert_eq!(bench.handed_over().len(), 1, "claims are not handed over a second time");
    assert_eq!(bench.events(begun.verification.id).await, ["verification.created"]);
}

pub(crate) async fn a_retry_is_claimed_when_it_is_due(bench: &Bench) {
    let delivery = bench.done(bench.requests.create(PHONE)).await.delivery.unwrap();
    let at = bench.clock.now().plus(Duration::from_secs(5));
    let later = Sent {
        delivery: delivery.id,
        attempts: Vec::new(),
        state: DeliveryState::Queued,
        retry_at: Some(at),
        receipts: false,
    };
    bench.done(bench.requests.of(Command::Sent(later))).await;
    bench.clock.set(at.minus(MILLI));
    assert!(bench.store.claim(10).await.unwrap().is_empty());
    bench.clock.set(at);
    assert_eq!(bench.store.claim(10).await.unwrap().len(), 1);
}

pub(crate) async fn an_ended_delivery_is_never_claimed(bench: &Bench) {
    let ends = [DeliveryState::Sent, DeliveryState::Failed, DeliveryState::Expired];
    for (n, end) in ends.into_iter().enumerate() {
        let begun = bench.done(bench.requests.create(&format!("person{n}@example.com"))).await;
        let delivery = begun.delivery.unwrap().id;
        bench.done(bench.requests.sent(delivery, end)).await;
        let shown = bench.shown(begun.verification.id).await;
        assert_eq!((shown.deliveries[0].state, shown.deliveries[0].due), (end, None));
        let back = bench.answer(bench.requests.sent(delivery, DeliveryState::Queued)).await;
        assert!(matches!(back, Answer::Refused(Refusal::StateConflict, _)), "{back:?}");
    }
    bench.clock.advance(LEASE);
    assert!(bench.store.claim(10).await.unwrap().is_empty());
}

pub(crate) async fn claims_take_the_longest_waiting_first_and_no_more_than_asked(bench: &Bench) {
    let mut born = Vec::new();
    for n in 0..5 {
        let begun = bench.done(bench.requests.create(&format!("person{n}@example.com"))).await;
        born.push(begun.delivery.unwrap().id);
        bench.clock.advance(Duration::from_secs(1));
    }
    bench.clock.advance(LEASE);
    let mut claimed = Vec::new();
    for most in [2, 2, 2, 2] {
        let jobs = bench.store.claim(most).await.unwrap();
        assert!(jobs.len() <= most);
        claimed.extend(jobs.into_iter().map(|job| job.delivery.id));
    }
    assert_eq!(claimed, born);
}
