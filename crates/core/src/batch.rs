//! The loop every engine shares: commands of one batch are decided one after the other on the loaded rows and see
//! each other's effects, so two guesses can never both be "the fifth".

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::command::{Answer, Effects, Job, Once, Recorded, Request, Root};
use crate::decide::{Ledger, decide};
use crate::delivery::{Delivery, DeliveryState};
use crate::ids::{DeliveryId, RecipientId, VerificationId};
use crate::journal::Entry;
use crate::keys::{Digest, Keys};
use crate::ledger::RecipientRow;
use crate::receipt::{EarlyReceipt, MessageKey, SentMessage};
use crate::refusal::Refusal;
use crate::store::Unavailable;
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

impl Changes {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.journal.is_empty()
            && self.recipients.is_empty()
            && self.verifications.is_empty()
            && self.deliveries.is_empty()
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
    Some(Outcome { answer, replayed: true })
}

fn ledger_of(request: &Request, loaded: &Loaded) -> Option<RecipientId> {
    match request.root() {
        Root::Recipient(index) => {
            index.folded.iter().find_map(|digest| loaded.indexes.get(&(request.tenant, *digest))).copied()
        }
        Root::Verification(id) => loaded.verifications.get(&id).copied(),
        Root::Delivery(id) => loaded.deliveries.get(&id).copied(),
        Root::Nothing => None,
    }
}

/// Records the outcome of an idempotent request that changed something.
fn keep(request: &Request, answer: &Answer, loaded: &mut Loaded, changes: &mut Changes) {
    let Some(Once { key, body }) = request.once else { return };
    let recipient = answer.snapshot().map(|snapshot| snapshot.verification.recipient);
    let recorded = Recorded { body, answer: answer.clone(), recipient, at: loaded.now };
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

fn hand_over(delivery: &Delivery, ledger: &Ledger, changes: &mut Changes) {
    let verification = ledger.verifications.get(&delivery.verification).cloned();
    let (Some(verification), Some(row)) = (verification, &ledger.recipient) else { return };
    changes.jobs.push(Job { delivery: delivery.clone(), verification, data_key: row.data_key.clone() });
}
