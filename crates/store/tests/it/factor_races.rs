//! Many answers at once: a code, a list entry and a device's yes are good once.

use std::collections::BTreeSet;

use countersign_core::challenge::{Challenge, ChallengeStatus, Method};
use countersign_core::command::{Answer, Request};
use countersign_core::factor::FactorState;
use countersign_core::refusal::Refusal;
use countersign_core::subject::{Act, Aim, Authority, FactorPlan, Redeem};
use countersign_core::time::Clock as _;
use countersign_sim::Requests;
use countersign_sim::subjects::{Device, backup_list, hotp_of, hotp_token, listed_code, totp, totp_at};

use crate::bench::Bench;
use crate::races::all_at_once;
use crate::subjects::asked;

pub(crate) fn granted(answers: &[Answer]) -> usize {
    answers.iter().filter(|answer| matches!(answer, Answer::Granted(..))).count()
}

fn declined(answers: &[Answer], refusal: Refusal) -> usize {
    let so = |answer: &&Answer| matches!(answer, Answer::Declined(why, _) if *why == refusal);
    answers.iter().filter(so).count()
}

/// A hundred entries of one code: on eight challenges that are open, on one that is, and with challenges of their own.
async fn one_is_granted(bench: &Bench, plan: FactorPlan, code: &str) {
    let requests = &bench.requests;
    let factor = bench.subject(requests.enrol("ann", plan)).await.factor.unwrap();
    let mut open = Vec::new();
    for _ in 0..8 {
        open.push(asked(bench, "ann").await.id);
    }
    let spellings = [code.to_owned(), format!(" {} {} ", &code[..3], &code[3..])];
    let entries = (0..100).map(|n| {
        let code = &spellings[n % spellings.len()];
        match n % 3 {
            0 => requests.respond(open[n % open.len()], code),
            1 => requests.respond(open[0], code),
            _ => requests.try_code("ann", code),
        }
    });
    let answers = all_at_once(bench, entries.collect()).await;
    assert_eq!(granted(&answers), 1, "{answers:?}");
    let approvals = bench.journal().await;
    let approvals = approvals.iter().filter(|entry| entry.event.name() == "challenge.approved");
    assert_eq!(approvals.count(), 1);
    bench.subject(requests.subject(Aim::Factor(factor), Act::Unlock)).await;
    let late = bench.declined(requests.try_code("ann", code)).await;
    assert_eq!(late, Refusal::CodeIncorrect, "nor is it later");
}

pub(crate) async fn a_hundred_entries_of_one_code_of_an_app(bench: &Bench) {
    one_is_granted(bench, totp(), &totp_at(bench.clock.now(), 0)).await;
}

pub(crate) async fn a_hundred_entries_of_one_code_of_a_token(bench: &Bench) {
    one_is_granted(bench, hotp_token(), &hotp_of(0)).await;
}

pub(crate) async fn a_hundred_entries_of_one_code_of_a_list(bench: &Bench) {
    one_is_granted(bench, backup_list(), &listed_code(0)).await;
}

pub(crate) async fn a_hundred_times_the_yes_of_a_device(bench: &Bench) {
    let requests = &bench.requests;
    let waiting = bench.subject(requests.enrol("ann", FactorPlan::Push)).await;
    let device = Device::of(waiting.factor.unwrap(), [5; 32]);
    bench.subject(device.enrol(requests, &waiting.subject)).await;
    let pushed = bench.subject(requests.ask("ann", &[Method::Push])).await.challenge.unwrap();
    let answers = all_at_once(bench, (0..100).map(|_| device.approve(requests, &pushed)).collect()).await;
    assert_eq!(granted(&answers), 1);
    assert_eq!(declined(&answers, Refusal::ChallengeAlreadyApproved), 99);
    let redeem = |_| requests.subject(Aim::Challenge(pushed.id), Act::Redeem(Redeem::default()));
    let answers = all_at_once(bench, (0..100).map(redeem).collect()).await;
    assert_eq!(granted(&answers), 1, "its proof is handed out once");
    assert_eq!(declined(&answers, Refusal::ChallengeAlreadyApproved), 99);
}

pub(crate) async fn two_hundred_guesses_at_one_factor_over_many_challenges(bench: &Bench) {
    let requests = &bench.requests;
    bench.subject(requests.enrol("ann", totp())).await;
    let mut open: Vec<Challenge> = Vec::new();
    for _ in 0..8 {
        open.push(asked(bench, "ann").await);
    }
    let now = bench.clock.now();
    let right: BTreeSet<_> = (-1..=1).map(|steps| totp_at(now, steps)).collect();
    let wrong = (0..).map(|n| format!("{n:06}")).find(|code| !right.contains(code)).unwrap();
    let guess = |n: usize| match n % 2 {
        0 => requests.respond(open[n / 2 % open.len()].id, &wrong),
        _ => requests.try_code("ann", &wrong),
    };
    let answers = all_at_once(bench, (0..200).map(guess).collect()).await;
    let most = usize::from(requests.policy.failures_before_pause);
    assert_eq!((declined(&answers, Refusal::CodeIncorrect), granted(&answers)), (most, 0));
    let right =
        all_at_once(bench, (0..8).map(|_| requests.try_code("ann", &totp_at(now, 0))).collect()).await;
    assert_eq!(granted(&right), 0, "it is locked, whatever is entered");
    assert!(right.iter().all(|answer| matches!(answer, Answer::Declined(Refusal::FactorLocked(Some(_)), _))));
}

pub(crate) async fn a_factor_that_is_removed_while_codes_are_on_their_way(bench: &Bench) {
    let requests = &bench.requests;
    let app = bench.subject(requests.enrol("ann", totp())).await.factor.unwrap();
    bench.subject(requests.enrol("ann", backup_list())).await;
    let asked = asked(bench, "ann").await;
    let code = totp_at(bench.clock.now(), 0);
    let remove = || requests.subject(Aim::Factor(app), Act::RemoveFactor(Authority::Key));
    let act = |n: usize| match n % 10 {
        5 => remove(),
        _ => requests.respond(asked.id, &code),
    };
    let answers = all_at_once(bench, (0..60).map(act).collect()).await;
    let removed = answers.iter().filter(|answer| matches!(answer, Answer::Subject(_))).count();
    assert_eq!(removed, 1, "it goes once");
    let shown = bench.store.subject(requests.tenant, Aim::Challenge(asked.id)).await.unwrap().unwrap();
    assert_eq!(shown.subject.factor(app).unwrap().state, FactorState::Removed);
    let approved = shown.challenges[0].status == ChallengeStatus::Approved;
    assert_eq!(granted(&answers), usize::from(approved));
    let entries = bench.journal().await;
    let place = |name| entries.iter().position(|entry| entry.event.name() == name);
    let (at, gone) = (place("challenge.approved"), place("factor.deleted").unwrap());
    assert!(at.is_none_or(|at| at < gone), "what was removed approves nothing any more");
    assert!(declined(&answers, Refusal::FactorRequired) == 0, "the list could still answer");
}

pub(crate) async fn fifty_enrolments_of_one_name_make_one_subject(bench: &Bench) {
    let requests = &bench.requests;
    let answers = all_at_once(bench, (0..50).map(|_| requests.enrol("ann", totp())).collect()).await;
    let made: Vec<_> = answers.iter().filter_map(|answer| Some(answer.subject()?.subject.id)).collect();
    assert_eq!((made.len(), declined(&answers, Refusal::LimitReached)), (16, 34));
    assert!(made.iter().all(|id| *id == made[0]));
    let page = bench.store.subjects(requests.tenant, None, 10).await.unwrap();
    assert_eq!((page.subjects.len(), page.subjects[0].factors.len()), (1, 16));
    let created = bench.journal().await;
    assert_eq!(created.iter().filter(|entry| entry.event.name() == "subject.created").count(), 1);
}

pub(crate) async fn twins_of_an_enrolment_enrol_once(bench: &Bench) {
    let requests = &bench.requests;
    let twin = |_| Requests::once(requests.enrol("ann", totp()), "k", "b");
    let twins: Vec<Request> = (0..100).map(twin).collect();
    let answers = all_at_once(bench, twins).await;
    assert!(answers.iter().all(|answer| *answer == answers[0]), "all are told the same secret");
    let shown = bench.store.subject(requests.tenant, requests.named("ann")).await.unwrap().unwrap();
    assert_eq!(shown.subject.factors.len(), 1);
}
