//! Cancel, expire, report, and what becomes of deliveries.

use super::world::{World, approved, refusal, seconds, shown};
use crate::command::{Answer, Command, Sent};
use crate::delivery::{Attempt, AttemptError, DeliveryState, Fault};
use crate::ids::{DeliveryId, ProjectId};
use crate::journal::Event;
use crate::refusal::Refusal;
use crate::verification::{Report, Status};

#[test]
fn a_canceled_one_accepts_nothing_and_is_canceled_once() {
    let mut world = World::new();
    let id = world.begin();
    let answer = world.submit(Command::Cancel(id));
    assert_eq!(shown(&answer).verification.status, Status::CanceledByCustomer);
    assert_eq!(refusal(&world.check_right(id)), Refusal::Canceled);
    assert_eq!(refusal(&world.submit(Command::Cancel(id))), Refusal::Canceled);
}

#[test]
fn an_approval_cannot_be_canceled() {
    let mut world = World::new();
    let id = world.begin();
    world.check_right(id);
    assert_eq!(refusal(&world.submit(Command::Cancel(id))), Refusal::AlreadyApproved);
    assert_eq!(world.status(id), Status::Approved);
}

#[test]
fn expire_writes_down_what_time_has_done_and_never_earlier() {
    let mut world = World::new();
    let id = world.begin();
    world.now = world.row(id).expires_at.minus(std::time::Duration::from_millis(1));
    assert_eq!(refusal(&world.submit(Command::Expire(id))), Refusal::StateConflict);
    world.now = world.row(id).expires_at;
    assert!(matches!(world.submit(Command::Expire(id)), Answer::Done(_)));
    assert_eq!(world.row(id).status, Status::Expired);
    assert_eq!(refusal(&world.submit(Command::Expire(id))), Refusal::StateConflict);
    assert!(world.ledger(id).recent.iter().all(|recent| !recent.open));
}

#[test]
fn a_report_is_noted_once_and_changes_nothing_else() {
    let mut world = World::new();
    let id = world.begin();
    for report in [Report::Fraud, Report::Fraud, Report::Legitimate] {
        world.submit(Command::Report(id, report));
    }
    let reports = world.rows.journal.iter().filter(|entry| matches!(entry.event, Event::Reported(_)));
    assert_eq!(reports.count(), 2);
    assert_eq!((world.row(id).report, world.status(id)), (Some(Report::Legitimate), Status::Pending));
}

#[test]
fn foreign_tenants_find_nothing() {
    let mut world = World::new();
    let id = world.begin();
    let delivery = world.last_delivery().id;
    let before = world.rows.clone();
    world.tenant.project = ProjectId::from_bytes([2; 16]);
    world.now = world.row(id).expires_at;
    let sent = Sent { delivery, attempts: Vec::new(), state: DeliveryState::Sent, retry_at: None };
    for command in [
        Command::Cancel(id),
        Command::Expire(id),
        Command::Resend(id, None),
        Command::Report(id, Report::Fraud),
        Command::Sent(sent),
    ] {
        let name = format!("{command:?}");
        assert_eq!(world.submit(command), Answer::Refused(Refusal::NotFound, None), "{name}");
    }
    assert!(world.rows == before);
}

fn attempt(world: &World, fault: Option<Fault>) -> Attempt {
    let error = fault.map(|fault| AttemptError {
        fault,
        retry: false,
        class: "rejected".to_owned(),
        detail: "The provider said no.".to_owned(),
    });
    Attempt { at: world.now, provider: "gateway".to_owned(), error, message_id: None, cost: None }
}

fn fail(world: &mut World, delivery: DeliveryId, fault: Fault) -> Answer {
    let attempts = vec![attempt(world, Some(fault))];
    let state = DeliveryState::Failed;
    world.submit(Command::Sent(Sent { delivery, attempts, state, retry_at: None }))
}

#[test]
fn a_delivery_moves_forward_only() {
    let mut world = World::new();
    world.begin();
    let id = world.last_delivery().id;
    for (state, taken) in [
        (DeliveryState::Sent, true),
        (DeliveryState::Queued, false),
        (DeliveryState::Sent, false),
        (DeliveryState::Delivered, true),
        (DeliveryState::Failed, false),
    ] {
        assert_eq!(matches!(world.sent(id, state), Answer::Done(_)), taken, "{state:?}");
    }
    assert_eq!(world.last_delivery().state, DeliveryState::Delivered);
    assert_eq!(world.last_delivery().due, None);
}

#[test]
fn a_retry_keeps_the_delivery_queued_until_then() {
    let mut world = World::new();
    world.begin();
    let (delivery, at) = (world.last_delivery().id, world.now.plus(seconds(5)));
    let attempts = vec![attempt(&world, Some(Fault::Provider))];
    let state = DeliveryState::Queued;
    world.submit(Command::Sent(Sent { delivery, attempts, state, retry_at: Some(at) }));
    let row = world.last_delivery();
    assert_eq!((row.state, row.due, row.tries), (DeliveryState::Queued, Some(at), 1));
}

#[test]
fn a_refusal_of_the_recipient_by_every_route_ends_it() {
    let mut world = World::new();
    let id = world.begin();
    let delivery = world.last_delivery().id;
    let answer = fail(&mut world, delivery, Fault::Recipient);
    assert_eq!(shown(&answer).verification.status, Status::Undeliverable);
    assert_eq!(refusal(&world.check_right(id)), Refusal::Undeliverable);
    let events: Vec<_> = world.rows.journal.iter().skip(1).map(|entry| entry.event.clone()).collect();
    assert_eq!(events, [Event::DeliveryFailed(Fault::Recipient), Event::Ended(Status::Undeliverable)]);
}

#[test]
fn a_fault_of_the_provider_or_a_late_receipt_ends_nothing() {
    let mut world = World::new();
    let id = world.begin();
    let delivery = world.last_delivery().id;
    fail(&mut world, delivery, Fault::Provider);
    assert_eq!(world.status(id), Status::Pending);
    let other = world.begin();
    let delivery = world.rows.deliveries.values().find(|row| row.verification == other).unwrap().id;
    world.sent(delivery, DeliveryState::Sent);
    world.sent(delivery, DeliveryState::Failed);
    assert_eq!(world.status(other), Status::Pending);
    assert!(approved(&world.check_right(id)) && approved(&world.check_right(other)));
}

#[test]
fn the_entry_of_a_failed_delivery_names_whose_fault_it_was() {
    for fault in [Fault::Recipient, Fault::Provider, Fault::Us] {
        let mut world = World::new();
        world.begin();
        let delivery = world.last_delivery().id;
        fail(&mut world, delivery, fault);
        let entry = &world.rows.journal[1];
        assert_eq!((&entry.event, entry.delivery), (&Event::DeliveryFailed(fault), Some(delivery)));
    }
}

#[test]
fn a_failed_resend_does_not_end_what_was_sent_before() {
    let mut world = World::new();
    let id = world.begin();
    let first = world.last_delivery().id;
    world.sent(first, DeliveryState::Sent);
    world.pass(seconds(30));
    world.resend(id);
    let second = world.last_delivery().id;
    fail(&mut world, second, Fault::Recipient);
    assert_eq!(world.status(id), Status::Pending);
}

#[test]
fn a_report_on_a_delivery_never_revives_or_approves() {
    let mut world = World::new();
    let id = world.begin();
    let delivery = world.last_delivery().id;
    world.submit(Command::Cancel(id));
    fail(&mut world, delivery, Fault::Recipient);
    assert_eq!(world.status(id), Status::CanceledByCustomer);
}

#[test]
fn a_delivery_keeps_its_first_and_its_latest_attempts() {
    let mut world = World::new();
    world.begin();
    let delivery = world.last_delivery().id;
    for n in 0..20 {
        let attempts = vec![Attempt { message_id: Some(n.to_string()), ..attempt(&world, None) }];
        let state = DeliveryState::Queued;
        world.submit(Command::Sent(Sent { delivery, attempts, state, retry_at: Some(world.now) }));
    }
    let row = world.last_delivery();
    assert_eq!((row.attempts.len(), row.tries), (crate::limits::MAX_ATTEMPTS_KEPT, 20));
    assert_eq!(row.attempts[0].message_id.as_deref(), Some("0"));
    assert_eq!(row.attempts.last().unwrap().message_id.as_deref(), Some("19"));
}
