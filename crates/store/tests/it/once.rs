//! Idempotency keys: one outcome, told again.

use std::time::Duration;

use countersign_core::command::Answer;
use countersign_core::refusal::Refusal;
use countersign_core::store::Filter;
use countersign_sim::Requests;

use crate::bench::Bench;

const PHONE: &str = "+48600100217";

async fn count(bench: &Bench) -> usize {
    let page = bench.store.verifications(bench.requests.tenant, Filter::default(), None, 100).await.unwrap();
    page.verifications.len()
}

pub(crate) async fn a_twin_gets_the_first_outcome(bench: &Bench) {
    let first = bench.outcome(Requests::once(bench.requests.create(PHONE), "k", "b")).await;
    bench.clock.advance(Duration::from_secs(60));
    let twin = bench.outcome(Requests::once(bench.requests.create(PHONE), "k", "b")).await;
    assert!(!first.replayed && twin.replayed);
    assert_eq!(twin.answer, first.answer, "also what opens its sealed part");
    assert!(twin.answer.snapshot().is_some_and(|snapshot| snapshot.data_key.is_some()));
    assert_eq!(count(bench).await, 1);
    assert_eq!(bench.handed_over().len(), 1);
}

pub(crate) async fn twins_of_one_batch_get_one_outcome(bench: &Bench) {
    let twins: Vec<_> =
        (0..20).map(|_| bench.store.submit(Requests::once(bench.requests.create(PHONE), "k", "b"))).collect();
    let mut answers = Vec::new();
    for twin in twins {
        answers.push(twin.await.unwrap());
    }
    assert_eq!(answers.iter().filter(|outcome| !outcome.replayed).count(), 1);
    assert!(answers.iter().all(|outcome| outcome.answer == answers[0].answer));
    assert_eq!(count(bench).await, 1);
    assert_eq!(bench.handed_over().len(), 1);
}

pub(crate) async fn another_body_under_the_same_key_is_refused(bench: &Bench) {
    bench.done(Requests::once(bench.requests.create(PHONE), "k", "b")).await;
    let other = bench.answer(Requests::once(bench.requests.create(PHONE), "k", "c")).await;
    assert_eq!(other, Answer::Refused(Refusal::IdempotencyKeyReused, None));
    assert_eq!(count(bench).await, 1);
}

pub(crate) async fn an_approval_is_told_again_and_approves_once(bench: &Bench) {
    let begun = bench.begin(PHONE).await;
    let check = || bench.requests.check(begun.id, &bench.requests.code_of(&begun));
    let first = bench.outcome(Requests::once(check(), "k", "b")).await;
    let twin = bench.outcome(Requests::once(check(), "k", "b")).await;
    assert!(matches!(first.answer, Answer::Approved(..)));
    assert_eq!((twin.answer, twin.replayed), (first.answer, true));
    let bare = bench.answer(check()).await;
    assert!(matches!(bare, Answer::Refused(Refusal::AlreadyApproved, _)));
    assert_eq!(bench.events(begun.id).await, ["verification.created", "verification.approved"]);
}

pub(crate) async fn a_key_is_free_again_after_a_day(bench: &Bench) {
    let day = Duration::from_secs(86_400);
    let create = || Requests::once(bench.requests.create(PHONE), "k", "b");
    let first = bench.done(create()).await;
    bench.clock.advance(day - Duration::from_millis(1));
    assert_eq!(bench.done(create()).await.verification.id, first.verification.id);
    bench.clock.advance(Duration::from_millis(1));
    let second = bench.outcome(create()).await;
    assert!(!second.replayed);
    let third = bench.outcome(create()).await;
    assert!(third.replayed, "the new outcome took the place of the old one");
    assert_eq!(third.answer, second.answer);
    assert_eq!(count(bench).await, 2);
}

pub(crate) async fn a_start_that_changed_nothing_is_not_kept(bench: &Bench) {
    let dry = bench.requests.create_with(PHONE, |create| create.dry_run = true);
    bench.done(Requests::once(dry, "k", "b")).await;
    let real = bench.outcome(Requests::once(bench.requests.create(PHONE), "k", "c")).await;
    assert!(!real.replayed && matches!(real.answer, Answer::Done(_)));
}
