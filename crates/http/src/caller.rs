//! The caller of a request: what its key opens, and what it may do there.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::command::{Command, Once, Request};
use countersign_core::ids::KeyId;
use countersign_core::journal::Actor;
use countersign_core::policy::Policy;
use countersign_core::tenancy::{KeyKind, Project, Scope};
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::{Entropy, Timestamp};

use crate::app::App;
use crate::auth::Opened;
use crate::error_code::ErrorCode;
use crate::observe::Context;
use crate::problem::Problem;

/// Who asks: a key, or the owner of the machine.
#[derive(Debug)]
pub(crate) struct Caller {
    pub(crate) context: Context,
    key: Option<Arc<Opened>>,
}

/// A caller with a project, in one of its modes.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) context: Context,
    pub(crate) tenant: Tenant,
    opened: Arc<Opened>,
}

impl Caller {
    pub(crate) const fn owner(context: Context) -> Self {
        Self { context, key: None }
    }

    pub(crate) const fn with_key(context: Context, key: Arc<Opened>) -> Self {
        Self { context, key: Some(key) }
    }

    /// Whether it may do this; the owner may manage projects and keys and look at routes, and nothing inside projects.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        match &self.key {
            Some(opened) => opened.record.key.may(scope),
            None => matches!(scope, Scope::ProjectsManage | Scope::KeysManage | Scope::RoutesRead),
        }
    }

    /// Refuses a caller that may not do this.
    pub(crate) fn needs(&self, scope: Scope) -> Result<(), Problem> {
        if self.may(scope) { Ok(()) } else { Err(lacks(scope)) }
    }

    /// The project and mode of a caller that may do this.
    pub(crate) fn member(self, scope: Scope) -> Result<Member, Problem> {
        self.needs(scope)?;
        let opened = self.key.ok_or_else(|| lacks(scope))?;
        Ok(Member { context: self.context, tenant: opened.record.key.tenant, opened })
    }

    /// The project and mode it is bound to; `None` for operators.
    pub(crate) fn bound_to(&self) -> Option<Tenant> {
        let key = &self.key.as_ref()?.record.key;
        (key.kind != KeyKind::Operator).then_some(key.tenant)
    }

    /// Who this is in the journal.
    pub(crate) fn actor(&self) -> Actor {
        self.key.as_ref().map_or(Actor::Operator, |opened| Actor::Key(opened.record.key.id))
    }
}

/// How far the clock of a mode of a project is ahead.
pub(crate) fn clock_ahead(mode: Mode, project: &Project) -> Duration {
    match mode {
        Mode::Live => Duration::ZERO,
        Mode::Test => Duration::from_secs(project.test_clock_ahead),
    }
}

/// The problem of a key without a scope.
pub(crate) fn lacks(scope: Scope) -> Problem {
    Problem::new(ErrorCode::ScopeMissing, format!("The key lacks the scope `{}`.", scope.as_str()))
}

impl Member {
    pub(crate) fn may(&self, scope: Scope) -> bool {
        self.opened.record.key.may(scope)
    }

    pub(crate) fn needs(&self, scope: Scope) -> Result<(), Problem> {
        if self.may(scope) { Ok(()) } else { Err(lacks(scope)) }
    }

    pub(crate) fn actor(&self) -> Actor {
        Actor::Key(self.opened.record.key.id)
    }

    pub(crate) fn key(&self) -> KeyId {
        self.opened.record.key.id
    }

    pub(crate) fn kind(&self) -> KeyKind {
        self.opened.record.key.kind
    }

    pub(crate) fn project(&self) -> &Project {
        &self.opened.record.project
    }

    pub(crate) fn policy(&self) -> &Policy {
        &self.opened.policy
    }

    /// The numbers of the project in a dialect.
    pub(crate) fn dialect_policy(&self) -> Arc<Policy> {
        Arc::clone(&self.opened.dialect_policy)
    }

    /// Refuses a live key where only test mode has something.
    pub(crate) fn test_only(&self) -> Result<(), Problem> {
        match self.tenant.mode {
            Mode::Test => Ok(()),
            Mode::Live => Err(Problem::plain(ErrorCode::ModeMismatch)),
        }
    }

    /// Whether send limits apply: always in live mode, on wish in test mode.
    pub(crate) fn limits_apply(&self) -> bool {
        self.tenant.mode == Mode::Live || self.context.simulate_limits
    }

    fn clock_ahead(&self) -> Duration {
        clock_ahead(self.tenant.mode, self.project())
    }

    /// The present as this caller's mode has it.
    pub(crate) fn now(&self, app: &App) -> Timestamp {
        app.services.clock.now().plus(self.clock_ahead())
    }

    /// A command of this caller.
    pub(crate) fn request(&self, app: &App, command: Command, once: Option<Once>) -> Request {
        Request {
            tenant: self.tenant,
            actor: self.actor(),
            request_id: Some(self.context.request_id),
            policy: Arc::clone(&self.opened.policy),
            routes: app.routes(),
            limits_apply: self.limits_apply(),
            clock_ahead: self.clock_ahead(),
            ip_held_until: None,
            permit: countersign_core::budget::Permit::Unmetered,
            entropy: Entropy::draw(app.services.entropy.as_ref()),
            once,
            command,
        }
    }
}
