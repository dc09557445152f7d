//! The connections of a proxy, and the conditions under which bytes pass.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use super::traps::{Moment, Tail, Trap};
use crate::wait::{now, until};

/// How often a write that the other side does not take looks whether the connection was cut.
const WRITE_STEP: Duration = Duration::from_millis(20);
/// What a direction may have on its way before the sender has to wait.
const CHUNKS_IN_FLIGHT: usize = 256;

/// What all connections of a proxy share.
#[derive(Debug)]
pub(super) struct Network {
    server: SocketAddr,
    conditions: Mutex<Conditions>,
    changed: Condvar,
}

/// What may be changed from outside.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    pub(super) held: bool,
    pub(super) delay: Duration,
    pub(super) trap: Option<Trap>,
    fired: usize,
    links: Vec<Weak<Link>>,
}

/// A connection from a client and ours to the server. When the threads that serve it have ended, it closes.
#[derive(Debug)]
struct Link {
    client: TcpStream,
    server: TcpStream,
    fate: Mutex<Fate>,
}

#[derive(Debug, Default)]
struct Fate {
    cut: bool,
    /// What the server sends from then on is the reply that the client must not see.
    silent_from: Option<Instant>,
}

/// Bytes on their way; none are the end of what that side sends.
struct Chunk {
    sent: Instant,
    bytes: Vec<u8>,
}

impl Network {
    pub(super) fn new(server: SocketAddr) -> Self {
        Self { server, conditions: Mutex::default(), changed: Condvar::new() }
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Conditions)) {
        change(&mut self.conditions());
        self.changed.notify_all();
    }

    pub(super) fn fired(&self) -> usize {
        self.conditions().fired
    }

    /// Serves a connection of a client until one side ends it.
    pub(super) fn join(self: &Arc<Self>, client: TcpStream) {
        let network = Arc::clone(self);
        // A server that does not answer must not keep the others from connecting.
        std::thread::spawn(move || {
            let Ok(server) = TcpStream::connect(network.server) else {
                reset_on_close(&client);
                return;
            };
            let link = Arc::new(Link::new(client, server));
            {
                let mut conditions = network.conditions();
                conditions.links.retain(|link| link.strong_count() > 0);
                conditions.links.push(Arc::downgrade(&link));
            }
            for way in [Way::ToServer, Way::ToClient] {
                let (sender, receiver) = sync_channel(CHUNKS_IN_FLIGHT);
                let (network, reading, writing) =
                    (Arc::clone(&network), Arc::clone(&link), Arc::clone(&link));
                std::thread::spawn(move || reading.read(way, &sender));
                std::thread::spawn(move || network.pass(&writing, way, &receiver));
            }
        });
    }

    pub(super) fn cut_all(&self) {
        let links = std::mem::take(&mut self.conditions().links);
        for link in links.iter().filter_map(Weak::upgrade) {
            self.cut(&link);
        }
        // So that nothing passes any more when this returns.
        until("the end of the connections", Duration::from_secs(10), || {
            links.iter().all(|link| link.strong_count() == 0).then_some(())
        });
    }

    fn cut(&self, link: &Link) {
        link.cut();
        // Under the lock, or a thread that is about to wait would miss it.
        drop(self.conditions());
        self.changed.notify_all();
    }

    /// Writes what was read on the other side, when it may pass.
    fn pass(&self, link: &Link, way: Way, chunks: &Receiver<Chunk>) {
        let mut tail = Tail::default();
        for chunk in chunks {
            let passes = self.wait_until_it_may_pass(link, &chunk) && self.spares(link, way, &chunk, &tail);
            if !passes || !link.write(way, &chunk.bytes) {
                return self.cut(link);
            }
            tail.push(&chunk.bytes);
        }
    }

    /// False if the connection was cut meanwhile.
    fn wait_until_it_may_pass(&self, link: &Link, chunk: &Chunk) -> bool {
        let mut conditions = self.conditions();
        loop {
            let early = (chunk.sent + conditions.delay).saturating_duration_since(now());
            if link.fate().cut {
                return false;
            }
            conditions = if conditions.held {
                self.changed.wait(conditions).unwrap_or_else(PoisonError::into_inner)
            } else if early.is_zero() {
                return true;
            } else {
                let waited = self.changed.wait_timeout(conditions, early);
                waited.unwrap_or_else(PoisonError::into_inner).0
            };
        }
    }

    /// False if a trap closes on this chunk.
    fn spares(&self, link: &Link, way: Way, chunk: &Chunk, tail: &Tail) -> bool {
        let mut conditions = self.conditions();
        let closes = match way {
            Way::ToClient => link.fate().silent_from.is_some_and(|from| chunk.sent >= from),
            Way::ToServer => {
                let trap = conditions.trap.take_if(|trap| trap.is_completed_by(tail, &chunk.bytes));
                if trap.as_ref().is_some_and(|trap| trap.moment == Moment::BeforeReply) {
                    link.fate().silent_from = Some(now());
                }
                trap.is_some_and(|trap| trap.moment == Moment::BeforeRequest)
            }
        };
        conditions.fired += usize::from(closes);
        !closes
    }

    fn conditions(&self) -> MutexGuard<'_, Conditions> {
        self.conditions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where bytes go.
#[derive(Debug, Clone, Copy)]
enum Way {
    ToServer,
    ToClient,
}

impl Link {
    fn new(client: TcpStream, server: TcpStream) -> Self {
        for stream in [&client, &server] {
            // A pause of the kernel's would be taken for one of the network.
            let _ = stream.set_nodelay(true);
            let _ = stream.set_write_timeout(Some(WRITE_STEP));
        }
        Self { client, server, fate: Mutex::default() }
    }

    fn from(&self, way: Way) -> &TcpStream {
        match way {
            Way::ToServer => &self.client,
            Way::ToClient => &self.server,
        }
    }

    fn to(&self, way: Way) -> &TcpStream {
        match way {
            Way::ToServer => &self.server,
            Way::ToClient => &self.client,
        }
    }

    fn read(&self, way: Way, chunks: &SyncSender<Chunk>) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            match self.from(way).read(&mut buffer) {
                Ok(length) => {
                    let chunk = Chunk { sent: now(), bytes: buffer[..length].to_owned() };
                    if chunks.send(chunk).is_err() || length == 0 {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Reset by one side, so the other one gets a reset too.
                Err(_) => return self.cut(),
            }
        }
    }

    /// False if the other side is gone or the connection was cut meanwhile.
    fn write(&self, way: Way, mut bytes: &[u8]) -> bool {
        if bytes.is_empty() {
            return self.to(way).shutdown(Shutdown::Write).is_ok();
        }
        while !bytes.is_empty() {
            match self.to(way).write(bytes) {
                Ok(length) => bytes = &bytes[length..],
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => {
                        if self.fate().cut {
                            return false;
                        }
                    }
                    _ => return false,
                },
            }
        }
        true
    }

    /// Lets the threads of this connection end, after which both sides see it reset.
    fn cut(&self) {
        self.fate().cut = true;
        for stream in [&self.client, &self.server] {
            reset_on_close(stream);
            // Tells the other side nothing, but wakes our thread that reads.
            let _ = stream.shutdown(Shutdown::Read);
        }
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.fate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn reset_on_close(stream: &TcpStream) {
    let _ = set_socket_linger(stream, Some(Duration::ZERO));
}
