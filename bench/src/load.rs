//! The closed loop: each worker is a person who starts, reads the message, types the code, and starts again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::client::Client;
use crate::database::{Cost, Database};
use crate::report::{Quantiles, Row};
use crate::server::{Doors, Servers};
use crate::sink::Sink;
use crate::wire::Wire;

/// Who carries the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// The server, through the sink.
    Delivered,
    /// The customer: the code is in the answer.
    Own,
}

impl Flow {
    /// Commands to the store per verification: create, check, and where the server delivers, what came of it.
    const fn commands(self) -> f64 {
        match self {
            Self::Delivered => 3.0,
            Self::Own => 2.0,
        }
    }
}

/// How fast verifications start.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// The next as soon as the last is done.
    AsFast,
    /// So many a second, over all workers.
    PerSecond(f64),
}

static NEXT: AtomicU64 = AtomicU64::new(0);

/// A number nobody used in this run: Polish mobile numbers of 7 prefixes, 10 million each.
pub(crate) fn fresh_number() -> (u64, String) {
    const PREFIXES: [&str; 7] = ["60", "66", "69", "50", "51", "53", "57"];
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    let prefix = PREFIXES[(n / 10_000_000 % 7) as usize];
    (n, format!("+48{prefix}{:07}", n % 10_000_000))
}

#[derive(Default)]
struct Times {
    create: Vec<u32>,
    check: Vec<u32>,
    called: Vec<u32>,
}

/// Stores verifications that nobody ever answers.
pub(crate) async fn store(servers: &Servers, count: u64) -> anyhow::Result<()> {
    let left = Arc::new(AtomicU64::new(count));
    let mut loops = Vec::new();
    for number in 0..128 {
        let (left, doors) = (Arc::clone(&left), Arc::clone(&servers.doors));
        let mut client = Wire::Native.connect(&doors, number).await?;
        loops.push(tokio::spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                let (n, to) = fresh_number();
                Wire::Native.start(&doors, &mut client, (n, &to), "self").await?;
            }
            anyhow::Ok(())
        }));
    }
    for one in loops {
        one.await??;
    }
    Ok(())
}

/// A few verifications from end to end, delivered and approved: what a fill copies.
pub(crate) async fn samples(servers: &Servers, sink: &Arc<Sink>) -> anyhow::Result<()> {
    let client = Wire::Native.connect(&servers.doors, 0).await?;
    let (doors, sink) = (Arc::clone(&servers.doors), Arc::clone(sink));
    let mut person = Person { client, doors, sink, wire: Wire::Native, flow: Flow::Delivered };
    for _ in 0..8 {
        person.verifies(&mut Times::default()).await?;
    }
    // The server still writes down that the last message was taken, and numbers the journal.
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(())
}

/// What is measured, with what.
pub(crate) struct Stage<'a> {
    pub(crate) servers: &'a Servers,
    pub(crate) sink: &'a Arc<Sink>,
    pub(crate) database: Option<&'a Database>,
}

/// How the servers are used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) wire: Wire,
    pub(crate) flow: Flow,
    /// How many people verify at the same time.
    pub(crate) people: usize,
    pub(crate) pace: Pace,
}

/// What was measured of a load so far; several spans add up.
#[derive(Default)]
pub(crate) struct Tally {
    times: Times,
    elapsed: f64,
    cpu_seconds: f64,
}

impl Tally {
    /// Measures the load for one span.
    pub(crate) async fn add(&mut self, stage: &Stage<'_>, load: Load, span: Duration) -> anyhow::Result<()> {
        let cpu_before = stage.servers.cpu_seconds()?;
        let start = Instant::now();
        let mut workers = Vec::new();
        for number in 0..load.people {
            let (doors, sink) = (Arc::clone(&stage.servers.doors), Arc::clone(stage.sink));
            let client = load.wire.connect(&doors, number).await?;
            let person = Person { client, doors, sink, wire: load.wire, flow: load.flow };
            let interval = interval(load.pace, load.people, number);
            workers.push(tokio::spawn(worker(person, interval, start, span)));
        }
        for one in workers {
            let mut one = one.await??;
            self.times.create.append(&mut one.create);
            self.times.check.append(&mut one.check);
            self.times.called.append(&mut one.called);
        }
        self.elapsed += start.elapsed().as_secs_f64();
        self.cpu_seconds += stage.servers.cpu_seconds()? - cpu_before;
        Ok(())
    }

    fn done(&self) -> usize {
        self.times.check.len()
    }

    pub(crate) fn row(self, load: Load) -> Row {
        let done = self.done();
        Row {
            name: name(load),
            concurrency: load.people,
            verifications: done as u64,
            verifications_per_second: done as f64 / self.elapsed,
            server_cpu_microseconds: self.cpu_seconds * 1e6 / done.max(1) as f64,
            database: None,
            row_by_row: None,
            create: Quantiles::of(self.times.create),
            check: Quantiles::of(self.times.check),
            accepted_to_called: Quantiles::of(self.times.called),
        }
    }
}

/// Measures one row, and what it costs the database.
pub(crate) async fn run(stage: &Stage<'_>, load: Load, span: Duration) -> anyhow::Result<Row> {
    let counted = stage.database.map(Database::counted).transpose()?;
    let mut tally = Tally::default();
    tally.add(stage, load, span).await?;
    let (done, commands) = (tally.done(), load.flow.commands());
    let cost = |(before, database): (_, &Database)| {
        anyhow::Ok(Cost::between(before, database.counted()?, done, commands))
    };
    let database = counted.zip(stage.database).map(cost).transpose()?;
    Ok(Row { database, ..tally.row(load) })
}

fn name(load: Load) -> String {
    match (load.flow, load.pace) {
        (Flow::Own, _) => "create + check alone".to_owned(),
        (Flow::Delivered, Pace::AsFast) => load.wire.name().to_owned(),
        (Flow::Delivered, Pace::PerSecond(_)) => "complete, half load".to_owned(),
    }
}

/// When a worker's verifications start, apart; `None` for at once.
fn interval(pace: Pace, workers: usize, number: usize) -> Option<(Duration, Duration)> {
    let Pace::PerSecond(rate) = pace else { return None };
    let apart = Duration::from_secs_f64(workers as f64 / rate);
    Some((apart, apart.mul_f64(number as f64 / workers as f64)))
}

async fn worker(
    mut person: Person,
    interval: Option<(Duration, Duration)>,
    start: Instant,
    span: Duration,
) -> anyhow::Result<Times> {
    let mut times = Times::default();
    let mut ticks = interval.map(|(apart, first)| tokio::time::interval_at((start + first).into(), apart));
    while start.elapsed() < span {
        if let Some(ticks) = &mut ticks {
            ticks.tick().await;
        }
        person.verifies(&mut times).await?;
    }
    Ok(times)
}

/// Somebody who verifies one number after the other.
struct Person {
    client: Client,
    doors: Arc<Doors>,
    sink: Arc<Sink>,
    wire: Wire,
    flow: Flow,
}

impl Person {
    async fn verifies(&mut self, times: &mut Times) -> anyhow::Result<()> {
        let (n, to) = fresh_number();
        let message = self.sink.expect(&to);
        let channel = if self.flow == Flow::Own { "self" } else { "sms" };
        let began = Instant::now();
        let started = self.wire.start(&self.doors, &mut self.client, (n, &to), channel).await?;
        let accepted = Instant::now();
        times.create.push(microseconds(accepted - began));
        let code = if self.flow == Flow::Own {
            started.code.clone().context("no code")?
        } else {
            let message =
                tokio::time::timeout(Duration::from_secs(20), message).await.context("no message")??;
            times.called.push(microseconds(message.at.saturating_duration_since(accepted)));
            message.code
        };
        let began = Instant::now();
        self.wire.check(&mut self.client, n, &started, &code).await?;
        times.check.push(microseconds(began.elapsed()));
        Ok(())
    }
}

fn microseconds(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}
