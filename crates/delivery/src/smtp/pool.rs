//! Connections that wait for the next mail.

use std::sync::{Mutex, PoisonError};

use lettre::transport::smtp::client::AsyncSmtpConnection;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;

use crate::limits;

/// At most so many connections at once; the idle ones are used newest first, so that a quiet hour lets the
/// old ones lapse.
pub(super) struct Pool {
    permits: Semaphore,
    idle: Mutex<Vec<Idle>>,
}

struct Idle {
    connection: AsyncSmtpConnection,
    since: Instant,
}

impl Pool {
    pub(super) fn new(max_connections: usize) -> Self {
        Self { permits: Semaphore::new(max_connections), idle: Mutex::default() }
    }

    /// Waits for the right to use one connection; `None` never happens, for nobody closes the semaphore.
    pub(super) async fn permit(&self) -> Option<SemaphorePermit<'_>> {
        self.permits.acquire().await.ok()
    }

    /// The connection used last, if it has not lain idle too long. The others that have are closed.
    pub(super) fn take(&self) -> Option<AsyncSmtpConnection> {
        let now = Instant::now();
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.retain(|waiting| now.duration_since(waiting.since) < limits::CONNECTION_IDLE);
        idle.pop().map(|waiting| waiting.connection)
    }

    /// Keeps a connection on which the last reply has been read.
    pub(super) fn put_back(&self, connection: AsyncSmtpConnection) {
        let since = Instant::now();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(Idle { connection, since });
    }

    /// Closes what waits: one connection was found dead, so the rest probably is too.
    pub(super) fn clear(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
