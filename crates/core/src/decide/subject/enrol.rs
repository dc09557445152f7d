//! Enrolment: a factor is made, and usable from its first right code on.

use subtle::ConstantTimeEq as _;

use super::person::Person;
use super::{Changing, Decision, Turn, declined, done, locked};
use crate::command::Entered;
use crate::factor::device::{SignatureAlgorithm, enrolment_message};
use crate::factor::{
    BackupCode, Comparison, Factor, FactorFailures, FactorKind, FactorPrivate, FactorState, Matched, Means,
    SecretBytes, backup_code, backup_code_digest, codes_sealed_for, sealed_for,
};
use crate::ids::FactorId;
use crate::keys::{RootId, seal};
use crate::limits;
use crate::oath::ocra::Suite;
use crate::refusal::Refusal;
use crate::subject::{Aim, Enrol, FactorPlan, SubjectEvent, SubjectRow};

pub(super) fn enrol(turn: &Turn<'_>, aim: &Aim, enrol: &Enrol) -> Result<Decision, Refusal> {
    let mut person = Person::of(turn, aim)?;
    let row = &person.row;
    let there = |factor: &&Factor| factor.state != FactorState::Removed;
    if row.factors.iter().filter(there).count() >= limits::MAX_FACTORS {
        return Err(Refusal::LimitReached);
    }
    let listed = |factor: &Factor| factor.kind() == FactorKind::BackupCodes;
    if matches!(enrol.plan, FactorPlan::BackupCodes(_)) && row.factors.iter().filter(there).any(listed) {
        return Err(Refusal::StateConflict);
    }
    let id = FactorId::new(turn.committed_at, turn.request.entropy.ids[4]);
    let data_key = turn.data_key(row)?;
    let (means, private) = means_of(turn, id, enrol).ok_or(Refusal::RootUnknown)?;
    let at_once = enrol.proven || means.kind() == FactorKind::BackupCodes;
    let at_once = at_once && means.kind() != FactorKind::Push;
    let factor = Factor {
        id,
        state: if at_once { FactorState::Active } else { FactorState::Pending },
        means,
        created_at: turn.now,
        activated_at: at_once.then_some(turn.now),
        last_used_at: None,
        failures: FactorFailures::default(),
        sealed: seal_private(turn, row, &data_key, id, &private).ok_or(Refusal::RootUnknown)?,
        removed_at: None,
    };
    let mut changing = person.changing(turn).of_factor(id);
    changing.effects.factor = Some(id);
    changing.note(SubjectEvent::FactorEnrolled(factor.kind()));
    if at_once && factor.kind() != FactorKind::BackupCodes {
        changing.note(SubjectEvent::FactorActivated);
    }
    person.row.factors.push(factor);
    let mut snapshot = turn.snapshot(&person.row);
    snapshot.factor = Some(id);
    snapshot.reveal = true;
    if let FactorPlan::BackupCodes(codes) = &enrol.plan {
        snapshot.codes = seal_codes(turn, &person.row, &data_key, id, codes).ok_or(Refusal::RootUnknown)?;
    }
    Ok(done(changing.write(&person.row), snapshot))
}

fn means_of(turn: &Turn<'_>, id: FactorId, enrol: &Enrol) -> Option<(Means, FactorPrivate)> {
    let mut private = FactorPrivate {
        secret: SecretBytes::default(),
        pin: None,
        name: enrol.name.clone(),
        account: enrol.account.clone(),
        serial: enrol.serial.clone(),
        metadata: enrol.metadata.clone(),
    };
    let means = match &enrol.plan {
        FactorPlan::Totp { algorithm, digits, period, secret } => {
            private.secret = secret.clone();
            let (algorithm, digits, period) = (*algorithm, *digits, *period);
            Means::Totp { algorithm, digits, period, last_step: None, drift: 0 }
        }
        FactorPlan::Hotp { algorithm, digits, counter, secret } => {
            private.secret = secret.clone();
            Means::Hotp { algorithm: *algorithm, digits: *digits, counter: *counter, resync: false }
        }
        FactorPlan::Ocra { suite, counter, secret, pin } => {
            private.secret = secret.clone();
            private.pin.clone_from(pin);
            Means::Ocra { suite: suite.as_str().to_owned(), counter: *counter }
        }
        FactorPlan::BackupCodes(codes) => {
            let root = turn.keys.active();
            Means::BackupCodes { codes: listed(turn, root, id, codes)?, root }
        }
        FactorPlan::Push => Means::Push { algorithm: SignatureAlgorithm::Ed25519, public_key: Vec::new() },
    };
    Some((means, private))
}

/// The keyed digests of new backup codes.
pub(super) fn listed(
    turn: &Turn<'_>,
    root: RootId,
    id: FactorId,
    codes: &[[u8; 16]],
) -> Option<Vec<BackupCode>> {
    let code = |bytes: &[u8; 16]| {
        let symbols = zeroize::Zeroizing::new(backup_code(bytes).replace('-', ""));
        let digest = backup_code_digest(turn.keys, root, &turn.request.tenant, &id, &symbols)?;
        Some(BackupCode { digest, used_at: None })
    };
    codes.iter().map(code).collect()
}

/// The codes themselves, sealed for the one answer that shows them, and for its repetition.
pub(super) fn seal_codes(
    turn: &Turn<'_>,
    row: &SubjectRow,
    data_key: &[u8; 32],
    id: FactorId,
    codes: &[[u8; 16]],
) -> Option<Vec<u8>> {
    let plain = zeroize::Zeroizing::new(codes.concat());
    seal(data_key, turn.nonce(2), &codes_sealed_for(&row.tenant, &id), row.data_key.root, &plain)
}

pub(super) fn seal_private(
    turn: &Turn<'_>,
    row: &SubjectRow,
    data_key: &[u8; 32],
    id: FactorId,
    private: &FactorPrivate,
) -> Option<Vec<u8>> {
    let plain = zeroize::Zeroizing::new(minicbor::to_vec(private).ok()?);
    seal(data_key, turn.nonce(1), &sealed_for(&row.tenant, &id), row.data_key.root, &plain)
}

/// Confirms a factor with its first code. Counted like any other guess.
pub(super) fn activate(turn: &Turn<'_>, id: FactorId, entered: &Entered) -> Result<Decision, Refusal> {
    let (mut row, mut factor) = turn.row_with(id)?;
    if factor.state != FactorState::Pending || factor.kind() == FactorKind::Push {
        return Err(Refusal::StateConflict);
    }
    if let Some(held) = factor.held(turn.now) {
        return Err(locked(held));
    }
    let code = factor.read(&entered.0).ok_or(Refusal::CodeMalformed)?;
    let data_key = turn.data_key(&row)?;
    let private = factor.open(&row.tenant, &data_key, row.data_key.root).ok_or(Refusal::RootUnknown)?;
    let question = factor.activation_question(turn.keys, &row).unwrap_or_default();
    factor.fail(&turn.request.policy, turn.now);
    let (keys, tenant) = (turn.keys, &turn.request.tenant);
    let with = Comparison { keys, tenant, now: turn.now, question: &question, first: true };
    let mut changing = Changing::new(turn, &row).of_factor(id);
    let matched = factor.compare(&private, &code, &with);
    let right = matched.is_some();
    if let Some(matched) = matched {
        debug_assert_ne!(matched, Matched::Ahead, "the first code learns the drift");
        factor.consume(matched, turn.now);
        factor.succeed(turn.now);
        factor.state = FactorState::Active;
        factor.activated_at = Some(turn.now);
        changing.note(SubjectEvent::FactorActivated);
    } else {
        changing.note(SubjectEvent::FactorRejected);
        changing.note_lock(&factor);
    }
    put(&mut row, factor);
    let mut snapshot = turn.snapshot(&row);
    snapshot.factor = Some(id);
    let effects = changing.write(&row);
    Ok(if right { done(effects, snapshot) } else { declined(effects, Refusal::CodeIncorrect, snapshot) })
}

impl Factor {
    /// The question whose answer confirms a token that answers questions; `None` for other kinds.
    #[must_use]
    pub fn activation_question(&self, keys: &crate::keys::Keys, row: &SubjectRow) -> Option<String> {
        let Means::Ocra { suite, .. } = &self.means else { return None };
        let suite = Suite::parse(suite).ok()?;
        let tenant = row.tenant.to_bytes();
        let digest = keys.moment(row.data_key.root, b"activation", &tenant, self.id.as_bytes(), &[])?;
        Some(suite.question_from(&digest.0))
    }
}

/// Puts a changed factor back into its row.
pub(super) fn put(row: &mut SubjectRow, factor: Factor) {
    if let Some(known) = row.factor_mut(factor.id) {
        *known = factor;
    }
}

/// What a device brings.
pub(super) struct Device<'a> {
    pub(super) token: &'a str,
    pub(super) algorithm: SignatureAlgorithm,
    pub(super) public_key: &'a [u8],
    pub(super) signature: &'a [u8],
    pub(super) name: &'a Option<String>,
}

/// Takes the key of a device that shows the token it was given and that it holds the key.
pub(super) fn enrol_device(turn: &Turn<'_>, id: FactorId, device: &Device<'_>) -> Result<Decision, Refusal> {
    let (mut row, mut factor) = turn.row_with(id)?;
    let root = row.data_key.root;
    let token = factor.enrolment_token(turn.keys, root, &row.tenant).ok_or(Refusal::RootUnknown)?;
    // Whoever has no token learns nothing, not even whether the factor waits.
    if !bool::from(token.as_bytes().ct_eq(device.token.as_bytes())) {
        return Err(Refusal::NotFound);
    }
    if factor.state != FactorState::Pending || factor.kind() != FactorKind::Push {
        return Err(Refusal::StateConflict);
    }
    let message = enrolment_message(&id, device.token, device.public_key);
    if !device.algorithm.verifies(device.public_key, &message, device.signature) {
        return Err(Refusal::SignatureInvalid);
    }
    factor.means = Means::Push { algorithm: device.algorithm, public_key: device.public_key.to_vec() };
    factor.state = FactorState::Active;
    factor.activated_at = Some(turn.now);
    if device.name.is_some() {
        let data_key = turn.data_key(&row)?;
        let mut private = factor.open(&row.tenant, &data_key, root).ok_or(Refusal::RootUnknown)?;
        private.name.clone_from(device.name);
        factor.sealed = seal_private(turn, &row, &data_key, id, &private).ok_or(Refusal::RootUnknown)?;
    }
    let mut changing = Changing::new(turn, &row).of_factor(id);
    changing.note(SubjectEvent::FactorActivated);
    put(&mut row, factor);
    let mut snapshot = turn.snapshot(&row);
    snapshot.factor = Some(id);
    Ok(done(changing.write(&row), snapshot))
}
