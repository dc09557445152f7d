use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};

use super::world::{World, declined, granted, seconds, subject, totp_at, transfer};
use crate::binding::Transaction;
use crate::challenge::{ChallengePrivate, ChallengeStatus, Method};
use crate::factor::FactorState;
use crate::factor::device::{SignatureAlgorithm, Verdict, enrolment_message, response_message};
use crate::ids::{ChallengeId, FactorId};
use crate::limits;
use crate::refusal::Refusal;
use crate::subject::{Act, Aim, Enrol, FactorPlan, NewChallenge, Redeem, Reply};

fn pair() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[5; 32]).unwrap()
}

fn waiting(world: &mut World) -> (FactorId, String) {
    let enrol = Enrol {
        plan: FactorPlan::Push,
        name: None,
        account: None,
        serial: None,
        metadata: None,
        proven: true,
    };
    let answer = world.submit(world.named("ann"), Act::Enrol(Box::new(enrol)));
    let id = subject(&answer).factor.unwrap();
    assert_eq!(
        world.factor(id).state,
        FactorState::Pending,
        "a device proves itself, whoever vouches for it"
    );
    let row = &world.rows.subjects[&world.rows.factors[&id]];
    let token = world.factor(id).enrolment_token(&world.keys, row.data_key.root, &world.tenant).unwrap();
    (id, token)
}

fn bring(id: FactorId, token: &str, signed_token: &str) -> Act {
    let public_key = pair().public_key().as_ref().to_vec();
    let signature = pair().sign(&enrolment_message(&id, signed_token, &public_key)).as_ref().to_vec();
    Act::EnrolDevice {
        token: zeroize::Zeroizing::new(token.to_owned()),
        algorithm: SignatureAlgorithm::Ed25519,
        public_key,
        signature,
        name: Some("phone".to_owned()),
    }
}

fn device(world: &mut World) -> FactorId {
    let (id, token) = waiting(world);
    world.submit(Aim::Factor(id), bring(id, &token, &token));
    assert_eq!(world.factor(id).state, FactorState::Active);
    id
}

fn pushed(world: &mut World, transaction: Option<Transaction>) -> ChallengeId {
    let private = ChallengePrivate { transaction, ..ChallengePrivate::default() };
    let new = NewChallenge { methods: vec![Method::Push], private, ..world.new_challenge() };
    world.begin("ann", new)
}

fn number(world: &World, id: ChallengeId) -> String {
    world.rows.challenges[&id].number(&world.keys).unwrap()
}

fn answers(
    id: FactorId,
    challenge: ChallengeId,
    verdict: Verdict,
    number: &str,
    shown: Option<&Transaction>,
) -> Act {
    let message = response_message(&id, &challenge, verdict, number, shown);
    let signature = pair().sign(&message).as_ref().to_vec();
    Act::Reply(Reply { challenge, verdict, number: number.to_owned(), signature })
}

fn approves(id: FactorId, challenge: ChallengeId, number: &str) -> Act {
    answers(id, challenge, Verdict::Approve, number, None)
}

#[test]
fn the_token_enrols_one_device_within_its_time() {
    let mut world = World::new();
    let (id, token) = waiting(&mut world);
    let wrong = world.submit(Aim::Factor(id), bring(id, "wrong", "wrong"));
    assert_eq!(declined(&wrong), Refusal::NotFound);
    let unsigned = world.submit(Aim::Factor(id), bring(id, &token, "another"));
    assert_eq!(declined(&unsigned), Refusal::SignatureInvalid, "it must hold the key");
    world.submit(Aim::Factor(id), bring(id, &token, &token));
    assert_eq!(world.factor(id).state, FactorState::Active);
    let again = world.submit(Aim::Factor(id), bring(id, &token, &token));
    assert_eq!(declined(&again), Refusal::StateConflict, "one token, one device");
    let (late, token) = waiting(&mut world);
    world.pass(limits::ENROLMENT_LIFETIME);
    assert_eq!(declined(&world.submit(Aim::Factor(late), bring(late, &token, &token))), Refusal::NotFound);
}

#[test]
fn the_number_of_the_first_screen_approves_and_nothing_less() {
    let mut world = World::new();
    let id = device(&mut world);
    let challenge = pushed(&mut world, None);
    let right = number(&world, challenge);
    assert!((10..=99).contains(&right.parse::<u8>().unwrap()));
    for bare in ["", "4", "444"] {
        let answer = world.submit(Aim::Factor(id), approves(id, challenge, bare));
        assert_eq!(declined(&answer), Refusal::CodeMalformed, "{bare:?}");
    }
    assert_eq!(declined(&world.check(challenge, &right)), Refusal::FactorRequired, "typed at the wrong door");
    assert!(granted(&world.submit(Aim::Factor(id), approves(id, challenge, &right))));
    let again = world.submit(Aim::Factor(id), approves(id, challenge, &right));
    assert_eq!(declined(&again), Refusal::ChallengeAlreadyApproved);
}

#[test]
fn three_wrong_numbers_end_it() {
    let mut world = World::new();
    let id = device(&mut world);
    let challenge = pushed(&mut world, None);
    let right = number(&world, challenge);
    let wrong = if right == "10" { "11" } else { "10" };
    for _ in 0..3 {
        assert_eq!(world.status(challenge), ChallengeStatus::Pending);
        let answer = world.submit(Aim::Factor(id), approves(id, challenge, wrong));
        assert_eq!(declined(&answer), Refusal::CodeIncorrect);
    }
    assert_eq!(world.status(challenge), ChallengeStatus::MaxAttempts);
    let answer = world.submit(Aim::Factor(id), approves(id, challenge, &right));
    assert_eq!(declined(&answer), Refusal::ChallengeMaxAttempts);
}

#[test]
fn what_the_signer_saw_is_what_is_signed() {
    let mut world = World::new();
    let id = device(&mut world);
    let real = transfer(12_500, "NORD");
    let challenge = pushed(&mut world, Some(real.clone()));
    let number = number(&world, challenge);
    for shown in [None, Some(transfer(1, "NORD")), Some(transfer(12_500, "NORT"))] {
        let act = answers(id, challenge, Verdict::Approve, &number, shown.as_ref());
        assert_eq!(declined(&world.submit(Aim::Factor(id), act)), Refusal::SignatureInvalid, "{shown:?}");
    }
    let denied = answers(id, challenge, Verdict::Deny, &number, Some(&real));
    let Act::Reply(denied) = denied else { unreachable!() };
    let turned = Act::Reply(Reply { verdict: Verdict::Approve, ..denied });
    assert_eq!(declined(&world.submit(Aim::Factor(id), turned)), Refusal::SignatureInvalid, "a no is no yes");
    assert_eq!(
        world.factor(id).failures.consecutive,
        0,
        "a signature cannot be guessed, so it costs nothing"
    );
    let act = answers(id, challenge, Verdict::Approve, &number, Some(&real));
    assert!(granted(&world.submit(Aim::Factor(id), act)));
}

#[test]
fn a_no_ends_it() {
    let mut world = World::new();
    let id = device(&mut world);
    let challenge = pushed(&mut world, None);
    world.submit(Aim::Factor(id), answers(id, challenge, Verdict::Deny, "", None));
    assert_eq!(world.status(challenge), ChallengeStatus::Denied);
    assert!(world.told().contains(&"challenge.denied"));
    let act = approves(id, challenge, &number(&world, challenge));
    assert_eq!(declined(&world.submit(Aim::Factor(id), act)), Refusal::ChallengeDenied);
}

#[test]
fn another_device_or_a_disabled_one_answers_nothing() {
    let mut world = World::new();
    let asked = device(&mut world);
    let challenge = pushed(&mut world, None);
    let number = number(&world, challenge);
    let later = device(&mut world);
    let act = approves(later, challenge, &number);
    assert_eq!(declined(&world.submit(Aim::Factor(later), act)), Refusal::NotFound, "it was not asked");
    let off = crate::subject::FactorChange { enabled: Some(false), name: None };
    world.submit(Aim::Factor(asked), Act::Change(off));
    let act = approves(asked, challenge, &number);
    assert_eq!(declined(&world.submit(Aim::Factor(asked), act)), Refusal::NotFound);
}

#[test]
fn three_pushes_without_an_answer_leave_the_device_in_peace() {
    let mut world = World::new();
    let id = device(&mut world);
    for _ in 0..3 {
        pushed(&mut world, None);
        world.pass(seconds(60));
    }
    let until = world.now.plus(seconds(420));
    let only_push = NewChallenge { methods: vec![Method::Push], ..world.new_challenge() };
    let refused = world.submit(world.named("ann"), Act::Challenge(Box::new(only_push.clone())));
    assert_eq!(declined(&refused), Refusal::PushRateLimited(until));
    world.has_totp("ann");
    let by_code = world.ask("ann");
    assert_eq!(world.rows.challenges[&by_code].methods, [Method::Totp], "the other factors still serve");
    assert!(granted(&world.check(by_code, &totp_at(world.now, 0))));
    let challenge = pushed(&mut world, None);
    assert!(granted(&world.submit(Aim::Factor(id), approves(id, challenge, &number(&world, challenge)))));
}

#[test]
fn no_more_than_ten_pushes_a_day_go_unanswered() {
    let mut world = World::new();
    device(&mut world);
    for _ in 0..10 {
        pushed(&mut world, None);
        world.pass(seconds(600));
    }
    let only_push = NewChallenge { methods: vec![Method::Push], ..world.new_challenge() };
    let refused = world.submit(world.named("ann"), Act::Challenge(Box::new(only_push)));
    assert_eq!(declined(&refused), Refusal::PushRateLimited(world.now.plus(seconds(86_400 - 6000))));
}

fn redeem(session: Option<&str>, transaction: Option<&Transaction>) -> Act {
    Act::Redeem(Redeem { session: session.map(str::to_owned), transaction: transaction.cloned() })
}

#[test]
fn the_proof_of_a_push_is_fetched_once() {
    let mut world = World::new();
    let id = device(&mut world);
    let challenge = pushed(&mut world, None);
    let early = world.submit(Aim::Challenge(challenge), redeem(None, None));
    assert_eq!(declined(&early), Refusal::StateConflict, "nothing was approved yet");
    world.submit(Aim::Factor(id), approves(id, challenge, &number(&world, challenge)));
    let requests = [0, 1].map(|_| world.request(Aim::Challenge(challenge), redeem(None, None)));
    let answers = world.batch(&requests);
    assert!(granted(&answers[0]), "{:?}", answers[0]);
    assert_eq!(declined(&answers[1]), Refusal::ChallengeAlreadyApproved);
    assert_eq!(world.told().last(), Some(&"challenge.redeemed"));
}

#[test]
fn the_proof_waits_five_minutes_and_goes_to_whoever_names_the_start() {
    for (waited, fine) in [(299, true), (300, false)] {
        let mut world = World::new();
        let id = device(&mut world);
        let shown = transfer(125_000, "NORD");
        let challenge = pushed(&mut world, Some(shown.clone()));
        let right = number(&world, challenge);
        world.submit(Aim::Factor(id), answers(id, challenge, Verdict::Approve, &right, Some(&shown)));
        world.pass(seconds(waited));
        let changed = transfer(125_001, "NORD");
        let mut fetch = |transaction| world.submit(Aim::Challenge(challenge), redeem(None, transaction));
        if fine {
            assert_eq!(declined(&fetch(None)), Refusal::TransactionMissing);
            assert_eq!(declined(&fetch(Some(&changed))), Refusal::BindingMismatch);
            assert!(granted(&fetch(Some(&shown))));
        } else {
            assert_eq!(declined(&fetch(Some(&shown))), Refusal::ChallengeExpired);
        }
    }
}

#[test]
fn a_code_has_its_proof_already_and_a_refused_challenge_has_none() {
    let mut world = World::new();
    let id = device(&mut world);
    world.has_totp("ann");
    let coded = world.ask("ann");
    let code = totp_at(world.now, 0);
    assert!(granted(&world.check(coded, &code)));
    let fetched = world.submit(Aim::Challenge(coded), redeem(None, None));
    assert_eq!(declined(&fetched), Refusal::ChallengeAlreadyApproved);
    let refused = pushed(&mut world, None);
    world.submit(Aim::Factor(id), answers(id, refused, Verdict::Deny, "", None));
    let fetched = world.submit(Aim::Challenge(refused), redeem(None, None));
    assert_eq!(declined(&fetched), Refusal::ChallengeDenied);
}
