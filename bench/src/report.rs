//! What was measured, as a table for people and as JSON.

use serde::Serialize;

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

    fn show(self) -> String {
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
    pub(crate) server_cpu_microseconds: f64,
    pub(crate) create: Quantiles,
    pub(crate) check: Quantiles,
    pub(crate) accepted_to_called: Quantiles,
}

impl Row {
    pub(crate) fn line(&self) -> String {
        format!(
            "{} × {}: {:.0} verifications/s, {:.0} µs server CPU each",
            self.name, self.concurrency, self.verifications_per_second, self.server_cpu_microseconds
        )
    }
}

/// Everything of one run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) stored: u64,
    pub(crate) fsync_per_second: f64,
    pub(crate) empty_handler_per_second: f64,
    pub(crate) ready_milliseconds: u64,
    pub(crate) peak_memory_mebibytes: f64,
    /// Requests per second of create + check alone, as a share of the empty handler's.
    pub(crate) self_ratio: f64,
    pub(crate) rows: Vec<Row>,
}

impl Report {
    pub(crate) fn table(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.set_header([
            "",
            "people",
            "verifications/s",
            "server CPU µs",
            "create p50/p99 ms",
            "check p50/p99 ms",
            "accepted→called ms",
        ]);
        for row in &self.rows {
            table.add_row([
                row.name.clone(),
                row.concurrency.to_string(),
                format!("{:.0}", row.verifications_per_second),
                format!("{:.0}", row.server_cpu_microseconds),
                row.create.show(),
                row.check.show(),
                row.accepted_to_called.show(),
            ]);
        }
        format!(
            "{table}\nreferences of this run: empty axum handler {:.0} requests/s, fsync {:.0}/s\n\
             create + check alone: {:.2} of the empty handler's requests/s; stored before: {}\n\
             ready in {} ms; peak memory {:.0} MiB",
            self.empty_handler_per_second,
            self.fsync_per_second,
            self.self_ratio,
            self.stored,
            self.ready_milliseconds,
            self.peak_memory_mebibytes
        )
    }
}
