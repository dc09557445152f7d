use super::world::{
    World, by, check, declined, entered, granted, hotp_from, hotp_of, kinds, seconds, subject, totp_at,
};
use crate::challenge::Method;
use crate::factor::{FactorState, Means, SecretBytes, backup_code};
use crate::oath::Algorithm;
use crate::oath::ocra::{Input, Suite};
use crate::refusal::Refusal;
use crate::subject::{Act, Aim, Enrol, FactorPlan};

#[test]
fn this_step_and_the_last_are_accepted_and_no_others() {
    for (steps, accepted) in [(-2, false), (-1, true), (0, true), (1, false), (2, false)] {
        let mut world = World::new();
        world.has_totp("ann");
        let code = totp_at(world.now, steps);
        assert_eq!(granted(&world.try_code("ann", &code)), accepted, "{steps} steps away");
    }
}

#[test]
fn a_used_step_is_never_used_again_in_any_spelling_or_by_another_challenge() {
    let mut world = World::new();
    world.has_totp("ann");
    let code = totp_at(world.now, 0);
    assert!(granted(&world.try_code("ann", &code)));
    let spaced = format!("{} {}\n", &code[..3], &code[3..]);
    let wide: String =
        code.chars().map(|digit| char::from_u32(digit as u32 - 0x30 + 0xff10).unwrap()).collect();
    for again in [code.clone(), spaced, wide, totp_at(world.now, -1)] {
        assert_eq!(declined(&world.try_code("ann", &again)), Refusal::CodeIncorrect, "{again:?}");
    }
    assert!(world.told().contains(&"challenge.rejected"));
}

#[test]
fn a_device_that_is_ahead_is_learned_by_one_refusal_and_forgotten_again() {
    let mut world = World::new();
    let id = world.has_totp("ann");
    let ahead = totp_at(world.now, 1);
    assert_eq!(declined(&world.try_code("ann", &ahead)), Refusal::CodeIncorrect);
    assert!(granted(&world.try_code("ann", &ahead)), "the drift is known now");
    world.pass(seconds(60));
    assert_eq!(declined(&world.try_code("ann", &totp_at(world.now, 2))), Refusal::CodeIncorrect, "never two");
    assert!(granted(&world.try_code("ann", &totp_at(world.now, 0))));
    world.pass(seconds(60));
    assert_eq!(declined(&world.try_code("ann", &totp_at(world.now, 1))), Refusal::CodeIncorrect);
    assert!(matches!(world.factor(id).means, Means::Totp { drift: 1, .. }), "learned anew");
}

#[test]
fn codes_of_many_steps_are_accepted_one_after_the_other() {
    let mut world = World::new();
    world.has_totp("ann");
    for step in 0..40 {
        assert!(granted(&world.try_code("ann", &totp_at(world.now, 0))), "step {step}");
        world.pass(seconds(30));
    }
}

#[test]
fn a_counter_is_accepted_up_to_five_ahead() {
    for (ahead, accepted) in [(0, true), (4, true), (5, true), (6, false)] {
        let mut world = World::new();
        let id = world.has("ann", hotp_from(10));
        assert_eq!(granted(&world.try_code("ann", &hotp_of(10 + ahead))), accepted, "{ahead} ahead");
        let expected = if accepted { 11 + ahead } else { 10 };
        assert!(matches!(world.factor(id).means, Means::Hotp { counter, .. } if counter == expected));
        assert!(!granted(&world.try_code("ann", &hotp_of(9))), "an earlier counter");
        assert!(!accepted || !granted(&world.try_code("ann", &hotp_of(10 + ahead))), "the same counter");
    }
}

#[test]
fn two_consecutive_codes_set_a_token_right() {
    for (ahead, accepted) in [(99, true), (100, true), (101, false)] {
        let mut world = World::new();
        let id = world.has("ann", hotp_from(0));
        let codes = [entered(&hotp_of(ahead)), entered(&hotp_of(ahead + 1))];
        let answer = world.submit(Aim::Factor(id), Act::Resync(codes));
        assert_eq!(matches!(answer, crate::command::Answer::Subject(_)), accepted, "{ahead}");
        if accepted {
            assert!(granted(&world.try_code("ann", &hotp_of(ahead + 2))));
        }
    }
    let mut world = World::new();
    let id = world.has("ann", hotp_from(0));
    let apart = [entered(&hotp_of(20)), entered(&hotp_of(22))];
    assert_eq!(declined(&world.submit(Aim::Factor(id), Act::Resync(apart))), Refusal::CodeIncorrect);
    assert_eq!(world.factor(id).failures.consecutive, 1, "a guess like any other");
}

#[test]
fn a_token_answers_the_question_of_its_challenge_and_no_other() {
    for text in
        ["OCRA-1:HOTP-SHA1-6:QN08", "OCRA-1:HOTP-SHA256-8:C-QN08-PSHA1", "OCRA-1:HOTP-SHA512-8:QA10-T1M"]
    {
        let suite = Suite::parse(text).unwrap();
        let mut world = World::new();
        let secret = SecretBytes(zeroize::Zeroizing::new(b"12345678901234567890".to_vec()));
        let pin = suite.pin.map(|_| SecretBytes(zeroize::Zeroizing::new(vec![9; 20])));
        let plan = FactorPlan::Ocra { suite: suite.clone(), counter: 3, secret, pin };
        let factor = world.has("ann", plan);
        let answer = |world: &World, id, counter| {
            let question = world.factor(factor).question(&world.keys, &world.rows.challenges[&id]).unwrap();
            let step = suite.period.map_or(0, |period| crate::oath::time_step(world.now, period));
            let pin: &[u8] = if suite.pin.is_some() { &[9; 20] } else { &[] };
            let input = Input { counter, question: &question, pin, step };
            suite.response(b"12345678901234567890", &input).unwrap().reveal().to_owned()
        };
        let (first, second) = (world.ask("ann"), world.ask("ann"));
        let code = answer(&world, first, 3);
        assert_eq!(declined(&world.check(second, &code)), Refusal::CodeIncorrect, "{text}: another question");
        assert!(granted(&world.check(first, &code)), "{text}");
        let third = world.ask("ann");
        let next = if suite.counter { 4 } else { 3 };
        let code = answer(&world, third, next);
        assert!(granted(&world.check(third, &code)), "{text}: the next counter");
    }
}

#[test]
fn a_backup_code_opens_once_and_few_of_them_are_told() {
    let mut world = World::new();
    let codes: Vec<[u8; 16]> = (0..10).map(|n| [n; 16]).collect();
    let id = world.has("ann", FactorPlan::BackupCodes(codes.clone()));
    assert_eq!(kinds(&world.rows.subjects[&world.rows.factors[&id]]).len(), 1, "usable at once");
    for (used, bytes) in codes.iter().enumerate() {
        let code = backup_code(bytes).to_lowercase().replace('-', " ");
        assert!(granted(&world.try_code("ann", &code)), "code {used}");
        assert_eq!(world.factor(id).codes_left(), Some(9 - used));
        assert_eq!(declined(&world.try_code("ann", &code)), Refusal::CodeIncorrect, "again");
        let low = world.told().iter().filter(|name| **name == "factor.backup_codes_low").count();
        assert_eq!(low, (used + 1).saturating_sub(6), "after {} of them", used + 1);
        world.pass(seconds(3600));
    }
}

#[test]
fn a_new_set_of_backup_codes_kills_the_old_one() {
    let mut world = World::new();
    let id = world.has("ann", FactorPlan::BackupCodes(vec![[1; 16]; 1]));
    let answer = world.submit(Aim::Factor(id), Act::Regenerate(vec![[2; 16]; 1]));
    assert!(subject(&answer).reveal && !subject(&answer).codes.is_empty());
    assert!(!granted(&world.try_code("ann", &backup_code(&[1; 16]))));
    assert!(granted(&world.try_code("ann", &backup_code(&[2; 16]))));
}

#[test]
fn a_subject_has_one_list_of_backup_codes() {
    let mut world = World::new();
    world.has("ann", FactorPlan::BackupCodes(vec![[1; 16]; 1]));
    let plan = FactorPlan::BackupCodes(vec![[2; 16]; 1]);
    let enrol = Enrol { plan, name: None, account: None, serial: None, metadata: None, proven: false };
    let answer = world.submit(world.named("ann"), Act::Enrol(Box::new(enrol)));
    assert_eq!(declined(&answer), Refusal::StateConflict);
}

#[test]
fn what_cannot_be_a_code_costs_nothing() {
    let mut world = World::new();
    let id = world.has_totp("ann");
    let challenge = world.ask("ann");
    for malformed in ["", "12345", "1234567", "12a456", &"1".repeat(65)] {
        assert_eq!(declined(&world.check(challenge, malformed)), Refusal::CodeMalformed, "{malformed}");
    }
    assert_eq!(world.rows.challenges[&challenge].checks_used, 0);
    assert_eq!(world.factor(id).failures.consecutive, 0);
}

#[test]
fn a_code_counts_against_every_factor_it_could_be_of_and_a_right_one_against_none() {
    let mut world = World::new();
    let app = world.has_totp("ann");
    let token = world.has("ann", hotp_from(0));
    let wrong = (0..1_000_000).map(|code| format!("{code:06}"));
    let right = |code: &String| {
        (-1..2).any(|step| totp_at(world.now, step) == *code) || (0..7).any(|n| hotp_of(n) == *code)
    };
    let wrong = wrong.into_iter().find(|code| !right(code)).unwrap();
    assert!(!granted(&world.try_code("ann", &wrong)));
    assert_eq!([app, token].map(|id| world.factor(id).failures.consecutive), [1, 1]);
    assert!(granted(&world.try_code("ann", &hotp_of(0))));
    assert_eq!([app, token].map(|id| world.factor(id).failures.consecutive), [1, 0]);
    let id = world.ask("ann");
    assert!(!granted(
        &world.submit(Aim::Challenge(id), Act::Check(by(Method::Hotp, &totp_at(world.now, 0))))
    ));
    assert!(granted(&world.submit(Aim::Challenge(id), Act::Check(by(Method::Totp, &totp_at(world.now, 0))))));
}

#[test]
fn a_hundred_submissions_of_one_code_are_one_success() {
    for plan in [super::world::totp(), hotp_from(0)] {
        let mut world = World::new();
        let id = world.has("ann", plan);
        let hashed = matches!(world.factor(id).means, Means::Hotp { .. });
        let code = if hashed { hotp_of(0) } else { totp_at(world.now, 0) };
        let requests: Vec<_> = (0..100)
            .map(|_| {
                let new =
                    crate::subject::NewChallenge { code: Some(entered(&code)), ..world.new_challenge() };
                let aim = world.named("ann");
                world.request(aim, Act::Challenge(Box::new(new)))
            })
            .collect();
        let answers = world.batch(&requests);
        assert_eq!(answers.iter().filter(|answer| granted(answer)).count(), 1);
    }
}

#[test]
fn the_lock_holds_over_all_challenges_until_its_time() {
    let mut world = World::new();
    let id = world.has_totp("ann");
    let wrong = "000000";
    assert!((-1..2).all(|step| totp_at(world.now, step) != wrong), "pick another wrong code");
    for guess in 0..5 {
        assert_eq!(declined(&world.try_code("ann", wrong)), Refusal::CodeIncorrect, "guess {guess}");
    }
    let until = world.now.plus(seconds(60));
    assert_eq!(declined(&world.try_code("ann", &totp_at(world.now, 0))), Refusal::FactorLocked(Some(until)));
    assert_eq!(world.told().iter().filter(|name| **name == "factor.locked").count(), 1);
    world.pass(seconds(59));
    assert_eq!(declined(&world.try_code("ann", &totp_at(world.now, 0))), Refusal::FactorLocked(Some(until)));
    world.pass(seconds(1));
    assert!(granted(&world.try_code("ann", &totp_at(world.now, 0))));
    assert_eq!(world.factor(id).failures.consecutive, 0);
}

#[test]
fn after_a_hundred_failures_only_an_unlock_helps() {
    let mut world = World::new();
    let id = world.has("ann", hotp_from(0));
    for _ in 0..100 {
        let challenge = world.ask("ann");
        assert!(!granted(&world.check(challenge, "000000")));
        world.pass(seconds(24 * 3600));
    }
    assert_eq!(declined(&world.try_code("ann", &hotp_of(0))), Refusal::FactorLocked(None));
    world.submit(Aim::Factor(id), Act::Unlock);
    assert!(granted(&world.try_code("ann", &hotp_of(0))));
    assert!(world.told().contains(&"factor.unlocked"));
}

#[test]
fn a_factor_is_usable_from_its_first_right_code_on() {
    let mut world = World::new();
    let enrol = Enrol {
        plan: super::world::totp(),
        name: None,
        account: None,
        serial: None,
        metadata: None,
        proven: false,
    };
    let answer = world.submit(world.named("ann"), Act::Enrol(Box::new(enrol.clone())));
    let id = subject(&answer).factor.unwrap();
    assert!(subject(&answer).reveal);
    let new = world.new_challenge();
    let refused = world.submit(world.named("ann"), Act::Challenge(Box::new(new)));
    assert_eq!(declined(&refused), Refusal::FactorRequired, "it is not confirmed");
    let ahead = totp_at(world.now, 1);
    assert_eq!(
        declined(&world.submit(Aim::Factor(id), Act::Activate(entered("000000")))),
        Refusal::CodeIncorrect
    );
    let activated = world.submit(Aim::Factor(id), Act::Activate(entered(&ahead)));
    assert!(!subject(&activated).reveal, "shown once");
    assert_eq!(world.factor(id).state, FactorState::Active);
    assert!(
        matches!(world.factor(id).means, Means::Totp { drift: 1, .. }),
        "the first code teaches the drift"
    );
    assert_eq!(declined(&world.try_code("ann", &ahead)), Refusal::CodeIncorrect, "it is used up");
    assert_eq!(
        declined(&world.submit(Aim::Factor(id), Act::Activate(entered(&ahead)))),
        Refusal::StateConflict
    );

    let late = world.submit(world.named("bob"), Act::Enrol(Box::new(enrol)));
    let late = subject(&late).factor.unwrap();
    world.pass(seconds(600));
    let code = entered(&totp_at(world.now, 0));
    assert_eq!(
        declined(&world.submit(Aim::Factor(late), Act::Activate(code))),
        Refusal::NotFound,
        "too late"
    );
}

#[test]
fn other_algorithms_digits_and_periods_are_honoured() {
    for algorithm in Algorithm::ALL {
        for (digits, period) in [(6, 15), (7, 30), (8, 60)] {
            let mut world = World::new();
            let bytes = vec![7; algorithm.secret_bytes()];
            let secret = SecretBytes(zeroize::Zeroizing::new(bytes.clone()));
            let plan = FactorPlan::Totp { algorithm: *algorithm, digits, period, secret };
            world.has("ann", plan);
            let step = crate::oath::time_step(world.now, seconds(u64::from(period)));
            let code = crate::oath::hotp(*algorithm, &bytes, step, digits);
            let id = world.ask("ann");
            assert!(granted(&world.submit(Aim::Challenge(id), Act::Check(check(code.reveal())))));
        }
    }
}
