//! Resend: the same code again (or, by policy, a new one), never a longer life and never more tries.

use super::create::reserve_send;
use super::{Turn, ended, not_found};
use crate::command::{Answer, Effects};
use crate::ids::VerificationId;
use crate::journal::Event;
use crate::ledger::RecipientRow;
use crate::recipient::Recipient;
use crate::refusal::Refusal;
use crate::routing::Wanted;
use crate::scenario::Scenario;
use crate::tenant::Mode;
use crate::verification::{Channel, Verification};

pub(super) fn resend(turn: &Turn<'_>, id: VerificationId, wished: Option<Channel>) -> (Effects, Answer) {
    let Some((mut verification, row)) = turn.find(id) else { return not_found() };
    if let Some(refusal) = ended(verification.status_at(turn.now)) {
        return turn.refuse(refusal, &verification, &row);
    }
    if verification.channel == Channel::Own && wished.is_none_or(|channel| channel == Channel::Own) {
        let snapshot = turn.snapshot(&verification, &row);
        return (Effects::default(), Answer::Done(Box::new(snapshot)));
    }
    let rotated = turn.request.policy.rotate_on_resend && verification.supplied_code.is_none();
    if rotated {
        verification.generation = verification.generation.saturating_add(1);
    }
    send(turn, verification, row, wished, rotated)
}

/// Sends the code of an open verification. `rotated` says whether it is a new one.
pub(super) fn send(
    turn: &Turn<'_>,
    mut verification: Verification,
    mut row: RecipientRow,
    wished: Option<Channel>,
    rotated: bool,
) -> (Effects, Answer) {
    let (channel, route) = match way(turn, &verification, &row, wished) {
        Ok(way) => way,
        Err(refusal) => return turn.refuse(refusal, &verification, &row),
    };
    if let Some(workflow) = &mut verification.workflow {
        workflow.move_to(channel);
    }
    let delivery = reserve_send(turn, &mut verification, &mut row, channel, route.clone());
    let snapshot = turn.snapshot_with(&verification, &row, Some(delivery.clone()));
    let effects = Effects {
        journal: vec![turn.entry(0, Event::Resent { channel, rotated, route }, Some(&verification))],
        verifications: vec![verification],
        deliveries: vec![delivery],
        recipient: Some(row),
        ..Effects::default()
    };
    (effects, Answer::Done(Box::new(snapshot)))
}

/// The channel and the providers of the next send, or why there is none now.
fn way(
    turn: &Turn<'_>,
    verification: &Verification,
    row: &RecipientRow,
    wished: Option<Channel>,
) -> Result<(Channel, Vec<String>), Refusal> {
    let policy = &turn.request.policy;
    let channel = wished.or_else(|| next_step(turn, verification, row)).unwrap_or(verification.channel);
    usable(turn, verification, channel)?;
    if turn.request.limits_apply {
        let spaced =
            verification.last_send_at.map(|last| last.plus(policy.spacing_after(verification.sends)));
        if let Some(at) = spaced.filter(|at| turn.now < *at) {
            return Err(Refusal::ResendTooSoon(at));
        }
    }
    capped(turn, verification, row)?;
    Ok((channel, providers(turn, verification, row, channel)?))
}

/// The channel of the next step that can be taken, which a wish for another message means in a workflow.
fn next_step(turn: &Turn<'_>, verification: &Verification, row: &RecipientRow) -> Option<Channel> {
    let mut left = verification.workflow.as_ref()?.left().map(|(_, step)| step.channel);
    left.find(|channel| {
        usable(turn, verification, *channel).is_ok() && providers(turn, verification, row, *channel).is_ok()
    })
}

/// Whether a channel may be used for this verification at all.
pub(super) fn usable(turn: &Turn<'_>, verification: &Verification, channel: Channel) -> Result<(), Refusal> {
    if !verification.channels_available.contains(&channel) {
        return Err(Refusal::CannotReceive);
    }
    let allowed = turn.request.policy.allows_channel(channel, verification.purpose);
    if allowed { Ok(()) } else { Err(Refusal::ChannelNotAllowed) }
}

/// Whether the recipient may get another message now, spacing aside, and a budget pays for it.
pub(super) fn capped(
    turn: &Turn<'_>,
    verification: &Verification,
    row: &RecipientRow,
) -> Result<(), Refusal> {
    let allowed_at = row.send_allowed_at(&turn.request.policy, verification.lane, turn.now);
    match allowed_at.filter(|_| turn.request.limits_apply) {
        Some(at) => Err(Refusal::RecipientRateLimited(at)),
        None => turn.over_budget().map_or(Ok(()), Err),
    }
}

/// The providers that may carry the next message, in order.
pub(super) fn providers(
    turn: &Turn<'_>,
    verification: &Verification,
    row: &RecipientRow,
    channel: Channel,
) -> Result<Vec<String>, Refusal> {
    // Whoever was erased cannot be sent to.
    let to = recipient(turn, verification, row).ok_or(Refusal::CannotReceive)?;
    // In a workflow the first step plays the scenario, so that the others can be seen to help.
    let plays = verification.workflow.as_ref().is_none_or(|workflow| {
        workflow.at == 0 && workflow.current().is_some_and(|first| first.channel == channel)
    });
    if verification.tenant.mode == Mode::Test
        && plays
        && let Some(scenario) = Scenario::of(&to)
    {
        return Ok(scenario.providers());
    }
    let wanted = Wanted { tenant: verification.tenant, purpose: verification.purpose, to: to.by_ref() };
    let providers = turn.request.routes.providers(&wanted, channel, turn.lot());
    if providers.is_empty() { Err(Refusal::NoRoute) } else { Ok(providers) }
}

/// The recipient of a verification, from its sealed part.
fn recipient(turn: &Turn<'_>, verification: &Verification, row: &RecipientRow) -> Option<Recipient> {
    let private = verification.open_private(turn.keys, &row.data_key)?;
    Recipient::parse(&private.to).ok()
}
