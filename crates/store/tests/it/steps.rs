//! Steps of workflows: claimed when they are due, on any node, and taken once.

use std::time::Duration;

use countersign_core::command::{Answer, Command, Request};
use countersign_core::delivery::DeliveryState;
use countersign_core::ids::DeliveryId;
use countersign_core::limits::LEASE;
use countersign_core::tenancy::AdminChange;
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::Clock as _;
use countersign_core::verification::{Channel, Verification};
use countersign_core::workflow::Step;
use countersign_sim::Requests;

use crate::bench::Bench;

const PHONE: &str = "+48600100217";
const WAIT: Duration = Duration::from_secs(60);
const MILLI: Duration = Duration::from_millis(1);

fn sms_then_voice(requests: &Requests) -> Request {
    let step = |channel, wait| Step { channel, wait, receipt_within: None };
    requests.create_with(PHONE, |create| {
        create.workflow = vec![step(Channel::Sms, Some(60)), step(Channel::Voice, None)];
    })
}

/// One whose first message is on its way.
async fn sent(bench: &Bench, requests: &Requests) -> (Verification, DeliveryId) {
    let begun = bench.done(sms_then_voice(requests)).await;
    let delivery = begun.delivery.unwrap().id;
    bench.done(requests.sent(delivery, DeliveryState::Sent)).await;
    bench.handed_over();
    (begun.verification, delivery)
}

pub(crate) async fn a_step_is_claimed_when_it_is_due_and_taken_once(bench: &Bench) {
    let (verification, delivery) = sent(bench, &bench.requests).await;
    bench.clock.advance(WAIT - MILLI);
    assert!(bench.store.claim(10).await.unwrap().is_empty());
    bench.clock.advance(MILLI);
    let jobs = bench.store.claim(10).await.unwrap();
    let [job] = jobs.as_slice() else { panic!("{jobs:?}") };
    assert_eq!((job.delivery.id, job.delivery.state), (delivery, DeliveryState::Sent));
    assert!(bench.store.claim(10).await.unwrap().is_empty(), "it is leased");
    bench.clock.advance(LEASE);
    assert_eq!(bench.store.claim(10).await.unwrap().len(), 1, "whoever claimed it died");
    let steps: Vec<_> =
        (0..8).map(|_| bench.store.submit(bench.requests.of(Command::Step(delivery)))).collect();
    for step in steps {
        assert!(matches!(step.await.unwrap().answer, Answer::Done(_)));
    }
    let shown = bench.shown(verification.id).await;
    assert_eq!((shown.verification.sends, shown.verification.channel), (2, Channel::Voice));
    assert_eq!(shown.recipient.sends.len(), 2);
    assert_eq!(bench.events(verification.id).await, ["verification.created", "workflow.stepped"]);
    let handed = bench.handed_over();
    let [job] = handed.as_slice() else { panic!("{handed:?}") };
    assert_eq!(job.delivery.channel, Channel::Voice);
    bench.clock.advance(LEASE);
    let orphans = bench.store.claim(10).await.unwrap();
    assert_eq!(orphans.iter().map(|job| job.delivery.id).collect::<Vec<_>>(), [handed[0].delivery.id]);
}

pub(crate) async fn a_moved_test_clock_makes_the_steps_of_its_project_due(bench: &Bench) {
    bench.found().await;
    let test = bench.requests.of_tenant(Tenant { mode: Mode::Test, ..bench.requests.tenant });
    let (_, live) = sent(bench, &bench.requests).await;
    let (_, waits) = sent(bench, &test).await;
    let queued = bench.done(test.create("+48600100219")).await.delivery.unwrap().id;
    let advance = |seconds| AdminChange::AdvanceTestClock(bench.requests.tenant.project, seconds);
    bench.administer(advance(59)).await;
    assert!(bench.store.claim(10).await.unwrap().is_empty());
    bench.administer(advance(1)).await;
    let jobs = bench.store.claim(10).await.unwrap();
    assert_eq!(jobs.iter().map(|job| job.delivery.id).collect::<Vec<_>>(), [waits]);
    let mut later = test;
    later.clock_ahead = WAIT;
    assert_eq!(bench.done(later.of(Command::Step(waits))).await.verification.sends, 2);
    assert!(
        bench.store.claim(10).await.unwrap().is_empty(),
        "leases and live ones wait for the engine's clock"
    );
    bench.clock.advance(WAIT);
    let due: Vec<_> = bench.store.claim(10).await.unwrap().iter().map(|job| job.delivery.id).collect();
    assert!(due.contains(&live) && due.contains(&queued), "{due:?}");
}

pub(crate) async fn a_step_that_is_put_back_is_claimed_again(bench: &Bench) {
    let (_, delivery) = sent(bench, &bench.requests).await;
    let due = bench.clock.now().plus(WAIT);
    bench.clock.set(due.minus(MILLI));
    bench.done(bench.requests.of(Command::Step(delivery))).await;
    assert!(bench.store.claim(10).await.unwrap().is_empty());
    bench.clock.set(due);
    assert_eq!(bench.store.claim(10).await.unwrap().len(), 1);
}

pub(crate) async fn parallel_steps_and_resends_stay_within_the_cap(bench: &Bench) {
    let mut limited = bench.requests.of_tenant(bench.requests.tenant);
    limited.limits_apply = true;
    let (verification, delivery) = sent(bench, &limited).await;
    for _ in 0..3 {
        bench.done(limited.create(PHONE)).await;
    }
    bench.clock.advance(WAIT);
    let mut queued = Vec::new();
    for _ in 0..6 {
        queued.push(bench.store.submit(limited.of(Command::Step(delivery))));
        queued.push(bench.store.submit(limited.resend(verification.id)));
        queued.push(bench.store.submit(limited.create(PHONE)));
    }
    for outcome in queued {
        outcome.await.unwrap();
    }
    let shown = bench.shown(verification.id).await;
    assert_eq!(shown.recipient.sends.len(), 5, "five in ten minutes");
}
