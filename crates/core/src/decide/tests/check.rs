//! Check: what is right, what costs a try, what costs nothing, and the pauses.

use std::time::Duration;

use zeroize::Zeroizing;

use super::world::{OTHER_PHONE, PHONE, World, approved, check, refusal, ring, seconds, shown, transfer};
use crate::command::{Answer, Check, Command, Create, Entered, Target};
use crate::ids::{ProjectId, VerificationId};
use crate::journal::Event;
use crate::recipient::Recipient;
use crate::refusal::Refusal;
use crate::tenant::Mode;
use crate::verification::{Lane, Private, Purpose, Status};

fn bound(world: &World) -> Create {
    let private = Private {
        subject: Some("user-42".to_owned()),
        session: Some("s-1".to_owned()),
        transaction: Some(transfer(125_000)),
        ..Private::default()
    };
    Create { purpose: Purpose::Transaction, private, ..world.start(PHONE) }
}

/// A check of the right code that names everything [`bound`] was begun with.
fn fitting(world: &World, id: VerificationId) -> Check {
    Check {
        purpose: Some(Purpose::Transaction),
        subject: Some("user-42".to_owned()),
        session: Some("s-1".to_owned()),
        transaction: Some(transfer(125_000)),
        ..check(id, &world.code(id))
    }
}

fn tries_left(world: &World, id: VerificationId) -> u8 {
    world.row(id).attempts_remaining()
}

#[test]
fn the_right_code_approves_once() {
    let mut world = World::new();
    let id = world.begin();
    let Answer::Approved(shown, grant) = world.check_right(id) else { panic!("not approved") };
    assert_eq!((shown.verification.status, grant.issued_at), (Status::Approved, world.now));
    assert_eq!(refusal(&world.check_right(id)), Refusal::AlreadyApproved);
    assert_eq!(tries_left(&world, id), 4);
}

#[test]
fn a_wrong_code_costs_a_try_and_the_right_one_still_works() {
    let mut world = World::new();
    let id = world.begin();
    for left in [4, 3, 2, 1] {
        let answer = world.check_wrong(id);
        assert_eq!(refusal(&answer), Refusal::CodeIncorrect);
        assert_eq!(shown(&answer).verification.attempts_remaining(), left);
    }
    assert!(approved(&world.check_right(id)));
}

#[test]
fn the_fifth_wrong_code_ends_it_and_the_sixth_is_not_looked_at() {
    let mut world = World::new();
    let id = world.begin();
    for _ in 0..4 {
        world.check_wrong(id);
    }
    let fifth = world.check_wrong(id);
    assert_eq!(refusal(&fifth), Refusal::CodeIncorrect);
    assert_eq!(shown(&fifth).verification.attempts_remaining(), 0);
    assert_eq!(world.status(id), Status::MaxAttempts);
    assert_eq!(refusal(&world.check_right(id)), Refusal::MaxAttempts);
}

#[test]
fn the_last_of_five_tries_may_be_the_right_one() {
    let mut world = World::new();
    world.policy.failures_before_pause = 9;
    let id = world.begin();
    for _ in 0..4 {
        world.check_wrong(id);
    }
    assert!(approved(&world.check_right(id)));
    assert_eq!(tries_left(&world, id), 0);
}

#[test]
fn a_malformed_code_costs_nothing() {
    let mut world = World::new();
    let id = world.begin();
    let before = world.rows.clone();
    for code in ["", "12345", "1234567", "12345x", "0x1234"] {
        assert_eq!(refusal(&world.check(id, code)), Refusal::CodeMalformed, "{code}");
    }
    assert!(world.rows == before);
}

#[test]
fn any_spelling_of_the_code_is_the_code() {
    let mut world = World::new();
    let id = world.begin();
    let code = world.code(id);
    assert!(approved(&world.check(id, &format!(" {}-{} ", &code[..3], &code[3..]))));
}

#[test]
fn nothing_is_accepted_from_the_instant_of_expiry_on() {
    for (off, accepted) in [(-1, true), (0, false), (1, false)] {
        let mut world = World::new();
        let id = world.begin();
        world.now = crate::time::Timestamp::from_millis(world.row(id).expires_at.millis() + off);
        let answer = world.check_right(id);
        assert_eq!(approved(&answer), accepted, "{off} ms");
        if !accepted {
            assert_eq!(refusal(&answer), Refusal::Expired);
            assert_eq!(tries_left(&world, id), 5, "it cost nothing");
        }
    }
}

#[test]
fn a_test_clock_that_is_ahead_expires_the_code() {
    let mut world = World::test_mode();
    let id = world.begin();
    world.clock_ahead = seconds(600) - Duration::from_millis(1);
    assert_eq!(refusal(&world.check_wrong(id)), Refusal::CodeIncorrect);
    world.clock_ahead = seconds(600);
    assert_eq!(refusal(&world.check_right(id)), Refusal::Expired);
}

#[test]
fn all_that_is_named_and_fits_is_accepted() {
    let mut world = World::new();
    let id = world.create(bound(&world));
    assert!(approved(&world.submit(Command::Check(fitting(&world, id)))));
}

#[test]
fn what_is_named_must_fit_and_a_misfit_costs_a_try() {
    type Change = fn(Check) -> Check;
    let changes: [(&str, Change); 3] = [
        ("purpose", |fit| Check { purpose: Some(Purpose::Recovery), ..fit }),
        ("subject", |fit| Check { subject: Some("user-43".to_owned()), ..fit }),
        ("session", |fit| Check { session: Some("s-2".to_owned()), ..fit }),
    ];
    for (name, change) in changes {
        let mut world = World::new();
        let id = world.create(bound(&world));
        let fit = fitting(&world, id);
        let answer = world.submit(Command::Check(change(fit)));
        assert_eq!(refusal(&answer), Refusal::BindingMismatch, "{name}");
        assert_eq!((tries_left(&world, id), world.status(id)), (4, Status::Pending), "{name}");
        assert!(approved(&world.submit(Command::Check(fitting(&world, id)))), "{name}");
    }
}

#[test]
fn a_subject_that_the_start_did_not_have_does_not_fit() {
    let mut world = World::new();
    let id = world.begin();
    let named = Check { subject: Some("user-42".to_owned()), ..check(id, &world.code(id)) };
    assert_eq!(refusal(&world.submit(Command::Check(named))), Refusal::BindingMismatch);
}

#[test]
fn a_changed_transaction_kills_the_code() {
    for amount in [124_999, 125_001] {
        let mut world = World::new();
        let id = world.create(bound(&world));
        let changed = Check { transaction: Some(transfer(amount)), ..fitting(&world, id) };
        let answer = world.submit(Command::Check(changed));
        assert_eq!(refusal(&answer), Refusal::BindingMismatch);
        assert_eq!((tries_left(&world, id), world.status(id)), (4, Status::BindingChanged));
        assert_eq!(refusal(&world.submit(Command::Check(fitting(&world, id)))), Refusal::Canceled);
    }
}

#[test]
fn session_and_transaction_must_be_named_when_the_start_had_them() {
    let mut world = World::new();
    let id = world.create(bound(&world));
    let before = world.rows.clone();
    let without = Check { session: None, ..fitting(&world, id) };
    assert_eq!(refusal(&world.submit(Command::Check(without))), Refusal::SessionMissing);
    let without = Check { transaction: None, ..fitting(&world, id) };
    assert_eq!(refusal(&world.submit(Command::Check(without))), Refusal::TransactionMissing);
    assert!(world.rows == before, "neither cost a try");
    let without = Check { subject: None, purpose: None, ..fitting(&world, id) };
    assert!(approved(&world.submit(Command::Check(without))));
}

#[test]
fn pauses_span_all_verifications_of_a_recipient() {
    let mut world = World::new();
    let ids: Vec<_> = (0..3).map(|_| world.begin()).collect();
    for id in [ids[0], ids[0], ids[1], ids[1], ids[1]] {
        assert_eq!(refusal(&world.check_wrong(id)), Refusal::CodeIncorrect);
    }
    let wait = |world: &mut World, pause: u64| {
        let until = world.now.plus(seconds(pause));
        assert_eq!(refusal(&world.check_right(ids[2])), Refusal::RecipientPaused(until));
        world.now = until.minus(Duration::from_millis(1));
        assert_eq!(refusal(&world.check_right(ids[2])), Refusal::RecipientPaused(until));
        world.now = until;
    };
    wait(&mut world, 60);
    world.check_wrong(ids[2]);
    wait(&mut world, 300);
    assert_eq!(tries_left(&world, ids[2]), 4, "what a pause refuses costs no try");
    assert!(approved(&world.check_right(ids[2])));
    let other = world.begin();
    assert_eq!(refusal(&world.check_wrong(other)), Refusal::CodeIncorrect, "a success ended the pauses");
}

#[test]
fn pauses_hold_one_purpose_lane_and_recipient_and_no_other() {
    let mut world = World::new();
    let id = world.begin();
    for _ in 0..5 {
        world.check_wrong(id);
    }
    let free = [
        Create { purpose: Purpose::Recovery, ..world.start(PHONE) },
        Create { lane: Lane::Known, ..world.start(PHONE) },
        world.start(OTHER_PHONE),
    ];
    for start in free {
        let id = world.create(start);
        assert!(approved(&world.check_right(id)));
    }
    let held = world.begin();
    assert!(matches!(refusal(&world.check_right(held)), Refusal::RecipientPaused(_)));
}

#[test]
fn the_entry_of_a_failure_says_what_it_led_to() {
    let mut world = World::new();
    let id = world.begin();
    for _ in 0..5 {
        world.check_wrong(id);
    }
    let expected = Event::CheckFailed {
        attempts_remaining: 0,
        binding: false,
        status: Status::MaxAttempts,
        paused_until: Some(world.now.plus(seconds(60))),
    };
    assert_eq!(world.rows.journal.last().unwrap().event, expected);
}

#[test]
fn an_approval_gives_its_sends_back() {
    let mut world = World::new();
    let (one, other) = (world.begin(), world.begin());
    assert_eq!(world.ledger(one).sends.len(), 2);
    assert!(approved(&world.check_right(one)));
    let left: Vec<_> = world.ledger(one).sends.iter().map(|send| send.verification).collect();
    assert_eq!(left, [other]);
}

fn by_recipient(world: &World, to: &str, code: &str) -> Check {
    let index = world.index(&Recipient::parse(to).unwrap());
    Check {
        target: Target::Recipient(index),
        code: Entered(Zeroizing::new(code.to_owned())),
        purpose: Some(Purpose::Authentication),
        subject: None,
        session: None,
        transaction: None,
        origin: None,
    }
}

#[test]
fn a_check_by_recipient_means_the_latest_open_one_that_fits() {
    let mut world = World::new();
    let of = |world: &World, subject: &str| Create {
        private: Private { subject: Some(subject.to_owned()), ..Private::default() },
        ..world.start(PHONE)
    };
    let mine = world.create(of(&world, "user-42"));
    world.pass(seconds(1));
    let theirs = world.create(of(&world, "user-43"));
    let code = world.code(mine);
    let named = Check { subject: Some("user-42".to_owned()), ..by_recipient(&world, PHONE, &code) };
    assert!(approved(&world.submit(Command::Check(named))));
    assert_eq!(world.status(theirs), Status::Pending);
}

#[test]
fn a_check_by_recipient_tells_how_the_latest_one_ended() {
    let mut world = World::new();
    let id = world.begin();
    let code = world.code(id);
    world.submit(Command::Cancel(id));
    let answer = world.submit(Command::Check(by_recipient(&world, PHONE, &code)));
    assert_eq!(refusal(&answer), Refusal::Canceled);
}

#[test]
fn a_check_by_recipient_finds_exact_addresses_only() {
    let mut world = World::new();
    let id = world.create(world.start("ann+shop@example.com"));
    let code = world.code(id);
    let other = by_recipient(&world, "ann@example.com", &code);
    assert_eq!(refusal(&world.submit(Command::Check(other))), Refusal::NotFound);
    assert!(approved(&world.submit(Command::Check(by_recipient(&world, "ann+shop@example.com", &code)))));
}

#[test]
fn a_check_by_recipient_works_after_the_active_root_changed() {
    let mut world = World::new();
    let id = world.begin();
    let code = world.code(id);
    world.keys = ring(2, &[1, 2]);
    assert!(approved(&world.submit(Command::Check(by_recipient(&world, PHONE, &code)))));
}

#[test]
fn unknown_and_foreign_ids_are_not_found() {
    let mut world = World::new();
    let id = world.begin();
    let code = world.code(id);
    let unknown = VerificationId::from_bytes([9; 16]);
    assert_eq!(refusal(&world.check(unknown, "123456")), Refusal::NotFound);
    let home = world.tenant;
    let before = world.rows.clone();
    for (project, mode) in [(ProjectId::from_bytes([2; 16]), Mode::Live), (home.project, Mode::Test)] {
        world.tenant.project = project;
        world.tenant.mode = mode;
        let foreign = world.check(id, &code);
        assert_eq!(foreign, Answer::Refused(Refusal::NotFound, None));
    }
    assert!(world.rows == before);
}

#[test]
fn an_unknown_root_costs_no_try() {
    let mut world = World::new();
    let id = world.begin();
    let code = world.code(id);
    let before = world.rows.clone();
    world.keys = ring(2, &[2]);
    assert_eq!(refusal(&world.check(id, &code)), Refusal::RootUnknown);
    assert!(world.rows == before);
    world.keys = ring(2, &[1, 2]);
    assert!(approved(&world.check(id, &code)));
}

#[test]
fn another_epoch_of_the_store_kills_the_code() {
    let mut world = World::new();
    let id = world.begin();
    let code = world.code(id);
    let root = crate::keys::Root {
        id: crate::keys::RootId(1),
        state: crate::keys::RootState::Active,
        secret: Zeroizing::new(crate::keys::sha256(&1_u16.to_be_bytes()).0),
    };
    world.keys = crate::keys::Keys::derive(&[root], [0xdd; 16]).unwrap();
    assert_eq!(refusal(&world.check(id, &code)), Refusal::CodeIncorrect);
}

#[test]
fn a_hundred_failures_in_a_row_block_until_unlocked() {
    let mut world = World::new();
    let id = world.begin();
    let recipient = world.row(id).recipient;
    let policy = world.policy.clone();
    for _ in 0..100 {
        let row = world.rows.recipients.get_mut(&recipient).unwrap();
        row.fail(Purpose::Authentication, Lane::Open, &policy, world.now);
    }
    let before = world.rows.clone();
    assert_eq!(refusal(&world.check_right(id)), Refusal::RecipientBlocked);
    assert_eq!(world.refused_start(world.start(PHONE)), Refusal::RecipientBlocked);
    assert!(world.rows == before);
    let known = world.create(Create { lane: Lane::Known, ..world.start(PHONE) });
    assert!(approved(&world.check_right(known)), "a stranger cannot lock the owner out");
}
