//! How the process ends: on SIGINT or SIGTERM in order, on a second one at once.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::problem::{Outcome, Problem};

/// The signals that end the process.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    /// Takes them over, from now on.
    pub(crate) fn take() -> Outcome<Self> {
        let take = |kind| {
            signal(kind).map_err(|error| {
                Problem::new("signals cannot be received", error, "check the limits of this process")
            })
        };
        Ok(Self { interrupt: take(SignalKind::interrupt())?, terminate: take(SignalKind::terminate())? })
    }

    /// Waits for one.
    pub(crate) async fn stop(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => (),
            _ = self.terminate.recv() => (),
        }
    }

    /// From now on the next one ends the process at once, like a crash: nothing acknowledged is lost by it.
    pub(crate) fn end_at_once(mut self) {
        tokio::spawn(async move {
            self.stop().await;
            tracing::warn!("a second signal: ending at once");
            std::process::exit(1);
        });
    }
}
