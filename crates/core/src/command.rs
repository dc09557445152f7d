//! What may be asked of the rules, and what they answer.

mod answer;

use std::sync::Arc;
use std::time::Duration;

pub use answer::{Answer, ProofGrant, Recorded, Snapshot};

use crate::budget::Permit;
use crate::delivery::Delivery;
pub use crate::delivery::Sent;
use crate::ids::{ChallengeId, DeliveryId, RecipientId, RequestId, VerificationId};
use crate::journal::{Actor, Entry};
use crate::keys::{CodeFormat, Digest, Keys, WrappedKey, sha256};
use crate::ledger::RecipientRow;
use crate::policy::{Policy, Profile};
use crate::receipt::{EarlyReceipt, MessageKey, SentMessage, Told};
use crate::recipient::Recipient;
use crate::routing::Routes;
use crate::subject::{Act, Aim, SubjectCommand};
use crate::tenant::Tenant;
use crate::time::{Entropy, Timestamp};
use crate::verification::{Channel, Lane, Origin, Private, Purpose, Report, Transaction, Verification};
use crate::workflow::Step;

/// All a decision may depend on, beside the rows and the clock.
#[derive(Debug, Clone)]
pub struct Request {
    /// Project and mode of the caller.
    pub tenant: Tenant,
    /// Who asks.
    pub actor: Actor,
    /// The HTTP request it came with.
    pub request_id: Option<RequestId>,
    /// The project's numbers.
    pub policy: Arc<Policy>,
    /// The node's routing table.
    pub routes: Arc<Routes>,
    /// Whether send limits apply; tries, failures and pauses always do.
    pub limits_apply: bool,
    /// How far the project's test clock is ahead.
    pub clock_ahead: Duration,
    /// When the client's address may start again; a permit taken at the edge.
    pub ip_held_until: Option<Timestamp>,
    /// Whether budgets pay for a send; taken before the command is queued.
    pub permit: Permit,
    /// The randomness of this request, the same when it is decided again.
    pub entropy: Entropy,
    /// The idempotency key and the fingerprint of the body.
    pub once: Option<Once>,
    /// What is asked.
    pub command: Command,
}

/// An idempotency key: its scope (tenant, method, path, key) and the body that came with it, both keyed digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Once {
    /// Digest of the scope and the key.
    pub key: Digest,
    /// Digest of the body.
    pub body: Digest,
}

/// The blind indexes of a recipient, under each root this node holds; the active one first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RecipientIndex {
    /// Of the folded form: finds the ledger.
    pub folded: Vec<Digest>,
    /// Of the exact form: the one under the active root is frozen in the verification.
    pub exact: Vec<Digest>,
}

impl RecipientIndex {
    /// The indexes of a recipient of this tenant.
    #[must_use]
    pub fn of(keys: &Keys, tenant: &Tenant, to: &Recipient) -> Self {
        let under_each_root = |text: &str| {
            let (mode, kind) = ([tenant.mode.tag()], [to.kind().tag()]);
            let fields: [&[u8]; 5] =
                [b"recipient/v1", tenant.project.as_bytes(), &mode, &kind, text.as_bytes()];
            keys.root_ids().filter_map(|root| keys.index(root, &fields)).collect()
        };
        Self { folded: under_each_root(to.folded()), exact: under_each_root(to.canonical()) }
    }
}

/// One thing to decide.
#[derive(Debug, Clone)]
pub enum Command {
    /// Begin a verification.
    Create(Box<Create>),
    /// Check a code.
    Check(Check),
    /// Send the code again.
    Resend(VerificationId, Option<Channel>),
    /// Call it off.
    Cancel(VerificationId),
    /// Approve it on the customer's word, without a code and without a proof.
    Override(VerificationId),
    /// Write down that its time ran out.
    Expire(VerificationId),
    /// Note what the customer says about it.
    Report(VerificationId, Report),
    /// Note what became of a delivery.
    Sent(Sent),
    /// Something about a subject, its factors or its challenges.
    Subject(Box<SubjectCommand>),
    /// Note what the network says of a message.
    Receipt(Box<Told>),
    /// Take the next step of the workflow, if this delivery makes it due.
    Step(DeliveryId),
}

/// How a verification should begin.
#[derive(Debug, Clone)]
pub struct Create {
    /// To whom.
    pub to: Recipient,
    /// Its blind indexes.
    pub index: RecipientIndex,
    /// Over which channel; `None` is `auto`.
    pub channel: Option<Channel>,
    /// Over which channels one after the other, instead of `channel`. Empty is no workflow.
    pub workflow: Vec<Step>,
    /// For what.
    pub purpose: Purpose,
    /// How the code should look.
    pub format: CodeFormat,
    /// How long it lives.
    pub lifetime: Duration,
    /// On whose counters.
    pub lane: Lane,
    /// What is sealed with it; `to` and `masked` are filled in by the decision.
    pub private: Private,
    /// Only say what would happen.
    pub dry_run: bool,
    /// When a dialect begins it.
    pub dialect: Option<DialectStart>,
}

/// A start in a dialect: an open verification of the same origin, recipient and transaction is sent again instead.
#[derive(Debug, Clone)]
pub struct DialectStart {
    /// Which dialect and service.
    pub origin: Origin,
    /// The code to send instead of a derived one, of the form `format` of the start says.
    pub code: Option<Entered>,
    /// The last send of this service and recipient that the caller was told of: the verification and how many sends it
    /// had. A send that nobody was told of is repeated by a client that saw an error, not by a person.
    pub answered: Option<(VerificationId, u8)>,
}

/// Which verification a check means.
#[derive(Debug, Clone)]
pub enum Target {
    /// This one.
    Id(VerificationId),
    /// The latest of this recipient that matches what the check names.
    Recipient(RecipientIndex),
}

/// One entry of a code, and what it claims to be for.
#[derive(Debug, Clone)]
pub struct Check {
    /// Which verification.
    pub target: Target,
    /// What the person typed.
    pub code: Entered,
    /// Must be the purpose of the start, when given.
    pub purpose: Option<Purpose>,
    /// Must be the subject of the start, when given.
    pub subject: Option<String>,
    /// Must be the session of the start; required when that had one.
    pub session: Option<String>,
    /// Must be the transaction of the start; required when that had one.
    pub transaction: Option<Transaction>,
    /// The dialect the check comes through: then it means only verifications of that origin, and by recipient only those
    /// of the same transaction.
    pub origin: Option<Origin>,
}

/// What a person typed as a code. Prints as `***` and is wiped when dropped.
#[derive(Clone)]
pub struct Entered(pub zeroize::Zeroizing<String>);

impl std::fmt::Debug for Entered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entered(***)")
    }
}

/// What a decision stands on.
#[derive(Debug, Clone)]
pub enum Root<'a> {
    /// The ledger of this recipient.
    Recipient(&'a RecipientIndex),
    /// The ledger of this verification's recipient.
    Verification(VerificationId),
    /// The ledger of this delivery's recipient.
    Delivery(DeliveryId),
    /// The ledger of a subject.
    Subject(&'a SubjectCommand),
    /// Nothing: there is no such row.
    Nothing,
}

/// Which of a ledger's verifications a decision must see, beside the one it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// None.
    Named,
    /// The open ones.
    Open,
    /// All it remembers.
    Recent,
}

impl Request {
    /// A command of the system itself: what a worker or a periodic task notes. It depends on no project's numbers.
    #[must_use]
    pub fn of_system(tenant: Tenant, entropy: Entropy, command: Command) -> Self {
        Self {
            tenant,
            actor: Actor::System,
            request_id: None,
            policy: Arc::new(Policy::of(Profile::Standard)),
            routes: Arc::default(),
            limits_apply: false,
            clock_ahead: Duration::ZERO,
            ip_held_until: None,
            permit: Permit::Unmetered,
            entropy,
            once: None,
            command,
        }
    }

    /// Ends what was started in the future when somebody accepts that the clock was set back. `random` is that of the
    /// acceptance; the entry's id only has to differ from others.
    #[must_use]
    pub fn ending_future(tenant: Tenant, started: Started, random: [u8; 10]) -> Self {
        let mut entropy = Entropy { ids: [[0; 10]; 8], nonces: [[0; 12]; 3], data_key: [0; 32] };
        let mixed = sha256(&[random.as_slice(), started.as_bytes()].concat());
        entropy.ids[7].copy_from_slice(&mixed.0[..10]);
        Self::of_system(tenant, entropy, started.expiry())
    }

    /// The id of the recipient this request sees for the first time at `at`, the same when it is decided again.
    #[must_use]
    pub const fn recipient_id(&self, at: Timestamp) -> RecipientId {
        RecipientId::new(at, self.entropy.ids[3])
    }

    /// What the decision stands on, without I/O.
    #[must_use]
    pub fn root(&self) -> Root<'_> {
        match &self.command {
            Command::Create(create) => Root::Recipient(&create.index),
            Command::Check(Check { target: Target::Recipient(index), .. }) => Root::Recipient(index),
            Command::Check(Check { target: Target::Id(id), .. })
            | Command::Resend(id, _)
            | Command::Cancel(id)
            | Command::Override(id)
            | Command::Expire(id)
            | Command::Report(id, _) => Root::Verification(*id),
            Command::Sent(sent) => Root::Delivery(sent.delivery),
            Command::Subject(command) => Root::Subject(command),
            Command::Step(id) => Root::Delivery(*id),
            Command::Receipt(told) => told.of.map_or(Root::Nothing, Root::Delivery),
        }
    }

    /// Which verifications it must see.
    #[must_use]
    pub fn needs(&self) -> Needs {
        match &self.command {
            Command::Create(_) => Needs::Open,
            Command::Check(Check { target: Target::Recipient(_), .. }) => Needs::Recent,
            _ => Needs::Named,
        }
    }
}

/// Something that was started and has an end in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Started {
    /// A verification.
    Verification(VerificationId),
    /// A challenge.
    Challenge(ChallengeId),
}

impl Started {
    /// Writes down that its time ran out.
    #[must_use]
    pub fn expiry(self) -> Command {
        match self {
            Self::Verification(id) => Command::Expire(id),
            Self::Challenge(id) => {
                Command::Subject(Box::new(SubjectCommand { aim: Aim::Challenge(id), act: Act::Expire }))
            }
        }
    }

    /// The sixteen bytes of its id.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        match self {
            Self::Verification(id) => id.as_bytes(),
            Self::Challenge(id) => id.as_bytes(),
        }
    }
}

/// What a decision changes: whole rows, so merging two is "the last one wins".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Effects {
    /// The ledger row.
    pub recipient: Option<RecipientRow>,
    /// Verifications.
    pub verifications: Vec<Verification>,
    /// Deliveries.
    pub deliveries: Vec<Delivery>,
    /// One entry per change.
    pub journal: Vec<Entry>,
    /// Messages that providers took and will tell more about.
    pub messages: Vec<(MessageKey, SentMessage)>,
    /// Receipts that wait for their message from now on; `None` strikes one out.
    pub early: Vec<(MessageKey, Option<EarlyReceipt>)>,
}

impl Effects {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// A delivery with all a worker needs to send it, handed over after the commit.
#[derive(Debug, Clone)]
pub struct Job {
    /// The delivery.
    pub delivery: Delivery,
    /// The verification whose code it carries.
    pub verification: Verification,
    /// What opens the sealed recipient.
    pub data_key: WrappedKey,
}
