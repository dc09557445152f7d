//! Waking devices up through a push provider. A wake-up stands in no outbox: it is a hint, the device fetches what it is
//! asked by itself, and one that comes late or twice helps nobody. So it is tried once, in a bounded time, out of a
//! bounded queue, and what does not fit is dropped and told.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use countersign_core::delivery::{Attempt, AttemptError};
use countersign_core::factor::wake::{DeviceWaker, Wake};
use countersign_core::health::Board;
use countersign_core::ids::FactorId;
use countersign_core::keys::{Digest, sha256};
use countersign_core::time::Clock;
use tokio::sync::{Semaphore, mpsc};

use crate::carriers::{Carriers, MARGIN, Send};
use crate::messages::{self, Purpose};
use crate::provider::{Asked, ErrorClass, Outgoing, Provider};

/// Wake-ups that may wait for their turn.
const WAITING: usize = 1_024;
/// Wake-ups that are with the provider at once.
const AT_ONCE: usize = 64;
/// How long the provider may take for one.
const TIME: Duration = Duration::from_secs(10);
/// Devices whose dead token was told, before they are told again.
const TOLD: usize = 4_096;

/// Hands wake-ups to a provider. Ends with its last clone.
pub struct PushWaker {
    queue: mpsc::Sender<Wake>,
    dropped: Arc<AtomicUsize>,
}

impl PushWaker {
    /// Begins to hand wake-ups to this provider, which is judged by `board` like for any other message. Needs a runtime.
    #[must_use]
    pub fn start(provider: Arc<dyn Provider>, board: Arc<Board>, clock: Arc<dyn Clock>) -> Self {
        let (queue, wakes) = mpsc::channel(WAITING);
        let dropped = Arc::new(AtomicUsize::new(0));
        let name = provider.name().to_owned();
        // One provider gets half of what there may be, see `Carriers::new`.
        let carriers =
            Carriers::new(BTreeMap::from([(name.clone(), provider)]), board, Arc::clone(&clock), 2 * AT_ONCE);
        let post = Post { name, carriers, clock, gone: Mutex::default() };
        tokio::spawn(work(Arc::new(post), wakes, Arc::clone(&dropped)));
        Self { queue, dropped }
    }
}

impl DeviceWaker for PushWaker {
    fn wake(&self, wake: Wake) {
        if self.queue.try_send(wake).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

async fn work(post: Arc<Post>, mut wakes: mpsc::Receiver<Wake>, dropped: Arc<AtomicUsize>) {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(wake) = wakes.recv().await {
        let count = dropped.swap(0, Ordering::Relaxed);
        if count > 0 {
            tracing::warn!(
                count,
                provider = post.name,
                "wake-ups were dropped, as too many wait; those devices poll"
            );
        }
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let post = Arc::clone(&post);
        tokio::spawn(async move {
            post.send(&wake).await;
            drop(slot);
        });
    }
}

/// The one provider, and what was told about the devices behind it.
struct Post {
    name: String,
    carriers: Carriers,
    clock: Arc<dyn Clock>,
    /// Tokens that the provider says are dead, hashed, by the factor of their device.
    gone: Mutex<HashMap<FactorId, Digest>>,
}

impl Post {
    async fn send(&self, wake: &Wake) {
        let now = self.clock.now();
        let message = match messages::wake_up(&wake.locale, &wake.brand) {
            Ok(message) => message,
            Err(error) => {
                tracing::error!(%error, factor = %wake.factor, "a wake-up could not be written");
                return;
            }
        };
        let outgoing = Outgoing {
            to: wake.token.reveal().to_owned(),
            channel: "push",
            purpose: Purpose::Authentication,
            sender: None,
            code: String::new(),
            message,
            asked: Some(Asked { challenge: wake.challenge.to_string(), factor: wake.factor.to_string() }),
            delivery_id: wake.challenge.to_string(),
            deadline: TIME,
            lifetime: wake.expires_at.since(now),
        };
        let send = Send {
            outgoing: &outgoing,
            sender: None,
            country: None,
            lease: now.plus(TIME + MARGIN),
            expires_at: wake.expires_at,
        };
        match self.carriers.attempt(&self.name, &send).await {
            Some(Attempt { error: Some(error), .. }) => self.tell(wake, &error),
            Some(_) => {
                tracing::debug!(factor = %wake.factor, challenge = %wake.challenge, "a device was woken");
            }
            None => tracing::debug!(challenge = %wake.challenge, "a wake-up came too late to be sent"),
        }
    }

    /// Notes a wake-up that failed. A dead token is told once: it stays until the app tells another, and would be told with
    /// every challenge.
    fn tell(&self, wake: &Wake, error: &AttemptError) {
        let (factor, provider, class) = (wake.factor, self.name.as_str(), error.class.as_str());
        if class != ErrorClass::RecipientRejected.as_str() {
            tracing::warn!(%factor, provider, class, detail = error.detail, "a device was not woken; it polls");
        } else if self.is_news(wake) {
            tracing::warn!(
                %factor, provider, class, detail = error.detail,
                "the provider does not know this device's push token any more; the device polls until it tells another"
            );
        }
    }

    fn is_news(&self, wake: &Wake) -> bool {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        if gone.len() >= TOLD {
            gone.clear();
        }
        let token = sha256(wake.token.reveal().as_bytes());
        gone.insert(wake.factor, token) != Some(token)
    }
}

#[cfg(test)]
mod tests;
