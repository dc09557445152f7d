//! Where the database's time goes: statements, plans, and what updates left behind.

use std::path::{Path, PathBuf};

use super::Database;
use crate::report::Row;

/// Sampled plans go to the server's log.
pub(super) const PARAMETERS: &[(&str, &str)] = &[
    ("shared_preload_libraries", "pg_stat_statements,auto_explain"),
    ("pg_stat_statements.track_utility", "on"),
    ("track_io_timing", "on"),
    ("auto_explain.log_min_duration", "0"),
    ("auto_explain.sample_rate", "0.002"),
    ("auto_explain.log_analyze", "on"),
    ("auto_explain.log_buffers", "on"),
];

/// Time of execution, without that for reading parameters and planning; it contains the wait for locks and for the disk.
const STATEMENTS: &str = "\
SELECT format('%8s µs  %6s calls  %7s rows  %7s hits  %6s reads  %7s WAL bytes', \
  round((total_exec_time * 1000 / {each})::numeric, 1), round((calls / {each})::numeric, 3), round((rows / {each})::numeric, 2), \
  round((shared_blks_hit / {each})::numeric, 1), round((shared_blks_read / {each})::numeric, 2), round(wal_bytes / {each})) \
  || '  ' || left(regexp_replace(query, '\\s+', ' ', 'g'), 110) \
FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid AND d.datname = current_database() \
WHERE calls > 0 ORDER BY total_exec_time DESC LIMIT 40";

const TABLES: &str = "\
SELECT format('%-16s %9s live %8s dead  inserts %9s  updates %9s  HOT %5s %%  sequential scans %7s  index scans %9s  %s autovacuums', \
  relname, n_live_tup, n_dead_tup, n_tup_ins, n_tup_upd, \
  round(100.0 * n_tup_hot_upd / nullif(n_tup_upd, 0), 1), seq_scan, idx_scan, autovacuum_count) \
FROM pg_stat_user_tables ORDER BY n_tup_ins DESC";

const SIZES: &str = "\
SELECT format('%-26s %-6s %8s kB  %s', c.relname, CASE c.relkind WHEN 'r' THEN 'table' ELSE 'index' END, \
  pg_relation_size(c.oid) / 1024, CASE WHEN c.relkind = 'r' \
  THEN (SELECT format('%s bytes a tuple, dead %s %%, free %s %%', tuple_len / nullif(tuple_count, 0), dead_tuple_percent, free_percent) FROM pgstattuple(c.oid)) \
  ELSE (SELECT format('leaves %s %% full, fragmentation %s %%', avg_leaf_density, leaf_fragmentation) FROM pgstatindex(c.oid)) END) \
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace AND n.nspname = 'public' \
WHERE c.relkind IN ('r', 'i') AND pg_relation_size(c.oid) > 0 ORDER BY pg_relation_size(c.oid) DESC";

/// A directory that takes one file per row and the log of the server with its plans.
pub(crate) struct Profile {
    directory: PathBuf,
}

pub(super) fn prepare(database: &Database) -> anyhow::Result<()> {
    database.ask("CREATE EXTENSION pg_stat_statements; CREATE EXTENSION pgstattuple").map(drop)
}

impl Profile {
    pub(crate) fn into(directory: &Path) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)?;
        Ok(Self { directory: directory.to_owned() })
    }

    /// Counts statements from here on. What is said of tables goes on from the start: to reset that would also tell
    /// autovacuum that nothing has changed.
    pub(crate) fn begin(&self, database: &Database) -> anyhow::Result<()> {
        database.ask("SELECT pg_stat_statements_reset()").map(drop)
    }

    /// Writes down what was counted, per verification.
    pub(crate) fn end(&self, database: &Database, row: &Row) -> anyhow::Result<()> {
        let each = format!("{}.0", row.verifications.max(1));
        let statements = database.ask(&STATEMENTS.replace("{each}", &each))?;
        let (tables, sizes) = (database.ask(TABLES)?, database.ask(SIZES)?);
        let text = format!("{}\n\nper verification\n{statements}\n\n{tables}\n\n{sizes}\n", row.line());
        let name = format!("{}-{}.txt", row.name.replace([' ', ',', '+'], "-"), row.concurrency);
        Ok(std::fs::write(self.directory.join(name), text)?)
    }

    /// Keeps the log, with the plans that were sampled.
    pub(crate) fn keep_log(&self, database: &Database) -> anyhow::Result<()> {
        Ok(std::fs::write(self.directory.join("postgres.log"), database.postgres.log())?)
    }
}
