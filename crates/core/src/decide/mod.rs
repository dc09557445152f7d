//! The decisions. Each is a pure function of the request, the ledger, the time and the keys.

mod again;
mod check;
mod create;
mod receipt;
mod resend;
mod sent;
mod step;
mod subject;
#[cfg(test)]
pub(crate) mod tests;
mod ways;

pub use subject::decide_subject;

use std::collections::BTreeMap;

use crate::budget::{Permit, Reservation};
use crate::command::{Answer, Command, Effects, Request, Snapshot};
use crate::delivery::Delivery;
use crate::ids::{DeliveryId, RecipientId, VerificationId};
use crate::journal::{Entry, Event};
use crate::keys::Keys;
use crate::ledger::RecipientRow;
use crate::refusal::Refusal;
use crate::routing::Lot;
use crate::time::Timestamp;
use crate::verification::{Channel, Report, Status, Verification};

/// What a decision stands on: one recipient, and those of its rows the command needs.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    /// The id an engine reserved for a recipient it has no row of; `None` leaves it to the decision.
    pub reserved: Option<RecipientId>,
    /// The row; `None` before the first verification of a recipient.
    pub recipient: Option<RecipientRow>,
    /// The named verification, and the open or recent ones when needed.
    pub verifications: BTreeMap<VerificationId, Verification>,
    /// Deliveries of the named verification.
    pub deliveries: BTreeMap<DeliveryId, Delivery>,
}

/// Decides one command. The only way anything is ever created, approved or ended.
#[must_use]
pub fn decide(request: &Request, ledger: &Ledger, now: Timestamp, keys: &Keys) -> (Effects, Answer) {
    let turn = Turn { request, ledger, now: now.plus(request.clock_ahead), committed_at: now, keys };
    match &request.command {
        Command::Create(create) => create::create(&turn, create),
        Command::Check(check) => check::check(&turn, check),
        Command::Resend(id, channel) => resend::resend(&turn, *id, *channel),
        Command::Cancel(id) => cancel(&turn, *id),
        Command::Override(id) => check::approve_unchecked(&turn, *id),
        Command::Expire(id) => expire(&turn, *id),
        Command::Report(id, report) => note_report(&turn, *id, *report),
        Command::Sent(sent) => sent::sent(&turn, sent),
        // It stands on the ledger of a subject, and goes to [`decide_subject`].
        Command::Subject(_) => not_found(),
        Command::Receipt(told) => receipt::receipt(&turn, told),
        Command::Step(id) => step::step(&turn, *id),
    }
}

/// One command on its ledger, at one instant.
struct Turn<'a> {
    request: &'a Request,
    ledger: &'a Ledger,
    /// The instant as the tenant sees it: the test clock may be ahead.
    now: Timestamp,
    /// The instant of the commit.
    committed_at: Timestamp,
    keys: &'a Keys,
}

impl<'a> Turn<'a> {
    /// The same by the clock of a delivery's tenant, which whoever asks about it may not know: a test clock that was ahead
    /// when it was made still is.
    fn by_clock_of(&self, delivery: &Delivery) -> Turn<'a> {
        Turn { now: self.now.max(self.committed_at.plus(delivery.clock_ahead())), ..*self }
    }

    /// The named verification with the ledger row, if it is this tenant's.
    fn find(&self, id: VerificationId) -> Option<(Verification, RecipientRow)> {
        let verification = self.ledger.verifications.get(&id)?;
        (verification.tenant == self.request.tenant)
            .then(|| Some((verification.clone(), self.ledger.recipient.clone()?)))?
    }

    /// A journal entry for a change of this command. `nth` keeps the ids of one decision apart.
    fn entry(&self, nth: usize, event: Event, verification: Option<&Verification>) -> Entry {
        Entry {
            recipient: verification.map(|verification| verification.recipient),
            verification: verification.map(|verification| verification.id),
            ..self.request.entry(nth, event, self.committed_at)
        }
    }

    /// Refuses a send that no budget pays for.
    fn over_budget(&self) -> Option<Refusal> {
        (self.request.permit == Permit::Exceeded).then_some(Refusal::BudgetExceeded)
    }

    /// What was set aside for the send of this command.
    fn reservation(&self) -> Option<Reservation> {
        match &self.request.permit {
            Permit::Granted(reservation) => Some(reservation.clone()),
            Permit::Unmetered | Permit::Exceeded => None,
        }
    }

    /// The randomness of a choice among providers: that of the id of the delivery this command may make.
    const fn lot(&self) -> Lot {
        Lot::of(&self.request.entropy.ids[2])
    }

    fn snapshot(&self, verification: &Verification, row: &RecipientRow) -> Snapshot {
        let of_it = self.ledger.deliveries.values().filter(|known| known.verification == verification.id);
        self.snapshot_with(verification, row, of_it.max_by_key(|delivery| delivery.id).cloned())
    }

    fn snapshot_with(
        &self,
        verification: &Verification,
        row: &RecipientRow,
        delivery: Option<Delivery>,
    ) -> Snapshot {
        show(&self.request.policy, self.request.limits_apply, verification, row, delivery, self.now)
    }

    fn refuse(&self, refusal: Refusal, verification: &Verification, row: &RecipientRow) -> (Effects, Answer) {
        let snapshot = self.snapshot(verification, row);
        (Effects::default(), Answer::Refused(refusal, Some(Box::new(snapshot))))
    }

    /// Ends a verification that is still pending, in `effects`, with its entry.
    fn end(&self, effects: &mut Effects, mut verification: Verification, row: &mut RecipientRow, to: Status) {
        row.close(verification.id);
        verification.end(to, self.now);
        effects.journal.push(self.entry(effects.journal.len(), Event::Ended(to), Some(&verification)));
        effects.verifications.push(verification);
    }
}

/// What answers show of a verification at `now`, to callers and to readers alike.
#[must_use]
pub fn show(
    policy: &crate::policy::Policy,
    limits_apply: bool,
    verification: &Verification,
    row: &RecipientRow,
    delivery: Option<Delivery>,
    now: Timestamp,
) -> Snapshot {
    let open = verification.status_at(now) == Status::Pending && verification.channel != Channel::Own;
    let remaining = match (open, limits_apply) {
        (false, _) => 0,
        (true, true) => row.sends_remaining(policy, verification.lane, now),
        (true, false) => policy.sends.0.saturating_sub(usize::from(verification.sends)).max(1),
    };
    let spaced = verification.last_send_at.map(|last| last.plus(policy.spacing_after(verification.sends)));
    let windowed = row.send_allowed_at(policy, verification.lane, now).filter(|_| limits_apply);
    Snapshot {
        verification: Verification { status: verification.status_at(now), ..verification.clone() },
        delivery,
        sends_remaining: u8::try_from(remaining).unwrap_or(u8::MAX),
        next_resend_at: spaced.max(windowed).filter(|at| open && *at < verification.expires_at),
        at: now,
        data_key: Some((row.id, row.data_key.clone())),
    }
}

/// Why nothing can be done with a verification in an end state; `None` while it is pending.
fn ended(status: Status) -> Option<Refusal> {
    match status {
        Status::Pending => None,
        Status::Approved => Some(Refusal::AlreadyApproved),
        Status::MaxAttempts => Some(Refusal::MaxAttempts),
        Status::Undeliverable => Some(Refusal::Undeliverable),
        Status::Expired => Some(Refusal::Expired),
        Status::CanceledByCustomer | Status::Superseded | Status::BindingChanged => Some(Refusal::Canceled),
        Status::Blocked(block) => Some(Refusal::Blocked(block)),
    }
}

fn not_found() -> (Effects, Answer) {
    (Effects::default(), Answer::Refused(Refusal::NotFound, None))
}

fn cancel(turn: &Turn<'_>, id: VerificationId) -> (Effects, Answer) {
    let Some((verification, mut row)) = turn.find(id) else { return not_found() };
    if let Some(refusal) = ended(verification.status_at(turn.now)) {
        return turn.refuse(refusal, &verification, &row);
    }
    end_alone(turn, verification, &mut row, Status::CanceledByCustomer)
}

fn expire(turn: &Turn<'_>, id: VerificationId) -> (Effects, Answer) {
    let Some((verification, mut row)) = turn.find(id) else { return not_found() };
    if verification.status != Status::Pending || verification.status_at(turn.now) == Status::Pending {
        return turn.refuse(Refusal::StateConflict, &verification, &row);
    }
    end_alone(turn, verification, &mut row, Status::Expired)
}

fn end_alone(
    turn: &Turn<'_>,
    verification: Verification,
    row: &mut RecipientRow,
    to: Status,
) -> (Effects, Answer) {
    let mut effects = Effects::default();
    turn.end(&mut effects, verification, row, to);
    effects.recipient = Some(row.clone());
    let snapshot = turn.snapshot(&effects.verifications[0], row);
    (effects, Answer::Done(Box::new(snapshot)))
}

fn note_report(turn: &Turn<'_>, id: VerificationId, report: Report) -> (Effects, Answer) {
    let Some((mut verification, row)) = turn.find(id) else { return not_found() };
    let mut effects = Effects::default();
    if verification.report != Some(report) {
        verification.report = Some(report);
        effects.journal.push(turn.entry(0, Event::Reported(report), Some(&verification)));
        effects.verifications.push(verification.clone());
    }
    let snapshot = turn.snapshot(&verification, &row);
    (effects, Answer::Done(Box::new(snapshot)))
}
