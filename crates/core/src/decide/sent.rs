//! What became of a delivery. It never approves anything, and ends a verification only when every route refused.

use super::{Turn, not_found, step};
use crate::command::{Answer, Effects, Sent};
use crate::delivery::{Attempt, Delivery, DeliveryState, Fault};
use crate::journal::Event;
use crate::receipt::{MessageKey, SentMessage};
use crate::refusal::Refusal;
use crate::verification::{Status, Verification};

pub(super) fn sent(turn: &Turn<'_>, sent: &Sent) -> (Effects, Answer) {
    let Some(mut delivery) = turn.ledger.deliveries.get(&sent.delivery).cloned() else { return not_found() };
    let Some((verification, mut row)) = turn.find(delivery.verification) else { return not_found() };
    let turn = &turn.by_clock_of(&delivery);
    let taken = sent.attempts.last().is_some_and(|attempt| attempt.error.is_none());
    let late = delivery.state != DeliveryState::Queued;
    if late && !taken {
        return turn.refuse(Refusal::StateConflict, &verification, &row);
    }
    for attempt in &sent.attempts {
        delivery.note(attempt.clone());
    }
    let mut effects = Effects { messages: message(turn, sent, &delivery), ..Effects::default() };
    if !late {
        let state = step::after_round(turn, &mut delivery, &verification, sent);
        if state == DeliveryState::Failed {
            let mut entry = turn.entry(0, Event::DeliveryFailed(fault(sent)), Some(&verification));
            entry.delivery = Some(delivery.id);
            effects.journal.push(entry);
        }
    }
    let pending = verification.status_at(turn.now) == Status::Pending;
    let mut snapshot = turn.snapshot_with(&verification, &row, Some(delivery.clone()));
    if !late && pending && undeliverable(turn, &verification, &delivery, sent) {
        turn.end(&mut effects, verification, &mut row, Status::Undeliverable);
        snapshot = turn.snapshot_with(&effects.verifications[0], &row, Some(delivery.clone()));
        effects.recipient = Some(row);
    }
    effects.deliveries.push(delivery);
    (effects, Answer::Done(Box::new(snapshot)))
}

/// What the provider's id of the message leads to, where it will tell more about it.
fn message(turn: &Turn<'_>, sent: &Sent, delivery: &Delivery) -> Vec<(MessageKey, SentMessage)> {
    let taken = sent.attempts.last().filter(|attempt| sent.receipts && attempt.error.is_none());
    let key = taken.and_then(|attempt| {
        Some(MessageKey { provider: attempt.provider.clone(), message: attempt.message_id.clone()? })
    });
    let leads_to = SentMessage { tenant: delivery.tenant, delivery: delivery.id, at: turn.committed_at };
    key.into_iter().map(|key| (key, leads_to.clone())).collect()
}

/// Whether every route of every message refused at once and blamed the recipient, and no step is left. What a network
/// reports later ends nothing: those messages were taken.
fn undeliverable(turn: &Turn<'_>, verification: &Verification, delivery: &Delivery, sent: &Sent) -> bool {
    let refused = |other: &Delivery| {
        other.state == DeliveryState::Failed && other.attempts.last().is_some_and(blames_recipient)
    };
    let mut others = turn.ledger.deliveries.values().filter(|other| other.verification == verification.id);
    let goes_on = verification.workflow.as_ref().is_some_and(|workflow| workflow.goes_on_after(delivery.id));
    delivery.state == DeliveryState::Failed
        && fault(sent) == Fault::Recipient
        && others.all(|other| other.id == delivery.id || refused(other))
        && !goes_on
}

fn blames_recipient(attempt: &Attempt) -> bool {
    attempt.error.as_ref().is_some_and(|error| error.fault == Fault::Recipient)
}

/// Whose fault it was: the recipient's when every route says so, else that of the last one that says otherwise.
fn fault(sent: &Sent) -> Fault {
    if !sent.attempts.is_empty() && sent.attempts.iter().all(blames_recipient) {
        return Fault::Recipient;
    }
    let mut faults = sent.attempts.iter().rev().filter_map(|attempt| Some(attempt.error.as_ref()?.fault));
    faults.find(|fault| *fault != Fault::Recipient).unwrap_or(Fault::Provider)
}
