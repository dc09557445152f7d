//! A TCP proxy that plays a bad network.

mod link;
mod traps;

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use self::link::Network;
use self::traps::{Moment, Trap};
use crate::wait::until;
use crate::{port, url};

/// Passes bytes between its loopback port and one address, until it is told to misbehave.
///
/// It does not look into TLS: [`cut_before`](Self::cut_before) and [`cut_reply_to`](Self::cut_reply_to) need
/// plain text. Dropped, it cuts all connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    network: Arc<Network>,
    /// Takes connections; `None` while they are refused.
    door: Mutex<Option<Door>>,
}

#[derive(Debug)]
struct Door {
    closing: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Proxy {
    /// A proxy in front of `address`, which need not listen yet.
    pub fn to(address: SocketAddr) -> Self {
        let network = Arc::new(Network::new(address));
        for _ in 0..20 {
            let port = port::free();
            if let Ok(door) = Door::open(port, &network) {
                return Self { port, network, door: Mutex::new(Some(door)) };
            }
        }
        panic!("20 ports in a row were taken by others");
    }

    /// The loopback port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL of the same database through the proxy.
    pub fn through(&self, database_url: &str) -> String {
        url::through(database_url, self.port)
    }

    /// Resets all present connections, towards both sides. New ones are taken as before.
    pub fn cut(&self) {
        self.network.cut_all();
    }

    /// `true` closes the port, so that nobody can connect any more; present connections live on. `false` opens
    /// it again.
    pub fn refuse(&self, refuse: bool) {
        let mut door = self.door.lock().unwrap_or_else(PoisonError::into_inner);
        if refuse {
            if let Some(door) = door.take() {
                door.close(self.port);
            }
        } else if door.is_none() {
            *door = Some(until("the port to be free again", Duration::from_secs(10), || {
                Door::open(self.port, &self.network).ok()
            }));
        }
    }

    /// `true` lets nothing pass in either direction, as a network that silently drops everything: connections
    /// stay open, new ones seem to open. `false` passes on what was held back.
    pub fn hold(&self, hold: bool) {
        self.network.change(|conditions| conditions.held = hold);
    }

    /// What is sent from now on arrives so much later, in each direction.
    pub fn delay(&self, each_way: Duration) {
        self.network.change(|conditions| conditions.delay = each_way);
    }

    /// The next connection that sends `needle` is cut before the server sees the bytes that complete it: the
    /// request did not happen. Once; then all is as before.
    pub fn cut_before(&self, needle: &[u8]) {
        self.network.change(|conditions| conditions.trap = Some(Trap::new(needle, Moment::BeforeRequest)));
    }

    /// The next connection that sends `needle` is cut when the server answers, before a byte of that answer
    /// passes: the request happened, and the client cannot know. Once; then all is as before.
    ///
    /// The first bytes that come back after the request count as its answer, so nothing else should be on its
    /// way on that connection.
    pub fn cut_reply_to(&self, needle: &[u8]) {
        self.network.change(|conditions| conditions.trap = Some(Trap::new(needle, Moment::BeforeReply)));
    }

    /// How often [`cut_before`](Self::cut_before) and [`cut_reply_to`](Self::cut_reply_to) have cut.
    pub fn fired(&self) -> usize {
        self.network.fired()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.refuse(true);
        self.cut();
    }
}

impl Door {
    fn open(port: u16, network: &Arc<Network>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let (closing, network) = (Arc::new(AtomicBool::new(false)), Arc::clone(network));
        let closed = Arc::clone(&closing);
        let thread = std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if closed.load(Ordering::SeqCst) {
                    break;
                }
                network.join(client);
            }
        });
        Ok(Self { closing, thread })
    }

    fn close(self, port: u16) {
        self.closing.store(true, Ordering::SeqCst);
        // Wakes the thread from its wait for the next connection.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, port));
        let _ = self.thread.join();
    }
}
