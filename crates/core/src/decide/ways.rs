//! Over which channels a code goes: the one that was named, the first that a route serves, or a workflow of several.

use super::Turn;
use super::create::wanted;
use crate::command::Create;
use crate::refusal::Refusal;
use crate::scenario::Scenario;
use crate::tenant::Mode;
use crate::verification::Channel;
use crate::workflow::{SkipReason, Skipped, Workflow};

/// The channel of the first send, and the workflow that may go on from it.
pub(super) struct Ways {
    pub(super) channel: Channel,
    pub(super) workflow: Option<Workflow>,
}

/// How a code should travel, or why it cannot.
pub(super) fn ways(turn: &Turn<'_>, create: &Create, scenario: Option<Scenario>) -> Result<Ways, Refusal> {
    let mode = turn.request.tenant.mode;
    match (scenario, mode) {
        (Some(Scenario::RecipientInvalid), _) | (Some(_), Mode::Live) => {
            return Err(Refusal::RecipientInvalid);
        }
        (Some(Scenario::NoRoute), _) => return Err(Refusal::NoRoute),
        _ => {}
    }
    if !create.workflow.is_empty() {
        return workflow(turn, create, scenario);
    }
    let routed = turn.request.routes.channels(&wanted(turn, create));
    let channel = match create.channel {
        Some(channel) if !channel.suits(&create.to) => return Err(Refusal::CannotReceive),
        Some(Channel::Sms) | None if scenario == Some(Scenario::NoSms) => return Err(Refusal::CannotReceive),
        Some(Channel::Own) => Channel::Own,
        Some(channel) if routed.contains(&channel) => channel,
        Some(_) => return Err(Refusal::NoRoute),
        None if routed.is_empty() => return Err(Refusal::NoRoute),
        None => *routed.iter().find(|channel| channel.suits(&create.to)).ok_or(Refusal::CannotReceive)?,
    };
    let allowed = turn.request.policy.allows_channel(channel, create.purpose);
    if allowed { Ok(Ways { channel, workflow: None }) } else { Err(Refusal::ChannelNotAllowed) }
}

/// The steps that can be taken here. One that never could reach such a recipient, or is not allowed, is a mistake of the
/// caller's; one that cannot reach this one is passed over.
fn workflow(turn: &Turn<'_>, create: &Create, scenario: Option<Scenario>) -> Result<Ways, Refusal> {
    let routed = turn.request.routes.channels(&wanted(turn, create));
    let (mut steps, mut skipped) = (Vec::new(), Vec::new());
    for step in create.workflow.iter().copied() {
        let channel = step.channel;
        let deaf = channel == Channel::Sms && scenario == Some(Scenario::NoSms);
        if channel == Channel::Own || !channel.reaches(create.to.kind()) {
            return Err(Refusal::CannotReceive);
        } else if !turn.request.policy.allows_channel(channel, create.purpose) {
            return Err(Refusal::ChannelNotAllowed);
        } else if deaf || !channel.suits(&create.to) {
            skipped.push(Skipped { channel, why: SkipReason::CannotReceive });
        } else if routed.contains(&channel) {
            steps.push(step);
        } else {
            skipped.push(Skipped { channel, why: SkipReason::NoRoute });
        }
    }
    match (steps.first(), skipped.first()) {
        (Some(first), _) => {
            Ok(Ways { channel: first.channel, workflow: Some(Workflow::new(steps, skipped)) })
        }
        (None, Some(Skipped { why: SkipReason::CannotReceive, .. })) => Err(Refusal::CannotReceive),
        (None, _) => Err(Refusal::NoRoute),
    }
}
