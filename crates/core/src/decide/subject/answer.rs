//! Answers to challenges: count the try, then compare, then consume. The one function that approves a challenge.

use subtle::ConstantTimeEq as _;

use super::challenge::{end_alone, find, refuse};
use super::enrol::put;
use super::{Changing, Decision, Turn, declined, locked};
use crate::binding::{Binding, Transaction};
use crate::challenge::{ApprovedBy, Challenge, ChallengeStatus, Method};
use crate::command::{Answer, ProofGrant};
use crate::factor::device::{Verdict, response_message};
use crate::factor::{Comparison, Factor, FactorState, Matched, Means};
use crate::ids::{ChallengeId, FactorId, ProofId, VerificationId};
use crate::keys::{Alphabet, Code, CodeFormat, Digest, normalise};
use crate::limits;
use crate::oath::ocra::Suite;
use crate::refusal::Refusal;
use crate::subject::{CheckChallenge, Redeem, Reply, SubjectEvent, SubjectRow, SubjectSnapshot};
use crate::throttle::Held;

/// How the number of a pushed challenge looks.
const NUMBER: CodeFormat = CodeFormat { length: 2, alphabet: Alphabet::Digits };

pub(super) fn check(turn: &Turn<'_>, id: ChallengeId, check: &CheckChallenge) -> Result<Decision, Refusal> {
    let (row, challenge) = find(turn, id)?;
    if check.origin.is_some() && check.origin != challenge.origin {
        return Err(Refusal::NotFound);
    }
    let changing = Changing::new(turn, &row).of_challenge(id);
    check_on(turn, changing, row, challenge, check)
}

/// The same for a challenge that may be as new as the check.
pub(super) fn check_on(
    turn: &Turn<'_>,
    changing: Changing<'_>,
    row: SubjectRow,
    challenge: Challenge,
    check: &CheckChallenge,
) -> Result<Decision, Refusal> {
    let candidates = match admit(turn, &row, &challenge, check) {
        Ok(candidates) => candidates,
        Err(refusal) => return Ok(refuse(turn, refusal, &row, challenge)),
    };
    let claims = claims(turn, &challenge, check.transaction.as_ref(), check.session.as_deref())?;
    judge(turn, changing, row, challenge, candidates, claims)
}

/// A factor the code could be of, with the code as that factor reads it.
struct Candidate {
    factor: Factor,
    code: Code,
}

/// Which of the things a call named are those of the start.
#[derive(Clone, Copy)]
struct Claims {
    transaction: bool,
    session: bool,
}

fn claims(
    turn: &Turn<'_>,
    challenge: &Challenge,
    transaction: Option<&Transaction>,
    session: Option<&str>,
) -> Result<Claims, Refusal> {
    let tenant = &turn.request.tenant;
    let named = Binding::of(turn.keys, challenge.root, tenant, transaction, None, session);
    let named = named.ok_or(Refusal::RootUnknown)?;
    let same = |given: &Option<Digest>, kept: &Option<Digest>| match (given, kept) {
        (None, _) => true,
        (Some(given), Some(kept)) => given.matches(kept),
        (Some(_), None) => false,
    };
    Ok(Claims {
        transaction: same(&named.transaction, &challenge.binding.transaction),
        session: same(&named.session, &challenge.binding.session),
    })
}

/// What the start had must be named.
fn all_named(challenge: &Challenge, transaction: bool, session: bool) -> Result<(), Refusal> {
    if challenge.binding.session.is_some() && !session {
        return Err(Refusal::SessionMissing);
    }
    if challenge.binding.transaction.is_some() && !transaction {
        return Err(Refusal::TransactionMissing);
    }
    Ok(())
}

/// The factors a code could be of; or all that refuses a check without costing a try.
fn admit(
    turn: &Turn<'_>,
    row: &SubjectRow,
    challenge: &Challenge,
    check: &CheckChallenge,
) -> Result<Vec<Candidate>, Refusal> {
    if let Some(refusal) = challenge.status_at(turn.keys, turn.now).refusal() {
        return Err(refusal);
    }
    // Once a message was sent for it, a code is that of the message: it must not cost a try at the factors as well.
    if challenge.verification.is_some() && check.method.is_none() {
        return Err(Refusal::VerificationAsked);
    }
    let may = |factor: &&Factor| {
        let method = Method::of(factor.kind());
        challenge.methods.contains(&method)
            && method != Method::Push
            && challenge.factor.is_none_or(|id| id == factor.id)
            && check.method.is_none_or(|wanted| wanted == method)
    };
    let usable: Vec<_> = row.active().filter(may).collect();
    if usable.is_empty() {
        return Err(Refusal::FactorRequired);
    }
    let read = |factor: &&Factor| {
        factor.read(&check.code.0).map(|code| Candidate { factor: (*factor).clone(), code })
    };
    let fitting: Vec<_> = usable.iter().filter_map(read).collect();
    if fitting.is_empty() {
        return Err(Refusal::CodeMalformed);
    }
    all_named(challenge, check.transaction.is_some(), check.session.is_some())?;
    let helds: Vec<_> = fitting.iter().filter_map(|candidate| candidate.factor.held(turn.now)).collect();
    let free: Vec<_> =
        fitting.into_iter().filter(|candidate| candidate.factor.held(turn.now).is_none()).collect();
    let soonest = |held: &Held| match held {
        Held::Until(until) => (0, Some(*until)),
        Held::Blocked => (1, None),
    };
    match helds.into_iter().min_by_key(soonest) {
        Some(held) if free.is_empty() => Err(locked(held)),
        _ => Ok(free),
    }
}

/// The try is spent and a failure counted at every factor the code could be of, before any comparison is looked at; a
/// right code takes the failures back.
fn judge(
    turn: &Turn<'_>,
    mut changing: Changing<'_>,
    mut row: SubjectRow,
    mut challenge: Challenge,
    candidates: Vec<Candidate>,
    claims: Claims,
) -> Result<Decision, Refusal> {
    let data_key = turn.data_key(&row)?;
    let before = row.clone();
    challenge.checks_used = challenge.checks_used.saturating_add(1);
    let (mut right, mut replayed) = (None, false);
    for Candidate { mut factor, code } in candidates {
        let private = factor.open(&row.tenant, &data_key, row.data_key.root).ok_or(Refusal::RootUnknown)?;
        let question = factor.question(turn.keys, &challenge).unwrap_or_default();
        let (keys, tenant) = (turn.keys, &turn.request.tenant);
        let with = Comparison { keys, tenant, now: turn.now, question: &question, first: false };
        factor.fail(&turn.request.policy, turn.now);
        let matched = factor.compare(&private, &code, &with);
        replayed |= matched.is_none() && factor.replays(&private, &code, turn.now);
        if let Some(matched) = matched {
            // Also with a wrong binding: a code that was shown to somebody is not good a second time.
            factor.consume(matched, turn.now);
            right = right.or((matched != Matched::Ahead).then_some(factor.id));
        }
        put(&mut row, factor);
    }
    if let Some(id) = right.filter(|_| claims.transaction && claims.session) {
        for known in &before.factors {
            match row.factor_mut(known.id) {
                Some(factor) if factor.id == id => factor.succeed(turn.now),
                Some(factor) => factor.failures.clone_from(&known.failures),
                None => {}
            }
        }
        let method = Method::of(row.factor(id).ok_or(Refusal::NotFound)?.kind());
        let by = ApprovedBy { method, factor: Some(id), verification: None };
        return Ok(approve(turn, changing, row, challenge, by));
    }
    if !claims.transaction {
        challenge.end(ChallengeStatus::BindingChanged, turn.now);
    } else if challenge.attempts_remaining() == 0 {
        challenge.end(ChallengeStatus::MaxAttempts, turn.now);
    }
    let binding = !(claims.transaction && claims.session);
    let refusal = if binding { Refusal::BindingMismatch } else { Refusal::CodeIncorrect };
    changing.note(SubjectEvent::ChallengeRejected {
        attempts_remaining: challenge.attempts_remaining(),
        binding,
        replayed,
        status: challenge.status,
    });
    for factor in &row.factors {
        if before.factor(factor.id).is_some_and(|known| known.failures != factor.failures) {
            changing.note_lock(factor);
        }
    }
    Ok(rejected(turn, changing, row, challenge, refusal))
}

/// Writes a wrong answer down.
fn rejected(
    turn: &Turn<'_>,
    mut changing: Changing<'_>,
    mut row: SubjectRow,
    challenge: Challenge,
    refusal: Refusal,
) -> Decision {
    if challenge.status != ChallengeStatus::Pending {
        row.open.retain(|open| *open != challenge.id);
    }
    let mut snapshot = turn.snapshot(&row);
    snapshot.challenge = Some(challenge.clone());
    changing.effects.challenges.push(challenge);
    declined(changing.write(&row), refusal, snapshot)
}

impl Factor {
    /// The question a challenge puts to it; `None` for kinds that answer none.
    #[must_use]
    pub fn question(&self, keys: &crate::keys::Keys, challenge: &Challenge) -> Option<String> {
        let Means::Ocra { suite, .. } = &self.means else { return None };
        Some(Suite::parse(suite).ok()?.question_from(&challenge.question(keys)?.0))
    }
}

/// What a device answers. Nothing is approved without the number of the first screen.
pub(super) fn reply(turn: &Turn<'_>, id: FactorId, reply: &Reply) -> Result<Decision, Refusal> {
    let (mut row, mut factor) = turn.row_with(id)?;
    let (_, mut challenge) = find(turn, reply.challenge)?;
    let Means::Push { algorithm, public_key } = &factor.means else { return Err(Refusal::NotFound) };
    if factor.state != FactorState::Active || !challenge.pushed_to.contains(&id) {
        return Err(Refusal::NotFound);
    }
    if let Some(refusal) = challenge.status_at(turn.keys, turn.now).refusal() {
        return Ok(refuse(turn, refusal, &row, challenge));
    }
    let private = challenge.open(&*turn.data_key(&row)?, row.data_key.root).ok_or(Refusal::RootUnknown)?;
    let shown = private.transaction.as_ref();
    let message = response_message(&id, &challenge.id, reply.verdict, &reply.number, shown);
    if !algorithm.verifies(public_key, &message, &reply.signature) {
        return Err(Refusal::SignatureInvalid);
    }
    if reply.verdict == Verdict::Deny {
        return Ok(end_alone(turn, row, challenge, ChallengeStatus::Denied));
    }
    if let Some(held) = factor.held(turn.now) {
        return Ok(refuse(turn, locked(held), &row, challenge));
    }
    let mut changing = Changing::new(turn, &row).of_challenge(challenge.id).of_factor(id);
    let number = normalise(&reply.number, NUMBER).map_err(|_| Refusal::CodeMalformed)?;
    let expected = challenge.number(turn.keys).ok_or(Refusal::RootUnknown)?;
    challenge.wrong_numbers = challenge.wrong_numbers.saturating_add(1);
    factor.fail(&turn.request.policy, turn.now);
    if bool::from(expected.as_bytes().ct_eq(number.reveal().as_bytes())) {
        challenge.wrong_numbers = challenge.wrong_numbers.saturating_sub(1);
        factor.succeed(turn.now);
        put(&mut row, factor);
        let by = ApprovedBy { method: Method::Push, factor: Some(id), verification: None };
        return Ok(approve(turn, changing, row, challenge, by));
    }
    if challenge.wrong_numbers >= limits::PUSH_NUMBERS {
        challenge.end(ChallengeStatus::MaxAttempts, turn.now);
    }
    changing.note(SubjectEvent::ChallengeRejected {
        attempts_remaining: limits::PUSH_NUMBERS.saturating_sub(challenge.wrong_numbers),
        binding: false,
        replayed: false,
        status: challenge.status,
    });
    changing.note_lock(&factor);
    put(&mut row, factor);
    Ok(rejected(turn, changing, row, challenge, Refusal::CodeIncorrect))
}

/// The verification that was begun for the challenge was approved.
pub(super) fn settle(
    turn: &Turn<'_>,
    id: ChallengeId,
    verification: VerificationId,
    method: Method,
) -> Result<Decision, Refusal> {
    let (row, challenge) = find(turn, id)?;
    if let Some(refusal) = challenge.status_at(turn.keys, turn.now).refusal() {
        return Ok(refuse(turn, refusal, &row, challenge));
    }
    if challenge.verification != Some(verification) || !challenge.methods.contains(&method) {
        return Err(Refusal::StateConflict);
    }
    let changing = Changing::new(turn, &row).of_challenge(id);
    let by = ApprovedBy { method, factor: None, verification: Some(verification) };
    Ok(approve(turn, changing, row, challenge, by))
}

/// Hands out the proof of a challenge that a device approved, once, to the customer's server: the device never has it.
pub(super) fn redeem(turn: &Turn<'_>, id: ChallengeId, redeem: &Redeem) -> Result<Decision, Refusal> {
    let (row, mut challenge) = find(turn, id)?;
    let pushed = challenge.approved_by.is_some_and(|by| by.method == Method::Push);
    let lately = challenge.ended_at.is_some_and(|at| turn.now.since(at) < limits::REDEEM_WITHIN);
    let refusal = match challenge.status_at(turn.keys, turn.now) {
        ChallengeStatus::Pending => Some(Refusal::StateConflict),
        ChallengeStatus::Approved if !pushed || challenge.redeemed_at.is_some() => {
            Some(Refusal::ChallengeAlreadyApproved)
        }
        ChallengeStatus::Approved if !lately || challenge.epoch != *turn.keys.epoch() => {
            Some(Refusal::ChallengeExpired)
        }
        ChallengeStatus::Approved => {
            all_named(&challenge, redeem.transaction.is_some(), redeem.session.is_some()).err()
        }
        other => other.refusal(),
    };
    if let Some(refusal) = refusal {
        return Ok(refuse(turn, refusal, &row, challenge));
    }
    let claims = claims(turn, &challenge, redeem.transaction.as_ref(), redeem.session.as_deref())?;
    if !(claims.transaction && claims.session) {
        return Ok(refuse(turn, Refusal::BindingMismatch, &row, challenge));
    }
    challenge.redeemed_at = Some(turn.now);
    let mut changing = Changing::new(turn, &row).of_challenge(id);
    changing.note(SubjectEvent::ChallengeRedeemed);
    let snapshot = SubjectSnapshot::of(row.clone(), Some(challenge.clone()), turn.now);
    changing.effects.challenges.push(challenge);
    Ok((changing.write(&row), Answer::Granted(Box::new(snapshot), grant(turn))))
}

fn grant(turn: &Turn<'_>) -> ProofGrant {
    ProofGrant {
        id: ProofId::new(turn.committed_at, turn.request.entropy.ids[0]),
        issued_at: turn.committed_at,
    }
}

/// The one place where a challenge becomes approved.
fn approve(
    turn: &Turn<'_>,
    mut changing: Changing<'_>,
    mut row: SubjectRow,
    mut challenge: Challenge,
    by: ApprovedBy,
) -> Decision {
    debug_assert_eq!(challenge.status, ChallengeStatus::Pending, "only a pending challenge can be approved");
    challenge.end(ChallengeStatus::Approved, turn.now);
    challenge.approved_by = Some(by);
    row.open.retain(|open| *open != challenge.id);
    row.pushes.clear();
    changing.place.factor = by.factor;
    changing.note(SubjectEvent::ChallengeApproved(by.method));
    let left = by.factor.and_then(|id| row.factor(id)?.codes_left());
    if let Some(left) = left.filter(|left| *left <= limits::BACKUP_CODES_LOW) {
        changing.note(SubjectEvent::BackupCodesLow(u8::try_from(left).unwrap_or(u8::MAX)));
    }
    let mut snapshot = turn.snapshot(&row);
    snapshot.factor = by.factor;
    snapshot.challenge = Some(challenge.clone());
    changing.effects.challenges.push(challenge);
    (changing.write(&row), Answer::Granted(Box::new(snapshot), grant(turn)))
}
