//! One bind that is kept: connected, watched, and connected again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::bind::{self, BindError, Mode};
use crate::client::Options;
use crate::session::{End, Session, Terms};
use crate::{Dial, Inbound, limits};

/// How a link stands.
#[derive(Debug, Clone)]
pub(crate) enum LinkState {
    /// The first try, or the first after a bind that had worked, is on its way: worth waiting for.
    Connecting,
    /// Submissions go here.
    Bound(Session),
    /// The last try failed; the next one waits for its time.
    Down(BindError),
    /// We closed it.
    Closed,
}

/// One kept bind.
pub(crate) struct Link {
    pub(crate) mode: Mode,
    state: Mutex<LinkState>,
    /// Counts the changes of all links of a client.
    changes: watch::Sender<u64>,
}

/// What all links of a client share.
pub(crate) struct Common {
    pub(crate) options: Options,
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) inbound: Arc<dyn Inbound>,
    pub(crate) jitter: Arc<dyn Fn() -> u16 + Send + Sync>,
    pub(crate) closing: watch::Sender<bool>,
}

impl Link {
    pub(crate) fn new(mode: Mode, changes: watch::Sender<u64>) -> Self {
        Self { mode, state: Mutex::new(LinkState::Connecting), changes }
    }

    pub(crate) fn state(&self) -> LinkState {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, state: LinkState) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
        self.changes.send_modify(|changes| *changes += 1);
    }

    /// Keeps the bind until the client closes.
    pub(crate) async fn keep(&self, common: &Common) {
        let mut closing = common.closing.subscribe();
        let mut failures = 0;
        while !*closing.borrow() {
            let tried = tokio::select! {
                tried = self.connect(common) => tried,
                () = closed(&mut closing) => break,
            };
            let pause = match tried {
                Ok((session, run)) => {
                    let since = Instant::now();
                    let end = self.stay(session, run, &mut closing).await;
                    if since.elapsed() >= limits::BIND_STABLE {
                        failures = 0;
                    }
                    if *closing.borrow() {
                        break;
                    }
                    tracing::warn!(bind = self.mode.as_str(), why = %reason(&end), "an SMPP bind ended");
                    self.after(&end, failures);
                    pause(failures, None, (common.jitter)())
                }
                Err(error) => {
                    tracing::warn!(bind = self.mode.as_str(), %error, failures, "no SMPP bind");
                    let pause = pause(failures, Some(&error), (common.jitter)());
                    self.set(LinkState::Down(error));
                    pause
                }
            };
            failures = failures.saturating_add(1);
            tokio::select! {
                () = sleep(pause) => {}
                () = closed(&mut closing) => break,
            }
        }
        self.set(LinkState::Closed);
    }

    /// A bind that had lasted is waited for; one that ends again and again is down.
    fn after(&self, end: &End, failures: u32) {
        self.set(match failures {
            0 => LinkState::Connecting,
            _ => LinkState::Down(BindError::Ended(reason(end))),
        });
    }

    async fn stay(
        &self,
        session: Session,
        run: impl Future<Output = End> + Send + 'static,
        closing: &mut watch::Receiver<bool>,
    ) -> End {
        self.set(LinkState::Bound(session.clone()));
        let mut running = tokio::spawn(run);
        let ended = tokio::select! {
            ended = &mut running => ended,
            () = closed(closing) => {
                session.close();
                running.await
            }
        };
        ended.unwrap_or_else(|_| End::Broken("the reader ended".to_owned()))
    }

    async fn connect(
        &self,
        common: &Common,
    ) -> Result<(Session, impl Future<Output = End> + Send + use<>), BindError> {
        let options = &common.options;
        let bound = timeout(options.bind_time, async {
            let stream = common.dial.dial().await?;
            bind::bind(stream, self.mode, &options.account).await
        });
        let bound = bound.await.unwrap_or(Err(BindError::Silent))?;
        tracing::info!(bind = self.mode.as_str(), smsc = %bound.peer, "SMPP bind");
        let terms = Terms {
            window: options.window,
            response_time: options.response_time,
            enquire_every: options.enquire_every,
            ids: options.message_ids,
        };
        Ok(Session::start(bound.frames, bound.writer, terms, Arc::clone(&common.inbound)))
    }
}

/// Ends once the client closes. The guard that `wait_for` answers must not live across an await.
async fn closed(closing: &mut watch::Receiver<bool>) {
    drop(closing.wait_for(|closing| *closing).await);
}

fn reason(end: &End) -> String {
    match end {
        End::Closed => "the SMSC said that we are not bound".to_owned(),
        End::Unbound => "the SMSC unbound".to_owned(),
        End::Broken(why) => why.clone(),
    }
}

/// Doubles from half a second to a minute, shortened by up to half at random so that binds do not come back in
/// waves. Who we are being refused, the account is not knocked at quickly.
fn pause(failures: u32, error: Option<&BindError>, random: u16) -> Duration {
    let full = limits::RECONNECT_FIRST.saturating_mul(1 << failures.min(10)).min(limits::RECONNECT_LONGEST);
    let full = match error {
        Some(BindError::Refused(_)) => full.max(limits::RECONNECT_REFUSED),
        _ => full,
    };
    full - full.mul_f64(f64::from(random) / f64::from(u16::MAX) / 2.0)
}

#[cfg(test)]
mod tests {
    use rusmpp::CommandStatus;

    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_are_shortened_by_half_at_most() {
        assert_eq!(pause(0, None, 0), Duration::from_millis(500));
        assert_eq!(pause(0, None, u16::MAX), Duration::from_millis(250));
        assert_eq!(pause(3, Some(&BindError::Silent), 0), Duration::from_secs(4));
        assert_eq!(pause(40, Some(&BindError::Silent), 0), Duration::from_secs(60));
    }

    #[test]
    fn an_account_that_is_refused_is_not_knocked_at_quickly() {
        let refused = BindError::Refused(CommandStatus::EsmeRinvpaswd);
        assert_eq!(pause(0, Some(&refused), 0), Duration::from_secs(10));
        assert_eq!(pause(0, Some(&refused), u16::MAX), Duration::from_secs(5));
        assert_eq!(pause(40, Some(&refused), 0), Duration::from_secs(60));
    }
}
