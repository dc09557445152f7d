//! Batches: races inside one commit, and idempotency inside one and over two.

use proptest::prelude::*;

use super::world::{OTHER_PHONE, PHONE, World, approved, check, refusal, seconds};
use crate::batch::Outcome;
use crate::command::{Answer, Command, Create, Request};
use crate::ids::VerificationId;
use crate::journal::Event;
use crate::limits;
use crate::refusal::Refusal;
use crate::verification::{Private, Status};

fn guess(world: &mut World, id: VerificationId, code: &str) -> Request {
    world.request(Command::Check(check(id, code)))
}

fn approvals(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|outcome| approved(&outcome.answer)).count()
}

fn evaluated(world: &World) -> usize {
    let guesses = |event: &Event| matches!(event, Event::Approved | Event::CheckFailed { .. });
    world.rows.journal.iter().filter(|entry| guesses(&entry.event)).count()
}

#[test]
fn two_hundred_guesses_and_the_right_one_in_one_batch_are_evaluated_up_to_the_limit() {
    let mut world = World::new();
    let id = world.begin();
    let right = world.code(id);
    let mut guesses: Vec<_> = (0..200).map(|n| world.wrong_code(id, n)).collect();
    guesses.push(right);
    let requests: Vec<_> = guesses.iter().map(|code| guess(&mut world, id, code)).collect();
    let (outcomes, _) = world.batch(&requests);
    assert_eq!((approvals(&outcomes), evaluated(&world)), (0, 5));
    assert_eq!(world.status(id), Status::MaxAttempts);
}

#[test]
fn guesses_over_many_verifications_of_one_recipient_share_the_limit() {
    let mut world = World::new();
    let ids: Vec<_> = (0..5).map(|_| world.begin()).collect();
    let mut requests = Vec::new();
    for n in 0..200 {
        let id = ids[n as usize % 5];
        let code = world.wrong_code(id, n);
        requests.push(guess(&mut world, id, &code));
    }
    world.batch(&requests);
    assert_eq!(evaluated(&world), 5);
}

#[test]
fn a_hundred_right_guesses_in_one_batch_are_one_approval() {
    let mut world = World::new();
    let id = world.begin();
    let right = world.code(id);
    let requests: Vec<_> = (0..100).map(|_| guess(&mut world, id, &right)).collect();
    let (outcomes, _) = world.batch(&requests);
    assert_eq!((approvals(&outcomes), evaluated(&world)), (1, 1));
    let again = outcomes.iter().filter(|outcome| !approved(&outcome.answer));
    assert!(again.into_iter().all(|outcome| refusal(&outcome.answer) == Refusal::AlreadyApproved));
}

#[test]
fn a_code_that_is_canceled_earlier_in_the_batch_is_not_approved() {
    let mut world = World::new();
    let id = world.begin();
    let right = world.code(id);
    let requests = [world.request(Command::Cancel(id)), guess(&mut world, id, &right)];
    let (outcomes, _) = world.batch(&requests);
    assert_eq!(refusal(&outcomes[1].answer), Refusal::Canceled);
}

#[test]
fn two_first_starts_of_a_recipient_in_one_batch_share_a_ledger() {
    let mut world = World::new();
    let starts = [world.start(PHONE), world.start(PHONE), world.start(OTHER_PHONE)];
    let requests = starts.map(|start| world.request(Command::Create(Box::new(start))));
    let (_, jobs) = world.batch(&requests);
    assert_eq!((world.rows.recipients.len(), world.rows.verifications.len(), jobs.len()), (2, 3, 3));
    for job in &jobs {
        let row = &world.rows.recipients[&job.verification.recipient];
        assert_eq!(job.data_key, row.data_key, "a job opens with the key of its ledger");
        assert!(row.open_data_key(&world.keys).is_some());
    }
    let sends: Vec<_> = world.rows.recipients.values().map(|row| row.sends.len()).collect();
    assert_eq!(sends.iter().sum::<usize>(), 3);
}

#[test]
fn the_caps_hold_inside_a_batch() {
    let mut world = World::new();
    let requests: Vec<_> =
        (0..20).map(|_| world.start(PHONE)).map(|start| Command::Create(Box::new(start))).collect();
    let requests: Vec<_> = requests.into_iter().map(|command| world.request(command)).collect();
    let (outcomes, jobs) = world.batch(&requests);
    let begun = outcomes.iter().filter(|outcome| matches!(outcome.answer, Answer::Done(_))).count();
    assert_eq!((begun, jobs.len()), (5, 5));
}

#[test]
fn an_equal_subject_supersedes_inside_a_batch() {
    let mut world = World::new();
    let of = |world: &World| Create {
        private: Private { subject: Some("user-42".to_owned()), ..Private::default() },
        ..world.start(PHONE)
    };
    let starts = [of(&world), of(&world)];
    let requests = starts.map(|start| world.request(Command::Create(Box::new(start))));
    world.batch(&requests);
    let pending = world.rows.verifications.values().filter(|row| row.status == Status::Pending);
    assert_eq!(pending.count(), 1);
}

fn once(world: &mut World, key: &str, body: &str) -> Request {
    let start = world.start(PHONE);
    world.once(key, body, Command::Create(Box::new(start)))
}

fn begun(outcome: &Outcome) -> VerificationId {
    outcome.answer.snapshot().unwrap().verification.id
}

#[test]
fn an_idempotency_key_is_one_start_inside_a_batch() {
    let mut world = World::new();
    let requests = [once(&mut world, "k", "body"), once(&mut world, "k", "body")];
    let (outcomes, jobs) = world.batch(&requests);
    assert_eq!(begun(&outcomes[0]), begun(&outcomes[1]));
    assert_eq!([outcomes[0].replayed, outcomes[1].replayed], [false, true]);
    assert_eq!((jobs.len(), world.rows.verifications.len(), world.rows.journal.len()), (1, 1, 1));
}

#[test]
fn an_idempotency_key_is_one_start_over_two_batches_for_a_day() {
    let mut world = World::new();
    let first = once(&mut world, "k", "body");
    let first = begun(&world.batch(&[first]).0[0]);
    world.now = world.now.plus(limits::IDEMPOTENCY_LIFETIME).minus(std::time::Duration::from_millis(1));
    let again = once(&mut world, "k", "body");
    let (outcomes, jobs) = world.batch(&[again]);
    assert_eq!((begun(&outcomes[0]), outcomes[0].replayed, jobs.len()), (first, true, 0));
    world.pass(std::time::Duration::from_millis(1));
    let later = once(&mut world, "k", "body");
    let (outcomes, jobs) = world.batch(&[later]);
    assert_ne!(begun(&outcomes[0]), first);
    assert_eq!((outcomes[0].replayed, jobs.len()), (false, 1));
}

#[test]
fn a_known_key_with_another_body_is_refused() {
    let mut world = World::new();
    let requests =
        [once(&mut world, "k", "body"), once(&mut world, "k", "other"), once(&mut world, "l", "other")];
    let (outcomes, _) = world.batch(&requests);
    assert_eq!(refusal(&outcomes[1].answer), Refusal::IdempotencyKeyReused);
    assert!(!outcomes[1].replayed && matches!(outcomes[2].answer, Answer::Done(_)));
}

#[test]
fn a_repeated_wrong_check_costs_one_try() {
    let mut world = World::new();
    let id = world.begin();
    let wrong = world.wrong_code(id, 0);
    for replayed in [false, true, true] {
        let request = world.once("k", &wrong, Command::Check(check(id, &wrong)));
        let outcome = world.batch(&[request]).0.remove(0);
        assert_eq!((refusal(&outcome.answer), outcome.replayed), (Refusal::CodeIncorrect, replayed));
    }
    assert_eq!(world.row(id).attempts_remaining(), 4);
}

#[test]
fn a_repeated_right_check_gets_the_same_grant() {
    let mut world = World::new();
    let id = world.begin();
    let right = world.code(id);
    let mut grants = Vec::new();
    for _ in 0..2 {
        let request = world.once("k", &right, Command::Check(check(id, &right)));
        let Answer::Approved(shown, grant) = world.batch(&[request]).0.remove(0).answer else { panic!() };
        assert!(shown.data_key.is_some(), "the proof can be rendered");
        grants.push(grant);
        world.pass(seconds(5));
    }
    assert_eq!(grants[0], grants[1]);
}

#[test]
fn a_refusal_that_changed_nothing_is_not_recorded() {
    let mut world = World::new();
    world.ip_held_until = Some(world.now.plus(seconds(1)));
    let held = once(&mut world, "k", "body");
    assert!(matches!(refusal(&world.batch(&[held]).0[0].answer), Refusal::IpRateLimited(_)));
    world.ip_held_until = None;
    let again = once(&mut world, "k", "body");
    assert!(matches!(world.batch(&[again]).0[0].answer, Answer::Done(_)));
}

#[test]
fn deciding_again_with_the_same_entropy_gives_the_same() {
    let mut world = World::new();
    let start = world.start(PHONE);
    let request = world.request(Command::Create(Box::new(start)));
    let before = world.rows.clone();
    world.batch(std::slice::from_ref(&request));
    let first = std::mem::replace(&mut world.rows, before);
    world.batch(&[request]);
    assert!(world.rows == first);
}

/// A world with a few open verifications, and `steps` as requests on them.
fn prepared(begun: usize, steps: &[(u8, usize)]) -> (World, Vec<Request>) {
    let mut world = World::new();
    let ids: Vec<_> = (0..begun).map(|_| world.begin()).collect();
    world.pass(seconds(30));
    let mut requests = Vec::new();
    for (kind, nth) in steps {
        let id = ids[nth % begun];
        let code = if *kind == 0 { world.code(id) } else { world.wrong_code(id, 0) };
        let command = match kind {
            0..=3 => Command::Check(check(id, &code)),
            4 => Command::Resend(id, None),
            5 => Command::Cancel(id),
            _ => Command::Create(Box::new(world.start([PHONE, OTHER_PHONE][nth % 2]))),
        };
        let request = if *kind == 3 { world.once("k", &code, command) } else { world.request(command) };
        requests.push(request);
    }
    (world, requests)
}

proptest! {
    #[test]
    fn a_batch_does_what_its_commands_do_one_after_the_other(
        begun in 1..4_usize,
        steps in prop::collection::vec((0..7_u8, 0..8_usize), 1..24),
    ) {
        let (mut together, requests) = prepared(begun, &steps);
        let (mut apart, same) = prepared(begun, &steps);
        let (outcomes, jobs) = together.batch(&requests);
        let each: Vec<_> = same.into_iter().map(|request| apart.batch(&[request])).collect();
        for (outcome, (alone, _)) in outcomes.iter().zip(&each) {
            prop_assert_eq!(&outcome.answer, &alone[0].answer);
            prop_assert_eq!(outcome.replayed, alone[0].replayed);
        }
        prop_assert!(together.rows == apart.rows);
        prop_assert_eq!(jobs.len(), each.iter().map(|(_, jobs)| jobs.len()).sum::<usize>());
    }
}
