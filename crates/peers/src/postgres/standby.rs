//! A second server that follows the first.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::{PATIENCE, Postgres, append, cluster};
use crate::directory::Directory;
use crate::wait::until;

static NEXT: AtomicUsize = AtomicUsize::new(1);

impl Postgres {
    /// A hot standby on a port of its own. From now on a commit here is acknowledged only when the standby has
    /// it too, and waits for as long as there is none; `set("synchronous_standby_names", "")` ends that.
    pub fn standby(&self) -> Self {
        let directory = Directory::new();
        let name = format!("standby_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        let source = format!("host=127.0.0.1 port={} user=postgres application_name={name}", self.port);
        let mut backup = directory.command(&self.programs.join("pg_basebackup"));
        backup.args(["--pgdata=data", "--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"]);
        cluster::run(backup.args(["--create-slot", "--slot", &name, "--no-sync", "--dbname", &source]));
        // The copied settings may name standbys; once promoted, this server would wait for them.
        append(&directory.join("data/postgresql.auto.conf"), "synchronous_standby_names = ''\n");
        let standby = Self::launch(directory, self.programs.clone());
        self.set("synchronous_standby_names", "*");
        let state = format!("SELECT sync_state FROM pg_stat_replication WHERE application_name = '{name}'");
        until("the standby to be synchronous", PATIENCE, || {
            // Of several, one is synchronous and the others stand by for it.
            let state = self.psql(&self.url("postgres"), &state);
            ["sync", "potential"].contains(&state.as_str()).then_some(())
        });
        standby
    }

    /// Makes this standby a primary that takes writes.
    pub fn promote(&self) {
        assert_eq!(self.psql(&self.url("postgres"), "SELECT pg_promote(true, 60)"), "t", "{}", self.log());
    }

    /// Sets a parameter of the running server by `ALTER SYSTEM`; sessions that start afterwards have it.
    pub fn set(&self, name: &str, value: &str) {
        let (postgres, value) = (self.url("postgres"), value.replace('\'', "''"));
        let loaded = || self.psql(&postgres, "SELECT pg_conf_load_time()");
        let before = loaded();
        self.psql(&postgres, &format!("ALTER SYSTEM SET {name} = '{value}'; SELECT pg_reload_conf()"));
        until("the server to read its settings", Duration::from_secs(30), || {
            (loaded() != before).then_some(())
        });
    }
}
