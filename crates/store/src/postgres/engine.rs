//! What the lanes, the reads and the housekeeping of one node share.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use countersign_core::keys::{Keys, RootId};
use countersign_core::time::{Clock, ClockWentBack, EntropySource, Timestamp, next_instant};
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;

use super::session::{Connector, Session};
use super::{Failure, Options};
use crate::HandOver;

/// Connections beside the lanes: reads, claims, retention.
const READERS: usize = 4;
/// A read, with the wait for a connection, takes no longer than this.
pub(super) const READ_TIME: Duration = Duration::from_secs(4);

/// One node of the store.
pub(super) struct Engine {
    /// This process, until it ends.
    pub(super) node: [u8; 16],
    pub(super) connector: Connector,
    pub(super) keys: Arc<Keys>,
    pub(super) clock: Arc<NodeClock>,
    /// Decides instead of the database's clock; for tests.
    pub(super) given: Option<Arc<dyn Clock>>,
    pub(super) entropy: Arc<dyn EntropySource>,
    pub(super) hand_over: HandOver,
    /// Whether this node does the periodic work, as far as it knows.
    pub(super) leads: AtomicBool,
    /// The latest instant a decision of this node saw, committed or not, in milliseconds.
    seen: AtomicI64,
    pool: Pool,
}

impl Engine {
    pub(super) fn new(
        options: &Options<'_>,
        connector: Connector,
        keys: Arc<Keys>,
        given: Option<Arc<dyn Clock>>,
    ) -> Self {
        let mut node = [0; 16];
        options.entropy.fill(&mut node);
        Self {
            node,
            connector,
            keys,
            clock: Arc::new(NodeClock::new(Arc::clone(&options.clock))),
            given,
            entropy: Arc::clone(&options.entropy),
            hand_over: Arc::clone(&options.hand_over),
            leads: AtomicBool::new(false),
            seen: AtomicI64::new(0),
            pool: Pool { idle: Mutex::new(Vec::new()), free: Semaphore::new(READERS) },
        }
    }

    /// The instant of a decision: what the `clock` of the database shows, in microseconds, never behind the `last`
    /// committed one. While the clock is behind by no more than is tolerated, neither does it go behind what this node
    /// saw and did not commit: a code that was refused as expired stays so.
    pub(super) fn instant(&self, clock: i64, last: Timestamp) -> Result<Timestamp, ClockWentBack> {
        let clock = self.shown(clock);
        let now = next_instant(last, clock)?;
        // Lanes decide at the same time: the earlier of two must not take the place of the later.
        let later =
            |seen| next_instant(Timestamp::from_millis(seen), clock).map_or(now, |seen| seen.max(now));
        let mut seen = self.seen.load(Ordering::Relaxed);
        loop {
            let now = later(seen);
            match self.seen.compare_exchange_weak(seen, now.millis(), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(now),
                Err(newer) => seen = newer,
            }
        }
    }

    /// What the clock that decides shows, given what the database's does in microseconds.
    pub(super) fn shown(&self, clock: i64) -> Timestamp {
        let clock = Timestamp::from_millis(clock.div_euclid(1000));
        match &self.given {
            Some(given) => given.now(),
            None => {
                self.clock.learn(clock);
                clock
            }
        }
    }

    /// Writes under the root that all nodes agreed on.
    pub(super) fn follow_root(&self, active: RootId) -> Result<(), Failure> {
        if self.keys.active() == active || self.keys.activate(active) {
            Ok(())
        } else {
            Err(Failure::RootMissing(active))
        }
    }

    /// Ten random bytes, or as many as are asked for.
    pub(super) fn random<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.entropy.fill(&mut bytes);
        bytes
    }

    /// Does something with one of the connections beside the lanes. A connection that was used for something that failed
    /// or took too long is not used again.
    pub(super) async fn with_session<T, F>(&self, body: impl FnOnce(Arc<Session>) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let work = async {
            let _slot = self.pool.free.acquire().await.map_err(|_| Failure::Conflict)?;
            let kept = self.pool.idle.lock().await.pop().filter(|session| !session.is_closed());
            let session = match kept {
                Some(session) => session,
                None => Arc::new(self.connector.session().await?),
            };
            let done = body(Arc::clone(&session)).await;
            if done.is_ok() {
                self.pool.idle.lock().await.push(session);
            }
            done
        };
        timeout(READ_TIME, work)
            .await
            .unwrap_or_else(|_| Err(Failure::Unreachable(format!("no answer within {READ_TIME:?}"))))
    }
}

/// Connections that wait for something to do, and the right to use one.
struct Pool {
    idle: Mutex<Vec<Arc<Session>>>,
    free: Semaphore,
}

/// The database's clock as this node knows it: the machine's, corrected by the difference at the last batch or
/// heartbeat. For everything beside the decisions: leases in a worker's hands, ids, test clocks.
pub(super) struct NodeClock {
    machine: Arc<dyn Clock>,
    ahead_millis: AtomicI64,
}

impl NodeClock {
    pub(super) fn new(machine: Arc<dyn Clock>) -> Self {
        Self { machine, ahead_millis: AtomicI64::new(0) }
    }

    fn learn(&self, database: Timestamp) {
        let ahead = database.millis().saturating_sub(self.machine.now().millis());
        self.ahead_millis.store(ahead, Ordering::Relaxed);
    }
}

impl Clock for NodeClock {
    fn now(&self) -> Timestamp {
        let ahead = self.ahead_millis.load(Ordering::Relaxed);
        Timestamp::from_millis(self.machine.now().millis().saturating_add(ahead))
    }
}
