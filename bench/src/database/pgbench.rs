//! The reference: the same rows on the same server, written row by row.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use serde::Serialize;

use super::Database;
use crate::process;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/reference.sql");
/// Tables whose bodies the script writes.
const TABLES: [&str; 5] = ["recipient", "verification", "delivery", "journal", "once"];
/// No project's: 17 bytes, as a tenant has.
const TENANT: &str = r"\xfefefefefefefefefefefefefefefefefe";

/// What `pgbench` reaches with the statements of an ordinary application.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct RowByRow {
    pub(crate) concurrency: usize,
    pub(crate) verifications_per_second: f64,
    pub(crate) database_cpu_microseconds: f64,
}

impl Database {
    /// Runs the reference beside the rows that are stored. No node ever looks at what it leaves: rows of a tenant that
    /// no project has, due and written in a far future, of lanes that are none.
    pub(crate) fn row_by_row(&self, concurrency: usize, span: Duration) -> anyhow::Result<RowByRow> {
        ensure!(
            Path::new(SCRIPT).is_file(),
            "{SCRIPT} is not there: run it from the checkout it was built in"
        );
        let mut pgbench = Command::new(self.programs()?.join("pgbench"));
        pgbench.args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--file", SCRIPT]);
        pgbench.args(["--client", &concurrency.to_string(), "--time", &span.as_secs().to_string()]);
        // Twenty bits below the milliseconds: ids go on growing from one run to the next.
        let start = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis() << 20;
        pgbench.args(["-D", &format!("start={start}"), "-D", &format!("tenant={TENANT}")]);
        for table in TABLES {
            let size = self.ask(&format!(
                "SELECT avg(octet_length(body))::int FROM (SELECT body FROM {table} LIMIT 1000) AS first"
            ))?;
            let body = "a7".repeat(size.parse()?);
            pgbench.args(["-D", &format!(r"{table}_body=\x{body}")]);
        }
        pgbench.arg(&self.url);
        let before = process::family_cpu_seconds(self.postmaster)?;
        let output = pgbench.output()?;
        let cpu = process::family_cpu_seconds(self.postmaster)? - before;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "pgbench: {text}{}", String::from_utf8_lossy(&output.stderr));
        let verifications_per_second = figure(&text, "tps = ").context("pgbench told no rate")?;
        let done = figure(&text, "number of transactions actually processed: ").context("no count")?;
        Ok(RowByRow {
            concurrency,
            verifications_per_second,
            database_cpu_microseconds: cpu * 1e6 / done.max(1.0),
        })
    }
}

fn figure(text: &str, before: &str) -> Option<f64> {
    text.split_once(before)?.1.split([' ', '\n', '/']).next()?.parse().ok()
}
