//! Measures the server from outside: create → message read at a local provider sink → check, in a closed loop.
//!
//! Every figure stands beside references taken in the same run (an empty axum handler, the disk's fsync rate),
//! because the machines this runs on are noisy. Everything listens on the loopback and stops by itself.
#![expect(clippy::disallowed_methods, reason = "a benchmark is a stopwatch")]

mod client;
mod database;
mod dialect;
mod load;
mod process;
mod reference;
mod report;
mod server;
mod sink;

mod totp;
mod wire;

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use clap::{Parser, ValueEnum};

use crate::database::{Database, Profile};
use crate::dialect::Comparison;
use crate::load::{Flow, Load, Pace, Stage};
use crate::report::{Report, Row};
use crate::server::{Servers, Setup};
use crate::sink::Sink;
use crate::wire::Wire;

/// Where the server keeps its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Store {
    /// A file.
    Sqlite,
    /// A durable PostgreSQL server, started for this run.
    Postgres,
}

/// A vendor's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Dialect {
    /// Twilio Verify v2.
    Twilio,
}

impl From<Dialect> for Wire {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Twilio => Self::Twilio,
        }
    }
}

/// Something else than verifications from end to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum OtherFlow {
    /// Checks of an authenticator app's codes, beside those of verifications.
    Totp,
}

/// Measure the server's speed.
#[derive(Parser)]
struct Arguments {
    /// The release build of `countersign`.
    #[arg(long)]
    server: PathBuf,
    /// Where it keeps its rows.
    #[arg(long, value_enum, default_value_t = Store::Sqlite)]
    store: Store,
    /// Servers over one store, which the load is spread over.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=8))]
    nodes: u8,
    /// `[store] lanes`: batches in flight per server.
    #[arg(long)]
    lanes: Option<u8>,
    /// A directory for what the database says of statements, plans and tables, row by row. Costs a little speed.
    #[arg(long, value_name = "DIRECTORY")]
    profile: Option<PathBuf>,
    /// Measure this dialect and the native API in turns, instead of the usual rows.
    #[arg(long, value_enum)]
    dialect: Option<Dialect>,
    /// Measure this flow instead of the usual rows, in three turns, with the most people of --concurrency.
    #[arg(long, value_enum)]
    flow: Option<OtherFlow>,
    /// With --flow: checks of each row in each turn.
    #[arg(long, default_value_t = 20_000)]
    checks: usize,
    /// Seconds each row is measured.
    #[arg(long, default_value_t = 8)]
    seconds: u64,
    /// How many people verify at the same time, one row each.
    #[arg(long, value_delimiter = ',', default_values_t = [1_usize, 16, 64, 256])]
    concurrency: Vec<usize>,
    /// Old verifications that are stored before measuring. PostgreSQL copies them by the million itself; a SQLite file
    /// gets each through HTTP, which is slow beyond a million.
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
    let measured = measure(&arguments).await?;
    let (table, json) = match &measured {
        Measured::Usual(report) => (report.table(), serde_json::to_vec_pretty(report)?),
        Measured::Totp(report) => (report.table(), serde_json::to_vec_pretty(report)?),
    };
    println!("{table}");
    if let Some(path) = &arguments.json {
        std::fs::write(path, json)?;
    }
    Ok(())
}

/// What was measured.
enum Measured {
    Usual(Report),
    Totp(totp::Report),
}

async fn measure(arguments: &Arguments) -> anyhow::Result<Measured> {
    // The server wants its directory for its owner alone.
    let directory = tempfile::Builder::new().permissions(Permissions::from_mode(0o700)).tempdir()?;
    let fsync_per_second = reference::fsync_rate(directory.path())?;
    let widest = arguments.concurrency.iter().copied().max().unwrap_or(1);
    let empty_per_second = reference::requests_per_second(widest, Duration::from_secs(3)).await?;
    let sink = Arc::new(Sink::start().await?);
    let database = database(arguments)?;
    let setup = Setup {
        binary: &arguments.server,
        directory: directory.path(),
        sink: sink.address(),
        database: database.as_ref().map(Database::url),
        nodes: arguments.nodes.into(),
        lanes: arguments.lanes,
    };
    let mut servers = Servers::start(&setup)?;
    if arguments.stored > 0 {
        eprintln!("storing {} verifications …", arguments.stored);
        match &database {
            Some(database) => {
                load::samples(&servers, &sink).await?;
                servers.without(&setup, || database.fill(arguments.stored))?;
            }
            None => load::store(&servers, arguments.stored).await?,
        }
    }
    if arguments.flow == Some(OtherFlow::Totp) {
        let plan = totp::Plan { people: widest, checks: arguments.checks, turns: 3 };
        let rows = totp::measure(&servers, plan).await?;
        let nodes = servers.figures()?;
        let store = report::store(database.as_ref(), nodes.len(), arguments.lanes)?;
        return Ok(Measured::Totp(totp::Report {
            store,
            fsync_per_second,
            empty_handler_per_second: empty_per_second,
            people: widest,
            rows,
            nodes,
        }));
    }
    let stage = Stage { servers: &servers, sink: &sink, database: database.as_ref() };
    let dialects = compare(arguments, &stage).await?;
    let rows = match arguments.dialect {
        None => measure_rows(arguments, &stage).await?,
        Some(_) => dialects.iter().flat_map(Comparison::rows).cloned().collect(),
    };
    let nodes = servers.figures()?;
    Ok(Measured::Usual(Report {
        store: report::store(database.as_ref(), nodes.len(), arguments.lanes)?,
        nodes,
        lanes: arguments.lanes,
        stored: arguments.stored,
        fsync_per_second,
        empty_handler_per_second: empty_per_second,
        self_ratio: arguments.dialect.is_none().then(|| own_ratio(&rows, empty_per_second)),
        dialects,
        rows,
    }))
}

/// A dialect beside the native API, where one is asked for.
async fn compare(arguments: &Arguments, stage: &Stage<'_>) -> anyhow::Result<Vec<Comparison>> {
    let mut all = Vec::new();
    let Some(dialect) = arguments.dialect else { return Ok(all) };
    for &people in &arguments.concurrency {
        let span = Duration::from_secs(arguments.seconds);
        let comparison = dialect::compare(stage, dialect.into(), people, span).await?;
        eprintln!("{}", comparison.line());
        all.push(comparison);
    }
    Ok(all)
}

fn database(arguments: &Arguments) -> anyhow::Result<Option<Database>> {
    if arguments.store == Store::Postgres {
        return Database::start(arguments.profile.is_some()).map(Some);
    }
    ensure!(
        arguments.nodes == 1,
        "a SQLite file has one server: use --store postgres for {}",
        arguments.nodes
    );
    ensure!(
        arguments.lanes.is_none() && arguments.profile.is_none(),
        "--lanes and --profile are for --store postgres"
    );
    Ok(None)
}

async fn measure_rows(arguments: &Arguments, stage: &Stage<'_>) -> anyhow::Result<Vec<Row>> {
    let span = Duration::from_secs(arguments.seconds);
    let widest = arguments.concurrency.iter().copied().max().unwrap_or(1);
    let profile = arguments.profile.as_deref().map(Profile::into).transpose()?;
    let profiled = profile.as_ref().zip(stage.database);
    let mut rows: Vec<Row> = Vec::new();
    let all_out = arguments.concurrency.iter().map(|&people| (Flow::Delivered, people, false));
    let steady = [(Flow::Delivered, widest.min(64), true), (Flow::Own, widest, false)];
    for (flow, people, half) in all_out.chain(steady) {
        let fastest = rows.iter().map(|row| row.verifications_per_second).fold(0.0_f64, f64::max);
        let pace = if half { Pace::PerSecond(fastest / 2.0) } else { Pace::AsFast };
        profiled.map(|(profile, database)| profile.begin(database)).transpose()?;
        let mut row = load::run(stage, Load { wire: Wire::Native, flow, people, pace }, span).await?;
        profiled.map(|(profile, database)| profile.end(database, &row)).transpose()?;
        // Right behind the row it stands beside: the machine may be another one a minute later.
        let reference = stage.database.filter(|_| flow == Flow::Delivered && !half);
        row.row_by_row = reference.map(|database| database.row_by_row(people, span)).transpose()?;
        eprintln!("{}", row.line());
        rows.push(row);
    }
    profiled.map(|(profile, database)| profile.keep_log(database)).transpose()?;
    Ok(rows)
}

/// Requests per second of create and check alone, as a share of the empty handler's.
fn own_ratio(rows: &[Row], empty_per_second: f64) -> f64 {
    rows.last().map_or(0.0, |row| row.verifications_per_second * 2.0 / empty_per_second)
}
