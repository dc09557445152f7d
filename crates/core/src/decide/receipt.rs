//! What the network says of a message later. It moves the delivery forward, may make the next step of a workflow due, and
//! never approves or ends anything.
//!
//! | Receipt | The delivery | |
//! | --- | --- | --- |
//! | underway | any | nothing changes |
//! | delivered | any but delivered | delivered: also after `failed`, for what arrived did arrive |
//! | failed | sent, by the provider that took it last | failed |
//! | failed | any other | nothing changes: it is late, repeated, or of a provider that another took over from |
//! | either | not sent yet, as far as anybody wrote down | it waits |

use super::{Turn, not_found, step};
use crate::command::{Answer, Effects};
use crate::delivery::{Delivery, DeliveryState};
use crate::journal::Event;
use crate::receipt::{About, EarlyReceipt, Fate, Told};
use crate::refusal::Refusal;
use crate::verification::Status;

pub(super) fn receipt(turn: &Turn<'_>, told: &Told) -> (Effects, Answer) {
    let Some(id) = told.of else {
        return (kept(turn, told), Answer::Refused(Refusal::NotFound, None));
    };
    let Some(mut delivery) = turn.ledger.deliveries.get(&id).cloned() else { return gone(told) };
    let Some((verification, row)) = turn.find(delivery.verification) else { return gone(told) };
    let turn = &turn.by_clock_of(&delivery);
    let mut effects = settled(told);
    match bearing(&delivery, told) {
        Bearing::None => {}
        Bearing::TooEarly => effects = kept(turn, told),
        Bearing::Moves(state) => {
            let sent_at = delivery.state_at;
            delivery.state = state;
            delivery.state_at = turn.now;
            if verification.status_at(turn.now) == Status::Pending {
                step::after_receipt(turn, &mut delivery, &verification, sent_at);
            } else {
                delivery.step_at = None;
                delivery.due = None;
            }
            let mut entry = turn.entry(0, event(told, state), Some(&verification));
            entry.delivery = Some(delivery.id);
            effects.journal.push(entry);
            effects.deliveries.push(delivery.clone());
        }
    }
    let snapshot = turn.snapshot_with(&verification, &row, Some(delivery));
    (effects, Answer::Done(Box::new(snapshot)))
}

/// What a receipt means for a delivery.
#[derive(Debug, PartialEq, Eq)]
enum Bearing {
    /// Nothing.
    None,
    /// Nobody wrote down yet that the message was sent.
    TooEarly,
    /// It stands there now.
    Moves(DeliveryState),
}

fn bearing(delivery: &Delivery, told: &Told) -> Bearing {
    let of_provider = |attempt: &&crate::delivery::Attempt| attempt.provider == told.provider;
    let named = |attempt: &&crate::delivery::Attempt| match &told.receipt.about {
        About::Message(message) => attempt.message_id.as_ref() == Some(message),
        About::Delivery(_) => true,
    };
    // An attempt that ended in doubt may have been taken: then the network knows it, but only we could name it.
    let tried = delivery.attempts.iter().filter(of_provider).any(|attempt| named(&attempt));
    let taken_last = delivery.taken().filter(of_provider).is_some_and(|attempt| named(&attempt));
    match &told.receipt.fate {
        Fate::Underway => Bearing::None,
        _ if !tried && delivery.state == DeliveryState::Queued => Bearing::TooEarly,
        Fate::Delivered if tried && delivery.state != DeliveryState::Delivered => {
            Bearing::Moves(DeliveryState::Delivered)
        }
        Fate::Failed { .. } if taken_last && delivery.state == DeliveryState::Sent => {
            Bearing::Moves(DeliveryState::Failed)
        }
        Fate::Delivered | Fate::Failed { .. } => Bearing::None,
    }
}

fn event(told: &Told, state: DeliveryState) -> Event {
    let (class, detail) = match &told.receipt.fate {
        Fate::Failed { class, detail } => (Some(class.clone()), Some(detail.clone())),
        Fate::Underway | Fate::Delivered => (None, None),
    };
    Event::Receipt { provider: told.provider.clone(), state, class, detail }
}

/// Keeps a receipt until its message is known. One that tells no end is of no use later, and one that waits already waits on.
fn kept(turn: &Turn<'_>, told: &Told) -> Effects {
    if told.kept || told.receipt.fate == Fate::Underway {
        return Effects::default();
    }
    let of = told.of.map(|id| (turn.request.tenant, id));
    let early = EarlyReceipt { receipt: told.receipt.clone(), of, at: turn.committed_at };
    Effects { early: vec![(told.key(), Some(early))], ..Effects::default() }
}

/// Strikes out a receipt that waited.
fn settled(told: &Told) -> Effects {
    let early = if told.kept { vec![(told.key(), None)] } else { Vec::new() };
    Effects { early, ..Effects::default() }
}

/// The delivery was there when somebody looked, and is not any more.
fn gone(told: &Told) -> (Effects, Answer) {
    (settled(told), not_found().1)
}
