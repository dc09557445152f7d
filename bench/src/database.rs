//! The PostgreSQL server that nodes share while they are measured, and what it counts about itself.

mod fill;
mod pgbench;
mod profile;

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use countersign_peers::{Postgres, Settings};
use serde::Serialize;

pub(crate) use pgbench::RowByRow;
pub(crate) use profile::Profile;

use crate::process;

/// What differs from PostgreSQL's defaults, beside `fsync` and `synchronous_commit`, which are on: memory for the
/// hot rows, and no checkpoint every few seconds. Connections for `pgbench`, which takes one per person.
const PARAMETERS: [(&str, &str); 4] = [
    ("shared_buffers", "1GB"),
    ("max_wal_size", "16GB"),
    ("checkpoint_timeout", "15min"),
    ("max_connections", "600"),
];

/// A durable server with a database for the nodes.
pub(crate) struct Database {
    postgres: Postgres,
    url: String,
    postmaster: u32,
}

impl Database {
    /// Starts it; with what profiles need where they are wanted, which costs a little.
    pub(crate) fn start(profiled: bool) -> anyhow::Result<Self> {
        let given = PARAMETERS.iter().chain(if profiled { profile::PARAMETERS } else { &[] });
        let settings =
            given.fold(Settings::new().durable(), |settings, (name, value)| settings.set(name, value));
        let postgres = Postgres::start_with(&settings);
        let url = postgres.create_database();
        let pid_file = std::fs::read_to_string(postgres.data_directory().join("postmaster.pid"))?;
        let postmaster = pid_file.lines().next().context("an empty pid file")?.parse()?;
        let database = Self { postgres, url, postmaster };
        if profiled {
            profile::prepare(&database)?;
        }
        Ok(database)
    }

    /// For `[store] url`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What is set, for the report.
    pub(crate) fn settings() -> String {
        let given: Vec<_> = PARAMETERS.iter().map(|(name, value)| format!("{name}={value}")).collect();
        format!("fsync=on synchronous_commit=on full_page_writes=on {}", given.join(" "))
    }

    /// Its version, as it says it.
    pub(crate) fn version(&self) -> anyhow::Result<String> {
        self.ask("SHOW server_version")
    }

    /// Runs SQL and answers its rows, columns separated by `|`.
    pub(crate) fn ask(&self, sql: &str) -> anyhow::Result<String> {
        self.postgres.try_psql(&self.url, sql).map_err(|error| anyhow!("{sql}: {error}"))
    }

    /// The directory of its programs.
    fn programs(&self) -> anyhow::Result<PathBuf> {
        let program = std::fs::read_link(format!("/proc/{}/exe", self.postmaster))?;
        Ok(program.parent().context("a program without a directory")?.to_owned())
    }

    /// What it counted so far.
    pub(crate) fn counted(&self) -> anyhow::Result<Counted> {
        // Read first: asking costs the server something, too.
        let cpu_seconds = process::family_cpu_seconds(self.postmaster)?;
        let line = self.ask(
            "SELECT coalesce(sum(batch), 0), coalesce(sum(entries), 0), \
             (SELECT wal_bytes FROM pg_stat_wal), (SELECT wal_sync FROM pg_stat_wal) FROM lane",
        )?;
        let numbers: Vec<f64> = line.split('|').map(str::parse).collect::<Result<_, _>>()?;
        let [batches, entries, wal_bytes, wal_syncs] = numbers[..] else {
            return Err(anyhow!("the database answered {line:?}"));
        };
        Ok(Counted { cpu_seconds, batches, entries, wal_bytes, wal_syncs })
    }
}

/// Counters that only grow.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    cpu_seconds: f64,
    batches: f64,
    entries: f64,
    wal_bytes: f64,
    wal_syncs: f64,
}

/// What a row cost the database, per verification where nothing else is said.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct Cost {
    pub(crate) cpu_microseconds: f64,
    /// Commands that shared one commit, on the average.
    pub(crate) commands_per_commit: f64,
    pub(crate) wal_bytes: f64,
    pub(crate) fsyncs: f64,
    pub(crate) journal_entries: f64,
}

impl Cost {
    /// The cost between two counts, for so many verifications of so many commands each.
    pub(crate) fn between(before: Counted, after: Counted, verifications: usize, commands: f64) -> Self {
        let each = |of: fn(&Counted) -> f64| (of(&after) - of(&before)) / verifications.max(1) as f64;
        Self {
            cpu_microseconds: each(|counted| counted.cpu_seconds) * 1e6,
            commands_per_commit: commands / each(|counted| counted.batches),
            wal_bytes: each(|counted| counted.wal_bytes),
            fsyncs: each(|counted| counted.wal_syncs),
            journal_entries: each(|counted| counted.entries),
        }
    }
}
