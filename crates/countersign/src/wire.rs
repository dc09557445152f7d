//! The wiring: what a server is made of, from top to bottom.

mod idle;
mod listen;
mod ticks;

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::command::Job;
use countersign_core::keys::Root;
use countersign_core::recipient::Recipient;
use countersign_core::store::Store;
use countersign_core::time::EntropySource;
use countersign_delivery::provider::Provider;
use countersign_delivery::worker::{self, WorkerOptions};
use countersign_http::Services;
use countersign_store::sqlite::{self, SqliteStore};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, timeout_at};

use crate::clock::SystemClock;
use crate::config::Config;
use crate::entropy::SystemEntropy;
use crate::files;
use crate::lifecycle::Signals;
use crate::problem::{Outcome, Problem};
use crate::{logging, ring};

/// The right to open a store: held by one process at a time.
pub(crate) struct Alone {
    _lock: File,
}

impl Alone {
    /// Takes it for the store of a configuration; its directory is made where it is missing.
    pub(crate) fn with(config: &Config) -> Outcome<Self> {
        let database = config.database();
        if let Some(directory) = database.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            files::private_dir(directory)?;
        }
        let path = database.with_extension("lock");
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let lock = opened.map_err(|error| {
            let fix = "check that you may write there and that the disk is not full";
            Problem::new(format!("{} cannot be opened", path.display()), error, fix)
        })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Problem::new(
                format!("the store {} is in use", database.display()),
                "another countersign process has it open",
                "stop that process first, or use another data directory",
            )),
            Err(TryLockError::Error(error)) => Err(Problem::new(
                format!("{} cannot be locked", path.display()),
                error,
                "put the store on a local file system",
            )),
        }
    }
}

/// An open store, not yet served.
pub(crate) struct Opened {
    /// The store.
    pub(crate) store: Arc<SqliteStore>,
    jobs: mpsc::Receiver<Job>,
    _alone: Alone,
}

impl Opened {
    /// Folds everything into the file and closes it.
    pub(crate) async fn close(self) {
        let Self { store, jobs: _, _alone } = self;
        close(store.as_ref()).await;
    }
}

/// Opens the store of a configuration with its key ring.
pub(crate) fn open(config: &Config) -> Outcome<Opened> {
    open_with(config, &ring::read(&config.ring())?)
}

/// Opens, or makes, the store of a configuration with these roots.
pub(crate) fn open_with(config: &Config, roots: &[Root]) -> Outcome<Opened> {
    let alone = Alone::with(config)?;
    let database = config.database();
    let (inbox, jobs) = worker::queue();
    let options = sqlite::Options {
        path: &database,
        roots,
        clock: Arc::new(SystemClock),
        entropy: &SystemEntropy,
        hand_over: Arc::new(move |job| inbox.take(job)),
    };
    let store = SqliteStore::open(&options).map_err(|failure| not_opened(&database, failure))?;
    Ok(Opened { store: Arc::new(store), jobs, _alone: alone })
}

fn not_opened(database: &std::path::Path, failure: sqlite::Failure) -> Problem {
    let fix = match failure {
        sqlite::Failure::WrongRing(_) => "use the key ring that this store was made with",
        sqlite::Failure::Migration(_) => {
            "use the version of countersign that wrote this store, or a later one"
        }
        sqlite::Failure::TooOld(_) => "build countersign with its bundled SQLite",
        sqlite::Failure::Corrupt(_) => "restore the store from a backup",
        sqlite::Failure::Sqlite(_) => {
            "check the file, its permissions and the disk; see `countersign doctor`"
        }
    };
    Problem::new(format!("the store {} cannot be opened", database.display()), failure, fix)
}

/// What the HTTP edge works with.
pub(crate) fn services(
    config: &Config,
    opened: &Opened,
    public_url: String,
    arrivals: Arc<Notify>,
) -> Services {
    Services {
        store: Arc::clone(&opened.store) as Arc<dyn Store>,
        keys: opened.store.keys(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy),
        routes: Arc::new(config.routing()),
        messages: Arc::new(crate::messages::Texts),
        arrivals,
        issuer: public_url,
        quota: config.server.quota(),
    }
}

/// Where a server can be reached.
pub(crate) struct Reachable {
    /// The base URL, without a slash at its end.
    pub(crate) url: String,
}

/// Serves until the process is told to stop. `ready` is called once everything listens.
pub(crate) async fn serve<Ready>(config: &Config, opened: Opened, ready: Ready) -> Outcome
where
    Ready: FnOnce(&Reachable) -> Outcome,
{
    logging::start(&config.log);
    let mut signals = Signals::take()?;
    warm_up();
    let providers = config.providers()?;
    let tls = listen::tls(config).await?;
    let listener = listen::tcp(config.server.listen)?;
    let url = listen::url(config, &listener)?;

    let arrivals = Arc::new(Notify::new());
    let services = services(config, &opened, url.clone(), Arc::clone(&arrivals));
    let doors = countersign_http::doors(services);
    let mut api = listen::Api::start(listener, tls, doors.public);
    let control = listen::Control::start(config.control_socket(), doors.control)?;
    let (stop, stopped) = watch::channel(false);
    let Opened { store, jobs, _alone } = opened;
    let worker =
        tokio::spawn(worker::work(worker_options(&store, providers, arrivals), jobs, stopped.clone()));
    let ticks = ticks::start(&store, config.retention.keep(), &stopped);

    ready(&Reachable { url })?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), store = %config.database().display(), "serving");
    let ended = api.until(signals.stop()).await;
    signals.end_at_once();

    let deadline = Duration::from_secs(config.server.shutdown_deadline_seconds);
    tracing::info!(
        seconds = deadline.as_secs(),
        "stopping: no new connections, requests in flight may finish"
    );
    let end = Instant::now() + deadline;
    let served =
        timeout_at(end, async { tokio::join!(api.finish(deadline), control.finish(deadline)) }).await;
    let _ = stop.send(true);
    let worked = timeout_at(end, async { tokio::join!(worker, ticks.finish()) }).await;
    if served.is_err() || worked.is_err() {
        tracing::warn!("the deadline passed; messages in flight are sent again by the next start");
    }
    close(store.as_ref()).await;
    tracing::info!("stopped");
    ended
}

/// Reads the numbering plans and the message texts beside the start, so that the first caller does not wait for them.
fn warm_up() {
    tokio::task::spawn_blocking(|| {
        let plans = Recipient::parse("+48600100217").map(drop);
        let texts = countersign_delivery::messages::languages().map(drop);
        if plans.is_err() || texts.is_err() {
            tracing::error!("the built-in numbering plans or message texts cannot be read");
        }
    });
}

async fn close(store: &dyn Store) {
    if let Err(error) = store.close().await {
        tracing::error!(%error, "the store could not be closed in order");
    }
}

fn worker_options(
    store: &Arc<SqliteStore>,
    providers: BTreeMap<String, Arc<dyn Provider>>,
    arrivals: Arc<Notify>,
) -> WorkerOptions {
    WorkerOptions {
        store: Arc::clone(store) as Arc<dyn Store>,
        keys: store.keys(),
        clock: Arc::new(SystemClock),
        entropy: Arc::new(SystemEntropy) as Arc<dyn EntropySource>,
        providers,
        arrivals,
    }
}
