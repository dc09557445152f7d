//! An account at an SMSC: its binds, and submissions spread over them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rusmpp::CommandStatus;
use rusmpp::pdus::SubmitSm;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use crate::bind::{self, Account, BindError, Mode};
use crate::link::{Common, Link, LinkState};
use crate::message_id::MessageIds;
use crate::pace::Pace;
use crate::session::{Answer, Session};
use crate::{Dial, Inbound, status};

/// How an account is used.
#[derive(Debug, Clone)]
pub struct Options {
    /// Who we are.
    pub account: Account,
    /// The binds, one entry each.
    pub binds: Vec<Mode>,
    /// Submissions of one bind that may wait for their answer, at least 1.
    pub window: usize,
    /// Messages per second over all binds; as fast as the answers come when `None`.
    pub messages_per_second: Option<f64>,
    /// Submissions that may be in hand at once, waiting ones included; more are refused at once.
    pub in_hand: usize,
    /// How long a connection and its bind may take.
    pub bind_time: Duration,
    /// How long an answer may take.
    pub response_time: Duration,
    /// After how long without a sign of the SMSC it is asked for one.
    pub enquire_every: Duration,
    /// How the SMSC writes message ids.
    pub message_ids: MessageIds,
}

/// Why a message was not, or perhaps not, taken over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Not sent: there is no bind.
    #[error("{0}")]
    NotBound(BindError),
    /// Not sent: its turn did not come in time, or too many were in hand.
    #[error("no room in the window or the rate in time")]
    NoRoom,
    /// The SMSC refused it.
    #[error("the SMSC answered {}", status::name(*.0))]
    Refused(CommandStatus),
    /// Sent, and no answer came in time: the SMSC may have taken it.
    #[error("the SMSC did not answer in time; it may have taken the message")]
    NoAnswer,
    /// Sent, and the connection ended before the answer: the SMSC may have taken it.
    #[error("the connection ended before the answer; the SMSC may have taken the message")]
    ConnectionLost,
    /// Not sent: the client was closed.
    #[error("the client is closed")]
    Closed,
}

impl SubmitError {
    /// Whether the SMSC may have taken the message all the same.
    #[must_use]
    pub const fn may_have_been_taken(&self) -> bool {
        matches!(self, Self::NoAnswer | Self::ConnectionLost)
    }
}

/// An account in use.
pub struct Client {
    common: Arc<Common>,
    links: Vec<Arc<Link>>,
    changes: watch::Receiver<u64>,
    pace: Pace,
    in_hand: AtomicUsize,
    turn: AtomicUsize,
    started: AtomicBool,
    /// Links that are kept.
    alive: watch::Sender<usize>,
}

impl Client {
    /// Makes a client; nothing is connected before [`Client::start`]. `jitter` gives a random number for the pause
    /// before each reconnection.
    pub fn new(
        options: Options,
        dial: Arc<dyn Dial>,
        inbound: Arc<dyn Inbound>,
        jitter: Arc<dyn Fn() -> u16 + Send + Sync>,
    ) -> Self {
        let (changed, changes) = watch::channel(0);
        let links = options.binds.iter().map(|mode| Arc::new(Link::new(*mode, changed.clone()))).collect();
        let pace = Pace::new(options.messages_per_second, Instant::now());
        let common = Common { options, dial, inbound, jitter, closing: watch::Sender::new(false) };
        Self {
            common: Arc::new(common),
            links,
            changes,
            pace,
            in_hand: AtomicUsize::new(0),
            turn: AtomicUsize::new(0),
            started: AtomicBool::new(false),
            alive: watch::Sender::new(0),
        }
    }

    /// Connects all binds and keeps them until [`Client::close`]. The second call does nothing. Needs a runtime.
    pub fn start(&self) {
        if self.started.swap(true, Ordering::Relaxed) {
            return;
        }
        for link in &self.links {
            self.alive.send_modify(|alive| *alive += 1);
            let (link, common, alive) = (Arc::clone(link), Arc::clone(&self.common), self.alive.clone());
            tokio::spawn(async move {
                link.keep(&common).await;
                alive.send_modify(|alive| *alive -= 1);
            });
        }
    }

    /// Submits one PDU within `within`, the waiting included; an answer may take [`Options::response_time`] of it.
    /// What the SMSC refuses as too fast is tried again in time: it was not taken. Answers its message id, in the
    /// form it shares with receipts.
    ///
    /// # Errors
    /// [`SubmitError`], which tells what was certainly not taken from what may have been.
    pub async fn submit(&self, pdu: SubmitSm, within: Duration) -> Result<Option<String>, SubmitError> {
        self.start();
        let _one = OneInHand::of(self)?;
        let deadline = Instant::now() + within;
        loop {
            match self.submit_once(pdu.clone(), deadline).await {
                Err(SubmitError::Refused(status))
                    if status::is_too_fast(status) && self.pace.next() < deadline => {}
                done => return done,
            }
        }
    }

    async fn submit_once(&self, pdu: SubmitSm, deadline: Instant) -> Result<Option<String>, SubmitError> {
        loop {
            let session = self.session(deadline).await?;
            let room = timeout_at(deadline, session.room_for_one()).await;
            // A session that ended while we waited sent nothing: another may.
            let Some(_room) = room.map_err(|_| SubmitError::NoRoom)? else { continue };
            if !self.pace.turn(deadline).await {
                return Err(SubmitError::NoRoom);
            }
            let sent = Instant::now();
            return match timeout_at(deadline, session.submit(pdu.clone())).await {
                Ok(Answer::Given { status: CommandStatus::EsmeRok, message_id }) => {
                    self.pace.taken();
                    Ok(message_id)
                }
                Ok(Answer::Given { status, .. }) => {
                    if status::is_too_fast(status) {
                        self.pace.slow_down(sent);
                    }
                    Err(SubmitError::Refused(status))
                }
                // The deadline fell within the wait for the answer.
                Ok(Answer::Late) | Err(_) => Err(SubmitError::NoAnswer),
                Ok(Answer::Lost) => Err(SubmitError::ConnectionLost),
                Ok(Answer::Unsent) if Instant::now() >= deadline => Err(SubmitError::NoRoom),
                Ok(Answer::Unsent) => continue,
            };
        }
    }

    /// The session with the most room, or one that is about to be.
    async fn session(&self, deadline: Instant) -> Result<Session, SubmitError> {
        let mut changes = self.changes.clone();
        loop {
            changes.mark_unchanged();
            if *self.common.closing.borrow() {
                return Err(SubmitError::Closed);
            }
            let mut down = None;
            let mut hope = false;
            let mut best: Option<Session> = None;
            let first = self.turn.fetch_add(1, Ordering::Relaxed);
            for index in 0..self.links.len() {
                let link = &self.links[(first.wrapping_add(index)) % self.links.len()];
                if !link.mode.submits() {
                    continue;
                }
                match link.state() {
                    LinkState::Bound(session) if !session.is_open() => hope = true,
                    LinkState::Bound(session) => {
                        if best.as_ref().is_none_or(|best| session.room() > best.room()) {
                            best = Some(session);
                        }
                    }
                    LinkState::Connecting => hope = true,
                    LinkState::Down(error) => down = Some(SubmitError::NotBound(error)),
                    LinkState::Closed => {}
                }
            }
            match (best, hope) {
                (Some(session), _) => return Ok(session),
                (None, false) => return Err(down.unwrap_or(SubmitError::Closed)),
                (None, true) => {}
            }
            if timeout_at(deadline, changes.changed()).await.is_err() {
                return Err(SubmitError::NotBound(BindError::Silent));
            }
        }
    }

    /// Binds once for each kind of bind, beside those that are kept, and unbinds again. Answers how the SMSC calls
    /// itself.
    ///
    /// # Errors
    /// The first bind that fails.
    pub async fn probe(&self) -> Result<String, BindError> {
        let options = &self.common.options;
        let mut modes = options.binds.clone();
        modes.dedup();
        let mut peer = String::new();
        for mode in modes {
            let bound = timeout(options.bind_time, async {
                let stream = self.common.dial.dial().await?;
                bind::bind(stream, mode, &options.account).await
            });
            let mut bound = bound.await.unwrap_or(Err(BindError::Silent))?;
            let _ = timeout(options.response_time, bind::unbind(&mut bound)).await;
            peer = bound.peer;
        }
        Ok(peer)
    }

    /// How many binds stand.
    #[must_use]
    pub fn bound(&self) -> usize {
        self.links.iter().filter(|link| matches!(link.state(), LinkState::Bound(_))).count()
    }

    /// Waits until at least so many binds stand.
    pub async fn until_bound(&self, count: usize) {
        self.start();
        let mut changes = self.changes.clone();
        loop {
            changes.mark_unchanged();
            if self.bound() >= count || changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Takes no more submissions, lets those in flight be answered, unbinds, hangs up.
    pub async fn close(&self) {
        self.common.closing.send_replace(true);
        // Nothing is started any more either.
        if !self.started.swap(true, Ordering::Relaxed) {
            return;
        }
        let _ = self.alive.subscribe().wait_for(|alive| *alive == 0).await;
    }
}

/// Nobody submits any more: the binds are given up.
impl Drop for Client {
    fn drop(&mut self) {
        self.common.closing.send_replace(true);
    }
}

struct OneInHand<'a>(&'a AtomicUsize);

impl<'a> OneInHand<'a> {
    fn of(client: &'a Client) -> Result<Self, SubmitError> {
        let one = Self(&client.in_hand);
        let before = client.in_hand.fetch_add(1, Ordering::Relaxed);
        if before < client.common.options.in_hand { Ok(one) } else { Err(SubmitError::NoRoom) }
    }
}

impl Drop for OneInHand<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
