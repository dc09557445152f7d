//! The next step of a workflow: when it becomes due, and what is done then. The same code, a send that the caps count,
//! never after the expiry.

use super::create::reserve_send;
use super::resend::{capped, providers, usable};
use super::{Turn, not_found};
use crate::command::{Answer, Effects, Sent};
use crate::delivery::{Delivery, DeliveryState};
use crate::ids::DeliveryId;
use crate::journal::Event;
use crate::ledger::RecipientRow;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::verification::{Status, Verification};
use crate::workflow::{SkipReason, Skipped, Step, StepReason};

/// Moves a delivery to where a worker's round brought it; answers where that is. In a workflow a message that no provider
/// takes has failed once its step has no patience left.
pub(super) fn after_round(
    turn: &Turn<'_>,
    delivery: &mut Delivery,
    verification: &Verification,
    sent: &Sent,
) -> DeliveryState {
    let step = leading_on(turn, verification, delivery.id);
    let patience = |step: &Step| delivery.id.created_at().plus(step.patience());
    let too_late = |at: Timestamp| step.is_some_and(|step| at >= patience(step));
    let given_up = !sent.attempts.is_empty() && sent.retry_at.is_some_and(too_late);
    let state = match sent.state {
        DeliveryState::Queued if given_up => DeliveryState::Failed,
        state => state,
    };
    delivery.state = state;
    delivery.state_at = turn.now;
    let next = match state {
        DeliveryState::Sent => step.and_then(|step| step.next_at(turn.now, sent.receipts)),
        DeliveryState::Failed => step.map(|_| turn.now),
        DeliveryState::Queued | DeliveryState::Delivered | DeliveryState::Expired => None,
    };
    schedule(turn, delivery, verification, next);
    if state == DeliveryState::Queued {
        delivery.due = sent.retry_at;
    }
    state
}

/// Makes the next step due, or no longer so, after the network said what became of a message that was sent at `sent_at`.
pub(super) fn after_receipt(
    turn: &Turn<'_>,
    delivery: &mut Delivery,
    verification: &Verification,
    sent_at: Timestamp,
) {
    let budget = verification.workflow.as_ref().is_some_and(|workflow| workflow.has_receipt_steps());
    let next = leading_on(turn, verification, delivery.id).and_then(|step| {
        let at_once = delivery.state == DeliveryState::Failed && budget;
        if at_once { Some(turn.now) } else { step.next_at(sent_at, false) }
    });
    schedule(turn, delivery, verification, next);
}

/// The current step, when this delivery is its message and another one may follow.
fn leading_on<'a>(turn: &Turn<'_>, verification: &'a Verification, delivery: DeliveryId) -> Option<&'a Step> {
    let workflow = verification.workflow.as_ref().filter(|workflow| workflow.goes_on_after(delivery))?;
    workflow.current().filter(|_| verification.status_at(turn.now) == Status::Pending)
}

/// The next step is due at this instant of the tenant's clock. Nothing is sent when the code has expired by then.
fn schedule(turn: &Turn<'_>, delivery: &mut Delivery, verification: &Verification, at: Option<Timestamp>) {
    delivery.step_at = at.filter(|at| *at < verification.expires_at);
    delivery.due = delivery.step_at.map(|at| turn.committed_at.plus(at.since(turn.now)));
    if delivery.due.is_some() {
        // A node of a release before workflows claims it like a message to send: it must find that it is too late.
        delivery.expires_at = delivery.expires_at.min(turn.committed_at);
    }
}

/// Takes the next step, if `id` makes it due.
pub(super) fn step(turn: &Turn<'_>, id: DeliveryId) -> (Effects, Answer) {
    let Some(mut delivery) = turn.ledger.deliveries.get(&id).cloned() else { return not_found() };
    let Some((verification, row)) = turn.find(delivery.verification) else { return not_found() };
    let turn = &turn.by_clock_of(&delivery);
    if delivery.state == DeliveryState::Queued || delivery.due.is_none() {
        return (Effects::default(), Answer::Done(Box::new(turn.snapshot(&verification, &row))));
    }
    let at = delivery.step_at;
    if at.is_some_and(|at| turn.now < at) {
        schedule(turn, &mut delivery, &verification, at);
        let snapshot = turn.snapshot(&verification, &row);
        let effects = Effects { deliveries: vec![delivery], ..Effects::default() };
        return (effects, Answer::Done(Box::new(snapshot)));
    }
    (delivery.step_at, delivery.due) = (None, None);
    let Some(current) = leading_on(turn, &verification, id).copied().filter(|_| at.is_some()) else {
        let snapshot = turn.snapshot(&verification, &row);
        let effects = Effects { deliveries: vec![delivery], ..Effects::default() };
        return (effects, Answer::Done(Box::new(snapshot)));
    };
    let why = reason(turn, &delivery, &current);
    go_on(turn, verification, row, delivery, why)
}

fn reason(turn: &Turn<'_>, delivery: &Delivery, step: &Step) -> StepReason {
    match delivery.state {
        DeliveryState::Failed if delivery.taken().is_none() => StepReason::Failed,
        DeliveryState::Failed => StepReason::Undelivered,
        DeliveryState::Sent if step.next_at(delivery.state_at, false).is_none_or(|at| turn.now < at) => {
            StepReason::NoReceipt
        }
        _ => StepReason::NotChecked,
    }
}

/// Sends by the first of the steps that are left that can be taken; without one the workflow ends, and the timeline says why.
fn go_on(
    turn: &Turn<'_>,
    mut verification: Verification,
    mut row: RecipientRow,
    before: Delivery,
    why: StepReason,
) -> (Effects, Answer) {
    let from = verification.channel;
    let mut effects = Effects { deliveries: vec![before], ..Effects::default() };
    let event = match next(turn, &mut verification, &row) {
        Ok(Next { channel, route, skipped }) => {
            if let Some(workflow) = &mut verification.workflow {
                workflow.receipt_steps += u8::from(why == StepReason::Undelivered);
            }
            let delivery = reserve_send(turn, &mut verification, &mut row, channel, route.clone());
            effects.deliveries.push(delivery);
            effects.recipient = Some(row.clone());
            Event::Stepped { why, from, channel, route, skipped }
        }
        Err(because) => {
            if let Some(workflow) = &mut verification.workflow {
                workflow.stop();
            }
            Event::Halted { why, because }
        }
    };
    effects.journal.push(turn.entry(0, event, Some(&verification)));
    effects.verifications.push(verification.clone());
    let latest = effects.deliveries.last().cloned();
    (effects, Answer::Done(Box::new(turn.snapshot_with(&verification, &row, latest))))
}

/// Where the workflow goes.
struct Next {
    channel: crate::verification::Channel,
    route: Vec<String>,
    skipped: Vec<Skipped>,
}

/// Moves the workflow to the first step that can be taken.
fn next(turn: &Turn<'_>, verification: &mut Verification, row: &RecipientRow) -> Result<Next, SkipReason> {
    capped(turn, verification, row).map_err(|refusal| match refusal {
        Refusal::BudgetExceeded => SkipReason::BudgetExceeded,
        _ => SkipReason::RateLimited,
    })?;
    let left: Vec<_> = match &verification.workflow {
        Some(workflow) => workflow.left().map(|(place, step)| (place, step.channel)).collect(),
        None => Vec::new(),
    };
    let mut skipped = Vec::new();
    for (place, channel) in left {
        if let Some(workflow) = &mut verification.workflow {
            workflow.at = place;
        }
        if usable(turn, verification, channel).is_err() {
            skipped.push(Skipped { channel, why: SkipReason::CannotReceive });
            continue;
        }
        match providers(turn, verification, row, channel) {
            Ok(route) => return Ok(Next { channel, route, skipped }),
            Err(_) => skipped.push(Skipped { channel, why: SkipReason::NoRoute }),
        }
    }
    Err(skipped.pop().map_or(SkipReason::NoRoute, |skipped| skipped.why))
}
