//! A workflow: over which channels a code goes, one after the other, and what lets it go on to the next.
//!
//! It goes on when a message failed, when no receipt or no check came in time, and when the person wishes it; always with
//! the same code, never after its expiry, and each step is a send that the caps of the recipient count.

use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::ids::DeliveryId;
use crate::limits;
use crate::named::named;
use crate::time::Timestamp;
use crate::verification::Channel;

/// One step of a workflow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Step {
    /// How the code travels.
    #[n(0)]
    pub channel: Channel,
    /// Seconds after which, without an approved check, the next step follows.
    #[n(1)]
    pub wait: Option<u32>,
    /// Seconds in which the network must say that it arrived; else the next step follows. Nothing follows from a provider
    /// that gives no receipts.
    #[n(2)]
    pub receipt_within: Option<u32>,
}

named!(
    /// Why a workflow went on.
    StepReason {
        /// No provider took the message.
        0 Failed = "failed",
        /// The network says it did not arrive.
        1 Undelivered = "undelivered",
        /// The network did not say in time that it arrived.
        2 NoReceipt = "no_receipt",
        /// No right code came in time.
        3 NotChecked = "not_checked",
    }
);

named!(
    /// Why a step was passed over.
    SkipReason {
        /// The channel does not reach this sort of number.
        0 CannotReceive = "recipient_cannot_receive",
        /// No route serves the channel here.
        1 NoRoute = "no_route",
        /// The recipient had all messages it may get.
        2 RateLimited = "recipient_rate_limited",
        /// No budget pays for it today.
        3 BudgetExceeded = "budget_exceeded",
    }
);

/// A step that was passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Skipped {
    /// Its channel.
    #[n(0)]
    pub channel: Channel,
    /// Why.
    #[n(1)]
    pub why: SkipReason,
}

/// The workflow of a verification and where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Workflow {
    /// The steps, without those that could not be taken from the start.
    #[n(0)]
    pub steps: Vec<Step>,
    /// The step of the latest send.
    #[n(1)]
    pub at: u8,
    /// Steps that a report of the network led to.
    #[n(2)]
    pub receipt_steps: u8,
    /// The delivery of the latest send: an earlier one leads to no step.
    #[n(3)]
    pub delivery: Option<DeliveryId>,
    /// What was passed over from the start.
    #[n(4)]
    pub skipped: Vec<Skipped>,
}

impl Workflow {
    /// One that begins with its first step.
    #[must_use]
    pub const fn new(steps: Vec<Step>, skipped: Vec<Skipped>) -> Self {
        Self { steps, at: 0, receipt_steps: 0, delivery: None, skipped }
    }

    /// The step of the latest send.
    #[must_use]
    pub fn current(&self) -> Option<&Step> {
        self.steps.get(usize::from(self.at))
    }

    /// The steps that are left, with their places.
    pub fn left(&self) -> impl Iterator<Item = (u8, &Step)> {
        (0..).zip(&self.steps).skip(usize::from(self.at) + 1)
    }

    /// Whether a step follows what this delivery comes to.
    #[must_use]
    pub fn goes_on_after(&self, delivery: DeliveryId) -> bool {
        self.delivery == Some(delivery) && self.left().next().is_some()
    }

    /// Whether a report of the network may lead to another step.
    #[must_use]
    pub const fn has_receipt_steps(&self) -> bool {
        self.receipt_steps < limits::MAX_RECEIPT_STEPS
    }

    /// Goes to the next step with this channel, when there is one: a person's wish is a step like any other.
    pub fn move_to(&mut self, channel: Channel) {
        let place = self.left().find(|(_, step)| step.channel == channel).map(|(place, _)| place);
        self.at = place.unwrap_or(self.at);
    }

    /// Nothing follows by itself any more.
    pub fn stop(&mut self) {
        self.at = u8::try_from(self.steps.len().saturating_sub(1)).unwrap_or(u8::MAX);
    }
}

/// What is wrong with the steps of a workflow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Which step, and which of its fields; `None` when it is their number.
    pub place: Option<(usize, &'static str)>,
    /// What it must be, as the rest of a sentence that begins with the field.
    pub must: String,
}

/// Finds what is wrong with steps for a code that lives so long.
///
/// # Errors
/// The first flaw.
pub fn check(steps: &[Step], lifetime: Duration) -> Result<(), Flaw> {
    if !(1..=limits::MAX_STEPS).contains(&steps.len()) {
        return Err(Flaw { place: None, must: format!("must have 1 to {} steps", limits::MAX_STEPS) });
    }
    let (least, life) = (limits::MIN_STEP_WAIT.as_secs(), lifetime.as_secs());
    let mut waited = 0;
    for (nth, step) in steps.iter().enumerate() {
        let flaw = |field, must: String| Err(Flaw { place: Some((nth, field)), must });
        for (field, seconds) in [("wait", step.wait), ("receipt_within", step.receipt_within)] {
            match seconds.map(u64::from) {
                Some(_) if nth + 1 == steps.len() => {
                    return flaw(field, "must be absent: no step follows the last one".to_owned());
                }
                Some(seconds) if !(least..=life).contains(&seconds) => {
                    return flaw(field, format!("must be a whole number from {least} to {life}"));
                }
                _ => {}
            }
        }
        if step.wait.is_some() && step.receipt_within >= step.wait {
            return flaw("receipt_within", "must be shorter than `wait`".to_owned());
        }
        waited += u64::from(step.wait.max(step.receipt_within).unwrap_or_default());
        if waited >= life {
            let field = if step.wait.is_some() { "wait" } else { "receipt_within" };
            return flaw(field, format!("must end before the code does, which lives {life} seconds"));
        }
    }
    Ok(())
}

/// Steps as people write them: `sms:60:20,voice` sends an SMS, waits 60 seconds for a check, 20 for the network to say that
/// it arrived, and calls.
///
/// # Errors
/// What cannot be read, in words.
pub fn read(text: &str) -> Result<Vec<Step>, String> {
    text.split(',').map(|step| read_step(step.trim())).collect()
}

fn read_step(text: &str) -> Result<Step, String> {
    let mut parts = text.split(':');
    let name = parts.next().unwrap_or_default();
    let channel = Channel::named(name).filter(|channel| *channel != Channel::Own);
    let channel = channel.ok_or_else(|| format!("{name:?} is not sms, voice, whatsapp or email"))?;
    let mut seconds = || {
        let number = |text: &str| text.parse().map_err(|_| format!("{text:?} is no number of seconds"));
        parts.next().map(number).transpose()
    };
    let step = Step { channel, wait: seconds()?, receipt_within: seconds()? };
    if parts.next().is_some() { Err(format!("{text:?} has too many colons")) } else { Ok(step) }
}

impl Step {
    /// When the next step is due, for a message that was sent at `sent`, as long as a receipt is awaited or not.
    #[must_use]
    pub fn next_at(&self, sent: Timestamp, awaits_receipt: bool) -> Option<Timestamp> {
        let after = |seconds: u32| sent.plus(Duration::from_secs(seconds.into()));
        let by_receipt = self.receipt_within.filter(|_| awaits_receipt).map(after);
        [self.wait.map(after), by_receipt].into_iter().flatten().min()
    }

    /// How long a message that no provider takes is tried again before the next step.
    #[must_use]
    pub fn patience(&self) -> Duration {
        let least = [self.wait, self.receipt_within].into_iter().flatten().min();
        least.map_or(limits::STEP_PATIENCE, |seconds| Duration::from_secs(seconds.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(wait: Option<u32>, receipt_within: Option<u32>) -> Step {
        Step { channel: Channel::Sms, wait, receipt_within }
    }

    #[test]
    fn the_sooner_of_both_waits_counts_and_a_receipt_only_where_one_comes() {
        let sent = Timestamp::from_millis(1_000);
        let at = |seconds: i64| Some(Timestamp::from_millis(1_000 + seconds * 1_000));
        assert_eq!(step(Some(60), Some(20)).next_at(sent, true), at(20));
        assert_eq!(step(Some(60), Some(20)).next_at(sent, false), at(60));
        assert_eq!(step(None, Some(20)).next_at(sent, false), None);
        assert_eq!(step(None, None).next_at(sent, true), None);
        assert_eq!(step(None, None).patience(), crate::limits::STEP_PATIENCE);
        assert_eq!(step(Some(60), Some(20)).patience(), Duration::from_secs(20));
    }

    #[test]
    fn steps_are_written_with_colons_and_commas() {
        let sms = step(Some(60), Some(20));
        let voice = Step { channel: Channel::Voice, ..step(None, None) };
        assert_eq!(read("sms:60:20, voice").unwrap(), [sms, voice]);
        for wrong in ["sms:soon,voice", "sms:60:20:1", "sms:-1", "fax", "self", ""] {
            assert!(read(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn only_the_latest_delivery_leads_on_and_the_last_step_to_nothing() {
        let (mine, other) = (DeliveryId::from_bytes([1; 16]), DeliveryId::from_bytes([2; 16]));
        let mut workflow = Workflow::new(vec![step(None, None), step(None, None)], Vec::new());
        assert!(!workflow.goes_on_after(mine), "nothing was sent yet");
        workflow.delivery = Some(mine);
        assert!(workflow.goes_on_after(mine) && !workflow.goes_on_after(other));
        assert_eq!(workflow.left().map(|(place, _)| place).collect::<Vec<_>>(), [1]);
        workflow.stop();
        assert!(!workflow.goes_on_after(mine));
    }
}
