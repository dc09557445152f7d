//! What became of a delivery. It never approves anything, and ends a verification only when every route refused.

use super::{Turn, not_found};
use crate::command::{Answer, Effects, Sent};
use crate::delivery::{Attempt, DeliveryState, Fault};
use crate::journal::Event;
use crate::refusal::Refusal;
use crate::verification::Status;

pub(super) fn sent(turn: &Turn<'_>, sent: &Sent) -> (Effects, Answer) {
    let Some(mut delivery) = turn.ledger.deliveries.get(&sent.delivery).cloned() else { return not_found() };
    let Some((verification, mut row)) = turn.find(delivery.verification) else { return not_found() };
    if !may_follow(delivery.state, sent.state) {
        return turn.refuse(Refusal::StateConflict, &verification, &row);
    }
    let blames_recipient =
        |attempt: &Attempt| attempt.error.as_ref().is_some_and(|error| error.fault == Fault::Recipient);
    let refused_by_recipient = !sent.attempts.is_empty() && sent.attempts.iter().all(blames_recipient);
    for attempt in &sent.attempts {
        delivery.note(attempt.clone());
    }
    delivery.state = sent.state;
    delivery.state_at = turn.now;
    delivery.due = sent.retry_at.filter(|_| sent.state == DeliveryState::Queued);
    let mut effects = Effects::default();
    if sent.state == DeliveryState::Failed {
        let fault = if refused_by_recipient { Fault::Recipient } else { ours_or_providers(sent) };
        let event = Event::DeliveryFailed(fault);
        let mut entry = turn.entry(0, event, Some(&verification));
        entry.delivery = Some(delivery.id);
        effects.journal.push(entry);
    }
    let other_alive = turn.ledger.deliveries.values().any(|other| {
        let alive = !matches!(other.state, DeliveryState::Failed | DeliveryState::Expired);
        other.id != delivery.id && other.verification == verification.id && alive
    });
    // A late report of the network (a receipt) says `Failed` of what was sent; only a refusal at once ends anything.
    let refused_at_once = refused_by_recipient && sent.state == DeliveryState::Failed;
    let pending = verification.status_at(turn.now) == Status::Pending;
    let mut snapshot = turn.snapshot_with(&verification, &row, Some(delivery.clone()));
    if refused_at_once && pending && !other_alive && verification.sends <= 1 {
        turn.end(&mut effects, verification, &mut row, Status::Undeliverable);
        snapshot = turn.snapshot_with(&effects.verifications[0], &row, Some(delivery.clone()));
        effects.recipient = Some(row);
    }
    effects.deliveries.push(delivery);
    (effects, Answer::Done(Box::new(snapshot)))
}

/// Whose fault it was when not every route blamed the recipient. A receipt that came later blames the provider.
fn ours_or_providers(sent: &Sent) -> Fault {
    let faults = sent.attempts.iter().rev().filter_map(|attempt| Some(attempt.error.as_ref()?.fault));
    faults.into_iter().find(|fault| *fault != Fault::Recipient).unwrap_or(Fault::Provider)
}

/// States only move forward; a repeated or late report changes nothing.
const fn may_follow(old: DeliveryState, new: DeliveryState) -> bool {
    match old {
        DeliveryState::Queued => true,
        DeliveryState::Sent => matches!(new, DeliveryState::Delivered | DeliveryState::Failed),
        DeliveryState::Delivered | DeliveryState::Failed | DeliveryState::Expired => false,
    }
}
