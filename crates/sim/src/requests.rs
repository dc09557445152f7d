//! Requests with defaults, so that a test says only what it is about.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::command::{
    Check, Command, Create, Entered, Once, RecipientIndex, Request, Sent, Target,
};
use countersign_core::delivery::{Attempt, DeliveryState};
use countersign_core::ids::{DeliveryId, ProjectId, VerificationId};
use countersign_core::journal::Actor;
use countersign_core::keys::{Keys, Root, RootId, RootState, sha256};
use countersign_core::policy::{Policy, Profile};
use countersign_core::receipt::{About, Fate, Receipt, Told};
use countersign_core::recipient::Recipient;
use countersign_core::routing::{Route, Routes};
use countersign_core::tenancy::{AdminChange, AdminRequest, Project};
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::{Entropy, EntropySource as _, Timestamp};
use countersign_core::verification::{Channel, Lane, Private, Purpose, Verification};
use zeroize::Zeroizing;

use crate::SeededEntropy;

/// A ring with one active root that everybody knows.
#[must_use]
pub fn test_ring() -> Vec<Root> {
    vec![Root { id: RootId(1), state: RootState::Active, secret: Zeroizing::new([0x5a; 32]) }]
}

/// The keys of [`test_ring`] for a fixed store epoch.
#[must_use]
pub fn test_keys() -> Arc<Keys> {
    Arc::new(Keys::derive(&test_ring(), [0xe0; 16]).expect("one root is active"))
}

/// A recipient that must be valid.
#[must_use]
pub fn recipient(text: &str) -> Recipient {
    Recipient::parse(text).expect("a valid recipient")
}

/// The provider of [`Requests::taken`] and [`Requests::receipt`].
pub const GATEWAY: &str = "gateway";

/// Makes requests of one tenant.
pub struct Requests {
    /// The keys of the store they go to.
    pub keys: Arc<Keys>,
    /// Who asks.
    pub tenant: Tenant,
    /// The project's numbers.
    pub policy: Arc<Policy>,
    /// The routing table: one provider for SMS, voice and email each.
    pub routes: Arc<Routes>,
    /// Whether send limits apply.
    pub limits_apply: bool,
    /// Seconds the tenant's test clock is ahead.
    pub clock_ahead: Duration,
    entropy: Arc<SeededEntropy>,
}

impl Requests {
    /// Requests of a live tenant with the standard policy. Send limits are off, for most tests are not about them.
    #[must_use]
    pub fn new(keys: Arc<Keys>, seed: u64) -> Self {
        let live = vec![
            Route::plain(Channel::Sms, &["gateway"]),
            Route::plain(Channel::Voice, &["caller"]),
            Route::plain(Channel::Email, &["relay"]),
        ];
        Self {
            keys,
            tenant: Tenant { project: ProjectId::from_bytes([0xa1; 16]), mode: Mode::Live },
            policy: Arc::new(Policy::of(Profile::Standard)),
            routes: Arc::new(Routes::of(live)),
            limits_apply: false,
            clock_ahead: Duration::ZERO,
            entropy: Arc::new(SeededEntropy::new(seed)),
        }
    }

    /// The same for another tenant; both draw from one stream of randomness.
    #[must_use]
    pub fn of_tenant(&self, tenant: Tenant) -> Self {
        Self {
            keys: Arc::clone(&self.keys),
            tenant,
            policy: Arc::clone(&self.policy),
            routes: Arc::clone(&self.routes),
            limits_apply: self.limits_apply,
            clock_ahead: self.clock_ahead,
            entropy: Arc::clone(&self.entropy),
        }
    }

    /// A request for `command`.
    #[must_use]
    pub fn of(&self, command: Command) -> Request {
        Request {
            tenant: self.tenant,
            actor: Actor::System,
            request_id: None,
            policy: Arc::clone(&self.policy),
            routes: Arc::clone(&self.routes),
            limits_apply: self.limits_apply,
            clock_ahead: self.clock_ahead,
            ip_held_until: None,
            permit: countersign_core::budget::Permit::Unmetered,
            entropy: Entropy::draw(&*self.entropy),
            once: None,
            command,
        }
    }

    /// The same request under an idempotency key.
    #[must_use]
    pub fn once(request: Request, key: &str, body: &str) -> Request {
        let once = Once { key: sha256(key.as_bytes()), body: sha256(body.as_bytes()) };
        Request { once: Some(once), ..request }
    }

    /// The blind indexes of a recipient.
    #[must_use]
    pub fn index(&self, to: &str) -> RecipientIndex {
        RecipientIndex::of(&self.keys, &self.tenant, &recipient(to))
    }

    /// A start for `authentication` on the open lane, ten minutes long, over the preferred channel; to be changed
    /// before it goes into [`Self::of`].
    #[must_use]
    pub fn start(&self, to: &str) -> Create {
        let policy = &self.policy;
        Create {
            to: recipient(to),
            index: self.index(to),
            channel: None,
            purpose: Purpose::Authentication,
            format: policy.code,
            lifetime: policy.lifetime,
            lane: Lane::Open,
            private: Private::default(),
            dry_run: false,
            workflow: Vec::new(),
            dialect: None,
        }
    }

    /// A start as it is by default.
    #[must_use]
    pub fn create(&self, to: &str) -> Request {
        self.of(Command::Create(Box::new(self.start(to))))
    }

    /// A start with some of it changed.
    #[must_use]
    pub fn create_with(&self, to: &str, change: impl FnOnce(&mut Create)) -> Request {
        let mut start = self.start(to);
        change(&mut start);
        self.of(Command::Create(Box::new(start)))
    }

    /// An entry of a code that names nothing else; to be changed before it goes into [`Self::of`].
    #[must_use]
    pub fn entry(target: Target, code: &str) -> Check {
        Check {
            target,
            code: Entered(Zeroizing::new(code.to_owned())),
            purpose: None,
            subject: None,
            session: None,
            transaction: None,
            origin: None,
        }
    }

    /// A check by id.
    #[must_use]
    pub fn check(&self, id: VerificationId, code: &str) -> Request {
        self.of(Command::Check(Self::entry(Target::Id(id), code)))
    }

    /// A check by recipient.
    #[must_use]
    pub fn check_by(&self, to: &str, code: &str) -> Request {
        self.of(Command::Check(Self::entry(Target::Recipient(self.index(to)), code)))
    }

    /// A resend over the same channel.
    #[must_use]
    pub fn resend(&self, id: VerificationId) -> Request {
        self.of(Command::Resend(id, None))
    }

    /// What became of a delivery, without tries to tell of.
    #[must_use]
    pub fn sent(&self, delivery: DeliveryId, state: DeliveryState) -> Request {
        self.of(Command::Sent(Sent {
            delivery,
            attempts: Vec::new(),
            state,
            retry_at: None,
            receipts: false,
        }))
    }

    /// A provider that gives receipts took a message under this name.
    #[must_use]
    pub fn taken(&self, delivery: DeliveryId, message: &str) -> Request {
        let attempts = vec![Attempt {
            at: Timestamp::default(),
            provider: GATEWAY.to_owned(),
            error: None,
            message_id: Some(message.to_owned()),
            cost: None,
        }];
        let state = DeliveryState::Sent;
        self.of(Command::Sent(Sent { delivery, attempts, state, retry_at: None, receipts: true }))
    }

    /// A receipt of that provider about `of`; `None` while nobody knows the message.
    #[must_use]
    pub fn receipt(&self, message: &str, fate: Fate, of: Option<DeliveryId>) -> Request {
        let receipt = Receipt { about: About::Message(message.to_owned()), fate };
        self.of(Command::Receipt(Box::new(Told { provider: GATEWAY.to_owned(), receipt, of, kept: false })))
    }

    /// The code of a verification, as its message would carry it.
    #[must_use]
    pub fn code_of(&self, verification: &Verification) -> String {
        let binding = verification.binding.digest();
        let code = self.keys.code(&verification.code_inputs(&binding)).expect("the root is known");
        code.reveal().to_owned()
    }

    /// A code of the same shape that is not the right one.
    #[must_use]
    pub fn wrong_code_of(&self, verification: &Verification) -> String {
        let right = self.code_of(verification);
        let last = if right.ends_with('7') { '8' } else { '7' };
        format!("{}{last}", &right[..right.len() - 1])
    }

    /// A change of projects or keys.
    #[must_use]
    pub fn admin(&self, change: AdminChange) -> AdminRequest {
        let mut entry = [0; 10];
        self.entropy.fill(&mut entry);
        AdminRequest { actor: Actor::Operator, request_id: None, entry, change }
    }

    /// The tenant's project.
    #[must_use]
    pub fn project(&self) -> Project {
        Project {
            id: self.tenant.project,
            name: "Test".to_owned(),
            brand: "Acme".to_owned(),
            origin_host: None,
            profile: Profile::Standard,
            locale: "en".to_owned(),
            countries: Vec::new(),
            created_at: Timestamp::default(),
            test_clock_ahead: 0,
            outbox_cleared_at: None,
        }
    }
}
