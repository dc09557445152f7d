use super::world::{
    World, by, check, declined, entered, granted, hotp_from, hotp_of, seconds, subject, totp_at, transfer,
};
use crate::binding::Transaction;
use crate::challenge::{ChallengePrivate, ChallengeStatus, Method};
use crate::command::Answer;
use crate::ids::VerificationId;
use crate::limits;
use crate::origin::{Dialect, Origin};
use crate::refusal::Refusal;
use crate::subject::{Act, Aim, CheckChallenge, NewChallenge};
use crate::verification::Purpose;

fn bound(world: &World, transaction: Option<Transaction>, session: Option<&str>) -> NewChallenge {
    let session = session.map(str::to_owned);
    let purpose = if transaction.is_some() { Purpose::Transaction } else { Purpose::Authentication };
    let private = ChallengePrivate { transaction, session, ..ChallengePrivate::default() };
    NewChallenge { private, purpose, ..world.new_challenge() }
}

#[test]
fn a_right_code_approves_with_a_grant_and_only_once() {
    let mut world = World::new();
    world.has_totp("ann");
    let id = world.ask("ann");
    let answer = world.check(id, &totp_at(world.now, 0));
    let Answer::Granted(snapshot, _) = &answer else { panic!("{answer:?}") };
    let by = snapshot.challenge.as_ref().unwrap().approved_by.unwrap();
    assert_eq!((by.method, by.factor), (Method::Totp, snapshot.factor));
    world.pass(seconds(30));
    assert_eq!(declined(&world.check(id, &totp_at(world.now, 0))), Refusal::ChallengeAlreadyApproved);
    assert_eq!(
        world.told(),
        ["subject.created", "factor.created", "factor.activated", "challenge.created", "challenge.approved"]
    );
}

#[test]
fn the_fifth_wrong_answer_ends_a_challenge() {
    let mut world = World::new();
    world.policy.failures_before_pause = 100;
    world.has_totp("ann");
    let id = world.ask("ann");
    for left in [4, 3, 2, 1, 0] {
        let answer = world.check(id, "000000");
        assert_eq!(declined(&answer), Refusal::CodeIncorrect);
        assert_eq!(subject(&answer).challenge.as_ref().unwrap().attempts_remaining(), left);
    }
    assert_eq!(world.status(id), ChallengeStatus::MaxAttempts);
    assert_eq!(declined(&world.check(id, &totp_at(world.now, 0))), Refusal::ChallengeMaxAttempts);
}

#[test]
fn nothing_is_accepted_at_its_expiry() {
    for (late, accepted) in [(299, true), (300, false), (301, false)] {
        let mut world = World::new();
        world.has_totp("ann");
        let id = world.ask("ann");
        world.pass(seconds(late));
        assert_eq!(granted(&world.check(id, &totp_at(world.now, 0))), accepted, "{late} s");
    }
}

#[test]
fn a_changed_amount_or_payee_ends_it_and_uses_the_code_up() {
    for changed in [transfer(12_501, "NORD"), transfer(12_500, "NORT")] {
        let mut world = World::new();
        world.has_totp("ann");
        let new = bound(&world, Some(transfer(12_500, "NORD")), None);
        let id = world.begin("ann", new);
        let code = totp_at(world.now, 0);
        assert_eq!(declined(&world.check(id, &code)), Refusal::TransactionMissing);
        let act = Act::Check(CheckChallenge { transaction: Some(changed), ..check(&code) });
        assert_eq!(declined(&world.submit(Aim::Challenge(id), act)), Refusal::BindingMismatch);
        assert_eq!(world.status(id), ChallengeStatus::BindingChanged);
        assert_eq!(
            declined(&world.try_code("ann", &code)),
            Refusal::CodeIncorrect,
            "it was shown to somebody"
        );
    }
    let mut world = World::new();
    world.has_totp("ann");
    let new = bound(&world, Some(transfer(12_500, "NORD")), None);
    let id = world.begin("ann", new);
    let same =
        CheckChallenge { transaction: Some(transfer(12_500, "NORD")), ..check(&totp_at(world.now, 0)) };
    assert!(granted(&world.submit(Aim::Challenge(id), Act::Check(same))));
}

#[test]
fn a_session_must_be_named_and_be_the_same() {
    let mut world = World::new();
    world.has("ann", hotp_from(0));
    let new = bound(&world, None, Some("ses-1"));
    let id = world.begin("ann", new);
    assert_eq!(declined(&world.check(id, &hotp_of(0))), Refusal::SessionMissing);
    let with = |session: &str, code: &str| {
        Act::Check(CheckChallenge { session: Some(session.to_owned()), ..check(code) })
    };
    assert_eq!(
        declined(&world.submit(Aim::Challenge(id), with("ses-2", &hotp_of(0)))),
        Refusal::BindingMismatch
    );
    assert_eq!(world.status(id), ChallengeStatus::Pending, "only another transaction ends it");
    assert!(granted(&world.submit(Aim::Challenge(id), with("ses-1", &hotp_of(1)))));
}

#[test]
fn an_answer_may_come_with_the_question() {
    let mut world = World::new();
    world.has_totp("ann");
    let with =
        |world: &World, code: &str| NewChallenge { code: Some(entered(code)), ..world.new_challenge() };
    let malformed = with(&world, "12");
    let answer = world.submit(world.named("ann"), Act::Challenge(Box::new(malformed)));
    assert_eq!(declined(&answer), Refusal::CodeMalformed);
    assert!(answer.subject().is_none());
    assert!(world.rows.challenges.is_empty(), "nothing is kept of what cost nothing");
    let wrong = with(&world, "000000");
    let answer = world.submit(world.named("ann"), Act::Challenge(Box::new(wrong)));
    assert_eq!(declined(&answer), Refusal::CodeIncorrect);
    let id = subject(&answer).challenge.as_ref().unwrap().id;
    assert!(granted(&world.check(id, &totp_at(world.now, 0))), "it is still open");
    world.pass(seconds(30));
    let right = with(&world, &totp_at(world.now, 0));
    assert!(granted(&world.submit(world.named("ann"), Act::Challenge(Box::new(right)))));
}

#[test]
fn a_dialect_answers_only_challenges_of_its_own_service() {
    let mut world = World::new();
    world.has("ann", hotp_from(0));
    let origin = |service: u8| Some(Origin { dialect: Dialect::Twilio, service: [service; 16] });
    let through =
        |service: u8, code: &str| Act::Check(CheckChallenge { origin: origin(service), ..check(code) });
    let native = world.ask("ann");
    let begun = NewChallenge { origin: origin(1), ..world.new_challenge() };
    let theirs = world.begin("ann", begun);
    for (id, service) in [(native, 1), (theirs, 2)] {
        let refused = world.submit(Aim::Challenge(id), through(service, &hotp_of(0)));
        assert_eq!(declined(&refused), Refusal::NotFound);
        assert_eq!(world.rows.challenges[&id].checks_used, 0, "nothing is spent where nothing is seen");
    }
    assert!(granted(&world.submit(Aim::Challenge(theirs), through(1, &hotp_of(0)))));
    let new = NewChallenge { origin: origin(1), ..world.new_challenge() };
    let at_once = NewChallenge { code: Some(entered(&hotp_of(1))), ..new.clone() };
    assert!(granted(&world.submit(world.named("ann"), Act::Challenge(Box::new(at_once)))));
    let theirs = world.begin("ann", new);
    assert!(granted(&world.check(theirs, &hotp_of(2))), "the native door answers any of the customer's");
    assert_eq!(
        declined(&world.check(native, &hotp_of(0))),
        Refusal::CodeIncorrect,
        "used up at another door"
    );
}

#[test]
fn only_what_was_allowed_answers_it() {
    let mut world = World::new();
    let app = world.has_totp("ann");
    let token = world.has("ann", hotp_from(0));
    let only = NewChallenge { methods: vec![Method::Hotp], ..world.new_challenge() };
    let id = world.begin("ann", only);
    assert_eq!(declined(&world.check(id, &totp_at(world.now, 0))), Refusal::CodeIncorrect);
    assert_eq!(world.factor(app).failures.consecutive, 0, "it was not asked");
    let act = Act::Check(by(Method::Totp, &totp_at(world.now, 0)));
    assert_eq!(declined(&world.submit(Aim::Challenge(id), act)), Refusal::FactorRequired);
    let named = NewChallenge { factor: Some(token), ..world.new_challenge() };
    let id = world.begin("ann", named);
    assert!(!granted(&world.check(id, &totp_at(world.now, 0))));
    assert!(granted(&world.check(id, &hotp_of(0))));
    let none = NewChallenge { methods: vec![Method::Push, Method::Sms], ..world.new_challenge() };
    let refused = world.submit(world.named("ann"), Act::Challenge(Box::new(none)));
    assert_eq!(declined(&refused), Refusal::FactorRequired, "no device and no number");
}

#[test]
fn one_of_the_same_session_gives_way_and_the_ninth_pushes_the_first_out() {
    let mut world = World::new();
    world.has_totp("ann");
    let new = bound(&world, None, Some("ses-1"));
    let first = world.begin("ann", new.clone());
    let second = world.begin("ann", new);
    assert_eq!(world.status(first), ChallengeStatus::Superseded);
    let others: Vec<_> = (0..limits::MAX_OPEN_CHALLENGES).map(|_| world.ask("ann")).collect();
    assert_eq!(world.status(second), ChallengeStatus::Superseded);
    assert!(others.iter().all(|id| world.status(*id) == ChallengeStatus::Pending));
    assert_eq!(declined(&world.check(second, &totp_at(world.now, 0))), Refusal::ChallengeCanceled);
}

#[test]
fn what_wrong_codes_began_goes_before_what_waits_for_a_person() {
    let mut world = World::new();
    world.has_totp("ann");
    let waiting = world.ask("ann");
    let wrong = NewChallenge { code: Some(entered("000000")), ..world.new_challenge() };
    let mut enter = || {
        let answer = world.submit(world.named("ann"), Act::Challenge(Box::new(wrong.clone())));
        subject(&answer).challenge.as_ref().unwrap().id
    };
    let tried = [enter(), enter()];
    let later: Vec<_> = (3..limits::MAX_OPEN_CHALLENGES).map(|_| world.ask("ann")).collect();
    assert_eq!(world.status(tried[0]), ChallengeStatus::Pending, "there are just as many as may be");
    for gone in tried {
        world.ask("ann");
        assert_eq!(world.status(gone), ChallengeStatus::Superseded);
        assert_eq!(world.status(waiting), ChallengeStatus::Pending);
    }
    world.ask("ann");
    assert_eq!(world.status(waiting), ChallengeStatus::Superseded, "then the oldest");
    assert!(later.iter().all(|id| world.status(*id) == ChallengeStatus::Pending));
}

#[test]
fn an_expiry_is_written_down_once_and_not_before_its_time() {
    let mut world = World::new();
    world.has_totp("ann");
    let id = world.ask("ann");
    world.pass(seconds(299));
    assert_eq!(declined(&world.submit(Aim::Challenge(id), Act::Expire)), Refusal::StateConflict);
    world.pass(seconds(1));
    world.submit(Aim::Challenge(id), Act::Expire);
    assert_eq!(world.told().last(), Some(&"challenge.expired"));
    assert_eq!(declined(&world.submit(Aim::Challenge(id), Act::Expire)), Refusal::StateConflict);
    assert!(world.rows.subjects.values().all(|row| row.open.is_empty()));
}

#[test]
fn a_canceled_one_stays_so() {
    let mut world = World::new();
    world.has_totp("ann");
    let id = world.ask("ann");
    assert!(matches!(world.submit(Aim::Challenge(id), Act::Cancel), Answer::Subject(_)));
    assert_eq!(declined(&world.submit(Aim::Challenge(id), Act::Cancel)), Refusal::ChallengeCanceled);
    assert_eq!(declined(&world.check(id, &totp_at(world.now, 0))), Refusal::ChallengeCanceled);
}

#[test]
fn a_verification_settles_only_the_challenge_it_was_begun_for() {
    let mut world = World::new();
    world.has_totp("ann");
    let add = Act::AddRecipient { to: "+48600100217".to_owned(), verification: None, only_known: true };
    world.submit(world.named("ann"), add);
    let methods = vec![Method::Totp, Method::Sms, Method::Email];
    let new = NewChallenge { methods, ..world.new_challenge() };
    let id = world.begin("ann", new);
    assert_eq!(world.rows.challenges[&id].methods, [Method::Totp, Method::Sms], "no mail address is known");
    let [ours, other] = [1, 2].map(|n| VerificationId::from_bytes([n; 16]));
    let settle = |verification, method| Act::Settle(verification, method);
    let refused = world.submit(Aim::Challenge(id), settle(ours, Method::Sms));
    assert_eq!(declined(&refused), Refusal::StateConflict, "none was begun");
    world.submit(Aim::Challenge(id), Act::FallBack(ours));
    for wrong in [settle(other, Method::Sms), settle(ours, Method::Email)] {
        assert_eq!(declined(&world.submit(Aim::Challenge(id), wrong)), Refusal::StateConflict);
    }
    let answer = world.submit(Aim::Challenge(id), settle(ours, Method::Sms));
    let by = subject(&answer).challenge.as_ref().unwrap().approved_by.unwrap();
    assert_eq!((by.method, by.verification, by.factor), (Method::Sms, Some(ours), None));
    let again = world.submit(Aim::Challenge(id), settle(ours, Method::Sms));
    assert_eq!(declined(&again), Refusal::ChallengeAlreadyApproved);
}

#[test]
fn an_idempotency_key_tells_the_same_outcome_again() {
    let mut world = World::new();
    world.has_totp("ann");
    let id = world.ask("ann");
    let act = Act::Check(check(&totp_at(world.now, 0)));
    let [first, again] = [0, 1].map(|_| world.once("key", Aim::Challenge(id), act.clone()));
    let answers = world.batch(&[first]);
    let told = world.batch(&[again]);
    assert!(granted(&answers[0]) && granted(&told[0]));
    assert!(subject(&told[0]).subject.open_data_key(&world.keys).is_some(), "it opens under the key of now");
    let kept = world.rows.replays.values().next().unwrap();
    assert!(kept.answer.subject().unwrap().subject.data_key.bytes.is_empty(), "an erasure must reach it");
}

#[test]
fn once_a_message_was_sent_a_code_without_a_method_is_that_of_the_message() {
    let mut world = World::new();
    world.has_totp("ann");
    let id = world.ask("ann");
    let ours = VerificationId::from_bytes([3; 16]);
    world.submit(Aim::Challenge(id), Act::FallBack(ours));
    let code = totp_at(world.now, 0);
    assert_eq!(declined(&world.check(id, &code)), Refusal::VerificationAsked);
    assert_eq!(world.rows.challenges[&id].checks_used, 0, "it cost nothing");
    assert!(granted(&world.submit(Aim::Challenge(id), Act::Check(by(Method::Totp, &code)))));
}
