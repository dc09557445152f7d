//! A small engine for tests: rows in maps, `batch::run`, and the invariants after every batch.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use super::invariants;
use crate::batch::{Changes, Loaded, Outcome, run};
use crate::budget::Permit;
use crate::command::{
    Answer, Check, Command, Create, Entered, Job, Needs, Once, RecipientIndex, Recorded, Request,
    Root as Stands, Sent, Snapshot, Target,
};
use crate::decide::Ledger;
use crate::delivery::{Attempt, AttemptError, Delivery, DeliveryState, Fault};
use crate::ids::{DeliveryId, KeyId, ProjectId, RecipientId, VerificationId};
use crate::journal::{Actor, Entry};
use crate::keys::{Digest, Keys, Root, RootId, RootState, sha256};
use crate::ledger::RecipientRow;
use crate::policy::{Policy, Profile};
use crate::receipt::{About, EarlyReceipt, Fate, MessageKey, Receipt, SentMessage, Told};
use crate::recipient::Recipient;
use crate::refusal::Refusal;
use crate::routing::{Route, Routes};
use crate::tenant::{Mode, Tenant};
use crate::time::{Entropy, EntropySource, Timestamp};
use crate::verification::{Channel, Lane, Private, Purpose, Status, Transaction, Verification};
use crate::workflow::Step;

pub(super) const PHONE: &str = "+48600100217";
pub(super) const OTHER_PHONE: &str = "+48600100218";
const START: Timestamp = Timestamp::from_millis(1_700_000_000_000);

pub(super) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Bytes that differ from call to call and are the same in every run.
pub(crate) struct Counted(pub(crate) u64);

impl EntropySource for Counted {
    fn fill(&self, bytes: &mut [u8]) {
        for (nth, chunk) in bytes.chunks_mut(32).enumerate() {
            let seed = [self.0.to_be_bytes(), (nth as u64).to_be_bytes()].concat();
            chunk.copy_from_slice(&sha256(&seed).0[..chunk.len()]);
        }
    }
}

/// The rows of a store, its clock, and the settings requests are made with.
pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) tenant: Tenant,
    pub(super) policy: Policy,
    pub(super) routes: Routes,
    pub(super) limits_apply: bool,
    pub(super) clock_ahead: Duration,
    pub(super) ip_held_until: Option<Timestamp>,
    pub(super) permit: Permit,
    pub(super) keys: Keys,
    pub(super) rows: Rows,
    drawn: u64,
}

/// What is stored.
#[derive(Default, Clone, PartialEq)]
pub(super) struct Rows {
    pub(super) indexes: BTreeMap<(Tenant, Digest), RecipientId>,
    pub(super) recipients: BTreeMap<RecipientId, RecipientRow>,
    pub(super) verifications: BTreeMap<VerificationId, Verification>,
    pub(super) deliveries: BTreeMap<DeliveryId, Delivery>,
    pub(super) replays: BTreeMap<Digest, Recorded>,
    pub(super) journal: Vec<Entry>,
    pub(super) messages: BTreeMap<MessageKey, SentMessage>,
    pub(super) early: BTreeMap<MessageKey, EarlyReceipt>,
}

pub(crate) fn ring(active: u16, roots: &[u16]) -> Keys {
    let state = |id| if id == active { RootState::Active } else { RootState::Retiring };
    let root = |id: &u16| Root {
        id: RootId(*id),
        state: state(*id),
        secret: Zeroizing::new(sha256(&id.to_be_bytes()).0),
    };
    Keys::derive(&roots.iter().map(root).collect::<Vec<_>>(), [0xee; 16]).unwrap()
}

impl World {
    /// A live project with the standard profile, and one provider for each channel.
    pub(super) fn new() -> Self {
        let channels = [Channel::Sms, Channel::Voice, Channel::Email];
        Self {
            now: START,
            tenant: Tenant { project: ProjectId::from_bytes([1; 16]), mode: Mode::Live },
            policy: Policy::of(Profile::Standard),
            routes: Routes::of(channels.map(|channel| Route::plain(channel, &["gateway"])).to_vec()),
            limits_apply: true,
            clock_ahead: Duration::ZERO,
            ip_held_until: None,
            permit: Permit::Unmetered,
            keys: ring(1, &[1]),
            rows: Rows::default(),
            drawn: 0,
        }
    }

    /// The same in test mode, where send limits are off.
    pub(super) fn test_mode() -> Self {
        let mut world = Self::new();
        world.tenant.mode = Mode::Test;
        world.limits_apply = false;
        world
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.now = self.now.plus(span);
    }

    pub(super) fn index(&self, to: &Recipient) -> RecipientIndex {
        RecipientIndex::of(&self.keys, &self.tenant, to)
    }

    /// A start with the defaults of the API.
    pub(super) fn start(&self, to: &str) -> Create {
        let to = Recipient::parse(to).unwrap();
        Create {
            index: self.index(&to),
            to,
            channel: None,
            purpose: Purpose::Authentication,
            format: self.policy.code,
            lifetime: self.policy.default_lifetime(Purpose::Authentication),
            lane: Lane::Open,
            private: Private::default(),
            dry_run: false,
            workflow: Vec::new(),
            dialect: None,
        }
    }

    pub(super) fn request(&mut self, command: Command) -> Request {
        self.drawn += 1;
        Request {
            tenant: self.tenant,
            actor: Actor::Key(KeyId::from_bytes([7; 16])),
            request_id: None,
            policy: Arc::new(self.policy.clone()),
            routes: Arc::new(self.routes.clone()),
            limits_apply: self.limits_apply,
            clock_ahead: self.clock_ahead,
            ip_held_until: self.ip_held_until,
            permit: self.permit.clone(),
            entropy: Entropy::draw(&Counted(self.drawn)),
            once: None,
            command,
        }
    }

    /// The same with an idempotency key, for a body.
    pub(super) fn once(&mut self, key: &str, body: &str, command: Command) -> Request {
        let once = Once { key: sha256(key.as_bytes()), body: sha256(body.as_bytes()) };
        Request { once: Some(once), ..self.request(command) }
    }

    /// Decides a batch, writes it, and checks the invariants.
    pub(super) fn batch(&mut self, requests: &[Request]) -> (Vec<Outcome>, Vec<Job>) {
        let requests: Vec<&Request> = requests.iter().collect();
        let (outcomes, changes) = run(&requests, self.load(&requests), &self.keys);
        invariants::of_a_batch(requests.len(), &self.rows, &changes);
        let jobs = changes.jobs.clone();
        self.rows.apply(changes);
        invariants::of_the_history(&self.rows, &self.policy);
        (outcomes.into_iter().map(Result::unwrap).collect(), jobs)
    }

    pub(super) fn submit(&mut self, command: Command) -> Answer {
        let request = self.request(command);
        self.batch(&[request]).0.remove(0).answer
    }

    fn load(&self, requests: &[&Request]) -> Loaded {
        let mut loaded = Loaded {
            now: self.now,
            indexes: self.rows.indexes.clone(),
            replays: self.rows.replays.clone(),
            ..Loaded::default()
        };
        for request in requests {
            match request.root() {
                Stands::Verification(id) => self.load_verification(id, &mut loaded),
                Stands::Delivery(id) => {
                    let named = self.rows.deliveries.get(&id).map(|delivery| delivery.verification);
                    named.into_iter().for_each(|id| self.load_verification(id, &mut loaded));
                }
                Stands::Nothing => {}
                Stands::Recipient(index) => {
                    let find = |digest: &Digest| self.rows.indexes.get(&(request.tenant, *digest));
                    let Some(id) = index.folded.iter().find_map(find) else { continue };
                    let row = &self.rows.recipients[id];
                    loaded.ledgers.entry(*id).or_default().recipient = Some(row.clone());
                    let wanted = |open| open || request.needs() == Needs::Recent;
                    for recent in row.recent.iter().filter(|recent| wanted(recent.open)) {
                        self.load_verification(recent.id, &mut loaded);
                    }
                }
                // `decide::subject` has a world of its own.
                Stands::Subject(_) => {}
            }
        }
        loaded
    }

    fn load_verification(&self, id: VerificationId, loaded: &mut Loaded) {
        let Some(row) = self.rows.verifications.get(&id) else { return };
        loaded.verifications.insert(id, row.recipient);
        let ledger: &mut Ledger = loaded.ledgers.entry(row.recipient).or_default();
        ledger.recipient = self.rows.recipients.get(&row.recipient).cloned();
        ledger.verifications.insert(id, row.clone());
        for delivery in self.rows.deliveries.values().filter(|delivery| delivery.verification == id) {
            loaded.deliveries.insert(delivery.id, row.recipient);
            ledger.deliveries.insert(delivery.id, delivery.clone());
        }
    }

    /// Begins a verification that must begin.
    pub(super) fn create(&mut self, create: Create) -> VerificationId {
        match self.submit(Command::Create(Box::new(create))) {
            Answer::Done(snapshot) => snapshot.verification.id,
            other => panic!("not begun: {other:?}"),
        }
    }

    /// Begins one for [`PHONE`] with the defaults.
    pub(super) fn begin(&mut self) -> VerificationId {
        self.create(self.start(PHONE))
    }

    pub(super) fn refused_start(&mut self, create: Create) -> Refusal {
        refusal(&self.submit(Command::Create(Box::new(create))))
    }

    pub(super) fn row(&self, id: VerificationId) -> &Verification {
        &self.rows.verifications[&id]
    }

    pub(super) fn status(&self, id: VerificationId) -> Status {
        self.row(id).status_at(self.now)
    }

    pub(super) fn ledger(&self, id: VerificationId) -> &RecipientRow {
        &self.rows.recipients[&self.row(id).recipient]
    }

    /// The right code.
    pub(super) fn code(&self, id: VerificationId) -> String {
        let row = self.row(id);
        let data_key = &self.ledger(id).data_key;
        row.code(&self.keys, data_key, row.generation).unwrap().reveal().to_owned()
    }

    /// The `nth` of the wrong codes.
    pub(super) fn wrong_code(&self, id: VerificationId, nth: u32) -> String {
        let right: u32 = self.code(id).parse().unwrap();
        format!("{:06}", (right + 1 + nth) % 1_000_000)
    }

    pub(super) fn check(&mut self, id: VerificationId, code: &str) -> Answer {
        self.submit(Command::Check(check(id, code)))
    }

    pub(super) fn check_right(&mut self, id: VerificationId) -> Answer {
        self.check(id, &self.code(id))
    }

    pub(super) fn check_wrong(&mut self, id: VerificationId) -> Answer {
        self.check(id, &self.wrong_code(id, 0))
    }

    pub(super) fn resend(&mut self, id: VerificationId) -> Answer {
        self.submit(Command::Resend(id, None))
    }

    /// The delivery made last.
    pub(super) fn last_delivery(&self) -> &Delivery {
        self.rows.deliveries.values().next_back().unwrap()
    }

    pub(super) fn sent(&mut self, delivery: DeliveryId, state: DeliveryState) -> Answer {
        self.submit(Command::Sent(Sent {
            delivery,
            attempts: Vec::new(),
            state,
            retry_at: None,
            receipts: false,
        }))
    }
}

impl World {
    /// A provider that gives receipts takes a message under this name.
    pub(super) fn taken(&mut self, delivery: DeliveryId, message: &str) -> Answer {
        let attempts = vec![self.attempt(None, Some(message))];
        self.submit(Command::Sent(Sent {
            delivery,
            attempts,
            state: DeliveryState::Sent,
            retry_at: None,
            receipts: true,
        }))
    }

    /// No provider takes it.
    pub(super) fn failed(&mut self, delivery: DeliveryId, fault: Fault) -> Answer {
        let attempts = vec![self.attempt(Some(fault), None)];
        let state = DeliveryState::Failed;
        self.submit(Command::Sent(Sent { delivery, attempts, state, retry_at: None, receipts: false }))
    }

    pub(super) fn attempt(&self, fault: Option<Fault>, message: Option<&str>) -> Attempt {
        let error = fault.map(|fault| AttemptError {
            fault,
            retry: false,
            class: "rejected".to_owned(),
            detail: "The provider said no.".to_owned(),
        });
        let message_id = message.map(str::to_owned);
        Attempt { at: self.now, provider: "gateway".to_owned(), error, message_id, cost: None }
    }

    /// A receipt of the gateway comes, as a door would bring it.
    pub(super) fn receipt(&mut self, message: &str, fate: Fate) -> Answer {
        self.receipt_of("gateway", About::Message(message.to_owned()), fate)
    }

    pub(super) fn receipt_of(&mut self, provider: &str, about: About, fate: Fate) -> Answer {
        let receipt = Receipt { about, fate };
        let mut told = Told { provider: provider.to_owned(), receipt, of: None, kept: false };
        told.of = match told.receipt.about {
            About::Message(_) => self.rows.messages.get(&told.key()).map(|message| message.delivery),
            About::Delivery(id) => Some(id),
        };
        self.submit(Command::Receipt(Box::new(told)))
    }

    /// What waits for its message is tried again.
    pub(super) fn early_receipts(&mut self) {
        for (key, early) in self.rows.early.clone() {
            let known = self.rows.messages.get(&key).map(|message| message.delivery);
            let of = known.or(early.of.map(|(_, id)| id));
            let told = Told { provider: key.provider, receipt: early.receipt, of, kept: true };
            if of.is_some() {
                self.submit(Command::Receipt(Box::new(told)));
            }
        }
    }

    /// Begins one with a workflow.
    pub(super) fn begin_with(&mut self, steps: &[Step]) -> VerificationId {
        self.create(Create { workflow: steps.to_vec(), ..self.start(PHONE) })
    }
}

/// A step that waits so long for a receipt and a check.
pub(super) fn by(channel: Channel, receipt_within: Option<u32>, wait: Option<u32>) -> Step {
    Step { channel, wait, receipt_within }
}

/// A network's report that a message did not arrive.
pub(super) fn undelivered() -> Fate {
    Fate::Failed { class: "recipient_rejected".to_owned(), detail: "It says no.".to_owned() }
}

impl Rows {
    fn apply(&mut self, changes: Changes) {
        for id in changes.new_recipients {
            let row = &changes.recipients[&id];
            assert!(self.indexes.insert((row.tenant, row.index), id).is_none(), "one ledger per recipient");
        }
        self.recipients.extend(changes.recipients);
        for (id, (row, new)) in changes.verifications {
            assert_eq!(self.verifications.insert(id, row).is_none(), new, "an INSERT is not an UPDATE");
        }
        for (id, (row, new)) in changes.deliveries {
            assert_eq!(self.deliveries.insert(id, row).is_none(), new, "an INSERT is not an UPDATE");
        }
        self.journal.extend(changes.journal);
        self.replays.extend(changes.once);
        self.messages.extend(changes.messages);
        for (key, early) in changes.early {
            match early {
                Some(early) => drop(self.early.insert(key, early)),
                None => drop(self.early.remove(&key)),
            }
        }
    }
}

/// A check of a code that names nothing else.
pub(super) fn check(id: VerificationId, code: &str) -> Check {
    Check {
        target: Target::Id(id),
        code: Entered(Zeroizing::new(code.to_owned())),
        purpose: None,
        subject: None,
        session: None,
        transaction: None,
        origin: None,
    }
}

pub(super) fn transfer(amount: u64) -> Transaction {
    Transaction::new(amount, "EUR", "NORD PARTS LTD", None).unwrap()
}

/// Why it was refused; panics when it was not.
pub(super) fn refusal(answer: &Answer) -> Refusal {
    match answer {
        Answer::Refused(refusal, _) => *refusal,
        other => panic!("not refused: {other:?}"),
    }
}

pub(super) fn shown(answer: &Answer) -> &Snapshot {
    answer.snapshot().expect("an answer about a verification")
}

pub(super) fn approved(answer: &Answer) -> bool {
    matches!(answer, Answer::Approved(..))
}
