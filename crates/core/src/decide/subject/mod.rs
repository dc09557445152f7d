//! Decisions about subjects, their factors and their challenges. Each is a pure function of the request, the subject's
//! ledger, the time and the keys.

mod answer;
mod challenge;
mod enrol;
mod factor;
mod person;
#[cfg(test)]
mod tests;

use zeroize::Zeroizing;

use crate::command::{Answer, Request};
use crate::factor::{Factor, FactorState};
use crate::ids::{ChallengeId, FactorId};
use crate::journal::{Entry, Event, SubjectPlace};
use crate::keys::{Keys, sha256};
use crate::refusal::Refusal;
use crate::subject::{
    Act, Aim, SubjectCommand, SubjectEffects, SubjectEvent, SubjectLedger, SubjectRow, SubjectSnapshot,
};
use crate::throttle::Held;
use crate::time::Timestamp;

/// What a decision comes to.
type Decision = (SubjectEffects, Answer);

/// Decides one command about a subject.
#[must_use]
pub fn decide_subject(
    request: &Request,
    command: &SubjectCommand,
    ledger: &SubjectLedger,
    now: Timestamp,
    keys: &Keys,
) -> Decision {
    let turn = Turn { request, ledger, now: now.plus(request.clock_ahead), committed_at: now, keys };
    let decided = match (&command.aim, &command.act) {
        (aim, Act::Put(metadata)) => person::put(&turn, aim, metadata.as_deref()),
        (_, Act::Remove(authority)) => person::remove(&turn, *authority),
        (aim, Act::AddRecipient { to, verification, only_known }) => {
            person::add_recipient(&turn, aim, to, *verification, *only_known)
        }
        (_, Act::RemoveRecipient(to)) => person::remove_recipient(&turn, to),
        (aim, Act::Enrol(enrol)) => enrol::enrol(&turn, aim, enrol),
        (Aim::Factor(id), act) => on_factor(&turn, *id, act),
        (_, Act::Challenge(new)) => challenge::begin(&turn, new),
        (Aim::Challenge(id), act) => on_challenge(&turn, *id, act),
        _ => Err(Refusal::StateConflict),
    };
    decided.unwrap_or_else(|refusal| (SubjectEffects::default(), Answer::Declined(refusal, None)))
}

fn on_factor(turn: &Turn<'_>, id: FactorId, act: &Act) -> Result<Decision, Refusal> {
    match act {
        Act::Activate(code) => enrol::activate(turn, id, code),
        Act::EnrolDevice { token, algorithm, public_key, signature, name, push } => {
            let device = enrol::Device { token, algorithm: *algorithm, public_key, signature, name, push };
            enrol::enrol_device(turn, id, &device)
        }
        Act::TellPush(told) => factor::tell_push(turn, id, told),
        Act::Change(change) => factor::change(turn, id, change),
        Act::Resync(codes) => factor::resync(turn, id, codes),
        Act::Unlock => factor::unlock(turn, id),
        Act::Regenerate(codes) => factor::regenerate(turn, id, codes),
        Act::RemoveFactor(authority) => factor::remove(turn, id, *authority),
        Act::Reply(reply) => answer::reply(turn, id, reply),
        _ => Err(Refusal::StateConflict),
    }
}

fn on_challenge(turn: &Turn<'_>, id: ChallengeId, act: &Act) -> Result<Decision, Refusal> {
    match act {
        Act::Check(check) => answer::check(turn, id, check),
        Act::Cancel => challenge::cancel(turn, id),
        Act::Expire => challenge::expire(turn, id),
        Act::FallBack(verification) => challenge::fall_back(turn, id, *verification),
        Act::Redeem(redeem) => answer::redeem(turn, id, redeem),
        Act::Settle(verification, method) => answer::settle(turn, id, *verification, *method),
        _ => Err(Refusal::StateConflict),
    }
}

/// One command on its ledger, at one instant.
struct Turn<'a> {
    request: &'a Request,
    ledger: &'a SubjectLedger,
    /// The instant as the tenant sees it: the test clock may be ahead.
    now: Timestamp,
    /// The instant of the commit.
    committed_at: Timestamp,
    keys: &'a Keys,
}

impl Turn<'_> {
    /// The subject as it counts now, if it is this tenant's and not removed.
    fn known(&self) -> Option<SubjectRow> {
        let row = self.ledger.subject.as_ref()?;
        if row.tenant != self.request.tenant || row.removed_at.is_some() {
            return None;
        }
        let mut row = row.clone();
        row.fence(self.keys);
        row.tidy(self.now);
        Some(row)
    }

    fn row(&self) -> Result<SubjectRow, Refusal> {
        self.known().ok_or(Refusal::NotFound)
    }

    /// The subject with one of its factors that is not removed.
    fn row_with(&self, id: FactorId) -> Result<(SubjectRow, Factor), Refusal> {
        let row = self.row()?;
        let there = |factor: &&Factor| factor.state != FactorState::Removed;
        let factor = row.factor(id).filter(there).ok_or(Refusal::NotFound)?.clone();
        Ok((row, factor))
    }

    fn data_key(&self, row: &SubjectRow) -> Result<Zeroizing<[u8; 32]>, Refusal> {
        row.open_data_key(self.keys).ok_or(Refusal::RootUnknown)
    }

    /// A nonce for one sealing of this decision. `nth` keeps them apart.
    fn nonce(&self, nth: u8) -> [u8; 12] {
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&sha256(&[&self.request.entropy.nonces[2][..], &[nth]].concat()).0[..12]);
        nonce
    }

    /// A journal entry for a change of this command. `nth` keeps the ids of one decision apart.
    fn entry(&self, nth: usize, event: SubjectEvent, place: SubjectPlace) -> Entry {
        Entry { place: Some(place), ..self.request.entry(nth, Event::Subject(event), self.committed_at) }
    }

    fn snapshot(&self, row: &SubjectRow) -> SubjectSnapshot {
        SubjectSnapshot::of(row.clone(), None, self.now)
    }
}

/// Effects that grow entry by entry.
struct Changing<'a> {
    turn: &'a Turn<'a>,
    effects: SubjectEffects,
    place: SubjectPlace,
}

impl<'a> Changing<'a> {
    fn new(turn: &'a Turn<'a>, row: &SubjectRow) -> Self {
        let place = SubjectPlace { subject: row.id, factor: None, challenge: None };
        Self { turn, effects: SubjectEffects::default(), place }
    }

    fn of_factor(mut self, id: FactorId) -> Self {
        self.place.factor = Some(id);
        self
    }

    fn of_challenge(mut self, id: ChallengeId) -> Self {
        self.place.challenge = Some(id);
        self
    }

    fn note(&mut self, event: SubjectEvent) {
        self.note_at(event, self.place);
    }

    fn note_at(&mut self, event: SubjectEvent, place: SubjectPlace) {
        self.effects.journal.push(self.turn.entry(self.effects.journal.len(), event, place));
    }

    /// Notes that a factor is locked, when its latest failure is what locked it.
    fn note_lock(&mut self, factor: &Factor) {
        let consecutive = factor.failures.consecutive;
        let first = consecutive == self.turn.request.policy.failures_before_pause;
        if !first && consecutive != crate::limits::MAX_CONSECUTIVE_FAILURES {
            return;
        }
        let until = match factor.held(self.turn.now) {
            Some(Held::Until(until)) => Some(until),
            Some(Held::Blocked) => None,
            None => return,
        };
        let place = SubjectPlace { factor: Some(factor.id), ..self.place };
        self.note_at(SubjectEvent::FactorLocked(until), place);
    }

    /// The effects with the row as it is now.
    fn write(mut self, row: &SubjectRow) -> SubjectEffects {
        self.effects.subject = Some(row.clone());
        self.effects
    }
}

fn locked(held: Held) -> Refusal {
    match held {
        Held::Until(until) => Refusal::FactorLocked(Some(until)),
        Held::Blocked => Refusal::FactorLocked(None),
    }
}

fn done(effects: SubjectEffects, snapshot: SubjectSnapshot) -> Decision {
    (effects, Answer::Subject(Box::new(snapshot)))
}

fn declined(effects: SubjectEffects, refusal: Refusal, snapshot: SubjectSnapshot) -> Decision {
    (effects, Answer::Declined(refusal, Some(Box::new(snapshot))))
}
