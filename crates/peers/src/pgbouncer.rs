//! PgBouncer, the pooler that many put in front of PostgreSQL.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;

use crate::directory::Directory;
use crate::process::Process;
use crate::wait::until;
use crate::{Postgres, port, programs, url};

const PATIENCE: Duration = Duration::from_secs(30);

/// A pooler in transaction mode: each transaction may run on another session of the server.
///
/// Everybody is let in and becomes the superuser. It ends when dropped, or with this process.
#[derive(Debug)]
pub struct Pgbouncer {
    program: PathBuf,
    port: u16,
    // Before the directory: the program ends first, then its files go.
    process: Mutex<Option<Process>>,
    directory: Directory,
}

impl Pgbouncer {
    /// Starts it for all databases of the server.
    pub fn in_front_of(postgres: &Postgres) -> Self {
        let (directory, program) = (Directory::new(), programs::pgbouncer());
        for _ in 0..20 {
            let port = port::free();
            directory.write("pgbouncer.ini", &configuration(port, postgres.port()));
            match run(&directory, &program, port) {
                Ok(process) => return Self { program, port, process: Mutex::new(Some(process)), directory },
                Err(log) => assert!(log.contains("Address already in use"), "PgBouncer ended early: {log}"),
            }
        }
        panic!("20 ports in a row were taken by others");
    }

    /// The URL of the same database through the pooler.
    pub fn through(&self, database_url: &str) -> String {
        url::through(database_url, self.port)
    }

    /// The loopback port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// All it logged so far.
    pub fn log(&self) -> String {
        self.directory.log()
    }

    /// Kills it with SIGKILL; clients lose their connections.
    pub fn kill(&self) {
        self.process().take().expect("a running PgBouncer").kill_all();
    }

    /// Starts it again on the same port after [`kill`](Self::kill).
    pub fn restart(&self) {
        let process = run(&self.directory, &self.program, self.port);
        *self.process() = Some(process.unwrap_or_else(|log| panic!("PgBouncer ended early: {log}")));
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        if let Some(mut process) = self.process().take() {
            process.signal(Signal::KILL);
            process.wait(PATIENCE);
        }
    }
}

/// Starts it and waits until it takes connections; its log if it ends instead.
fn run(directory: &Directory, program: &Path, port: u16) -> Result<Process, String> {
    let mut process = Process::start(directory, program, &["pgbouncer.ini"]);
    let ended = until("PgBouncer to take connections", PATIENCE, || {
        if process.ended().is_some() {
            return Some(true);
        }
        // Said after it has bound its port; a connection alone might reach somebody else's server.
        let ours = directory.log().contains(&format!("listening on 127.0.0.1:{port}"));
        (ours && TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()).then_some(false)
    });
    if ended { Err(directory.log()) } else { Ok(process) }
}

fn configuration(port: u16, server: u16) -> String {
    format!(
        "[databases]\n\
         * = host=127.0.0.1 port={server} user=postgres\n\
         [pgbouncer]\n\
         listen_addr = 127.0.0.1\n\
         listen_port = {port}\n\
         unix_socket_dir =\n\
         auth_type = any\n\
         pool_mode = transaction\n\
         default_pool_size = 20\n\
         max_client_conn = 500\n\
         server_login_retry = 0.2\n"
    )
}
