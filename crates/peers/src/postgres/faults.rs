//! What may happen to a server, and to those who are connected to it.

use rustix::process::Signal;

use super::{PATIENCE, Postgres, run};
use crate::url;

impl Postgres {
    /// Kills the whole server with SIGKILL, as a crash of its machine would, and waits until nothing of it runs.
    pub fn kill_nine(&self) {
        self.server().take().expect("a running server").kill_all();
    }

    /// Starts the server again on the same port and data, and waits until it takes connections. A server that
    /// still runs is stopped first.
    pub fn restart(&self) {
        self.stop();
        let process = run(&self.directory, &self.programs, self.port);
        *self.server() = Some(process.unwrap_or_else(|log| panic!("PostgreSQL ended early: {log}")));
    }

    /// Fast shutdown: open transactions are rolled back, all that was committed is kept. A paused server is
    /// resumed for it.
    pub fn stop(&self) {
        if let Some(mut process) = self.server().take() {
            process.signal_all(Signal::CONT);
            process.signal(Signal::INT);
            process.wait(PATIENCE);
        }
    }

    /// Halts every process of the server: connections stay open and new ones seem to open, but nothing is
    /// answered any more.
    pub fn pause(&self) {
        self.server().as_ref().expect("a running server").signal_all(Signal::STOP);
    }

    /// Ends a [`pause`](Self::pause).
    pub fn resume(&self) {
        self.server().as_ref().expect("a running server").signal_all(Signal::CONT);
    }

    /// Ends all connections to the database, as an administrator would, and answers how many there were.
    pub fn terminate_backends(&self, database_url: &str) -> usize {
        let name = url::database(database_url);
        let ended = self.psql(
            &self.url("postgres"),
            &format!(
                // In the condition, the planner would be free to call it for everybody.
                "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity WHERE datname = '{name}' \
                 AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
            ),
        );
        ended.parse().expect("a number")
    }
}
