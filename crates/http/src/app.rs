//! What all handlers share, made once per router.

use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard};

use countersign_core::admission::{Admission, MAX_ADDRESSES, Network};
use countersign_core::buckets::{Buckets, MAX_VALUES};
use countersign_core::ids::{ChallengeId, ProjectId, RequestId};
use countersign_core::journal::Actor;
use countersign_core::keys::Digest;
use countersign_core::limits::REPEATED_WITHIN;
use countersign_core::recipient::Country;
use countersign_core::routing::Routes;
use countersign_core::tenancy::{AdminAnswer, AdminChange, AdminRequest, Project};
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::Timestamp;
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::Services;
use crate::auth::KeyCache;
use crate::compat::SettingsCache;
use crate::compat::twilio::{Named, Told};
use crate::limits;
use crate::problem::Problem;
use crate::proof::Signers;
use crate::quota::Quotas;

/// The services with what the edge itself remembers.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) services: Services,
    pub(crate) key_cache: KeyCache,
    pub(crate) signers: Signers,
    pub(crate) quotas: Option<Quotas>,
    pub(crate) settings: SettingsCache,
    pub(crate) told: Told,
    /// Challenges that something became of, for those who wait.
    pub(crate) answered: broadcast::Sender<ChallengeId>,
    /// The projects as devices need them, which have no key to bring theirs.
    projects: Mutex<Option<(Instant, Arc<Vec<Project>>)>>,
    pub(crate) named: Named,
    /// Rate limits of dialects, by bucket and value.
    pub(crate) buckets: Mutex<Buckets<Digest>>,
    live_admission: Mutex<Admission<Tenant>>,
    /// Apart from the live one: test clocks run ahead, and no test may crowd out or forget a live address.
    test_admission: Mutex<Admission<Tenant>>,
}

impl Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    pub(crate) fn new(services: Services) -> Self {
        let signers = Signers::new(&services.keys, &services.issuer);
        let [live_admission, test_admission] = [(); 2].map(|()| Mutex::new(Admission::new(MAX_ADDRESSES)));
        Self(Arc::new(Inner {
            quotas: services.quota.map(Quotas::new),
            services,
            key_cache: KeyCache::default(),
            settings: SettingsCache::default(),
            answered: broadcast::channel(limits::ANSWERS_KEPT).0,
            projects: Mutex::default(),
            told: Told::new(REPEATED_WITHIN, limits::MAX_TOLD),
            named: Named::new(limits::NAMED_WITHIN, limits::MAX_NAMED),
            buckets: Mutex::new(Buckets::new(MAX_VALUES)),
            signers,
            live_admission,
            test_admission,
        }))
    }

    /// The routing table with how its providers stand, as decisions are made with.
    pub(crate) fn routes(&self) -> Arc<Routes> {
        self.services.board.routes(self.services.clock.now())
    }

    /// Ten unpredictable bytes: the tail of an id.
    pub(crate) fn id_tail(&self) -> [u8; 10] {
        let mut tail = [0; 10];
        self.services.entropy.fill(&mut tail);
        tail
    }

    /// A new request id.
    pub(crate) fn request_id(&self) -> RequestId {
        RequestId::new(self.services.clock.now(), self.id_tail())
    }

    /// Takes a start of a client's network, or says from when on one may be taken.
    pub(crate) fn admit(
        &self,
        tenant: Tenant,
        address: std::net::IpAddr,
        country: Option<Country>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        self.admission(tenant.mode).take(tenant, Network::of(address), country, now)
    }

    /// Gives back the start that was taken `at` this instant: it turned out to be a repetition of an earlier one.
    pub(crate) fn give_back(&self, tenant: Tenant, address: std::net::IpAddr, at: Timestamp) {
        self.admission(tenant.mode).give_back(tenant, Network::of(address), at);
    }

    /// A project, as it was at most a second ago; what this process changed is seen at once.
    pub(crate) async fn project(&self, id: ProjectId) -> Result<Option<Project>, Problem> {
        let lock = || self.projects.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let fresh = lock()
            .as_ref()
            .filter(|(read, _)| read.elapsed() < limits::KEY_AGE)
            .map(|(_, known)| Arc::clone(known));
        let projects = match fresh {
            Some(projects) => projects,
            None => {
                let read = Instant::now();
                let projects = Arc::new(self.services.store.projects().await?);
                *lock() = Some((read, Arc::clone(&projects)));
                projects
            }
        };
        Ok(projects.iter().find(|project| project.id == id).cloned())
    }

    fn admission(&self, mode: Mode) -> MutexGuard<'_, Admission<Tenant>> {
        let admission = match mode {
            Mode::Live => &self.live_admission,
            Mode::Test => &self.test_admission,
        };
        admission.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Carries out a change of projects or keys; what this process remembers of them is forgotten.
    pub(crate) async fn administer(
        &self,
        actor: Actor,
        request_id: RequestId,
        change: AdminChange,
    ) -> Result<AdminAnswer, Problem> {
        let noted_only = matches!(change, AdminChange::NoteReveal(_));
        let project = change.project();
        let entry = self.id_tail();
        let request = AdminRequest { actor, request_id: Some(request_id), entry, change };
        let answer = self.services.store.administer(request).await;
        if !noted_only {
            self.key_cache.forget(project);
            self.projects.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        }
        Ok(answer?)
    }
}
