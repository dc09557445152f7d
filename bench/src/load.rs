//! The closed loop: each worker is a person who starts, reads the message, types the code, and starts again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use crate::client::Client;
use crate::database::{Cost, Database};
use crate::report::{Quantiles, Row};
use crate::server::Servers;
use crate::sink::Sink;

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
        let left = Arc::clone(&left);
        let mut client = Client::connect(servers.address(number), &servers.key).await?;
        loops.push(tokio::spawn(async move {
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                let (n, to) = fresh_number();
                let body = format!("{{\"to\":\"{to}\",\"channel\":\"self\"}}");
                let (status, answer) = client.post("/v1/verifications", &format!("s{n}"), body).await?;
                if status != 201 {
                    bail!("storing answered {status}: {}", String::from_utf8_lossy(&answer));
                }
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
pub(crate) async fn samples(servers: &Servers, sink: &Sink) -> anyhow::Result<()> {
    let mut client = Client::connect(servers.address(0), &servers.key).await?;
    for _ in 0..8 {
        verify(&mut client, sink, Flow::Delivered, &mut Times::default()).await?;
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

/// Measures one row.
pub(crate) async fn run(
    Stage { servers, sink, database }: &Stage<'_>,
    flow: Flow,
    concurrency: usize,
    pace: Pace,
    span: Duration,
) -> anyhow::Result<Row> {
    let counted = database.map(Database::counted).transpose()?;
    let cpu_before = servers.cpu_seconds()?;
    let start = Instant::now();
    let mut workers = Vec::new();
    for number in 0..concurrency {
        let client = Client::connect(servers.address(number), &servers.key).await?;
        let interval = interval(pace, concurrency, number);
        workers.push(tokio::spawn(worker(client, Arc::clone(sink), flow, interval, start, span)));
    }
    let mut all = Times::default();
    for one in workers {
        let mut one = one.await??;
        all.create.append(&mut one.create);
        all.check.append(&mut one.check);
        all.called.append(&mut one.called);
    }
    let elapsed = start.elapsed().as_secs_f64();
    let cpu = servers.cpu_seconds()? - cpu_before;
    let done = all.check.len();
    let cost = |(before, database): (_, &Database)| {
        anyhow::Ok(Cost::between(before, database.counted()?, done, flow.commands()))
    };
    let database = counted.zip(*database).map(cost).transpose()?;
    Ok(Row {
        name: name(flow, pace),
        concurrency,
        verifications: done as u64,
        verifications_per_second: done as f64 / elapsed,
        server_cpu_microseconds: cpu * 1e6 / done.max(1) as f64,
        database,
        row_by_row: None,
        create: Quantiles::of(all.create),
        check: Quantiles::of(all.check),
        accepted_to_called: Quantiles::of(all.called),
    })
}

fn name(flow: Flow, pace: Pace) -> String {
    match (flow, pace) {
        (Flow::Own, _) => "create + check alone".to_owned(),
        (Flow::Delivered, Pace::AsFast) => "complete".to_owned(),
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
    mut client: Client,
    sink: Arc<Sink>,
    flow: Flow,
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
        verify(&mut client, &sink, flow, &mut times).await?;
    }
    Ok(times)
}

async fn verify(client: &mut Client, sink: &Sink, flow: Flow, times: &mut Times) -> anyhow::Result<()> {
    let (n, to) = fresh_number();
    let message = sink.expect(&to);
    let channel = if flow == Flow::Own { "self" } else { "sms" };
    let started = Instant::now();
    let body = format!("{{\"to\":\"{to}\",\"channel\":\"{channel}\"}}");
    let (status, answer) = client.post("/v1/verifications", &format!("c{n}"), body).await?;
    let accepted = Instant::now();
    if status != 201 {
        bail!("create answered {status}: {}", String::from_utf8_lossy(&answer));
    }
    times.create.push(microseconds(accepted - started));
    let answer: serde_json::Value = serde_json::from_slice(&answer)?;
    let id = answer["id"].as_str().context("no id")?;
    let code = if flow == Flow::Own {
        answer["code"].as_str().context("no code")?.to_owned()
    } else {
        let message =
            tokio::time::timeout(Duration::from_secs(20), message).await.context("no message")??;
        times.called.push(microseconds(message.at.saturating_duration_since(accepted)));
        message.code
    };
    let started = Instant::now();
    let (status, answer) = client
        .post(&format!("/v1/verifications/{id}/check"), &format!("k{n}"), format!("{{\"code\":\"{code}\"}}"))
        .await?;
    if status != 200 {
        bail!("check answered {status}: {}", String::from_utf8_lossy(&answer));
    }
    times.check.push(microseconds(started.elapsed()));
    Ok(())
}

fn microseconds(span: Duration) -> u32 {
    u32::try_from(span.as_micros()).unwrap_or(u32::MAX)
}
