//! Receipts: what moves a delivery, what waits, what changes nothing, and that none of it approves or ends anything.

use super::world::{World, approved, seconds, undelivered};
use crate::command::{Answer, Command, Sent};
use crate::delivery::{DeliveryState, Fault};
use crate::ids::DeliveryId;
use crate::journal::Event;
use crate::receipt::{About, Fate};
use crate::refusal::Refusal;
use crate::verification::Status;

/// One verification whose message was taken as `m1`.
fn sent() -> (World, DeliveryId) {
    let mut world = World::new();
    world.begin();
    let delivery = world.last_delivery().id;
    world.taken(delivery, "m1");
    (world, delivery)
}

fn state(world: &World) -> DeliveryState {
    world.last_delivery().state
}

fn events(world: &World) -> Vec<&'static str> {
    world.rows.journal.iter().map(|entry| entry.event.name()).collect()
}

#[test]
fn a_receipt_moves_the_delivery_once_and_is_told_with_provider_and_time() {
    let (mut world, delivery) = sent();
    world.pass(seconds(3));
    world.receipt("m1", Fate::Underway);
    assert_eq!(state(&world), DeliveryState::Sent);
    world.receipt("m1", Fate::Delivered);
    assert_eq!((state(&world), world.last_delivery().state_at), (DeliveryState::Delivered, world.now));
    let before = world.rows.clone();
    for fate in [Fate::Delivered, undelivered(), Fate::Underway] {
        world.receipt("m1", fate);
        assert!(world.rows == before, "repeated, late or out of order: nothing changes");
    }
    assert_eq!(events(&world), ["verification.created", "delivery.delivered"]);
    let entry = world.rows.journal.last().unwrap();
    assert_eq!((entry.at, entry.delivery), (world.now, Some(delivery)));
    let Event::Receipt { provider, class: None, .. } = &entry.event else { panic!("{entry:?}") };
    assert_eq!(provider, "gateway");
}

#[test]
fn what_arrived_after_all_was_delivered() {
    let (mut world, _) = sent();
    world.receipt("m1", undelivered());
    assert_eq!(state(&world), DeliveryState::Failed);
    world.receipt("m1", Fate::Delivered);
    assert_eq!(state(&world), DeliveryState::Delivered);
    assert_eq!(events(&world), ["verification.created", "delivery.undelivered", "delivery.delivered"]);
}

#[test]
fn no_receipt_approves_or_ends_anything() {
    for fate in [Fate::Delivered, undelivered()] {
        let (mut world, _) = sent();
        let id = world.last_delivery().verification;
        world.receipt("m1", fate);
        assert_eq!(world.status(id), Status::Pending);
        assert!(approved(&world.check_right(id)));
    }
}

#[test]
fn an_end_stays_what_it_was_and_the_delivery_is_still_told_of() {
    let (mut world, _) = sent();
    let id = world.last_delivery().verification;
    world.submit(Command::Cancel(id));
    world.receipt("m1", Fate::Delivered);
    assert_eq!((world.status(id), state(&world)), (Status::CanceledByCustomer, DeliveryState::Delivered));
}

#[test]
fn a_message_nobody_knows_yet_waits_and_is_told_of_when_it_is_known() {
    let mut world = World::new();
    world.begin();
    let delivery = world.last_delivery().id;
    let answer = world.receipt("m1", Fate::Delivered);
    assert_eq!(answer, Answer::Refused(Refusal::NotFound, None));
    world.receipt("m1", Fate::Underway);
    world.early_receipts();
    assert_eq!((world.rows.early.len(), state(&world)), (1, DeliveryState::Queued));
    world.taken(delivery, "m1");
    world.early_receipts();
    assert_eq!((world.rows.early.len(), state(&world)), (0, DeliveryState::Delivered));
}

#[test]
fn a_receipt_that_names_our_delivery_waits_for_its_outcome_too() {
    let mut world = World::new();
    world.begin();
    let delivery = world.last_delivery().id;
    world.receipt_of("gateway", About::Delivery(delivery), undelivered());
    world.early_receipts();
    assert_eq!((world.rows.early.len(), state(&world)), (1, DeliveryState::Queued));
    world.taken(delivery, "m1");
    world.early_receipts();
    assert_eq!((world.rows.early.len(), state(&world)), (0, DeliveryState::Failed));
}

#[test]
fn another_provider_says_nothing_about_it() {
    let (mut world, delivery) = sent();
    let before = world.rows.clone();
    for fate in [Fate::Delivered, undelivered()] {
        world.receipt_of("other", About::Delivery(delivery), fate);
    }
    assert!(world.rows == before);
}

#[test]
fn a_failure_of_a_provider_that_another_took_over_from_changes_nothing() {
    let mut world = World::new();
    world.begin();
    let delivery = world.last_delivery().id;
    let attempts = vec![world.attempt(Some(Fault::Provider), None), world.attempt(None, Some("m2"))];
    let mut attempts = attempts;
    attempts[1].provider = "second".to_owned();
    let state_sent = DeliveryState::Sent;
    let sent = Sent { delivery, attempts, state: state_sent, retry_at: None, receipts: true };
    world.submit(Command::Sent(sent));
    world.receipt_of("gateway", About::Delivery(delivery), undelivered());
    assert_eq!(state(&world), DeliveryState::Sent);
    // The first one's answer was lost, not the message.
    world.receipt_of("gateway", About::Delivery(delivery), Fate::Delivered);
    assert_eq!(state(&world), DeliveryState::Delivered);
}

#[test]
fn a_message_sent_twice_is_told_of_twice_and_known_by_both_names() {
    let (mut world, delivery) = sent();
    world.taken(delivery, "m2");
    let row = world.last_delivery();
    assert_eq!((row.state, row.attempts.len(), world.rows.messages.len()), (DeliveryState::Sent, 2, 2));
    world.receipt("m1", undelivered());
    assert_eq!(state(&world), DeliveryState::Sent, "the second is still on its way");
    world.receipt("m1", Fate::Delivered);
    assert_eq!(state(&world), DeliveryState::Delivered);
}

#[test]
fn only_providers_that_give_receipts_are_remembered_by_their_names() {
    let mut world = World::new();
    world.begin();
    let delivery = world.last_delivery().id;
    let attempts = vec![world.attempt(None, Some("m1"))];
    let state = DeliveryState::Sent;
    world.submit(Command::Sent(Sent { delivery, attempts, state, retry_at: None, receipts: false }));
    assert!(world.rows.messages.is_empty());
}

#[test]
fn a_delivery_that_is_gone_is_not_waited_for() {
    let mut world = World::new();
    let answer =
        world.receipt_of("gateway", About::Delivery(DeliveryId::from_bytes([9; 16])), Fate::Delivered);
    assert_eq!(answer, Answer::Refused(Refusal::NotFound, None));
    assert!(world.rows.early.is_empty());
}
