//! The board that hangs between the edge and the workers of a node: who may send, who is well, what routes there are.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Numbers, Outcome, Pass, Providers, Settings};
use crate::delivery::Fault;
use crate::recipient::Country;
use crate::routing::Routes;
use crate::time::Timestamp;

/// How old the standing may be that decisions are made with.
const STALENESS: Duration = Duration::from_millis(250);

/// The health of a node's providers and its routing table. Its one lock is held for microseconds, never across a wait.
#[derive(Debug, Default)]
pub struct Board(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    providers: Providers,
    /// The table with the standing as of the instant beside it.
    routes: Arc<Routes>,
    stood_at: Option<Timestamp>,
}

impl Inner {
    fn renew(&mut self, now: Timestamp) -> Arc<Routes> {
        let standing = Arc::new(self.providers.standing(now));
        self.routes = Arc::new(Routes { standing, ..Routes::clone(&self.routes) });
        self.stood_at = Some(now);
        Arc::clone(&self.routes)
    }
}

impl Board {
    /// A board for these routes and the configured providers.
    #[must_use]
    pub fn new(routes: Routes, settings: Settings, providers: impl IntoIterator<Item = String>) -> Self {
        let providers = Providers::new(settings, providers);
        Self(Mutex::new(Inner { providers, routes: Arc::new(routes), stood_at: None }))
    }

    /// The routing table with how its providers stand, at most a quarter of a second old.
    #[must_use]
    pub fn routes(&self, now: Timestamp) -> Arc<Routes> {
        let mut inner = self.lock();
        // A clock that was set back does not keep an old standing alive.
        let fresh = |at: Timestamp| at <= now && now.since(at) < STALENESS;
        if inner.stood_at.is_some_and(fresh) { Arc::clone(&inner.routes) } else { inner.renew(now) }
    }

    /// The same with how they stand at this instant, for people who look at it.
    #[must_use]
    pub fn routes_now(&self, now: Timestamp) -> Arc<Routes> {
        self.lock().renew(now)
    }

    /// See [`Providers::pass`].
    ///
    /// # Errors
    /// From when on it may be asked again; `None` for a provider that is not known.
    pub fn pass(&self, provider: &str, now: Timestamp) -> Result<Pass, Option<Timestamp>> {
        self.lock().providers.pass(provider, now)
    }

    /// See [`Providers::note`].
    pub fn note(
        &self,
        provider: &str,
        pass: Pass,
        outcome: Outcome,
        took: Duration,
        country: Option<Country>,
        now: Timestamp,
    ) {
        self.lock().providers.note(provider, pass, outcome, took, country, now);
    }

    /// See [`Providers::receipt`].
    pub fn receipt(&self, provider: &str, fate: Result<(), Fault>, now: Timestamp) {
        self.lock().providers.receipt(provider, fate, now);
    }

    /// See [`Providers::approved`].
    pub fn approved(&self, provider: &str, country: Option<Country>) {
        self.lock().providers.approved(provider, country);
    }

    /// The numbers of all providers, by name.
    #[must_use]
    pub fn numbers(&self, now: Timestamp) -> BTreeMap<String, Numbers> {
        self.lock().providers.numbers(now)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standing_is_renewed_four_times_a_second_and_after_a_step_back() {
        let board = Board::new(Routes::default(), Settings::default(), ["a".to_owned()]);
        let at = Timestamp::from_millis;
        let health = |now| board.routes(at(now)).standing.0["a"].health;
        assert_eq!(health(10_000), 1000);
        board.receipt("a", Err(Fault::Provider), at(10_000));
        assert_eq!((health(10_249), health(10_250)), (1000, 800));
        board.receipt("a", Err(Fault::Provider), at(10_250));
        assert_eq!(health(9_000), 640);
    }
}
