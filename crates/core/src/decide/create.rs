//! Create: always a new verification; an open one of the same purpose and subject or session gives way.

use super::ways::{Ways, ways};
use super::{Turn, again};
use crate::command::{Answer, Create, Effects, Entered};
use crate::delivery::{Delivery, DeliveryState};
use crate::ids::{DeliveryId, VerificationId};
use crate::journal::Event;
use crate::keys::{normalise, seal};
use crate::ledger::{Held, Recent, RecipientRow, Send, data_key_place};
use crate::limits;
use crate::policy::Risk;
use crate::refusal::Refusal;
use crate::routing::Wanted;
use crate::scenario::Scenario;
use crate::tenant::Mode;
use crate::verification::{
    Binding, Block, Channel, Private, Status, SuppliedCode, Verification, code_sealed_for, sealed_for,
};

pub(super) fn create(turn: &Turn<'_>, create: &Create) -> (Effects, Answer) {
    let scenario = Scenario::of(&create.to);
    let Ways { channel, workflow } = match ways(turn, create, scenario) {
        Ok(ways) => ways,
        Err(refusal) => return (Effects::default(), Answer::Refused(refusal, None)),
    };
    let known = turn.ledger.recipient.clone();
    let Some(mut row) = known.or_else(|| new_row(turn, create)) else {
        return (Effects::default(), Answer::Refused(Refusal::RootUnknown, None));
    };
    if let Some((start, open)) = again::open_one(turn, create) {
        return again::send(turn, create, start, open, row);
    }
    if let Some(refusal) = held(turn, create, channel, &row) {
        return (Effects::default(), Answer::Refused(refusal, None));
    }
    let Some(mut verification) = new_verification(turn, create, channel, &row) else {
        return (Effects::default(), Answer::Refused(Refusal::RootUnknown, None));
    };
    verification.workflow = workflow;
    if let Some(block) = blocked(turn, create, scenario) {
        return keep_blocked(turn, verification, &row, block, create.dry_run);
    }
    let mut effects = Effects::default();
    supersede(turn, create, &verification, &mut row, &mut effects);
    let route = route(turn, create, channel, scenario);
    effects.journal.push(turn.entry(
        effects.journal.len(),
        Event::Created {
            purpose: verification.purpose,
            channel,
            lane: verification.lane,
            route: route.clone(),
        },
        Some(&verification),
    ));
    apply_scenario(turn, scenario, &mut verification);
    let delivery = deliver(turn, &mut verification, &mut row, channel, route);
    finish(turn, effects, verification, row, delivery, create.dry_run)
}

/// What its message needs a route for.
pub(super) fn wanted<'a>(turn: &Turn<'_>, create: &'a Create) -> Wanted<'a> {
    Wanted { tenant: turn.request.tenant, purpose: create.purpose, to: create.to.by_ref() }
}

/// Limits and pauses that refuse a start. Nothing is kept of it.
fn held(turn: &Turn<'_>, create: &Create, channel: Channel, row: &RecipientRow) -> Option<Refusal> {
    let policy = &turn.request.policy;
    let expires_at = turn.now.plus(create.lifetime);
    match row.held(create.purpose, create.lane, turn.now) {
        Some(Held::Blocked) => return Some(Refusal::RecipientBlocked),
        Some(Held::Until(until)) if until >= expires_at => return Some(Refusal::RecipientPaused(until)),
        Some(Held::Until(_)) | None => {}
    }
    let unpaid = turn.over_budget().filter(|_| channel != Channel::Own);
    if !turn.request.limits_apply {
        return unpaid;
    }
    if let Some(until) = turn.request.ip_held_until {
        return Some(Refusal::IpRateLimited(until));
    }
    if channel == Channel::Own {
        return None;
    }
    let limited = row.send_allowed_at(policy, create.lane, turn.now).map(Refusal::RecipientRateLimited);
    limited.or(unpaid)
}

/// The ledger row of a recipient seen for the first time.
fn new_row(turn: &Turn<'_>, create: &Create) -> Option<RecipientRow> {
    let id = turn.ledger.reserved.unwrap_or_else(|| turn.request.recipient_id(turn.committed_at));
    let place = data_key_place(&turn.request.tenant, &id);
    let entropy = &turn.request.entropy;
    Some(RecipientRow {
        id,
        tenant: turn.request.tenant,
        index: *create.index.folded.first()?,
        data_key: turn.keys.wrap(&entropy.data_key, entropy.nonces[0], &place)?,
        sends: Vec::new(),
        recent: Vec::new(),
        failures: Vec::new(),
    })
}

fn new_verification(
    turn: &Turn<'_>,
    create: &Create,
    channel: Channel,
    row: &RecipientRow,
) -> Option<Verification> {
    let tenant = turn.request.tenant;
    let id = VerificationId::new(turn.committed_at, turn.request.entropy.ids[1]);
    let root = turn.keys.active();
    let asked = &create.private;
    let (transaction, subject, session) =
        (asked.transaction.as_ref(), asked.subject.as_deref(), asked.session.as_deref());
    let country = create.to.country();
    let supplied_code = match create.dialect.as_ref().and_then(|start| start.code.as_ref()) {
        Some(code) => Some(seal_code(turn, create, code, row, &id)?),
        None => None,
    };
    let mut available = turn.request.routes.channels(&wanted(turn, create));
    available.retain(|channel| channel.suits(&create.to));
    if channel == Channel::Own {
        available.clear();
    }
    Some(Verification {
        id,
        tenant,
        recipient: row.id,
        status: Status::Pending,
        purpose: create.purpose,
        lane: create.lane,
        channel,
        address: *create.index.exact.first()?,
        root,
        generation: 0,
        format: create.format,
        binding: Binding::of(turn.keys, root, &tenant, transaction, subject, session)?,
        checks_used: 0,
        checks_allowed: turn.request.policy.checks,
        sends: 0,
        last_send_at: None,
        created_at: turn.now,
        expires_at: turn.now.plus(create.lifetime),
        ended_at: None,
        country: country.and_then(|country| <[u8; 2]>::try_from(country.as_str().as_bytes()).ok()),
        sealed: seal_private(turn, create, row, &id)?,
        report: None,
        channels_available: available,
        origin: create.dialect.as_ref().map(|start| start.origin),
        supplied_code,
        workflow: None,
        risk: None,
    })
}

/// Seals a supplied code; `None` when it is not of the form the start says.
pub(super) fn seal_code(
    turn: &Turn<'_>,
    create: &Create,
    code: &Entered,
    row: &RecipientRow,
    id: &VerificationId,
) -> Option<SuppliedCode> {
    let code = normalise(&code.0, create.format).ok()?;
    let data_key = row.open_data_key(turn.keys)?;
    let place = code_sealed_for(&turn.request.tenant, id);
    let nonce = turn.request.entropy.nonces[2];
    seal(&data_key, nonce, &place, row.data_key.root, code.reveal().as_bytes()).map(SuppliedCode)
}

pub(super) fn seal_private(
    turn: &Turn<'_>,
    create: &Create,
    row: &RecipientRow,
    id: &VerificationId,
) -> Option<Vec<u8>> {
    let private = Private {
        to: create.to.canonical().to_owned(),
        masked: create.to.masked(),
        ..create.private.clone()
    };
    let plain = minicbor::to_vec(&private).ok()?;
    let data_key = row.open_data_key(turn.keys)?;
    let place = sealed_for(&turn.request.tenant, id);
    seal(&data_key, turn.request.entropy.nonces[1], &place, row.data_key.root, &plain)
}

/// Why policy keeps this start from being sent at all.
fn blocked(turn: &Turn<'_>, create: &Create, scenario: Option<Scenario>) -> Option<Block> {
    match scenario {
        Some(Scenario::CountryNotAllowed) => return Some(Block::Country),
        Some(Scenario::BlockedByList) => return Some(Block::List),
        _ => {}
    }
    let allowed = &turn.request.policy.countries;
    let inside = create
        .to
        .country()
        .is_none_or(|country| allowed.iter().any(|known| known.as_slice() == country.as_str().as_bytes()));
    (!allowed.is_empty() && !inside).then_some(Block::Country)
}

/// A start that policy refused is kept with its reason, so that support can look it up.
fn keep_blocked(
    turn: &Turn<'_>,
    mut verification: Verification,
    row: &RecipientRow,
    block: Block,
    dry_run: bool,
) -> (Effects, Answer) {
    verification.end(Status::Blocked(block), turn.now);
    let answer = Answer::Refused(Refusal::Blocked(block), Some(Box::new(turn.snapshot(&verification, row))));
    if dry_run {
        return (Effects::default(), answer);
    }
    let effects = Effects {
        journal: vec![turn.entry(0, Event::Blocked(block), Some(&verification))],
        recipient: turn.ledger.recipient.is_none().then(|| row.clone()),
        verifications: vec![verification],
        ..Effects::default()
    };
    (effects, answer)
}

/// Ends what gives way: open ones of the same purpose and subject or session, and what the ledger has no room for.
fn supersede(
    turn: &Turn<'_>,
    create: &Create,
    new: &Verification,
    row: &mut RecipientRow,
    effects: &mut Effects,
) {
    for old in turn.ledger.verifications.values().filter(|old| old.status == Status::Pending) {
        if turn.now >= old.expires_at {
            turn.end(effects, old.clone(), row, Status::Expired);
        } else if old.purpose == new.purpose && same_person(turn, create, old) {
            turn.end(effects, old.clone(), row, Status::Superseded);
        }
    }
    let pushed_out = row.remember(Recent { id: new.id, open: true, lane: new.lane });
    if let Some(old) = pushed_out.and_then(|id| turn.ledger.verifications.get(&id))
        && !effects.verifications.iter().any(|ended| ended.id == old.id)
    {
        turn.end(effects, old.clone(), row, Status::Superseded);
    }
}

/// Whether both name the same subject or session. Compared under the root of the old one, which may not be active
/// any more.
fn same_person(turn: &Turn<'_>, create: &Create, old: &Verification) -> bool {
    let asked = &create.private;
    let (subject, session) = (asked.subject.as_deref(), asked.session.as_deref());
    let mine = Binding::of(turn.keys, old.root, &turn.request.tenant, None, subject, session);
    let equal = |mine: Option<_>, other: Option<_>| mine.is_some() && mine == other;
    mine.is_some_and(|mine| {
        equal(mine.subject, old.binding.subject) || equal(mine.session, old.binding.session)
    })
}

fn route(turn: &Turn<'_>, create: &Create, channel: Channel, scenario: Option<Scenario>) -> Vec<String> {
    if channel == Channel::Own {
        return Vec::new();
    }
    if let Some(scenario) = scenario
        && turn.request.tenant.mode == Mode::Test
    {
        return scenario.providers();
    }
    turn.request.routes.providers(&wanted(turn, create), channel, turn.lot())
}

fn apply_scenario(turn: &Turn<'_>, scenario: Option<Scenario>, verification: &mut Verification) {
    match scenario {
        Some(Scenario::MaxAttemptsAtOnce) => {
            verification.checks_used = verification.checks_allowed;
            verification.end(Status::MaxAttempts, turn.now);
        }
        Some(Scenario::Challenged) => verification.risk = Some(Risk::Challenge),
        Some(Scenario::ExpiresAtOnce) => verification.expires_at = turn.now,
        Some(Scenario::NoSms) => verification.channels_available.retain(|channel| *channel != Channel::Sms),
        _ => {}
    }
}

/// Reserves the first send and makes its delivery, born leased to this node. None for `self`.
fn deliver(
    turn: &Turn<'_>,
    verification: &mut Verification,
    row: &mut RecipientRow,
    channel: Channel,
    route: Vec<String>,
) -> Option<Delivery> {
    if channel == Channel::Own || verification.status_at(turn.now) != Status::Pending {
        if verification.status != Status::Pending {
            row.close(verification.id);
        }
        return None;
    }
    Some(reserve_send(turn, verification, row, channel, route))
}

/// Reserves a send on the ledger and makes the delivery that uses it.
pub(super) fn reserve_send(
    turn: &Turn<'_>,
    verification: &mut Verification,
    row: &mut RecipientRow,
    channel: Channel,
    providers: Vec<String>,
) -> Delivery {
    verification.sends = verification.sends.saturating_add(1);
    verification.last_send_at = Some(turn.now);
    verification.channel = channel;
    let send = Send { at: turn.now, verification: verification.id, lane: verification.lane };
    row.note_send(send, &turn.request.policy);
    let id = DeliveryId::new(turn.committed_at, turn.request.entropy.ids[2]);
    if let Some(workflow) = &mut verification.workflow {
        workflow.delivery = Some(id);
    }
    Delivery {
        id,
        tenant: verification.tenant,
        verification: verification.id,
        recipient: row.id,
        generation: verification.generation,
        channel,
        state: DeliveryState::Queued,
        state_at: turn.now,
        due: Some(turn.committed_at.plus(limits::LEASE)),
        expires_at: turn.committed_at.plus(verification.expires_at.since(turn.now)),
        attempts: Vec::new(),
        providers,
        created_at: turn.now,
        tries: 0,
        step_at: None,
        reserved: turn.reservation(),
    }
}

fn finish(
    turn: &Turn<'_>,
    mut effects: Effects,
    verification: Verification,
    row: RecipientRow,
    delivery: Option<Delivery>,
    dry_run: bool,
) -> (Effects, Answer) {
    let snapshot = turn.snapshot_with(&verification, &row, delivery.clone());
    let answer = Answer::Done(Box::new(snapshot));
    if dry_run {
        return (Effects::default(), answer);
    }
    effects.verifications.push(verification);
    effects.deliveries.extend(delivery);
    effects.recipient = Some(row);
    (effects, answer)
}
