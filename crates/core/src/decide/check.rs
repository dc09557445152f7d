//! Check: count the try, then compare, then consume. The one function that approves.

use super::{Turn, ended, not_found};
use crate::command::{Answer, Check, Effects, ProofGrant, Target};
use crate::ids::{ProofId, VerificationId};
use crate::journal::Event;
use crate::keys::{Code, normalise};
use crate::ledger::{Held, RecipientRow};
use crate::refusal::Refusal;
use crate::verification::{Binding, Status, Verification};

pub(super) fn check(turn: &Turn<'_>, check: &Check) -> (Effects, Answer) {
    let Some((verification, row)) = meant(turn, check) else { return not_found() };
    let entered = match admit(turn, check, &verification, &row) {
        Ok(entered) => entered,
        Err(refusal) => return turn.refuse(refusal, &verification, &row),
    };
    let Some(claims) = compare(turn, check, &verification, &row, &entered) else {
        return turn.refuse(Refusal::RootUnknown, &verification, &row);
    };
    judge(turn, verification, row, claims)
}

/// The verification a check means: the one it names, or the latest of the recipient that it could be about.
/// One that is open goes before one that ended.
fn meant(turn: &Turn<'_>, check: &Check) -> Option<(Verification, RecipientRow)> {
    let of_origin = |known: &Verification| check.origin.is_none() || check.origin == known.origin;
    let index = match &check.target {
        Target::Id(id) => return turn.find(*id).filter(|(known, _)| of_origin(known)),
        Target::Recipient(index) => index,
    };
    let candidates = turn.ledger.verifications.values().filter(|known| {
        let Some(named) = named_binding(turn, check, known) else { return false };
        let same = |given: &Option<_>, kept: &Option<_>| given.is_none() || given == kept;
        known.tenant == turn.request.tenant
            && index.exact.contains(&known.address)
            && check.purpose.is_none_or(|purpose| purpose == known.purpose)
            && same(&named.subject, &known.binding.subject)
            && same(&named.session, &known.binding.session)
            && of_origin(known)
            && (check.origin.is_none() || named.transaction == known.binding.transaction)
    });
    let best = candidates.max_by_key(|known| (known.status_at(turn.now) == Status::Pending, known.id))?;
    turn.find(best.id)
}

/// All that refuses a check without costing a try.
fn admit(
    turn: &Turn<'_>,
    check: &Check,
    verification: &Verification,
    row: &RecipientRow,
) -> Result<Code, Refusal> {
    if let Some(refusal) = ended(verification.status_at(turn.now)) {
        return Err(refusal);
    }
    let entered = normalise(&check.code.0, verification.format).map_err(|_| Refusal::CodeMalformed)?;
    if verification.binding.session.is_some() && check.session.is_none() {
        return Err(Refusal::SessionMissing);
    }
    if verification.binding.transaction.is_some() && check.transaction.is_none() {
        return Err(Refusal::TransactionMissing);
    }
    match row.held(verification.purpose, verification.lane, turn.now) {
        Some(Held::Until(until)) => Err(Refusal::RecipientPaused(until)),
        Some(Held::Blocked) => Err(Refusal::RecipientBlocked),
        None => Ok(entered),
    }
}

/// What a counted try turned out to be.
#[derive(Clone, Copy)]
struct Claims {
    code: bool,
    transaction: bool,
    rest: bool,
}

/// Compares everything, in a time that does not depend on what is right. `None` without the root key.
fn compare(
    turn: &Turn<'_>,
    check: &Check,
    verification: &Verification,
    row: &RecipientRow,
    entered: &Code,
) -> Option<Claims> {
    let expected = verification.code(turn.keys, &row.data_key, verification.generation)?;
    let named = named_binding(turn, check, verification)?;
    let kept = &verification.binding;
    let same = |given: &Option<crate::keys::Digest>, kept: &Option<crate::keys::Digest>| match (given, kept) {
        (None, _) => true,
        (Some(given), Some(kept)) => given.matches(kept),
        (Some(_), None) => false,
    };
    let purpose = check.purpose.is_none_or(|purpose| purpose == verification.purpose);
    Some(Claims {
        code: expected.matches(entered),
        transaction: same(&named.transaction, &kept.transaction),
        rest: purpose & same(&named.subject, &kept.subject) & same(&named.session, &kept.session),
    })
}

fn named_binding(turn: &Turn<'_>, check: &Check, verification: &Verification) -> Option<Binding> {
    Binding::of(
        turn.keys,
        verification.root,
        &turn.request.tenant,
        check.transaction.as_ref(),
        check.subject.as_deref(),
        check.session.as_deref(),
    )
}

/// The try is spent and the failure counted before the comparison is looked at; a right code takes the failure back.
fn judge(
    turn: &Turn<'_>,
    mut verification: Verification,
    mut row: RecipientRow,
    claims: Claims,
) -> (Effects, Answer) {
    let (purpose, lane) = (verification.purpose, verification.lane);
    verification.checks_used = verification.checks_used.saturating_add(1);
    row.fail(purpose, lane, &turn.request.policy, turn.now);
    if claims.code && claims.transaction && claims.rest {
        row.succeed(purpose, lane);
        let (effects, verification, row) = approve(turn, Event::Approved, verification, row);
        let grant = ProofGrant {
            id: ProofId::new(turn.committed_at, turn.request.entropy.ids[0]),
            issued_at: turn.committed_at,
        };
        return (effects, Answer::Approved(Box::new(turn.snapshot(&verification, &row)), grant));
    }
    if !claims.transaction {
        verification.end(Status::BindingChanged, turn.now);
    } else if verification.attempts_remaining() == 0 {
        verification.end(Status::MaxAttempts, turn.now);
    }
    if verification.status != Status::Pending {
        row.close(verification.id);
    }
    let binding = !(claims.transaction && claims.rest);
    let paused_until = match row.held(purpose, lane, turn.now) {
        Some(Held::Until(until)) => Some(until),
        Some(Held::Blocked) | None => None,
    };
    let event = Event::CheckFailed {
        attempts_remaining: verification.attempts_remaining(),
        binding,
        status: verification.status,
        paused_until,
    };
    let refusal = if binding { Refusal::BindingMismatch } else { Refusal::CodeIncorrect };
    let answer = Answer::Refused(refusal, Some(Box::new(turn.snapshot(&verification, &row))));
    (changed(turn, event, verification, row), answer)
}

/// Approves on the customer's word: no code, no try, no proof.
pub(super) fn approve_unchecked(turn: &Turn<'_>, id: VerificationId) -> (Effects, Answer) {
    let Some((verification, row)) = turn.find(id) else { return not_found() };
    if let Some(refusal) = ended(verification.status_at(turn.now)) {
        return turn.refuse(refusal, &verification, &row);
    }
    let (effects, verification, row) = approve(turn, Event::Overridden, verification, row);
    (effects, Answer::Done(Box::new(turn.snapshot(&verification, &row))))
}

/// The one place where a verification becomes approved.
fn approve(
    turn: &Turn<'_>,
    event: Event,
    mut verification: Verification,
    mut row: RecipientRow,
) -> (Effects, Verification, RecipientRow) {
    debug_assert_eq!(verification.status, Status::Pending, "only a pending verification can be approved");
    verification.end(Status::Approved, turn.now);
    row.return_sends(verification.id);
    row.close(verification.id);
    (changed(turn, event, verification.clone(), row.clone()), verification, row)
}

fn changed(turn: &Turn<'_>, event: Event, verification: Verification, row: RecipientRow) -> Effects {
    Effects {
        journal: vec![turn.entry(0, event, Some(&verification))],
        verifications: vec![verification],
        recipient: Some(row),
        ..Effects::default()
    }
}
