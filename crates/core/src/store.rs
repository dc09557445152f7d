//! The port that engines implement. Everything durable goes through it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::batch::Outcome;
use crate::budget::{BudgetId, Change, Day};
use crate::challenge::Challenge;
use crate::command::{Job, Request, Snapshot, Started};
use crate::delivery::Delivery;
use crate::ids::{ChallengeId, DeliveryId, FactorId, ProjectId, SubjectId, VerificationId};
use crate::journal::{Actor, Entry};
use crate::keys::Digest;
use crate::receipt::{About, MessageKey, Receipt};
use crate::setting::{Setting, SettingKind};
use crate::subject::{Aim, SubjectRow};
use crate::tenancy::{AdminAnswer, AdminRequest, ApiKey, Project};
use crate::tenant::Tenant;
use crate::time::{ClockWentBack, Timestamp};
use crate::verification::{Channel, Purpose, Verification};

/// An answer that comes later.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unavailable>> + Send + 'a>>;

/// Why the store gave no answer. Nothing was changed, or it is not known whether it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unavailable {
    /// The disk, file or database refuses: full, read-only, gone. The text is for the log.
    Storage(String),
    /// The queue is full.
    Overloaded,
    /// The clock went back further than a correction explains; nothing is decided until somebody accepts it.
    ClockWentBack(ClockWentBack),
    /// The node is going down.
    Closed,
    /// A decision failed in a way it never should.
    Internal,
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Storage(reason) => write!(f, "the storage cannot be used: {reason}"),
            Self::Overloaded => f.write_str("the queue of the storage is full"),
            Self::ClockWentBack(ClockWentBack { by }) => write!(
                f,
                "the clock stands {by:?} behind the last commit; set it right, or run `countersign clock accept`"
            ),
            Self::Closed => f.write_str("the server is going down"),
            Self::Internal => f.write_str("a decision failed unexpectedly"),
        }
    }
}

impl std::error::Error for Unavailable {}

/// Which verifications a list shows. Given filters must all match.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// `status`, as in the API.
    pub status: Option<String>,
    /// The channel of the latest send.
    pub channel: Option<Channel>,
    /// The purpose.
    pub purpose: Option<Purpose>,
    /// The country of the phone number.
    pub country: Option<[u8; 2]>,
    /// The folded blind indexes, then the exact ones, of a recipient.
    pub to: Option<crate::command::RecipientIndex>,
    /// The digests of a subject, under each root.
    pub subject: Option<Vec<Digest>>,
    /// Not before.
    pub created_after: Option<Timestamp>,
    /// Not at or after.
    pub created_before: Option<Timestamp>,
}

/// One page of a list, newest first.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The rows.
    pub verifications: Vec<Shown>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<VerificationId>,
}

/// A verification with what its answer needs.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The row.
    pub verification: Verification,
    /// Its ledger row.
    pub recipient: crate::ledger::RecipientRow,
    /// Its deliveries, oldest first.
    pub deliveries: Vec<Delivery>,
}

/// What the timeline is made of.
#[derive(Debug, Clone)]
pub struct History {
    /// The verification.
    pub shown: Shown,
    /// Its journal, oldest first.
    pub entries: Vec<Entry>,
}

/// A key with the project it opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The key.
    pub key: ApiKey,
    /// Its project.
    pub project: Project,
}

/// A message that stands in the test outbox.
#[derive(Debug, Clone)]
pub struct OutboxItem {
    /// The delivery.
    pub delivery: Delivery,
    /// The verification.
    pub shown: Verification,
    /// What opens it.
    pub recipient: crate::ledger::RecipientRow,
}

/// A subject with challenges of it.
#[derive(Debug, Clone)]
pub struct SubjectShown {
    /// The row.
    pub subject: SubjectRow,
    /// The challenge that was named, or those that may be open.
    pub challenges: Vec<Challenge>,
}

/// One page of subjects.
#[derive(Debug, Clone, Default)]
pub struct SubjectPage {
    /// The rows.
    pub subjects: Vec<SubjectRow>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<SubjectId>,
}

/// One page of challenges.
#[derive(Debug, Clone, Default)]
pub struct ChallengePage {
    /// Each with the row of its subject, which opens it.
    pub challenges: Vec<(Challenge, SubjectRow)>,
    /// Where the next page begins; `None` at the end.
    pub next: Option<ChallengeId>,
}

/// The store: one queue of commands, and reads.
pub trait Store: Send + Sync + 'static {
    /// Queues a command; the answer comes after the commit.
    fn submit(&self, request: Request) -> Pending<'_, Outcome>;
    /// Carries out a change of projects or keys.
    fn administer(&self, request: AdminRequest) -> Pending<'_, AdminAnswer>;
    /// One verification.
    fn verification(&self, tenant: Tenant, id: VerificationId) -> Pending<'_, Option<Shown>>;
    /// A page of verifications older than `before`.
    fn verifications(
        &self,
        tenant: Tenant,
        filter: Filter,
        before: Option<VerificationId>,
        limit: usize,
    ) -> Pending<'_, Page>;
    /// A verification with its journal.
    fn history(&self, tenant: Tenant, id: VerificationId) -> Pending<'_, Option<History>>;
    /// The latest deliveries of a tenant that were made after `after`, newest first.
    fn outbox(
        &self,
        tenant: Tenant,
        after: Option<Timestamp>,
        to: Option<crate::command::RecipientIndex>,
        limit: usize,
    ) -> Pending<'_, Vec<OutboxItem>>;
    /// The key whose public prefix this is.
    fn key(&self, prefix: String) -> Pending<'_, Option<KeyRecord>>;
    /// All projects.
    fn projects(&self) -> Pending<'_, Vec<Project>>;
    /// All keys of a project.
    fn keys(&self, project: ProjectId) -> Pending<'_, Vec<ApiKey>>;
    /// All settings of one kind, in the order of their ids.
    fn settings(&self, tenant: Tenant, kind: SettingKind) -> Pending<'_, Vec<Setting>>;
    /// Changes the counter of a budget, durably and on its own; what was granted. An answer that got lost may have
    /// reserved: then that much of the day's budget is not spent.
    fn change_budget(&self, change: Change) -> Pending<'_, u64>;
    /// What is reserved of each budget on a day.
    fn budgets(&self, day: Day) -> Pending<'_, Vec<(BudgetId, u64)>>;
    /// A subject, with the challenge that was named, or else the challenges that may be open.
    fn subject(&self, tenant: Tenant, aim: Aim) -> Pending<'_, Option<SubjectShown>>;
    /// Subjects older than `before`, newest first; those that were removed are left out.
    fn subjects(&self, tenant: Tenant, before: Option<SubjectId>, limit: usize) -> Pending<'_, SubjectPage>;
    /// Challenges older than `before`, newest first; of one subject only when it is named.
    fn challenges(
        &self,
        tenant: Tenant,
        of: Option<SubjectId>,
        before: Option<ChallengeId>,
        limit: usize,
    ) -> Pending<'_, ChallengePage>;
    /// Whose a factor is. A device knows its factor and no key.
    fn tenant_of_factor(&self, id: FactorId) -> Pending<'_, Option<Tenant>>;
    /// Claims at most `most` deliveries that are due, for this node, for the length of a lease: those to send, and those that
    /// make the next step of a workflow due.
    fn claim(&self, most: usize) -> Pending<'_, Vec<Job>>;
    /// The delivery a receipt of this provider is about, on whichever node it was sent; `None` while nobody knows the message.
    fn addressee(&self, provider: String, about: About) -> Pending<'_, Option<(Tenant, DeliveryId)>>;
    /// Receipts that waited for their message and can be carried out now, at most `most`.
    fn early_receipts(&self, most: usize) -> Pending<'_, EarlyReceipts>;
    /// Pending verifications and challenges with ids after `after` whose time ran out, at most `most` of each; with the
    /// cursor to go on from, which is that of both: their ids are ordered by the same time.
    fn overdue(&self, after: VerificationId, most: usize) -> Pending<'_, Overdue>;
    /// Removes at most `most` rows of each table that retention no longer keeps; how many went.
    fn retire(&self, keep: Retention, most: usize) -> Pending<'_, u64>;
    /// At most `most` entries of the journal with numbers above `after`, in the order of their numbers.
    fn journal(&self, after: u64, most: usize) -> Pending<'_, Vec<Numbered>>;
    /// Whether this node is the one that runs the periodic tasks: expiry and retention.
    fn leads(&self) -> bool;
    /// Accepts that the clock was set back: what was started in its future ends, and time goes on from what it shows.
    /// Answers by how far, or `None` when there was nothing to accept. `random` is the tail of the entry's id.
    fn accept_clock(&self, actor: Actor, random: [u8; 10]) -> Pending<'_, Option<std::time::Duration>>;
    /// Whether the store can be written to now.
    fn ready(&self) -> Pending<'_, ()>;
    /// Finishes what is queued and lets go of the storage. Later calls are refused.
    fn close(&self) -> Pending<'_, ()>;
}

/// An entry of the journal with its number. Numbers begin at 1 and have no gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbered {
    /// Its place.
    pub number: u64,
    /// What it says.
    pub entry: Entry,
}

/// Receipts that came before their message was known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EarlyReceipts {
    /// Those whose message is known now, or that name a delivery.
    pub known: Vec<KnownReceipt>,
    /// How many wait, these among them.
    pub waiting: usize,
}

/// A receipt that waited, and the delivery it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownReceipt {
    /// Who gave it, and for which message.
    pub key: MessageKey,
    /// What it says.
    pub receipt: Receipt,
    /// Whose delivery it is about.
    pub tenant: Tenant,
    /// Which.
    pub delivery: DeliveryId,
}

/// Verifications and challenges to expire.
#[derive(Debug, Clone, Default)]
pub struct Overdue {
    /// Which.
    pub ids: Vec<(Tenant, Started)>,
    /// Where to go on: behind what was looked at, at most up to what is still too young. Never passes anything unseen.
    pub next: Option<VerificationId>,
}

/// How long rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// Verifications and their deliveries.
    pub verifications: std::time::Duration,
    /// The journal.
    pub journal: std::time::Duration,
}

impl Default for Retention {
    fn default() -> Self {
        let days = |days: u64| std::time::Duration::from_secs(days * 24 * 60 * 60);
        Self { verifications: days(30), journal: days(400) }
    }
}

impl Filter {
    /// Whether a row passes all filters but the recipient's and subject's look-ups by index.
    #[must_use]
    pub fn passes(&self, verification: &Verification, now: Timestamp) -> bool {
        let subject = |digests: &Vec<Digest>| {
            verification.binding.subject.is_some_and(|subject| digests.contains(&subject))
        };
        self.status.as_ref().is_none_or(|status| verification.status_at(now).as_str() == status)
            && self.channel.is_none_or(|channel| verification.channel == channel)
            && self.purpose.is_none_or(|purpose| verification.purpose == purpose)
            && self.country.is_none_or(|country| verification.country == Some(country))
            && self.to.as_ref().is_none_or(|to| to.exact.contains(&verification.address))
            && self.subject.as_ref().is_none_or(subject)
            && self.created_after.is_none_or(|after| verification.created_at >= after)
            && self.created_before.is_none_or(|before| verification.created_at < before)
    }
}

impl Shown {
    /// What answers show of it.
    #[must_use]
    pub fn snapshot(&self, policy: &crate::policy::Policy, limits_apply: bool, now: Timestamp) -> Snapshot {
        let latest = self.deliveries.last().cloned();
        crate::decide::show(policy, limits_apply, &self.verification, &self.recipient, latest, now)
    }
}
