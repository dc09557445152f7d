//! A factor's life after its enrolment: renamed, switched, set right, unlocked, removed.

use super::enrol::{listed, put, seal_codes, seal_private};
use super::{Changing, Decision, Turn, declined, done, locked};
use crate::challenge::{Challenge, ChallengeStatus};
use crate::command::Entered;
use crate::factor::device::push_token_message;
use crate::factor::{Factor, FactorFailures, FactorKind, FactorState, Means};
use crate::ids::FactorId;
use crate::limits;
use crate::refusal::Refusal;
use crate::subject::{Authority, FactorChange, SubjectEffects, SubjectEvent, SubjectRow, TellPush};

fn finish(turn: &Turn<'_>, mut row: SubjectRow, factor: Factor, event: SubjectEvent) -> Decision {
    let mut changing = Changing::new(turn, &row).of_factor(factor.id);
    changing.note(event);
    let id = factor.id;
    put(&mut row, factor);
    let mut snapshot = turn.snapshot(&row);
    snapshot.factor = Some(id);
    done(changing.write(&row), snapshot)
}

fn unchanged(turn: &Turn<'_>, row: &SubjectRow, id: FactorId) -> Decision {
    let mut snapshot = turn.snapshot(row);
    snapshot.factor = Some(id);
    done(SubjectEffects::default(), snapshot)
}

pub(super) fn change(turn: &Turn<'_>, id: FactorId, change: &FactorChange) -> Result<Decision, Refusal> {
    let (row, mut factor) = turn.row_with(id)?;
    let before = factor.clone();
    match (change.enabled, factor.state) {
        (Some(true), FactorState::Disabled) => factor.state = FactorState::Active,
        (Some(false), FactorState::Active) => factor.state = FactorState::Disabled,
        (Some(_), FactorState::Pending) => return Err(Refusal::StateConflict),
        _ => {}
    }
    if let Some(name) = &change.name {
        let data_key = turn.data_key(&row)?;
        let private = factor.open(&row.tenant, &data_key, row.data_key.root);
        let mut private = private.ok_or(Refusal::RootUnknown)?;
        if private.name != *name {
            private.name.clone_from(name);
            factor.sealed = seal_private(turn, &row, &data_key, id, &private).ok_or(Refusal::RootUnknown)?;
        }
    }
    if factor == before {
        return Ok(unchanged(turn, &row, id));
    }
    let event = SubjectEvent::FactorChanged(factor.state);
    Ok(finish(turn, row, factor, event))
}

/// A device says where it is woken from now on. Whoever cannot sign for it changes nothing.
pub(super) fn tell_push(turn: &Turn<'_>, id: FactorId, told: &TellPush) -> Result<Decision, Refusal> {
    let (row, mut factor) = turn.row_with(id)?;
    let Means::Push { algorithm, public_key } = &factor.means else { return Err(Refusal::NotFound) };
    if factor.state != FactorState::Active {
        return Err(Refusal::NotFound);
    }
    let message = push_token_message(&id, told.at, told.address.as_ref());
    if !algorithm.verifies(public_key, &message, &told.signature) {
        return Err(Refusal::SignatureInvalid);
    }
    let data_key = turn.data_key(&row)?;
    let private = factor.open(&row.tenant, &data_key, row.data_key.root);
    let mut private = private.ok_or(Refusal::RootUnknown)?;
    // Apps tell their token at every start; what is known already is no change.
    if private.push == told.address {
        return Ok(unchanged(turn, &row, id));
    }
    private.push.clone_from(&told.address);
    factor.sealed = seal_private(turn, &row, &data_key, id, &private).ok_or(Refusal::RootUnknown)?;
    let event = SubjectEvent::FactorChanged(factor.state);
    Ok(finish(turn, row, factor, event))
}

/// Two consecutive codes of a counter-based token, far ahead. Counted like any other guess.
pub(super) fn resync(turn: &Turn<'_>, id: FactorId, codes: &[Entered; 2]) -> Result<Decision, Refusal> {
    let (row, mut factor) = turn.row_with(id)?;
    if factor.state != FactorState::Active || factor.kind() != FactorKind::Hotp {
        return Err(Refusal::StateConflict);
    }
    if let Some(held) = factor.held(turn.now) {
        return Err(locked(held));
    }
    let [Some(first), Some(second)] = [&codes[0], &codes[1]].map(|code| factor.read(&code.0)) else {
        return Err(Refusal::CodeMalformed);
    };
    let data_key = turn.data_key(&row)?;
    let private = factor.open(&row.tenant, &data_key, row.data_key.root).ok_or(Refusal::RootUnknown)?;
    factor.fail(&turn.request.policy, turn.now);
    if let Some(next) = factor.resynchronise(&private, &[first, second]) {
        if let Means::Hotp { counter, resync, .. } = &mut factor.means {
            *counter = (*counter).max(next);
            *resync = false;
        }
        factor.succeed(turn.now);
        return Ok(finish(turn, row, factor, SubjectEvent::FactorResynced));
    }
    let mut row = row;
    let mut changing = Changing::new(turn, &row).of_factor(id);
    changing.note(SubjectEvent::FactorRejected);
    changing.note_lock(&factor);
    put(&mut row, factor);
    let mut snapshot = turn.snapshot(&row);
    snapshot.factor = Some(id);
    Ok(declined(changing.write(&row), Refusal::CodeIncorrect, snapshot))
}

pub(super) fn unlock(turn: &Turn<'_>, id: FactorId) -> Result<Decision, Refusal> {
    let (row, mut factor) = turn.row_with(id)?;
    if factor.failures == FactorFailures::default() {
        return Ok(unchanged(turn, &row, id));
    }
    factor.failures = FactorFailures::default();
    Ok(finish(turn, row, factor, SubjectEvent::FactorUnlocked))
}

/// A new set of backup codes; the old one is dead. Wrong codes of before still count.
pub(super) fn regenerate(turn: &Turn<'_>, id: FactorId, codes: &[[u8; 16]]) -> Result<Decision, Refusal> {
    let (row, mut factor) = turn.row_with(id)?;
    if factor.kind() != FactorKind::BackupCodes || factor.state != FactorState::Active {
        return Err(Refusal::StateConflict);
    }
    let root = turn.keys.active();
    let listed = listed(turn, root, id, codes).ok_or(Refusal::RootUnknown)?;
    factor.means = Means::BackupCodes { codes: listed, root };
    // Whoever has the new codes need not be whoever had the old ones.
    factor.activated_at = Some(turn.now);
    let data_key = turn.data_key(&row)?;
    let sealed = seal_codes(turn, &row, &data_key, id, codes).ok_or(Refusal::RootUnknown)?;
    let mut changing = Changing::new(turn, &row).of_factor(id);
    changing.note(SubjectEvent::BackupCodesRegenerated);
    let mut row = row;
    put(&mut row, factor);
    let mut snapshot = turn.snapshot(&row);
    snapshot.factor = Some(id);
    snapshot.reveal = true;
    snapshot.codes = sealed;
    Ok(done(changing.write(&row), snapshot))
}

/// Removes a factor: with a key that may, or on the strength of a challenge that another factor approved a moment ago.
pub(super) fn remove(turn: &Turn<'_>, id: FactorId, authority: Authority) -> Result<Decision, Refusal> {
    let (mut row, mut factor) = turn.row_with(id)?;
    let mut changing = Changing::new(turn, &row).of_factor(id);
    if factor.state != FactorState::Pending {
        changing.effects.challenges.extend(authorise(turn, &row, authority, Some(id))?);
    }
    let kind = factor.kind();
    factor.remove(turn.now);
    changing.note(SubjectEvent::FactorRemoved(kind));
    put(&mut row, factor);
    let mut snapshot = turn.snapshot(&row);
    snapshot.factor = Some(id);
    Ok(done(changing.write(&row), snapshot))
}

/// Whether somebody may remove the factor `id`, or all of them; the challenge that said so is spent with it.
pub(super) fn authorise(
    turn: &Turn<'_>,
    row: &SubjectRow,
    authority: Authority,
    id: Option<FactorId>,
) -> Result<Option<Challenge>, Refusal> {
    match authority {
        Authority::Key => Ok(None),
        Authority::None => Err(Refusal::RemovalUnproven),
        Authority::Challenge(challenge) => {
            let known = turn.ledger.challenges.get(&challenge);
            let proof = known.filter(|proof| proves(turn, proof, row, id)).ok_or(Refusal::RemovalUnproven)?;
            Ok(Some(Challenge { spent: true, ..proof.clone() }))
        }
    }
}

/// Whether a challenge gives the right to remove the factor `id`, or the subject: approved by a factor (another one) that may
/// speak for it, lately, and not used for another removal.
fn proves(turn: &Turn<'_>, challenge: &Challenge, row: &SubjectRow, id: Option<FactorId>) -> bool {
    let by = challenge.approved_by.and_then(|by| by.factor).filter(|by| Some(*by) != id);
    let by = by.and_then(|by| row.active().find(|factor| factor.id == by));
    let lately = challenge.ended_at.is_some_and(|at| turn.now.since(at) < limits::REMOVAL_WITHIN);
    let bare = challenge.binding.transaction.is_none();
    challenge.subject == row.id
        && challenge.tenant == row.tenant
        && challenge.status == ChallengeStatus::Approved
        && challenge.epoch == *turn.keys.epoch()
        && by.is_some_and(|by| vouches(turn, by, row, id))
        && lately
        && bare
        && !challenge.spent
}

/// Whether a factor may speak for the removal of the factor `id`, or of all: it was there for a while, or before whatever is
/// removed. Else whoever may enrol one could remove all others with it at once, before anybody hears of it.
fn vouches(turn: &Turn<'_>, by: &Factor, row: &SubjectRow, id: Option<FactorId>) -> bool {
    let Some(since) = by.activated_at else { return false };
    let removed = row.factors.iter().filter(|factor| id.is_none_or(|id| factor.id == id));
    let older = removed.filter_map(|factor| factor.activated_at.filter(|_| factor.removed_at.is_none()));
    turn.now.since(since) >= limits::VOUCHES_AFTER || older.min().is_none_or(|oldest| since <= oldest)
}
