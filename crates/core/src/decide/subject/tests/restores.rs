//! A store that was restored from a backup: what was used since must stay used (invariants 1, 3 and 11).

use zeroize::Zeroizing;

use super::world::{World, declined, entered, granted, hotp_from, hotp_of, seconds, totp_at};
use crate::challenge::ChallengeStatus;
use crate::factor::backup_code;
use crate::keys::{Keys, Root, RootId, RootState, sha256};
use crate::refusal::Refusal;
use crate::subject::{Act, Aim, FactorPlan};

/// Puts the rows of a backup back and gives the store a new epoch that began at `now`.
fn restore(world: &mut World, backup: super::world::Rows) {
    world.rows = backup;
    let secret = Zeroizing::new(sha256(&1_u16.to_be_bytes()).0);
    let root = Root { id: RootId(1), state: RootState::Active, secret };
    world.keys = Keys::derive(&[root], [0xaa; 16]).unwrap().fenced(Some(world.now));
}

#[test]
fn a_step_used_after_the_backup_stays_used() {
    let mut world = World::new();
    world.has_totp("ann");
    let backup = world.rows.clone();
    let used = totp_at(world.now, 0);
    assert!(granted(&world.try_code("ann", &used)));
    restore(&mut world, backup);
    for steps in [-1, 0, 1] {
        assert!(!granted(&world.try_code("ann", &totp_at(world.now, steps))), "{steps}");
    }
    world.pass(seconds(60));
    assert!(granted(&world.try_code("ann", &totp_at(world.now, 0))), "later ones are good");
}

#[test]
fn a_counter_must_be_set_right_after_a_restore() {
    let mut world = World::new();
    let id = world.has("ann", hotp_from(0));
    let backup = world.rows.clone();
    for counter in 0..4 {
        assert!(granted(&world.try_code("ann", &hotp_of(counter))));
    }
    restore(&mut world, backup);
    for counter in 0..8 {
        let challenge = world.ask("ann");
        assert!(!granted(&world.check(challenge, &hotp_of(counter))), "counter {counter}");
        world.pass(seconds(3600));
    }
    let used = [entered(&hotp_of(2)), entered(&hotp_of(3))];
    assert_eq!(declined(&world.submit(Aim::Factor(id), Act::Resync(used))), Refusal::CodeIncorrect);
    world.pass(seconds(3600));
    let fresh = [entered(&hotp_of(8)), entered(&hotp_of(9))];
    world.submit(Aim::Factor(id), Act::Resync(fresh));
    assert!(granted(&world.try_code("ann", &hotp_of(10))));
}

#[test]
fn backup_codes_and_open_challenges_of_a_backup_are_dead() {
    let mut world = World::new();
    let id = world.has("ann", FactorPlan::BackupCodes(vec![[1; 16]; 1]));
    let open = world.ask("ann");
    let backup = world.rows.clone();
    assert!(granted(&world.check(open, &backup_code(&[1; 16]))));
    restore(&mut world, backup);
    assert_eq!(world.status(open), ChallengeStatus::Expired);
    assert_eq!(declined(&world.check(open, &backup_code(&[1; 16]))), Refusal::ChallengeExpired);
    assert_eq!(declined(&world.try_code("ann", &backup_code(&[1; 16]))), Refusal::CodeIncorrect);
    assert_eq!(world.factor(id).codes_left(), Some(0));
    world.submit(Aim::Factor(id), Act::Regenerate(vec![[2; 16]; 1]));
    assert!(granted(&world.try_code("ann", &backup_code(&[2; 16]))));
}

#[test]
fn the_number_of_a_push_and_the_question_of_a_token_are_others_in_another_epoch() {
    let mut world = World::new();
    world.has_totp("ann");
    let id = world.ask("ann");
    let (question, row) =
        (world.rows.challenges[&id].question(&world.keys), world.rows.challenges[&id].clone());
    let backup = world.rows.clone();
    restore(&mut world, backup);
    assert_ne!(row.question(&world.keys), question);
    let mut other = row.clone();
    other.binding.transaction = Some(sha256(b"another"));
    assert_ne!(
        other.question(&world.keys),
        row.question(&world.keys),
        "another transaction, another question"
    );
}
