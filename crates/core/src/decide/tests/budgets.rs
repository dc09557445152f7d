//! Budgets: a send that none pays for is refused and leaves nothing; one that is paid keeps what was set aside.

use super::world::{PHONE, World, refusal, shown};
use crate::budget::{BudgetId, Day, Permit, Reservation};
use crate::command::Command;
use crate::refusal::Refusal;
use crate::verification::Channel;

fn granted() -> Permit {
    let budgets = vec![BudgetId::named("all", "EUR")];
    Permit::Granted(Reservation { amount: 645, day: Day(20_000), budgets })
}

#[test]
fn a_start_that_no_budget_pays_for_is_refused_and_leaves_nothing() {
    let mut world = World::new();
    world.permit = Permit::Exceeded;
    for limits_apply in [true, false] {
        world.limits_apply = limits_apply;
        let start = world.start(PHONE);
        let answer = world.submit(Command::Create(Box::new(start)));
        assert_eq!(refusal(&answer), Refusal::BudgetExceeded);
    }
    assert!(world.rows.verifications.is_empty() && world.rows.journal.is_empty());
    let mut own = world.start(PHONE);
    own.channel = Some(Channel::Own);
    let answer = world.submit(Command::Create(Box::new(own)));
    assert_eq!(shown(&answer).delivery, None, "what the customer delivers costs us nothing");
}

#[test]
fn what_was_set_aside_is_kept_with_the_delivery() {
    let mut world = World::new();
    world.permit = granted();
    let start = world.start(PHONE);
    let created = world.submit(Command::Create(Box::new(start)));
    let delivery = shown(&created).delivery.clone().unwrap();
    let Permit::Granted(reservation) = granted() else { unreachable!() };
    assert_eq!(delivery.reserved, Some(reservation));
}

#[test]
fn a_resend_needs_a_permit_of_its_own() {
    let mut world = World::new();
    let start = world.start(PHONE);
    let created = world.submit(Command::Create(Box::new(start)));
    let id = shown(&created).verification.id;
    world.pass(std::time::Duration::from_secs(60));
    world.permit = Permit::Exceeded;
    let refused = world.submit(Command::Resend(id, None));
    assert_eq!(refusal(&refused), Refusal::BudgetExceeded);
    assert_eq!(world.rows.deliveries.len(), 1);
    world.permit = granted();
    let sent = world.submit(Command::Resend(id, None));
    assert!(shown(&sent).delivery.as_ref().is_some_and(|delivery| delivery.reserved.is_some()));
}

#[test]
fn a_delivery_knows_the_command_that_made_it() {
    let mut world = World::new();
    let start = world.start(PHONE);
    let request = world.request(Command::Create(Box::new(start.clone())));
    let other = world.request(Command::Create(Box::new(start)));
    let (outcomes, _) = world.batch(std::slice::from_ref(&request));
    let delivery = shown(&outcomes[0].answer).delivery.clone().unwrap();
    assert!(delivery.is_of(&request.entropy) && !delivery.is_of(&other.entropy));
}
