//! Measures the server from outside: create → message read at a local provider sink → check, in a closed loop.
//!
//! Every figure stands beside references taken in the same run (an empty axum handler, the disk's fsync rate),
//! because the machines this runs on are noisy. Everything listens on the loopback and stops by itself.
#![expect(clippy::disallowed_methods, reason = "a benchmark is a stopwatch")]

mod client;
mod load;
mod process;
mod reference;
mod report;
mod server;
mod sink;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;

use crate::load::{Flow, Pace};
use crate::report::{Report, Row};

/// Measure the server's speed.
#[derive(Parser)]
struct Arguments {
    /// The release build of `countersign`.
    #[arg(long)]
    server: PathBuf,
    /// Seconds each row is measured.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// How many people verify at the same time, one row each.
    #[arg(long, value_delimiter = ',', default_values_t = [1_usize, 16, 64, 256])]
    concurrency: Vec<usize>,
    /// Old verifications that are stored before measuring.
    #[arg(long, default_value_t = 0)]
    stored: u64,
    /// Where to write the figures as JSON.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only serve the empty reference handler (used by the benchmark itself).
    #[arg(long, hide = true)]
    reference: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if arguments.reference {
        return reference::serve().await;
    }
    let report = measure(&arguments).await?;
    println!("{}", report.table());
    if let Some(path) = &arguments.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(())
}

async fn measure(arguments: &Arguments) -> anyhow::Result<Report> {
    let span = Duration::from_secs(arguments.seconds);
    let directory = tempfile::tempdir()?;
    let fsync_per_second = reference::fsync_rate(directory.path())?;
    let widest = arguments.concurrency.iter().copied().max().unwrap_or(1);
    let empty_per_second = reference::requests_per_second(widest, Duration::from_secs(3)).await?;
    let sink = std::sync::Arc::new(sink::Sink::start().await?);
    let server = server::Server::start(&arguments.server, directory.path(), sink.address()).await?;
    if arguments.stored > 0 {
        eprintln!("storing {} verifications …", arguments.stored);
        load::store(&server, arguments.stored).await?;
    }
    let mut rows = Vec::new();
    let mut fastest = 0.0_f64;
    for &concurrency in &arguments.concurrency {
        let row = load::run(&server, &sink, Flow::Delivered, concurrency, Pace::AsFast, span).await?;
        eprintln!("{}", row.line());
        fastest = fastest.max(row.verifications_per_second);
        rows.push(row);
    }
    let half = Pace::PerSecond(fastest / 2.0);
    let row = load::run(&server, &sink, Flow::Delivered, widest.min(64), half, span).await?;
    eprintln!("{}", row.line());
    rows.push(row);
    let own = load::run(&server, &sink, Flow::Own, widest, Pace::AsFast, span).await?;
    eprintln!("{}", own.line());
    rows.push(own);
    Ok(Report {
        stored: arguments.stored,
        fsync_per_second,
        empty_handler_per_second: empty_per_second,
        ready_milliseconds: server.ready_milliseconds,
        peak_memory_mebibytes: server.peak_memory_mebibytes()?,
        self_ratio: own_ratio(&rows, empty_per_second),
        rows,
    })
}

/// Requests per second of create and check alone, as a share of the empty handler's.
fn own_ratio(rows: &[Row], empty_per_second: f64) -> f64 {
    rows.last().map_or(0.0, |row| row.verifications_per_second * 2.0 / empty_per_second)
}
