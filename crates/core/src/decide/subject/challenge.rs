//! Challenges: begun, called off, handed to a verification.

use std::time::Duration;

use super::{Changing, Decision, Turn, answer, done};
use crate::binding::Binding;
use crate::challenge::{Challenge, ChallengeStatus, Method, sealed_for};
use crate::command::Answer;
use crate::factor::{Factor, FactorKind};
use crate::ids::{ChallengeId, FactorId, VerificationId};
use crate::journal::SubjectPlace;
use crate::keys::seal;
use crate::limits;
use crate::recipient::{Recipient, RecipientKind};
use crate::refusal::Refusal;
use crate::subject::{CheckChallenge, NewChallenge, SubjectEffects, SubjectEvent, SubjectRow};
use crate::time::Timestamp;

const TEN_MINUTES: Duration = Duration::from_secs(10 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) fn begin(turn: &Turn<'_>, new: &NewChallenge) -> Result<Decision, Refusal> {
    let mut row = turn.row()?;
    let mut methods = methods(turn, &row, new)?;
    let devices = devices(turn, &row, new, &mut methods)?;
    let challenge = new_challenge(turn, &row, new, methods, devices)?;
    let mut changing = Changing::new(turn, &row).of_challenge(challenge.id);
    make_room(turn, &mut row, &challenge, &mut changing);
    row.open.push(challenge.id);
    if !challenge.pushed_to.is_empty() {
        row.pushes.push(turn.now);
    }
    let (purpose, methods) = (challenge.purpose, challenge.methods.clone());
    changing.note(SubjectEvent::ChallengeCreated { purpose, methods });
    if let Some(code) = &new.code {
        let check = CheckChallenge {
            code: code.clone(),
            method: None,
            session: new.private.session.clone(),
            transaction: new.private.transaction.clone(),
            origin: new.origin,
        };
        let (effects, answer) = answer::check_on(turn, changing, row, challenge, &check)?;
        // What is refused without costing a try leaves no challenge behind.
        return match answer {
            Answer::Declined(refusal, _) if effects == SubjectEffects::default() => Err(refusal),
            answer => Ok((effects, answer)),
        };
    }
    let mut snapshot = turn.snapshot(&row);
    snapshot.challenge = Some(challenge.clone());
    changing.effects.challenges.push(challenge);
    Ok(done(changing.write(&row), snapshot))
}

/// How it may be answered: what was asked for, as far as the subject has it. Without a wish: by any of its factors.
fn methods(turn: &Turn<'_>, row: &SubjectRow, new: &NewChallenge) -> Result<Vec<Method>, Refusal> {
    if let Some(id) = new.factor {
        let method = row.active().find(|factor| factor.id == id).map(|factor| Method::of(factor.kind()));
        let wished = |method: &Method| new.methods.is_empty() || new.methods.contains(method);
        return Ok(vec![method.filter(wished).ok_or(Refusal::FactorRequired)?]);
    }
    let has_factor = |kind| row.active().any(|factor| factor.kind() == kind);
    let by_factors = Method::ALL.iter().copied().filter(|method| method.factor().is_some_and(has_factor));
    let mut methods: Vec<_> = by_factors.collect();
    if !new.methods.is_empty() {
        methods.retain(|method| new.methods.contains(method));
        let by_recipient = new.methods.iter().copied().filter(|method| method.channel().is_some());
        let by_recipient: Vec<_> = by_recipient.collect();
        if !by_recipient.is_empty() {
            let kinds = recipients(turn, row)?;
            let reaches = |method: &Method| {
                method.channel().is_some_and(|channel| kinds.iter().any(|kind| channel.reaches(*kind)))
            };
            methods.extend(by_recipient.into_iter().filter(reaches));
        }
    }
    if methods.is_empty() { Err(Refusal::FactorRequired) } else { Ok(methods) }
}

/// The kinds of the subject's known recipients.
fn recipients(turn: &Turn<'_>, row: &SubjectRow) -> Result<Vec<RecipientKind>, Refusal> {
    let private = row.open_private(&*turn.data_key(row)?).ok_or(Refusal::RootUnknown)?;
    let kind = |to: &String| Recipient::parse(to).ok().map(|to| to.kind());
    Ok(private.recipients.iter().filter_map(|known| kind(&known.to)).collect())
}

/// The devices to ask, if the challenge may be answered by one. Too many pushes since the last success, and devices are
/// left in peace: then by other methods only. So they are when a code came along: whoever types codes asks no device, and
/// wrong ones must neither wear out whoever holds it nor use up the pushes of an honest start.
fn devices(
    turn: &Turn<'_>,
    row: &SubjectRow,
    new: &NewChallenge,
    methods: &mut Vec<Method>,
) -> Result<Vec<FactorId>, Refusal> {
    if !methods.contains(&Method::Push) {
        return Ok(Vec::new());
    }
    if new.code.is_some() {
        methods.retain(|method| *method != Method::Push);
        return if methods.is_empty() { Err(Refusal::FactorRequired) } else { Ok(Vec::new()) };
    }
    let Some(until) = push_allowed_at(&row.pushes, turn.now) else {
        let asked = |factor: &&Factor| {
            factor.kind() == FactorKind::Push && new.factor.is_none_or(|id| id == factor.id)
        };
        return Ok(row.active().filter(asked).map(|factor| factor.id).collect());
    };
    methods.retain(|method| *method != Method::Push);
    if methods.is_empty() { Err(Refusal::PushRateLimited(until)) } else { Ok(Vec::new()) }
}

/// When a push is allowed again; `None` when it is now.
fn push_allowed_at(pushes: &[Timestamp], now: Timestamp) -> Option<Timestamp> {
    let frees = |span: Duration, most: usize| {
        let inside: Vec<_> = pushes.iter().filter(|at| now.since(**at) < span).collect();
        let over = inside.len().checked_sub(most)?;
        inside.get(over).map(|at| at.plus(span))
    };
    frees(TEN_MINUTES, limits::PUSHES.0).max(frees(DAY, limits::PUSHES.1))
}

fn new_challenge(
    turn: &Turn<'_>,
    row: &SubjectRow,
    new: &NewChallenge,
    methods: Vec<Method>,
    pushed_to: Vec<FactorId>,
) -> Result<Challenge, Refusal> {
    let tenant = turn.request.tenant;
    let id = ChallengeId::new(turn.committed_at, turn.request.entropy.ids[1]);
    let root = turn.keys.active();
    let (transaction, session) = (new.private.transaction.as_ref(), new.private.session.as_deref());
    let binding = Binding::of(turn.keys, root, &tenant, transaction, None, session);
    let data_key = turn.data_key(row)?;
    let plain = minicbor::to_vec(&new.private).map(zeroize::Zeroizing::new);
    let place = sealed_for(&tenant, &id);
    let sealed =
        plain.ok().and_then(|plain| seal(&data_key, turn.nonce(3), &place, row.data_key.root, &plain));
    Ok(Challenge {
        id,
        tenant,
        subject: row.id,
        status: ChallengeStatus::Pending,
        purpose: new.purpose,
        methods,
        factor: new.factor,
        binding: binding.ok_or(Refusal::RootUnknown)?,
        root,
        sealed: sealed.ok_or(Refusal::RootUnknown)?,
        checks_used: 0,
        checks_allowed: turn.request.policy.checks,
        wrong_numbers: 0,
        created_at: turn.now,
        expires_at: turn.now.plus(new.lifetime),
        ended_at: None,
        approved_by: None,
        pushed_to,
        verification: None,
        spent: false,
        epoch: *turn.keys.epoch(),
        redeemed_at: None,
        origin: new.origin,
    })
}

/// Forgets what cannot be open any more, and ends what the new challenge takes the place of: one of the same purpose and
/// session, and the oldest when there are too many. Those that a wrong code began or met go first, else whoever can enter
/// codes would push out the one a person's device is asked about.
fn make_room(turn: &Turn<'_>, row: &mut SubjectRow, new: &Challenge, changing: &mut Changing<'_>) {
    row.pushes.retain(|at| turn.now.since(*at) < DAY);
    let open = |id: &ChallengeId| {
        let known = turn.ledger.challenges.get(id);
        known.filter(|known| known.status_at(turn.keys, turn.now) == ChallengeStatus::Pending)
    };
    row.open.retain(|id| open(id).is_some());
    let same = |known: &Challenge| {
        let session = new.binding.session.is_some() && new.binding.session == known.binding.session;
        session && new.purpose == known.purpose
    };
    let others = row.open.iter().copied().filter(|id| open(id).is_some_and(|known| !same(known)));
    let mut leaving: Vec<_> = others.collect();
    let over = (leaving.len() + 1).saturating_sub(limits::MAX_OPEN_CHALLENGES);
    leaving.sort_by_key(|id| open(id).is_some_and(|known| known.checks_used == 0));
    leaving.truncate(over);
    row.open.retain(|id| {
        let Some(known) = open(id) else { return false };
        if !leaving.contains(id) && !same(known) {
            return true;
        }
        let mut ended = known.clone();
        ended.end(ChallengeStatus::Superseded, turn.now);
        let entry = SubjectPlace { challenge: Some(ended.id), ..changing.place };
        changing.note_at(SubjectEvent::ChallengeEnded(ended.status), entry);
        changing.effects.challenges.push(ended);
        false
    });
}

/// A challenge with its subject, both this tenant's.
pub(super) fn find(turn: &Turn<'_>, id: ChallengeId) -> Result<(SubjectRow, Challenge), Refusal> {
    let row = turn.row()?;
    let ours = |known: &&Challenge| known.subject == row.id && known.tenant == row.tenant;
    let challenge = turn.ledger.challenges.get(&id).filter(ours).ok_or(Refusal::NotFound)?.clone();
    Ok((row, challenge))
}

pub(super) fn cancel(turn: &Turn<'_>, id: ChallengeId) -> Result<Decision, Refusal> {
    let (row, challenge) = find(turn, id)?;
    if let Some(refusal) = challenge.status_at(turn.keys, turn.now).refusal() {
        return Ok(refuse(turn, refusal, &row, challenge));
    }
    Ok(end_alone(turn, row, challenge, ChallengeStatus::CanceledByCustomer))
}

pub(super) fn expire(turn: &Turn<'_>, id: ChallengeId) -> Result<Decision, Refusal> {
    let (row, challenge) = find(turn, id)?;
    let over = challenge.status_at(turn.keys, turn.now) == ChallengeStatus::Expired;
    if challenge.status != ChallengeStatus::Pending || !over {
        return Err(Refusal::StateConflict);
    }
    Ok(end_alone(turn, row, challenge, ChallengeStatus::Expired))
}

/// Ends a pending challenge when nothing else changes.
pub(super) fn end_alone(
    turn: &Turn<'_>,
    mut row: SubjectRow,
    mut challenge: Challenge,
    to: ChallengeStatus,
) -> Decision {
    challenge.end(to, turn.now);
    row.open.retain(|open| *open != challenge.id);
    let mut changing = Changing::new(turn, &row).of_challenge(challenge.id);
    changing.note(SubjectEvent::ChallengeEnded(to));
    let mut snapshot = turn.snapshot(&row);
    snapshot.challenge = Some(challenge.clone());
    changing.effects.challenges.push(challenge);
    done(changing.write(&row), snapshot)
}

/// Notes the verification that was begun for it. A later one takes the place of an earlier.
pub(super) fn fall_back(
    turn: &Turn<'_>,
    id: ChallengeId,
    verification: VerificationId,
) -> Result<Decision, Refusal> {
    let (row, mut challenge) = find(turn, id)?;
    if let Some(refusal) = challenge.status_at(turn.keys, turn.now).refusal() {
        return Ok(refuse(turn, refusal, &row, challenge));
    }
    challenge.verification = Some(verification);
    let mut changing = Changing::new(turn, &row).of_challenge(id);
    changing.note(SubjectEvent::ChallengeFellBack(verification));
    let mut snapshot = turn.snapshot(&row);
    snapshot.challenge = Some(challenge.clone());
    changing.effects.challenges.push(challenge);
    Ok(done(changing.write(&row), snapshot))
}

/// A refusal that shows the challenge and costs nothing.
pub(super) fn refuse(turn: &Turn<'_>, refusal: Refusal, row: &SubjectRow, challenge: Challenge) -> Decision {
    let mut snapshot = turn.snapshot(row);
    snapshot.challenge = Some(challenge);
    super::declined(SubjectEffects::default(), refusal, snapshot)
}
