//! The wiring: what a server is made of, from top to bottom.

mod alone;
mod copy;
mod engine;
mod idle;
mod listen;
mod ticks;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use countersign_core::factor::wake::DeviceWaker;
use countersign_core::health::Board;
use countersign_core::receipt::{ReceiptReader, ReceiptTaker};
use countersign_core::recipient::Recipient;
use countersign_delivery::provider::Provider;
use countersign_delivery::receipts::ReceiptSink;
use countersign_delivery::worker::{self, WorkerOptions};
use countersign_http::Services;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use crate::config::Config;
use crate::entropy::SystemEntropy;
use crate::lifecycle::Signals;
use crate::logging;
use crate::problem::Outcome;
use crate::treasury::Treasury;

pub(crate) use copy::copy;
pub(crate) use engine::{Opened, fence, migrate, open, open_with};

/// Where receipts go, whichever door they come through.
pub(crate) fn receipts(opened: &Opened, board: &Arc<Board>) -> ReceiptSink {
    let (store, clock) = (Arc::clone(&opened.store), Arc::clone(&opened.clock));
    ReceiptSink::new(store, Arc::new(SystemEntropy), Arc::clone(board), clock)
}

/// What the HTTP edge shares with the worker.
pub(crate) struct Edge {
    /// The base URL of this server.
    pub(crate) url: String,
    /// How the providers stand.
    pub(crate) board: Arc<Board>,
    /// Takes the receipts that were read.
    pub(crate) receipts: ReceiptSink,
    /// Reads them.
    pub(crate) reader: Arc<dyn ReceiptReader>,
    /// Wakes devices.
    pub(crate) waker: Arc<dyn DeviceWaker>,
}

/// What the HTTP edge works with, and the budgets, which are closed before the store.
pub(crate) fn services(
    config: &Config,
    opened: &Opened,
    edge: Edge,
    arrivals: Arc<Notify>,
) -> (Services, Arc<Treasury>) {
    let treasury = Arc::new(config.treasury(Arc::clone(&opened.store), Arc::clone(&opened.clock)));
    let services = Services {
        store: Arc::clone(&opened.store),
        keys: Arc::clone(&opened.keys),
        clock: Arc::clone(&opened.clock),
        entropy: Arc::new(SystemEntropy),
        board: edge.board,
        treasury: Arc::clone(&treasury) as _,
        workflow: config.delivery.workflow().into(),
        messages: Arc::new(crate::messages::Texts),
        arrivals,
        reader: edge.reader,
        receipts: Arc::new(edge.receipts),
        waker: edge.waker,
        issuer: edge.url,
        public_url: config.server.public_url.clone(),
        quota: config.server.quota(),
        draining: Arc::default(),
    };
    (services, treasury)
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
    let board = Arc::new(config.board()?);
    let receipts = receipts(&opened, &board);
    let taker: Arc<dyn ReceiptTaker> = Arc::new(receipts.clone());
    let providers = config.providers(Some(&taker))?;
    let gateways: Vec<_> = providers.values().cloned().collect();
    let tls = listen::tls(config).await?;
    let listener = listen::tcp(config.server.listen)?;
    let url = listen::url(config, &listener)?;

    let arrivals = Arc::new(Notify::new());
    let edge = Edge {
        url: url.clone(),
        board: Arc::clone(&board),
        receipts: receipts.clone(),
        reader: Arc::new(config.receipts()?),
        waker: config.push.waker(&providers, &board, &opened.clock),
    };
    let (services, treasury) = services(config, &opened, edge, Arc::clone(&arrivals));
    let draining = Arc::clone(&services.draining);
    let doors = countersign_http::doors(services);
    // First what may fail: a server that cannot start takes no request.
    let control = listen::Control::start(config.control_socket(), doors.control)?;
    let mut api = listen::Api::start(listener, tls, doors.public);
    let (stop, stopped) = watch::channel(false);
    let paying = Arc::clone(&treasury) as Arc<dyn countersign_core::budget::Treasury>;
    let options = worker_options(&opened, providers, board, paying, receipts, arrivals);
    let ticks = ticks::start(&opened, config.retention.keep(), &stopped);
    let Opened { store, jobs, alone, .. } = opened;
    let worker = tokio::spawn(worker::work(options, jobs, stopped));

    gateways.iter().for_each(|gateway| gateway.start());

    ready(&Reachable { url })?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), store = %config.store.url, "serving");
    let mut ended = api.until(signals.stop()).await;
    signals.end_at_once();
    if ended.is_ok() {
        ended = drain(&mut api, config.server.drain_seconds, &draining).await;
    }

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
    let leaving: JoinSet<()> =
        gateways.into_iter().map(|gateway| async move { gateway.close().await }).collect();
    let _ = timeout_at(end, leaving.join_all()).await;
    treasury.close().await;
    engine::close(store.as_ref()).await;
    drop(alone);
    tracing::info!("stopped");
    ended
}

/// Says that this node goes, and goes on for a while: whoever balances the load sends elsewhere before it closes.
async fn drain(api: &mut listen::Api, seconds: u64, draining: &AtomicBool) -> Outcome {
    draining.store(true, Ordering::Relaxed);
    if seconds == 0 {
        return Ok(());
    }
    tracing::info!(seconds, "draining: not ready any more, but everything is served");
    api.until(sleep(Duration::from_secs(seconds))).await
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

fn worker_options(
    opened: &Opened,
    providers: BTreeMap<String, Arc<dyn Provider>>,
    board: Arc<Board>,
    treasury: Arc<dyn countersign_core::budget::Treasury>,
    receipts: ReceiptSink,
    arrivals: Arc<Notify>,
) -> WorkerOptions {
    WorkerOptions {
        store: Arc::clone(&opened.store),
        keys: Arc::clone(&opened.keys),
        clock: Arc::clone(&opened.clock),
        entropy: Arc::new(SystemEntropy),
        providers,
        board,
        treasury,
        arrivals,
        receipts,
    }
}
