//! The subject itself: made, noted about, known by recipients, removed.

use super::{Changing, Decision, Turn, done, factor};
use crate::challenge::ChallengeStatus;
use crate::factor::{Factor, FactorState};
use crate::ids::{SubjectId, VerificationId};
use crate::journal::SubjectPlace;
use crate::keys::seal;
use crate::limits;
use crate::refusal::Refusal;
use crate::subject::{
    Aim, Authority, KnownRecipient, SubjectEvent, SubjectName, SubjectPrivate, SubjectRow, data_key_place,
    sealed_for,
};

/// A subject that is there, or was made for this command.
pub(super) struct Person {
    pub(super) row: SubjectRow,
    /// The name it was made for just now.
    made_for: Option<SubjectName>,
}

impl Person {
    /// The subject that `aim` means; made when it has a name and is not there yet.
    pub(super) fn of(turn: &Turn<'_>, aim: &Aim) -> Result<Self, Refusal> {
        match (turn.known(), aim) {
            (Some(row), _) => Ok(Self { row, made_for: None }),
            (None, Aim::Name(name)) => {
                let row = new_row(turn, name).ok_or(Refusal::RootUnknown)?;
                Ok(Self { row, made_for: Some(name.clone()) })
            }
            (None, _) => Err(Refusal::NotFound),
        }
    }

    /// What a change of it begins with: its own creation, when it was made just now.
    pub(super) fn changing<'a>(&self, turn: &'a Turn<'a>) -> Changing<'a> {
        let mut changing = Changing::new(turn, &self.row);
        if let Some(name) = &self.made_for {
            changing.effects.index.clone_from(&name.index);
            changing.note(SubjectEvent::Created);
        }
        changing
    }
}

fn new_row(turn: &Turn<'_>, name: &SubjectName) -> Option<SubjectRow> {
    let tenant = turn.request.tenant;
    let entropy = &turn.request.entropy;
    let id = SubjectId::new(turn.committed_at, entropy.ids[3]);
    let data_key = &entropy.data_key;
    let wrapped = turn.keys.wrap_subject(data_key, entropy.nonces[0], &data_key_place(&tenant, &id))?;
    let mut row = SubjectRow {
        id,
        tenant,
        data_key: wrapped,
        sealed: Vec::new(),
        factors: Vec::new(),
        open: Vec::new(),
        pushes: Vec::new(),
        created_at: turn.now,
        updated_at: turn.now,
        removed_at: None,
        epoch: *turn.keys.epoch(),
    };
    let private = SubjectPrivate { external_id: name.external_id.clone(), ..SubjectPrivate::default() };
    seal_private(turn, &mut row, data_key, &private)?;
    Some(row)
}

fn seal_private(
    turn: &Turn<'_>,
    row: &mut SubjectRow,
    data_key: &[u8; 32],
    private: &SubjectPrivate,
) -> Option<()> {
    let plain = zeroize::Zeroizing::new(minicbor::to_vec(private).ok()?);
    let place = sealed_for(&row.tenant, &row.id);
    row.sealed = seal(data_key, turn.nonce(0), &place, row.data_key.root, &plain)?;
    row.updated_at = turn.now;
    Some(())
}

/// Changes what is sealed in the row.
fn with_private(
    turn: &Turn<'_>,
    row: &mut SubjectRow,
    change: impl FnOnce(&mut SubjectPrivate) -> Result<bool, Refusal>,
) -> Result<bool, Refusal> {
    let data_key = turn.data_key(row)?;
    let mut private = row.open_private(&data_key).ok_or(Refusal::RootUnknown)?;
    let changed = change(&mut private)?;
    if changed {
        seal_private(turn, row, &data_key, &private).ok_or(Refusal::RootUnknown)?;
    }
    Ok(changed)
}

pub(super) fn put(
    turn: &Turn<'_>,
    aim: &Aim,
    metadata: Option<&[(String, String)]>,
) -> Result<Decision, Refusal> {
    let mut person = Person::of(turn, aim)?;
    let mut changing = person.changing(turn);
    let new = person.made_for.is_some();
    let changed = with_private(turn, &mut person.row, |private| {
        let Some(metadata) = metadata.filter(|metadata| private.metadata != *metadata) else {
            return Ok(false);
        };
        private.metadata = metadata.to_vec();
        Ok(true)
    })?;
    let snapshot = turn.snapshot(&person.row);
    if !changed && !new {
        return Ok(done(crate::subject::SubjectEffects::default(), snapshot));
    }
    if !new {
        changing.note(SubjectEvent::Updated);
    }
    Ok(done(changing.write(&person.row), snapshot))
}

pub(super) fn add_recipient(
    turn: &Turn<'_>,
    aim: &Aim,
    to: &str,
    verification: Option<VerificationId>,
    only_known: bool,
) -> Result<Decision, Refusal> {
    if only_known && turn.known().is_none() {
        return Err(Refusal::NotFound);
    }
    let mut person = Person::of(turn, aim)?;
    let mut changing = person.changing(turn);
    let changed = with_private(turn, &mut person.row, |private| {
        let same = |known: &&KnownRecipient| known.to == to;
        let known = private.recipients.iter().find(same);
        if known.is_some_and(|known| known.verification.is_some() || verification.is_none()) {
            return Ok(false);
        }
        private.recipients.retain(|known| known.to != to);
        if private.recipients.len() >= limits::MAX_KNOWN_RECIPIENTS {
            return Err(Refusal::LimitReached);
        }
        let known = KnownRecipient { to: to.to_owned(), verification, verified_at: turn.now };
        private.recipients.push(known);
        Ok(true)
    })?;
    let snapshot = turn.snapshot(&person.row);
    if !changed {
        return Ok(done(crate::subject::SubjectEffects::default(), snapshot));
    }
    changing.note(SubjectEvent::RecipientAdded(verification));
    Ok(done(changing.write(&person.row), snapshot))
}

pub(super) fn remove_recipient(turn: &Turn<'_>, to: &str) -> Result<Decision, Refusal> {
    let mut row = turn.row()?;
    let gone = with_private(turn, &mut row, |private| {
        let before = private.recipients.len();
        private.recipients.retain(|known| known.to != to);
        Ok(private.recipients.len() < before)
    })?;
    if !gone {
        return Err(Refusal::NotFound);
    }
    let mut changing = Changing::new(turn, &row);
    changing.note(SubjectEvent::RecipientRemoved);
    let snapshot = turn.snapshot(&row);
    Ok(done(changing.write(&row), snapshot))
}

/// Removes everything: secrets and the key that opens the rest are gone with the commit. A subject with factors goes only
/// with the right to remove those: it could be made anew without them.
pub(super) fn remove(turn: &Turn<'_>, authority: Authority) -> Result<Decision, Refusal> {
    let mut row = turn.row()?;
    let mut changing = Changing::new(turn, &row);
    let guarded = |factor: &Factor| matches!(factor.state, FactorState::Active | FactorState::Disabled);
    if row.factors.iter().any(guarded) {
        changing.effects.challenges.extend(factor::authorise(turn, &row, authority, None)?);
    }
    changing.note(SubjectEvent::Removed);
    for mut challenge in turn.ledger.challenges.values().cloned() {
        if row.open.contains(&challenge.id)
            && challenge.status_at(turn.keys, turn.now) == ChallengeStatus::Pending
        {
            challenge.end(ChallengeStatus::CanceledByCustomer, turn.now);
            let place = SubjectPlace { challenge: Some(challenge.id), ..changing.place };
            changing.note_at(SubjectEvent::ChallengeEnded(challenge.status), place);
            changing.effects.challenges.push(challenge);
        }
    }
    row.open.clear();
    row.factors.iter_mut().for_each(|factor| factor.remove(turn.now));
    row.sealed.clear();
    row.data_key.bytes.clear();
    row.removed_at = Some(turn.now);
    let snapshot = turn.snapshot(&row);
    Ok(done(changing.write(&row), snapshot))
}
