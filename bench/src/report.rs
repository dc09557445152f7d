//! What was measured, as a table for people and as JSON.

use serde::Serialize;

use crate::database::{Cost, Database, RowByRow};
use crate::dialect::Comparison;
use crate::server::NodeFigures;

/// Percentiles in microseconds.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) p50: u32,
    pub(crate) p99: u32,
}

impl Quantiles {
    pub(crate) fn of(mut all: Vec<u32>) -> Self {
        all.sort_unstable();
        let at = |share: f64| all.get(((all.len() as f64 * share) as usize).min(all.len().saturating_sub(1)));
        Self { p50: at(0.5).copied().unwrap_or(0), p99: at(0.99).copied().unwrap_or(0) }
    }

    pub(crate) fn show(self) -> String {
        format!("{:.1} / {:.1}", f64::from(self.p50) / 1e3, f64::from(self.p99) / 1e3)
    }
}

/// One measured row.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) concurrency: usize,
    pub(crate) verifications: u64,
    pub(crate) verifications_per_second: f64,
    /// Of all nodes.
    pub(crate) server_cpu_microseconds: f64,
    pub(crate) database: Option<Cost>,
    /// What `pgbench` did with as many clients.
    pub(crate) row_by_row: Option<RowByRow>,
    pub(crate) create: Quantiles,
    pub(crate) check: Quantiles,
    pub(crate) accepted_to_called: Quantiles,
}

impl Row {
    pub(crate) fn line(&self) -> String {
        let database = self.database.map_or_else(String::new, |cost| {
            format!(
                "; database {:.0} µs CPU, {:.0} WAL bytes, {:.2} fsyncs, {:.1} journal entries each, {:.1} commands a commit",
                cost.cpu_microseconds,
                cost.wal_bytes,
                cost.fsyncs,
                cost.journal_entries,
                cost.commands_per_commit
            )
        });
        let reference = self.row_by_row.map_or_else(String::new, |reference| {
            format!("; row by row {:.0} verifications/s", reference.verifications_per_second)
        });
        format!(
            "{} × {}: {:.0} verifications/s, {:.0} µs server CPU each{database}{reference}",
            self.name, self.concurrency, self.verifications_per_second, self.server_cpu_microseconds
        )
    }

    fn ratio(&self) -> Option<f64> {
        self.row_by_row.map(|reference| self.verifications_per_second / reference.verifications_per_second)
    }
}

/// Everything of one run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    /// `sqlite`, or `postgres` with its version and settings.
    pub(crate) store: String,
    pub(crate) nodes: Vec<NodeFigures>,
    pub(crate) lanes: Option<u8>,
    pub(crate) stored: u64,
    pub(crate) fsync_per_second: f64,
    pub(crate) empty_handler_per_second: f64,
    /// Requests per second of create + check alone, as a share of the empty handler's; a comparison does not measure it.
    pub(crate) self_ratio: Option<f64>,
    /// A dialect beside the native API; empty where none was asked for.
    pub(crate) dialects: Vec<Comparison>,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    pub(crate) fn table(&self) -> String {
        let with_database = self.rows.iter().any(|row| row.database.is_some());
        let mut table = comfy_table::Table::new();
        let mut header = vec!["", "people", "verifications/s", "server CPU µs"];
        if with_database {
            header.extend(["database CPU µs", "commands a commit", "row by row (pgbench)"]);
        }
        header.extend(["create p50/p99 ms", "check p50/p99 ms", "accepted→called ms"]);
        table.set_header(header);
        for row in &self.rows {
            let mut cells = vec![
                row.name.clone(),
                row.concurrency.to_string(),
                format!("{:.0}", row.verifications_per_second),
                format!("{:.0}", row.server_cpu_microseconds),
            ];
            if with_database {
                cells.extend(database_cells(row));
            }
            cells.extend([row.create.show(), row.check.show(), row.accepted_to_called.show()]);
            table.add_row(cells);
        }
        format!(
            "{}\n{table}\nreferences of this run: empty axum handler {:.0} requests/s, fsync {:.0}/s\n\
             {}stored before: {}\n{}",
            self.store,
            self.empty_handler_per_second,
            self.fsync_per_second,
            self.ratios(),
            self.stored,
            node_lines(&self.nodes)
        )
    }

    fn ratios(&self) -> String {
        let own = self
            .self_ratio
            .map(|ratio| format!("create + check alone: {ratio:.2} of the empty handler's requests/s; "));
        let dialects = self.dialects.iter().map(|one| format!("{}\n", one.line()));
        own.into_iter().chain(dialects).collect()
    }
}

fn database_cells(row: &Row) -> [String; 3] {
    let of = |figure: fn(&Cost) -> f64, digits: usize| {
        row.database.as_ref().map_or_else(String::new, |cost| format!("{:.digits$}", figure(cost)))
    };
    let reference = row.row_by_row.zip(row.ratio()).map_or_else(String::new, |(reference, ratio)| {
        let (rate, cpu) = (reference.verifications_per_second, reference.database_cpu_microseconds);
        format!("{rate:.0}/s, {cpu:.0} µs: ours × {ratio:.2}")
    });
    [of(|cost| cost.cpu_microseconds, 0), of(|cost| cost.commands_per_commit, 1), reference]
}

impl NodeFigures {
    fn line(&self) -> String {
        format!("ready in {} ms; peak memory {:.0} MiB", self.ready_milliseconds, self.peak_memory_mebibytes)
    }
}

/// What the nodes say of themselves, one a line.
pub(crate) fn node_lines(nodes: &[NodeFigures]) -> String {
    nodes.iter().map(NodeFigures::line).collect::<Vec<_>>().join("\n")
}

/// What the rows are kept in, for the report.
pub(crate) fn store(database: Option<&Database>, nodes: usize, lanes: Option<u8>) -> anyhow::Result<String> {
    let Some(database) = database else { return Ok("sqlite, 1 node".to_owned()) };
    let lanes = lanes.map_or_else(|| "default lanes".to_owned(), |lanes| format!("{lanes} lanes"));
    let (version, settings) = (database.version()?, Database::settings());
    Ok(format!("PostgreSQL {version}, {nodes} node(s), {lanes}; {settings}"))
}
