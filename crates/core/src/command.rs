//! What may be asked of the rules, and what they answer.

use std::sync::Arc;
use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::budget::Permit;
use crate::delivery::{Attempt, Delivery, DeliveryState};
use crate::ids::{DeliveryId, ProofId, RecipientId, RequestId, VerificationId};
use crate::journal::{Actor, Entry};
use crate::keys::{CodeFormat, Digest, Keys, WrappedKey, sha256};
use crate::ledger::RecipientRow;
use crate::policy::{Policy, Profile};
use crate::recipient::Recipient;
use crate::refusal::Refusal;
use crate::routing::Routes;
use crate::tenant::Tenant;
use crate::time::{Entropy, Timestamp};
use crate::verification::{Channel, Lane, Origin, Private, Purpose, Report, Transaction, Verification};

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

/// What became of a delivery.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Which.
    pub delivery: DeliveryId,
    /// The tries since it was handed over, in order.
    pub attempts: Vec<Attempt>,
    /// Where it stands now.
    pub state: DeliveryState,
    /// When to try again, while it is queued.
    pub retry_at: Option<Timestamp>,
}

/// What a decision stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root<'a> {
    /// The ledger of this recipient.
    Recipient(&'a RecipientIndex),
    /// The ledger of this verification's recipient.
    Verification(VerificationId),
    /// The ledger of this delivery's recipient.
    Delivery(DeliveryId),
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

    /// Ends a verification from the future when somebody accepts that the clock was set back. `random` is that of the
    /// acceptance; the entry's id only has to differ from others.
    #[must_use]
    pub fn ending_future(tenant: Tenant, id: VerificationId, random: [u8; 10]) -> Self {
        let mut entropy = Entropy { ids: [[0; 10]; 8], nonces: [[0; 12]; 3], data_key: [0; 32] };
        let mixed = sha256(&[random.as_slice(), id.as_bytes()].concat());
        entropy.ids[7].copy_from_slice(&mixed.0[..10]);
        Self::of_system(tenant, entropy, Command::Expire(id))
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

/// A verification as answers show it, with the facts that lie in the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Snapshot {
    /// The row.
    #[n(0)]
    pub verification: Verification,
    /// Its latest delivery.
    #[n(1)]
    pub delivery: Option<Delivery>,
    /// Sends that are left.
    #[n(2)]
    pub sends_remaining: u8,
    /// When the next send is allowed; `None` when there is none.
    #[n(3)]
    pub next_resend_at: Option<Timestamp>,
    /// The instant it is shown for.
    #[n(4)]
    pub at: Timestamp,
    /// What opens the sealed part. Never stored with an outcome: an erasure must reach it.
    #[cbor(skip)]
    pub data_key: Option<(RecipientId, WrappedKey)>,
}

/// The core of a proof; the rest of its claims lies in the verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct ProofGrant {
    /// `jti`.
    #[n(0)]
    pub id: ProofId,
    /// `iat`.
    #[n(1)]
    pub issued_at: Timestamp,
}

/// The outcome of a command. The edge renders it after the commit, and signs.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(flat)]
pub enum Answer {
    /// Carried out.
    #[n(0)]
    Done(#[n(0)] Box<Snapshot>),
    /// Approved, now, once.
    #[n(1)]
    Approved(#[n(0)] Box<Snapshot>, #[n(1)] ProofGrant),
    /// Not carried out, or the code was not accepted.
    #[n(2)]
    Refused(#[n(0)] Refusal, #[n(1)] Option<Box<Snapshot>>),
}

impl Answer {
    /// The verification it is about, when there is one.
    #[must_use]
    pub fn snapshot(&self) -> Option<&Snapshot> {
        match self {
            Self::Done(snapshot) | Self::Approved(snapshot, _) => Some(snapshot),
            Self::Refused(_, snapshot) => snapshot.as_deref(),
        }
    }

    pub(crate) fn snapshot_mut(&mut self) -> Option<&mut Snapshot> {
        match self {
            Self::Done(snapshot) | Self::Approved(snapshot, _) => Some(snapshot),
            Self::Refused(_, snapshot) => snapshot.as_deref_mut(),
        }
    }
}

/// What is kept of an idempotent request.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Recorded {
    /// The body it came with.
    #[n(0)]
    pub body: Digest,
    /// Its outcome.
    #[n(1)]
    pub answer: Answer,
    /// The ledger it stood on, to open the sealed part again.
    #[n(2)]
    pub recipient: Option<RecipientId>,
    /// When.
    #[n(3)]
    pub at: Timestamp,
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
