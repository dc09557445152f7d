//! The engine for many nodes: any number of stateless servers over one PostgreSQL.
//!
//! `lane` carries a batch through one transaction; `turn` is what happens inside it, with `load` and `write` for its two
//! round trips. `node` is what a node owes the others. `sql` has every statement.

mod budget_table;
mod engine;
mod epoch;
mod failure;
mod lane;
mod load;
mod node;
mod read;
mod receipts;
mod rows;
mod schema;
mod session;
mod settings;
mod settings_table;
mod sql;
mod subjects;
mod target;
#[cfg(test)]
mod tests;
mod turn;
mod upkeep;
mod write;

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::batch::Outcome;
use countersign_core::budget::{BudgetId, Change, Day};
use countersign_core::command::{Job, RecipientIndex, Request};
use countersign_core::ids::{ChallengeId, DeliveryId, FactorId, ProjectId, SubjectId, VerificationId};
use countersign_core::journal::Actor;
use countersign_core::keys::{Keys, Root};
use countersign_core::receipt::About;
use countersign_core::setting::{Setting, SettingKind};
use countersign_core::store::{
    ChallengePage, EarlyReceipts, Filter, History, KeyRecord, Numbered, OutboxItem, Overdue, Page, Pending,
    Retention, Shown, Store, SubjectPage, SubjectShown, Unavailable,
};
use countersign_core::subject::Aim;
use countersign_core::tenancy::{AdminAnswer, AdminRequest, ApiKey, Project};
use countersign_core::tenant::Tenant;
use countersign_core::time::{Clock, EntropySource, Timestamp};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};

use crate::HandOver;
use crate::queue::{Entrance, Reply};
use engine::Engine;
pub use epoch::{fence, fence_with};
pub use failure::Failure;
use lane::{ANSWER_TIME, Lane, Work};
use read::Reading;
use rows::{bodies, column};
use session::{Connector, Session};
pub use settings::Settings;
use sql::Sql;
pub(crate) use target::Target;

/// Commands that may wait for the lanes; one more is refused as `overloaded`.
const QUEUE: usize = 8_192;

/// How long a node that closes waits for what is on its way. A lane's row settles what it leaves behind.
const CLOSE_TIME: Duration = Duration::from_secs(8);

/// What the engine needs from the outside.
pub struct Options<'a> {
    /// How to reach the database.
    pub settings: &'a Settings,
    /// The roots of the key ring.
    pub roots: &'a [Root],
    /// The machine's clock. The database's decides; this one tells how much time passed since it was last asked.
    pub clock: Arc<dyn Clock>,
    /// For the epoch of a new store, the node's id and back-off.
    pub entropy: Arc<dyn EntropySource>,
    /// Takes fresh deliveries.
    pub hand_over: HandOver,
}

/// The engine for many nodes.
pub struct PostgresStore {
    engine: Arc<Engine>,
    queue: Entrance<Work>,
    stop: watch::Sender<bool>,
    running: Mutex<Option<Running>>,
}

struct Running {
    lanes: Vec<JoinHandle<()>>,
    node: JoinHandle<()>,
}

impl PostgresStore {
    /// Connects, brings the schema up to date, checks the key ring and joins the other nodes.
    ///
    /// # Errors
    /// When the database cannot be used as it is; nothing was changed then.
    pub async fn open(options: &Options<'_>) -> Result<Self, Failure> {
        Self::open_with(options, None).await
    }

    /// The same with a clock that decides instead of the database's, for tests of what time does.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_with(options: &Options<'_>, given: Option<Arc<dyn Clock>>) -> Result<Self, Failure> {
        let connector = Connector::new(options.settings)?;
        schema::run(&connector).await?;
        let session = connector.session().await?;
        let (keys, ring) = epoch::keys(&session, options).await?;
        let engine = Arc::new(Engine::new(options, connector, Arc::new(keys), given));
        // Known to the others before it does anything: its lanes must not look like a dead node's.
        let seen = session.query_opt(Sql::Heartbeat, &[&engine.node.as_slice(), &ring]).await?;
        engine.shown(seen.map_or(Ok(0), |row| column(&row, 0))?);
        drop(session);
        Ok(Self::start(engine, options.settings.lanes, ring))
    }

    fn start(engine: Arc<Engine>, lanes: usize, ring: Vec<u8>) -> Self {
        let (queue, work) = mpsc::channel(QUEUE);
        let (stop, stopped) = watch::channel(false);
        let work = Arc::new(tokio::sync::Mutex::new(work));
        let serve = |_| tokio::spawn(Lane::new(Arc::clone(&engine)).serve(Arc::clone(&work)));
        let lanes = (0..lanes.max(1)).map(serve).collect();
        let node = tokio::spawn(node::live(Arc::clone(&engine), ring, queue.downgrade(), stopped));
        let running = Mutex::new(Some(Running { lanes, node }));
        Self { engine, queue: Entrance::new(queue), stop, running }
    }

    /// The keys of this store: the ring's subkeys with the store's epoch.
    #[must_use]
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.engine.keys)
    }

    /// The database's clock as this node knows it, for everything beside the decisions.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.engine.clock) as Arc<dyn Clock>
    }

    /// Numbers what is committed in the journal. The leader does it by itself several times a second.
    ///
    /// # Errors
    /// When the database gives no answer.
    pub async fn number_journal(&self) -> Result<(), Unavailable> {
        let engine = Arc::clone(&self.engine);
        self.with_session(|session| async move { node::number(&session, &engine).await }).await
    }

    /// Queues work for the lanes; its caller waits no longer than `patience`.
    fn send<T: Send + 'static>(
        &self,
        work: impl FnOnce(Reply<T>) -> Work,
        patience: Duration,
    ) -> Pending<'static, T> {
        let answer = self.queue.send(work);
        Box::pin(async move {
            let late = |_| Err(Unavailable::Storage(format!("no answer within {patience:?}")));
            timeout(patience, answer).await.unwrap_or_else(late)
        })
    }

    async fn with_session<T, F>(&self, body: impl FnOnce(Arc<Session>) -> F) -> Result<T, Unavailable>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        self.engine.with_session(body).await.map_err(|failure| {
            tracing::error!(%failure, "a read failed");
            Unavailable::from(failure)
        })
    }

    fn now(&self) -> Timestamp {
        self.engine.given.as_ref().map_or_else(|| self.engine.clock.now(), |given| given.now())
    }
}

/// Brings the schema of a database up to date and says which migrations ran.
///
/// # Errors
/// When the database cannot be used, or its schema is newer than this program.
pub async fn migrate(settings: &Settings) -> Result<Vec<String>, Failure> {
    schema::migrate(settings).await
}

impl Store for PostgresStore {
    fn submit(&self, request: Request) -> Pending<'_, Outcome> {
        let until = Instant::now() + ANSWER_TIME;
        self.send(|answer| Work::Decide(Box::new(request), until, answer), ANSWER_TIME)
    }

    fn administer(&self, request: AdminRequest) -> Pending<'_, AdminAnswer> {
        self.send(|answer| Work::Administer(Box::new(request), answer), ANSWER_TIME)
    }

    fn accept_clock(&self, actor: Actor, random: [u8; 10]) -> Pending<'_, Option<Duration>> {
        self.send(|answer| Work::AcceptClock(actor, random, answer), ANSWER_TIME * 12)
    }

    fn verification(&self, tenant: Tenant, id: VerificationId) -> Pending<'_, Option<Shown>> {
        let now = self.now();
        Box::pin(self.with_session(move |session| async move {
            Reading { session: &session, now }.shown(tenant, id).await
        }))
    }

    fn verifications(
        &self,
        tenant: Tenant,
        filter: Filter,
        before: Option<VerificationId>,
        limit: usize,
    ) -> Pending<'_, Page> {
        let now = self.now();
        Box::pin(self.with_session(move |session| async move {
            Reading { session: &session, now }.page(tenant, &filter, before, limit).await
        }))
    }

    fn history(&self, tenant: Tenant, id: VerificationId) -> Pending<'_, Option<History>> {
        let now = self.now();
        Box::pin(self.with_session(move |session| async move {
            Reading { session: &session, now }.history(tenant, id).await
        }))
    }

    fn outbox(
        &self,
        tenant: Tenant,
        after: Option<Timestamp>,
        to: Option<RecipientIndex>,
        limit: usize,
    ) -> Pending<'_, Vec<OutboxItem>> {
        let now = self.now();
        Box::pin(self.with_session(move |session| async move {
            Reading { session: &session, now }.outbox(tenant, after, to.as_ref(), limit).await
        }))
    }

    fn key(&self, prefix: String) -> Pending<'_, Option<KeyRecord>> {
        let now = self.now();
        Box::pin(self.with_session(move |session| async move {
            Reading { session: &session, now }.key(&prefix).await
        }))
    }

    fn projects(&self) -> Pending<'_, Vec<Project>> {
        Box::pin(
            self.with_session(|session| async move { bodies(&session.query(Sql::Projects, &[]).await?) }),
        )
    }

    fn keys(&self, project: ProjectId) -> Pending<'_, Vec<ApiKey>> {
        Box::pin(self.with_session(move |session| async move {
            bodies(&session.query(Sql::KeysOfProject, &[&project.as_bytes().as_slice()]).await?)
        }))
    }

    fn settings(&self, tenant: Tenant, kind: SettingKind) -> Pending<'_, Vec<Setting>> {
        Box::pin(
            self.with_session(
                move |session| async move { settings_table::all(&session, tenant, kind).await },
            ),
        )
    }

    fn subject(&self, tenant: Tenant, aim: Aim) -> Pending<'_, Option<SubjectShown>> {
        Box::pin(
            self.with_session(move |session| async move { subjects::shown(&session, tenant, &aim).await }),
        )
    }

    fn subjects(&self, tenant: Tenant, before: Option<SubjectId>, limit: usize) -> Pending<'_, SubjectPage> {
        Box::pin(self.with_session(move |session| async move {
            subjects::subjects(&session, tenant, before, limit).await
        }))
    }

    fn challenges(
        &self,
        tenant: Tenant,
        of: Option<SubjectId>,
        before: Option<ChallengeId>,
        limit: usize,
    ) -> Pending<'_, ChallengePage> {
        Box::pin(self.with_session(move |session| async move {
            subjects::challenges(&session, tenant, of, before, limit).await
        }))
    }

    fn tenant_of_factor(&self, id: FactorId) -> Pending<'_, Option<Tenant>> {
        Box::pin(
            self.with_session(move |session| async move { subjects::tenant_of_factor(&session, id).await }),
        )
    }

    fn change_budget(&self, change: Change) -> Pending<'_, u64> {
        Box::pin(
            self.with_session(move |session| async move { budget_table::change(&session, &change).await }),
        )
    }

    fn budgets(&self, day: Day) -> Pending<'_, Vec<(BudgetId, u64)>> {
        Box::pin(self.with_session(move |session| async move { budget_table::of_day(&session, day).await }))
    }

    fn claim(&self, most: usize) -> Pending<'_, Vec<Job>> {
        let engine = Arc::clone(&self.engine);
        Box::pin(
            self.with_session(move |session| async move { upkeep::claim(&session, &engine, most).await }),
        )
    }

    fn addressee(&self, provider: String, about: About) -> Pending<'_, Option<(Tenant, DeliveryId)>> {
        Box::pin(self.with_session(move |session| async move {
            receipts::addressee(&session, &provider, &about).await
        }))
    }

    fn early_receipts(&self, most: usize) -> Pending<'_, EarlyReceipts> {
        Box::pin(self.with_session(move |session| async move { receipts::early(&session, most).await }))
    }

    fn overdue(&self, after: VerificationId, most: usize) -> Pending<'_, Overdue> {
        let now = self.now();
        Box::pin(
            self.with_session(
                move |session| async move { upkeep::overdue(&session, now, after, most).await },
            ),
        )
    }

    fn retire(&self, keep: Retention, most: usize) -> Pending<'_, u64> {
        let now = self.now();
        Box::pin(
            self.with_session(move |session| async move { upkeep::retire(&session, keep, most, now).await }),
        )
    }

    fn journal(&self, after: u64, most: usize) -> Pending<'_, Vec<Numbered>> {
        let now = self.now();
        Box::pin(self.with_session(move |session| async move {
            Reading { session: &session, now }.journal(after, most).await
        }))
    }

    fn leads(&self) -> bool {
        self.engine.leads.load(Ordering::Relaxed)
    }

    /// Asks the database to write, by its clock, under a root this node holds.
    fn ready(&self) -> Pending<'_, ()> {
        let engine = Arc::clone(&self.engine);
        Box::pin(self.with_session(move |session| async move {
            let instant = session.query_opt(Sql::Instant, &[]).await?.ok_or(Failure::Conflict)?;
            engine.instant(column(&instant, 0)?, turn::last(&instant)?).map_err(Failure::ClockWentBack)?;
            turn::stands(&engine, &instant)?;
            session.execute(Sql::PutMeta, &[&"probe", &engine.node.as_slice()]).await.map(drop)
        }))
    }

    fn close(&self) -> Pending<'_, ()> {
        self.queue.close();
        let running = self.running.lock().ok().and_then(|mut running| running.take());
        Box::pin(async move {
            let Some(Running { lanes, node }) = running else { return Ok(()) };
            let end = Instant::now() + CLOSE_TIME;
            for mut lane in lanes {
                if timeout_at(end, &mut lane).await.is_err() {
                    tracing::warn!(
                        "the database does not answer; what is on its way is settled without this node"
                    );
                    lane.abort();
                }
            }
            self.stop.send_replace(true);
            node.await.map_err(|_| Unavailable::Internal)
        })
    }
}

impl Drop for PostgresStore {
    /// A store that was not closed leaves like a node that died: what it was working on is settled by its lanes' rows.
    fn drop(&mut self) {
        if let Some(Running { lanes, node }) = self.running.lock().ok().and_then(|mut running| running.take())
        {
            lanes.iter().chain([&node]).for_each(JoinHandle::abort);
        }
    }
}
