//! Starts in a dialect: sent again instead of begun twice, seen by their own dialect only, codes the customer supplies.

use std::time::Duration;

use zeroize::Zeroizing;

use super::world::{OTHER_PHONE, PHONE, World, approved, check, refusal, seconds, shown, transfer};
use crate::command::{Answer, Check, Command, Create, DialectStart, Entered, RecipientIndex, Target};
use crate::ids::VerificationId;
use crate::journal::Event;
use crate::keys::{Alphabet, CodeFormat};
use crate::policy::{Policy, Profile};
use crate::recipient::Recipient;
use crate::refusal::Refusal;
use crate::verification::{Channel, Dialect, Origin, Private, Status, Verification};

const SHOP: Origin = Origin { dialect: Dialect::Twilio, service: [5; 16] };
const BANK: Origin = Origin { dialect: Dialect::Twilio, service: [6; 16] };

fn world() -> World {
    let mut world = World::new();
    world.policy = Policy::of(Profile::Nist).in_dialect();
    world
}

fn start(world: &World, origin: Origin) -> Create {
    let dialect = DialectStart { origin, code: None, answered: None };
    Create { dialect: Some(dialect), channel: Some(Channel::Sms), ..world.start(PHONE) }
}

fn supplied(world: &World, code: &str) -> Create {
    let mut create = start(world, SHOP);
    create.format = CodeFormat { length: code.len() as u8, alphabet: Alphabet::Alphanumeric };
    let code = Some(Entered(Zeroizing::new(code.to_owned())));
    create.dialect = create.dialect.map(|dialect| DialectStart { code, ..dialect });
    create
}

fn by_recipient(world: &World, origin: Origin, code: &str) -> Check {
    let index: RecipientIndex = world.index(&Recipient::parse(PHONE).unwrap());
    Check {
        target: Target::Recipient(index),
        origin: Some(origin),
        ..check(VerificationId::from_bytes([0; 16]), code)
    }
}

#[test]
fn a_second_start_sends_the_same_code_of_the_same_verification_again() {
    let mut world = world();
    let id = world.create(start(&world, SHOP));
    let code = world.code(id);
    world.pass(seconds(3));
    let again = Create { channel: Some(Channel::Voice), ..start(&world, SHOP) };
    assert_eq!((world.create(again), world.code(id)), (id, code));
    assert_eq!((world.row(id).sends, world.row(id).channel), (2, Channel::Voice));
}

#[test]
fn other_services_recipients_amounts_and_native_starts_have_a_verification_of_their_own() {
    let mut world = world();
    let mine = world.create(start(&world, SHOP));
    let native = world.begin();
    let bank = world.create(start(&world, BANK));
    let index = world.index(&Recipient::parse(OTHER_PHONE).unwrap());
    let other = Create { to: Recipient::parse(OTHER_PHONE).unwrap(), index, ..start(&world, SHOP) };
    let other = world.create(other);
    let bound = Private { transaction: Some(transfer(5)), ..Private::default() };
    let bound = world.create(Create { private: bound, ..start(&world, SHOP) });
    let all = std::collections::BTreeSet::from([mine, native, bank, other, bound]);
    assert_eq!(all.len(), 5);
    assert!(all.iter().all(|id| world.status(*id) == Status::Pending), "none gives way to another");
}

#[test]
fn five_sends_and_not_six() {
    let mut world = world();
    for _ in 0..5 {
        world.create(start(&world, SHOP));
        world.pass(seconds(3));
    }
    assert!(matches!(world.refused_start(start(&world, SHOP)), Refusal::RecipientRateLimited(_)));
}

#[test]
fn a_send_nobody_was_told_of_is_not_repeated_for_two_seconds() {
    let mut world = world();
    let id = world.create(start(&world, SHOP));
    world.pass(Duration::from_millis(1999));
    assert_eq!((world.create(start(&world, SHOP)), world.row(id).sends), (id, 1));
    let mut told = start(&world, SHOP);
    told.dialect.as_mut().unwrap().answered = Some((id, 1));
    assert_eq!((world.create(told), world.row(id).sends), (id, 2));
    world.pass(seconds(2));
    assert_eq!((world.create(start(&world, SHOP)), world.row(id).sends), (id, 3));
}

#[test]
fn another_code_is_sent_at_once_even_where_nobody_was_told_of_the_first() {
    let mut world = world();
    let id = world.create(supplied(&world, "111111"));
    assert_eq!((world.create(supplied(&world, "111111")), world.row(id).sends), (id, 1));
    assert_eq!((world.create(supplied(&world, "222222")), world.row(id).sends), (id, 2));
    assert!(approved(&world.check(id, "222222")));
}

#[test]
fn a_check_in_a_dialect_means_only_what_that_dialect_began() {
    let mut world = world();
    let native = world.begin();
    let code = world.code(native);
    assert_eq!(refusal(&world.submit(Command::Check(by_recipient(&world, SHOP, &code)))), Refusal::NotFound);
    let named = Check { origin: Some(SHOP), ..check(native, &code) };
    assert_eq!(refusal(&world.submit(Command::Check(named))), Refusal::NotFound);
    let id = world.create(start(&world, SHOP));
    let code = world.code(id);
    assert_eq!(refusal(&world.submit(Command::Check(by_recipient(&world, BANK, &code)))), Refusal::NotFound);
    assert!(approved(&world.submit(Command::Check(by_recipient(&world, SHOP, &code)))));
    assert_eq!(
        refusal(&world.submit(Command::Check(by_recipient(&world, SHOP, &code)))),
        Refusal::AlreadyApproved
    );
}

#[test]
fn a_check_by_recipient_names_the_transaction_or_means_another_verification() {
    let mut world = world();
    let bound = Private { transaction: Some(transfer(5)), ..Private::default() };
    let id = world.create(Create { private: bound, ..start(&world, SHOP) });
    let code = world.code(id);
    for transaction in [None, Some(transfer(6))] {
        let check = Check { transaction, ..by_recipient(&world, SHOP, &code) };
        assert_eq!(refusal(&world.submit(Command::Check(check))), Refusal::NotFound);
    }
    let check = Check { transaction: Some(transfer(5)), ..by_recipient(&world, SHOP, &code) };
    assert!(approved(&world.submit(Command::Check(check))));
}

#[test]
fn a_supplied_code_is_checked_and_then_erased() {
    let mut world = world();
    let id = world.create(supplied(&world, "Ab3xyZ"));
    let sealed = world.row(id).supplied_code.clone().unwrap().0;
    assert!(!sealed.windows(6).any(|window| window == b"Ab3xyZ"), "it is sealed");
    assert_eq!(refusal(&world.check(id, "aB3xyZ")), Refusal::CodeIncorrect);
    assert!(approved(&world.check(id, "Ab3 xyZ")));
    assert!(world.row(id).supplied_code.as_ref().unwrap().0.is_empty());
}

#[test]
fn every_end_erases_a_supplied_code() {
    let ends: [fn(&mut World, VerificationId); 3] = [
        |world, id| (0..5).for_each(|_| drop(world.check(id, "000000"))),
        |world, id| drop(world.submit(Command::Cancel(id))),
        |world, id| {
            world.now = world.row(id).expires_at;
            world.submit(Command::Expire(id));
        },
    ];
    for end in ends {
        let mut world = world();
        let id = world.create(supplied(&world, "123456"));
        end(&mut world, id);
        assert_ne!(world.row(id).status, Status::Pending);
        assert!(world.row(id).supplied_code.as_ref().unwrap().0.is_empty());
    }
}

#[test]
fn another_supplied_code_takes_the_place_of_the_first() {
    let mut world = world();
    let id = world.create(supplied(&world, "111111"));
    world.pass(seconds(3));
    assert_eq!((world.create(supplied(&world, "111111")), world.row(id).generation), (id, 0));
    world.pass(seconds(3));
    assert_eq!((world.create(supplied(&world, "222222")), world.row(id).generation), (id, 1));
    assert_eq!(refusal(&world.check(id, "111111")), Refusal::CodeIncorrect);
    assert!(approved(&world.check(id, "222222")));
}

#[test]
fn the_customers_word_approves_once_and_gives_no_proof() {
    let mut world = world();
    let id = world.create(start(&world, SHOP));
    let answer = world.submit(Command::Override(id));
    assert!(matches!(answer, Answer::Done(_)), "no proof");
    assert_eq!(shown(&answer).verification.status, Status::Approved);
    assert_eq!(world.rows.journal.last().unwrap().event, Event::Overridden);
    assert!(world.ledger(id).sends.is_empty(), "its sends are given back");
    assert_eq!(refusal(&world.submit(Command::Override(id))), Refusal::AlreadyApproved);
    assert_eq!(refusal(&world.check_right(id)), Refusal::AlreadyApproved);
}

#[test]
fn a_native_row_is_stored_as_before_and_rows_from_before_are_read() {
    let mut world = world();
    let native = world.begin();
    let row = minicbor::to_vec(world.row(native)).unwrap();
    assert_eq!(row[0], 0x80 | 23, "an array of the 23 fields there were before dialects");
    assert_eq!(&minicbor::decode::<Verification>(&row).unwrap(), world.row(native));
    let mine = world.create(supplied(&world, "123456"));
    let row = minicbor::to_vec(world.row(mine)).unwrap();
    assert_eq!(&minicbor::decode::<Verification>(&row).unwrap(), world.row(mine));
}
