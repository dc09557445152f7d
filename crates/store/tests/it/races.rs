//! Many at once, let loose together by a barrier.

use std::sync::Arc;

use countersign_core::command::{Answer, Request};
use countersign_core::refusal::Refusal;
use countersign_core::store::Filter;
use countersign_core::verification::{Channel, Status};
use countersign_sim::Requests;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::bench::Bench;

const PHONE: &str = "+48600100217";

/// Submits all requests at the same moment, each from a task of its own.
pub(crate) async fn all_at_once(bench: &Bench, requests: Vec<Request>) -> Vec<Answer> {
    let barrier = Arc::new(Barrier::new(requests.len()));
    let mut tasks = JoinSet::new();
    for request in requests {
        let (store, barrier) = (Arc::clone(&bench.store), Arc::clone(&barrier));
        tasks.spawn(async move {
            barrier.wait().await;
            store.submit(request).await.unwrap().answer
        });
    }
    tasks.join_all().await
}

fn evaluated(answers: &[Answer]) -> usize {
    let wrong = |answer: &&Answer| matches!(answer, Answer::Refused(Refusal::CodeIncorrect, _));
    answers.iter().filter(wrong).count()
}

fn approved(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| matches!(answer, Answer::Approved(..))).count()
}

pub(crate) async fn two_hundred_guesses_at_one_verification(bench: &Bench) {
    let begun = bench.begin(PHONE).await;
    let wrong = bench.requests.wrong_code_of(&begun);
    let guesses = (0..200).map(|_| bench.requests.check(begun.id, &wrong)).collect();
    let answers = all_at_once(bench, guesses).await;
    assert_eq!(evaluated(&answers), 5);
    assert_eq!(approved(&answers), 0);
    let shown = bench.shown(begun.id).await;
    assert_eq!((shown.verification.status, shown.verification.checks_used), (Status::MaxAttempts, 5));
    assert_eq!(bench.events(begun.id).await.len(), 6);
    let late = bench.answer(bench.requests.check(begun.id, &bench.requests.code_of(&begun))).await;
    assert!(matches!(late, Answer::Refused(Refusal::MaxAttempts, _)), "{late:?}");
}

pub(crate) async fn two_hundred_guesses_over_many_verifications(bench: &Bench) {
    let spellings = ["ann@example.com", "Ann@example.com", "ann+a@example.com", "ann+b@example.com"];
    let mut begun = Vec::new();
    for n in 0..8 {
        begun.push(bench.begin(spellings[n % spellings.len()]).await);
    }
    let guesses = (0..200).map(|n| {
        let target = &begun[n % begun.len()];
        bench.requests.check(target.id, &bench.requests.wrong_code_of(target))
    });
    let answers = all_at_once(bench, guesses.collect()).await;
    assert_eq!(evaluated(&answers), 5);
    let right = begun.iter().map(|row| bench.requests.check(row.id, &bench.requests.code_of(row)));
    let answers = all_at_once(bench, right.collect()).await;
    assert_eq!(approved(&answers), 0, "the recipient is paused, whatever is entered");
}

pub(crate) async fn a_hundred_right_codes_approve_once(bench: &Bench) {
    let begun = bench.begin(PHONE).await;
    let code = bench.requests.code_of(&begun);
    let entries = (0..100).map(|n| match n % 2 {
        0 => bench.requests.check(begun.id, &code),
        _ => bench.requests.check_by(PHONE, &code),
    });
    let answers = all_at_once(bench, entries.collect()).await;
    assert_eq!(approved(&answers), 1);
    let told = |answer: &&Answer| matches!(answer, Answer::Refused(Refusal::AlreadyApproved, _));
    assert_eq!(answers.iter().filter(told).count(), 99);
    assert_eq!(bench.events(begun.id).await, ["verification.created", "verification.approved"]);
}

pub(crate) async fn twins_in_parallel_create_once(bench: &Bench) {
    let twins = (0..100).map(|_| Requests::once(bench.requests.create(PHONE), "k", "b")).collect();
    let answers = all_at_once(bench, twins).await;
    let first = answers[0].snapshot().unwrap().verification.id;
    assert!(answers.iter().all(|answer| answer.snapshot().is_some_and(|told| told.verification.id == first)));
    let tenant = bench.requests.tenant;
    let page = bench.store.verifications(tenant, Filter::default(), None, 10).await.unwrap();
    assert_eq!(page.verifications.len(), 1);
    assert_eq!(bench.handed_over().len(), 1);
}

pub(crate) async fn parallel_sends_stay_within_the_cap(bench: &Bench) {
    let mut requests = bench.requests.of_tenant(bench.requests.tenant);
    requests.limits_apply = true;
    let starts = (0..50).map(|n| {
        requests.create_with(PHONE, |create| create.channel = (n % 2 == 0).then_some(Channel::Voice))
    });
    let answers = all_at_once(bench, starts.collect()).await;
    let done = answers.iter().filter(|answer| matches!(answer, Answer::Done(_))).count();
    let limited = |answer: &&Answer| matches!(answer, Answer::Refused(Refusal::RecipientRateLimited(_), _));
    assert_eq!((done, answers.iter().filter(limited).count()), (5, 45));
    assert_eq!(bench.handed_over().len(), 5);
}
