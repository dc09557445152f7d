//! What happens by itself: codes expire, old rows go. Of many nodes one does it, the one that leads.

use std::sync::Arc;
use std::time::Duration;

use countersign_core::command::{Request, Started};
use countersign_core::ids::VerificationId;
use countersign_core::limits::MAX_LIFETIME;
use countersign_core::store::{Overdue, Retention, Store, Unavailable};
use countersign_core::tenant::Tenant;
use countersign_core::time::{Clock, Entropy};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::Opened;
use crate::entropy::SystemEntropy;

/// How often codes and challenges whose time ran out are written down as expired. They are refused from the instant itself.
const EXPIRE_EVERY: Duration = Duration::from_secs(10);
/// How far back a start looks for them.
const LOOK_BACK: Duration = Duration::from_secs(48 * 60 * 60);
/// Verifications, and challenges, looked at in one read.
const EXPIRE_MOST: usize = 500;
/// How long after a step that removed rows the next one comes, and after one that found none; and how many of each table
/// go in one: small steps never hold up the writer.
const RETIRE_NEXT: Duration = Duration::from_millis(250);
const RETIRE_AGAIN: Duration = Duration::from_secs(5);
const RETIRE_MOST: usize = 2_000;

/// The running ticks.
pub(super) struct Ticks(Vec<JoinHandle<()>>);

/// Starts them; they end when `stopped` turns true.
pub(super) fn start(opened: &Opened, keep: Retention, stopped: &watch::Receiver<bool>) -> Ticks {
    let expiry = expire(Arc::clone(&opened.store), Arc::clone(&opened.clock), stopped.clone());
    let retention = retire(Arc::clone(&opened.store), keep, stopped.clone());
    Ticks(vec![tokio::spawn(expiry), tokio::spawn(retention)])
}

impl Ticks {
    /// Waits until they have ended.
    pub(super) async fn finish(self) {
        for tick in self.0 {
            let _ = tick.await;
        }
    }
}

async fn expire(store: Arc<dyn Store>, clock: Arc<dyn Clock>, mut stopped: watch::Receiver<bool>) {
    let earliest = || VerificationId::new(clock.now().minus(LOOK_BACK), [0; 10]);
    let mut cursor = earliest();
    while next_tick(&mut stopped, EXPIRE_EVERY).await {
        if !store.leads() {
            // Another node does it now. Whoever takes over looks back as far as one that starts.
            cursor = earliest();
            continue;
        }
        match expire_from(store.as_ref(), clock.as_ref(), cursor).await {
            Ok(next) => cursor = next,
            Err(error) => {
                tracing::warn!(%error, "expired codes could not be written down; the next tick tries again");
            }
        }
    }
}

/// Goes on until the present is reached; answers where to begin the next time.
async fn expire_from(
    store: &dyn Store,
    clock: &dyn Clock,
    mut cursor: VerificationId,
) -> Result<VerificationId, Unavailable> {
    loop {
        let Overdue { ids, next } = store.overdue(cursor, EXPIRE_MOST).await?;
        // All are queued before the first is awaited, so they share a commit.
        let queued: Vec<_> = ids.into_iter().map(|(tenant, id)| store.submit(expiry(tenant, id))).collect();
        for outcome in queued {
            outcome.await?;
        }
        let Some(next) = next else { return Ok(cursor) };
        cursor = next;
        if clock.now().since(next.created_at()) < MAX_LIFETIME + EXPIRE_EVERY {
            return Ok(cursor);
        }
    }
}

fn expiry(tenant: Tenant, started: Started) -> Request {
    Request::of_system(tenant, Entropy::draw(&SystemEntropy), started.expiry())
}

async fn retire(store: Arc<dyn Store>, keep: Retention, mut stopped: watch::Receiver<bool>) {
    let mut pause = RETIRE_NEXT;
    while next_tick(&mut stopped, pause).await {
        pause = RETIRE_AGAIN;
        if !store.leads() {
            continue;
        }
        match store.retire(keep, RETIRE_MOST).await {
            Ok(0) => (),
            Ok(rows) => {
                pause = RETIRE_NEXT;
                tracing::debug!(rows, "old rows removed");
            }
            Err(error) => tracing::warn!(%error, "old rows could not be removed; the next tick tries again"),
        }
    }
}

/// Waits one period; false when it is time to end.
async fn next_tick(stopped: &mut watch::Receiver<bool>, period: Duration) -> bool {
    tokio::select! {
        biased;
        _ = stopped.wait_for(|stopped| *stopped) => false,
        () = sleep(period) => true,
    }
}
