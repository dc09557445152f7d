//! A PostgreSQL server.

mod certificates;
mod cluster;
mod faults;
mod settings;
mod sql;
mod standby;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;
use std::{fs, io};

use rustix::process::Signal;

pub use self::settings::Settings;
use crate::directory::Directory;
use crate::process::Process;
use crate::wait::until;
use crate::{port, programs};

/// For what takes a server a moment on an idle machine: a start with recovery, a shutdown.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server of its own in a temporary directory, on a loopback port and a Unix socket in that directory.
///
/// Its superuser is `postgres` and needs no password. It ends when dropped, or with this process.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    port: u16,
    databases: AtomicUsize,
    // Before the directory: the server ends first, then its files go.
    server: Mutex<Option<Process>>,
    directory: Directory,
}

/// The server that all tests of this process share, each with a database of its own.
pub fn shared() -> &'static Postgres {
    static SHARED: OnceLock<Postgres> = OnceLock::new();
    SHARED.get_or_init(Postgres::start)
}

impl Postgres {
    /// For plain tests: quick, and a power failure would break it.
    pub fn start() -> Self {
        Self::start_with(&Settings::new())
    }

    /// For crash tests and measuring: a commit is on the disk before it is acknowledged.
    pub fn durable() -> Self {
        Self::start_with(&Settings::new().durable())
    }

    /// Takes nothing but TLS, by a certificate for `localhost` and `127.0.0.1`; clients trust
    /// [`ca_file`](Self::ca_file).
    pub fn with_tls() -> Self {
        Self::start_with(&Settings::new().tls())
    }

    /// With everything that can be set.
    pub fn start_with(settings: &Settings) -> Self {
        let (directory, programs) = (Directory::new(), programs::postgres());
        cluster::make(&directory, &programs, settings);
        Self::launch(directory, programs)
    }

    /// Starts the server of a directory that is ready, on the first port that nobody takes before it.
    fn launch(directory: Directory, programs: PathBuf) -> Self {
        for _ in 0..20 {
            let port = port::free();
            match run(&directory, &programs, port) {
                Ok(process) => {
                    let server = Mutex::new(Some(process));
                    return Self { programs, port, databases: AtomicUsize::new(1), server, directory };
                }
                Err(log) => assert!(log.contains("Address already in use"), "PostgreSQL ended early: {log}"),
            }
        }
        panic!("20 ports in a row were taken by others");
    }

    /// The loopback port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// What `initdb` made: `postgresql.conf`, `pg_wal` and the rest.
    pub fn data_directory(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// Where its Unix socket is.
    pub fn socket_directory(&self) -> &Path {
        self.directory.path()
    }

    /// What clients of [`with_tls`](Self::with_tls) trust, in PEM.
    pub fn ca_file(&self) -> PathBuf {
        self.directory.join("data/ca.crt")
    }

    /// All it logged so far.
    pub fn log(&self) -> String {
        self.directory.log()
    }

    fn server(&self) -> MutexGuard<'_, Option<Process>> {
        self.server.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // The watchdog of the directory would do the same, but has to look whether the server has ended.
        if let Some(mut process) = self.server().take() {
            process.signal_all(Signal::CONT);
            process.signal(Signal::QUIT);
            process.wait(PATIENCE);
        }
    }
}

/// Starts the server and waits until it takes connections; its log if it ends instead.
fn run(directory: &Directory, programs: &Path, port: u16) -> Result<Process, String> {
    let (socket, port) = (directory.path().to_str().expect("a path in UTF-8"), port.to_string());
    let arguments = ["-D", "data", "-k", socket, "-p", &port];
    let mut process = Process::start(directory, &programs.join("postgres"), &arguments);
    let (pid_file, pid) = (directory.join("data/postmaster.pid"), process.pid().to_string());
    let ended = until("PostgreSQL to take connections", PATIENCE, || {
        if process.ended().is_some() {
            return Some(true);
        }
        // The eighth line is its state; a killed predecessor's file has another id in the first.
        let lines = fs::read_to_string(&pid_file).unwrap_or_default();
        let mut lines = lines.lines().map(str::trim);
        (lines.next() == Some(&pid) && lines.nth(6) == Some("ready")).then_some(false)
    });
    if ended { Err(directory.log()) } else { Ok(process) }
}

fn append(path: &Path, text: &str) {
    let mut file = fs::File::options().append(true).open(path).expect("a file that initdb made");
    io::Write::write_all(&mut file, text.as_bytes()).expect("our own directory");
}
