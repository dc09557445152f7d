//! The loop every engine shares: commands of one batch are decided one after the other on the loaded rows and see
//! each other's effects, so two guesses can never both be "the fifth".

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::challenge::Challenge;
use crate::command::{Answer, Command, Effects, Job, Once, Recorded, Request, Root};
use crate::decide::{Ledger, decide, decide_subject};
use crate::delivery::{Delivery, DeliveryState};
use crate::ids::{ChallengeId, DeliveryId, FactorId, RecipientId, SubjectId, VerificationId};
use crate::journal::Entry;
use crate::keys::{Digest, Keys};
use crate::ledger::RecipientRow;
use crate::receipt::{EarlyReceipt, MessageKey, SentMessage};
use crate::refusal::Refusal;
use crate::store::Unavailable;
use crate::subject::{Aim, SubjectCommand, SubjectEffects, SubjectLedger, SubjectRow};
use crate::tenant::Tenant;
use crate::time::Timestamp;
use crate::verification::Verification;

/// The rows of one batch, read under the locks.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The later of the clock, read after the locks, and the last committed instant.
    pub now: Timestamp,
    /// The ledger each blind index leads to.
    pub indexes: BTreeMap<(Tenant, Digest), RecipientId>,
    /// The ledger each verification stands on.
    pub verifications: BTreeMap<VerificationId, RecipientId>,
    /// The ledger each delivery stands on.
    pub deliveries: BTreeMap<DeliveryId, RecipientId>,
    /// The ledgers themselves.
    pub ledgers: BTreeMap<RecipientId, Ledger>,
    /// What is kept of idempotent requests of this batch.
    pub replays: BTreeMap<Digest, Recorded>,
    /// The subjects, with what leads to them.
    pub subjects: LoadedSubjects,
}

/// The subjects of one batch.
#[derive(Debug, Default)]
pub struct LoadedSubjects {
    /// The subject each blind index leads to.
    pub indexes: BTreeMap<(Tenant, Digest), SubjectId>,
    /// The subject each factor belongs to.
    pub factors: BTreeMap<FactorId, SubjectId>,
    /// The subject each challenge asks.
    pub challenges: BTreeMap<ChallengeId, SubjectId>,
    /// Their ledgers.
    pub ledgers: BTreeMap<SubjectId, SubjectLedger>,
}

/// What a batch writes: each row once, in its last version.
#[derive(Debug, Default)]
pub struct Changes {
    /// Ledger rows.
    pub recipients: BTreeMap<RecipientId, RecipientRow>,
    /// Those of them that are new, and so need their blind index.
    pub new_recipients: BTreeSet<RecipientId>,
    /// Verification rows, with whether they are new.
    pub verifications: BTreeMap<VerificationId, (Verification, bool)>,
    /// Delivery rows, with whether they are new.
    pub deliveries: BTreeMap<DeliveryId, (Delivery, bool)>,
    /// Rows of subjects.
    pub subjects: SubjectChanges,
    /// Journal entries, in order.
    pub journal: Vec<Entry>,
    /// Outcomes of idempotent requests.
    pub once: Vec<(Digest, Recorded)>,
    /// What providers' ids of messages lead to.
    pub messages: BTreeMap<MessageKey, SentMessage>,
    /// Receipts that wait for their message; `None` strikes one out.
    pub early: BTreeMap<MessageKey, Option<EarlyReceipt>>,
    /// Deliveries to hand over after the commit.
    pub jobs: Vec<Job>,
}

/// What a batch writes about subjects.
#[derive(Debug, Default)]
pub struct SubjectChanges {
    /// Their rows, with whether they are new. One that was removed loses its blind indexes.
    pub rows: BTreeMap<SubjectId, (SubjectRow, bool)>,
    /// Blind indexes of new ones.
    pub indexes: BTreeMap<(Tenant, Digest), SubjectId>,
    /// New factors, with whose they are.
    pub factors: BTreeMap<FactorId, (Tenant, SubjectId)>,
    /// Challenges, with whether they are new.
    pub challenges: BTreeMap<ChallengeId, (Challenge, bool)>,
}

impl Changes {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.journal.is_empty()
            && self.recipients.is_empty()
            && self.verifications.is_empty()
            && self.deliveries.is_empty()
            && self.subjects.rows.is_empty()
            && self.subjects.challenges.is_empty()
            && self.early.is_empty()
    }
}

/// The outcome of one command of a batch, and whether it is an earlier outcome told again.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The answer.
    pub answer: Answer,
    /// Whether the idempotency key was known.
    pub replayed: bool,
}

/// Decides a batch. A command that panics fails alone.
#[must_use]
pub fn run(
    batch: &[&Request],
    mut loaded: Loaded,
    keys: &Keys,
) -> (Vec<Result<Outcome, Unavailable>>, Changes) {
    let mut changes = Changes::default();
    let outcomes = batch
        .iter()
        .map(|request| {
            if let Some(told) = replay(request, &loaded) {
                return Ok(told);
            }
            if let Command::Subject(command) = &request.command {
                return on_subject(request, command, &mut loaded, &mut changes, keys);
            }
            let ledger_id = ledger_of(request, &loaded);
            let nothing = Ledger::default();
            let ledger = ledger_id.and_then(|id| loaded.ledgers.get(&id)).unwrap_or(&nothing);
            let decided = catch_unwind(AssertUnwindSafe(|| decide(request, ledger, loaded.now, keys)));
            let (effects, answer) = decided.map_err(|_| Unavailable::Internal)?;
            if !effects.is_empty() {
                keep(request, &answer, &mut loaded, &mut changes);
                merge(request, effects, &mut loaded, &mut changes);
            }
            Ok(Outcome { answer, replayed: false })
        })
        .collect();
    (outcomes, changes)
}

/// The outcome of an idempotency key that is known, with the data key its ledger has now.
fn replay(request: &Request, loaded: &Loaded) -> Option<Outcome> {
    let Once { key, body } = request.once?;
    let recorded = loaded.replays.get(&key)?;
    if loaded.now.since(recorded.at) >= crate::limits::IDEMPOTENCY_LIFETIME {
        return None;
    }
    if !recorded.body.matches(&body) {
        return Some(Outcome {
            answer: Answer::Refused(Refusal::IdempotencyKeyReused, None),
            replayed: false,
        });
    }
    let mut answer = recorded.answer.clone();
    if let Some(snapshot) = answer.snapshot_mut() {
        let ledger = recorded.recipient.and_then(|id| loaded.ledgers.get(&id));
        let row = ledger.and_then(|ledger| ledger.recipient.as_ref());
        snapshot.data_key = row.map(|row| (row.id, row.data_key.clone()));
    }
    if let Some(snapshot) = answer.subject_mut() {
        let ledger = recorded.subject.and_then(|id| loaded.subjects.ledgers.get(&id));
        if let Some(row) = ledger.and_then(|ledger| ledger.subject.as_ref()) {
            snapshot.subject.data_key = row.data_key.clone();
        }
    }
    Some(Outcome { answer, replayed: true })
}

fn ledger_of(request: &Request, loaded: &Loaded) -> Option<RecipientId> {
    match request.root() {
        Root::Recipient(index) => {
            index.folded.iter().find_map(|digest| loaded.indexes.get(&(request.tenant, *digest))).copied()
        }
        Root::Verification(id) => loaded.verifications.get(&id).copied(),
        Root::Delivery(id) => loaded.deliveries.get(&id).copied(),
        Root::Subject(_) => None,
        Root::Nothing => None,
    }
}

/// Decides a command about a subject on its ledger.
fn on_subject(
    request: &Request,
    command: &SubjectCommand,
    loaded: &mut Loaded,
    changes: &mut Changes,
    keys: &Keys,
) -> Result<Outcome, Unavailable> {
    let subjects = &loaded.subjects;
    let id = match &command.aim {
        Aim::Name(name) => {
            name.index.iter().find_map(|digest| subjects.indexes.get(&(request.tenant, *digest))).copied()
        }
        Aim::Id(id) => Some(*id),
        Aim::Factor(id) => subjects.factors.get(id).copied(),
        Aim::Challenge(id) => subjects.challenges.get(id).copied(),
    };
    let nothing = SubjectLedger::default();
    let ledger = id.and_then(|id| subjects.ledgers.get(&id)).unwrap_or(&nothing);
    let decide = || decide_subject(request, command, ledger, loaded.now, keys);
    let (effects, answer) = catch_unwind(AssertUnwindSafe(decide)).map_err(|_| Unavailable::Internal)?;
    if effects != SubjectEffects::default() {
        keep(request, &answer, loaded, changes);
        merge_subject(request, effects, loaded, changes);
    }
    Ok(Outcome { answer, replayed: false })
}

/// Records the outcome of an idempotent request that changed something.
fn keep(request: &Request, answer: &Answer, loaded: &mut Loaded, changes: &mut Changes) {
    let Some(Once { key, body }) = request.once else { return };
    let recipient = answer.snapshot().map(|snapshot| snapshot.verification.recipient);
    let subject = answer.subject().map(|snapshot| snapshot.subject.id);
    let mut recorded = Recorded { body, answer: answer.clone(), recipient, at: loaded.now, subject };
    if let Some(snapshot) = recorded.answer.subject_mut() {
        snapshot.subject.data_key.bytes.clear();
    }
    loaded.replays.insert(key, recorded.clone());
    changes.once.push((key, recorded));
}

/// Applies effects to the loaded rows, for the commands that follow, and to what is written.
fn merge(request: &Request, effects: Effects, loaded: &mut Loaded, changes: &mut Changes) {
    changes.messages.extend(effects.messages);
    changes.early.extend(effects.early);
    let id = effects
        .recipient
        .as_ref()
        .map(|row| row.id)
        .or_else(|| effects.verifications.first().map(|verification| verification.recipient))
        .or_else(|| effects.deliveries.first().map(|delivery| delivery.recipient));
    let Some(id) = id else {
        changes.journal.extend(effects.journal);
        return;
    };
    let ledger = loaded.ledgers.entry(id).or_default();
    if let Some(row) = effects.recipient {
        if ledger.recipient.is_none() {
            loaded.indexes.insert((request.tenant, row.index), id);
            changes.new_recipients.insert(id);
        }
        ledger.recipient = Some(row.clone());
        changes.recipients.insert(id, row);
    }
    for verification in effects.verifications {
        let new = loaded.verifications.insert(verification.id, id).is_none();
        ledger.verifications.insert(verification.id, verification.clone());
        let was_new = changes.verifications.get(&verification.id).is_some_and(|(_, new)| *new);
        changes.verifications.insert(verification.id, (verification, new || was_new));
    }
    for delivery in effects.deliveries {
        let new = loaded.deliveries.insert(delivery.id, id).is_none();
        if new && delivery.state == DeliveryState::Queued {
            hand_over(&delivery, ledger, changes);
        }
        ledger.deliveries.insert(delivery.id, delivery.clone());
        let was_new = changes.deliveries.get(&delivery.id).is_some_and(|(_, new)| *new);
        changes.deliveries.insert(delivery.id, (delivery, new || was_new));
    }
    changes.journal.extend(effects.journal);
}

fn merge_subject(request: &Request, effects: SubjectEffects, loaded: &mut Loaded, changes: &mut Changes) {
    changes.journal.extend(effects.journal);
    let (subjects, written) = (&mut loaded.subjects, &mut changes.subjects);
    let Some(row) = effects.subject else { return };
    let id = row.id;
    for digest in effects.index {
        subjects.indexes.insert((request.tenant, digest), id);
        written.indexes.insert((request.tenant, digest), id);
    }
    if row.removed_at.is_some() {
        subjects.indexes.retain(|_, known| *known != id);
        written.indexes.retain(|_, known| *known != id);
    }
    if let Some(factor) = effects.factor {
        subjects.factors.insert(factor, id);
        written.factors.insert(factor, (request.tenant, id));
    }
    let ledger = subjects.ledgers.entry(id).or_default();
    let new = ledger.subject.is_none() || written.rows.get(&id).is_some_and(|(_, new)| *new);
    ledger.subject = Some(row.clone());
    written.rows.insert(id, (row, new));
    for challenge in effects.challenges {
        let new = subjects.challenges.insert(challenge.id, id).is_none()
            || written.challenges.get(&challenge.id).is_some_and(|(_, new)| *new);
        ledger.challenges.insert(challenge.id, challenge.clone());
        written.challenges.insert(challenge.id, (challenge, new));
    }
}

fn hand_over(delivery: &Delivery, ledger: &Ledger, changes: &mut Changes) {
    let verification = ledger.verifications.get(&delivery.verification).cloned();
    let (Some(verification), Some(row)) = (verification, &ledger.recipient) else { return };
    changes.jobs.push(Job { delivery: delivery.clone(), verification, data_key: row.data_key.clone() });
}
