//! The queue in front of an engine: bounded, and closed once for good.

use std::sync::Mutex;

use countersign_core::store::{Pending, Unavailable};
use tokio::sync::{mpsc, oneshot};

/// Where an answer goes.
pub(crate) type Reply<T> = oneshot::Sender<Result<T, Unavailable>>;

/// The end of the queue that callers write to.
pub(crate) struct Entrance<W>(Mutex<Option<mpsc::Sender<W>>>);

impl<W: Send + 'static> Entrance<W> {
    /// The entrance of the queue that `sender` fills.
    pub(crate) const fn new(sender: mpsc::Sender<W>) -> Self {
        Self(Mutex::new(Some(sender)))
    }

    /// Queues work at once, or refuses it; its answer comes later. A dropped caller does not cancel it.
    pub(crate) fn send<T: Send + 'static>(&self, work: impl FnOnce(Reply<T>) -> W) -> Pending<'static, T> {
        let (answer, later) = oneshot::channel();
        let sent = match self.0.lock().ok().as_deref() {
            Some(Some(queue)) => queue.try_send(work(answer)).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Unavailable::Overloaded,
                mpsc::error::TrySendError::Closed(_) => Unavailable::Closed,
            }),
            _ => Err(Unavailable::Closed),
        };
        Box::pin(async move {
            sent?;
            later.await.unwrap_or(Err(Unavailable::Closed))
        })
    }

    /// Takes no more; what is queued is still worked off.
    pub(crate) fn close(&self) {
        drop(self.0.lock().map(|mut queue| queue.take()));
    }
}
