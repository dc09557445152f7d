//! `--flow totp`: what a check of an authenticator app's code costs beside the check of a message's code.
//!
//! Everything that is checked is made before the clock runs: verifications with their codes, subjects with a factor, begun
//! challenges. Each code is used once: a row waits for a time step that its factors have not used.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, ensure};
use aws_lc_rs::{digest, hmac};
use serde::Serialize;

use crate::client::Client;
use crate::report::{Quantiles, node_lines};
use crate::server::{NodeFigures, Servers};

/// Seconds of a step: the shortest that is allowed, so that little is waited.
const PERIOD: u64 = 15;
/// Connections that prepare.
const PREPARING: usize = 64;
/// What every check is compared with.
const REFERENCE: &str = "verification: check";
/// What issue 6 asks for: the share of the reference's rate.
const GOAL: f64 = 0.9;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// How many people check at the same time.
    pub(crate) people: usize,
    /// Checks of each row in each turn.
    pub(crate) checks: usize,
    /// How often the rows take turns.
    pub(crate) turns: usize,
}

/// Everything of one run.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) store: String,
    pub(crate) fsync_per_second: f64,
    pub(crate) empty_handler_per_second: f64,
    pub(crate) people: usize,
    pub(crate) rows: Vec<Row>,
    pub(crate) nodes: Vec<NodeFigures>,
}

/// One kind of check, over all turns.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    name: &'static str,
    checks: usize,
    checks_per_second: f64,
    server_cpu_microseconds: f64,
    latency: Quantiles,
    /// The rate as a share of that of the check of a verification; for two calls, of a verification's two.
    ratio: f64,
}

/// What is measured, each with what it is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    VerificationCheck,
    ChallengeCheck,
    OneCall,
    VerificationTwoCalls,
    TwoCalls,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::VerificationCheck,
        Self::ChallengeCheck,
        Self::OneCall,
        Self::VerificationTwoCalls,
        Self::TwoCalls,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::VerificationCheck => REFERENCE,
            Self::ChallengeCheck => "totp: check of a challenge",
            Self::OneCall => "totp: challenge with code, one call",
            Self::VerificationTwoCalls => "verification: create + check",
            Self::TwoCalls => "totp: challenge + check, two calls",
        }
    }

    const fn reference(self) -> Self {
        match self {
            Self::VerificationCheck | Self::ChallengeCheck | Self::OneCall => Self::VerificationCheck,
            Self::VerificationTwoCalls | Self::TwoCalls => Self::VerificationTwoCalls,
        }
    }

    /// Whether it uses up a step of the factors.
    const fn uses_step(self) -> bool {
        matches!(self, Self::ChallengeCheck | Self::OneCall | Self::TwoCalls)
    }
}

/// Somebody with an authenticator app.
struct Subject {
    name: String,
    secret: [u8; 20],
}

impl Subject {
    fn new(number: usize) -> Self {
        let digest = digest::digest(&digest::SHA256, &number.to_be_bytes());
        let mut secret = [0; 20];
        secret.copy_from_slice(&digest.as_ref()[..20]);
        Self { name: format!("bench-{number}"), secret }
    }

    /// The code of the present step (RFC 6238).
    fn code(&self) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.secret);
        let tag = hmac::sign(&key, &step().to_be_bytes());
        let offset = usize::from(tag.as_ref()[19] & 0x0f);
        let word =
            tag.as_ref()[offset..offset + 4].iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
        format!("{:06}", (word & 0x7fff_ffff) % 1_000_000)
    }
}

fn step() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / PERIOD
}

/// One thing a connection does.
#[derive(Clone)]
enum Job {
    Enrol(Arc<Subject>),
    /// Makes a verification and keeps its code.
    Verification,
    Challenge(Arc<Subject>),
    CheckVerification {
        path: String,
        code: String,
    },
    CheckChallenge {
        path: String,
        subject: Arc<Subject>,
    },
    OneCall(Arc<Subject>),
    VerificationTwoCalls,
    TwoCalls(Arc<Subject>),
}

/// What came of a job that prepares: a path to check at, and a code where the server made one.
type Made = Option<(String, String)>;

impl Job {
    async fn run(&self, client: &mut Client) -> anyhow::Result<Made> {
        match self {
            Self::Enrol(subject) => {
                let secret: String = subject.secret.iter().map(|byte| format!("{byte:02x}")).collect();
                let body = format!(
                    "{{\"type\":\"totp\",\"period\":{PERIOD},\"secret\":\"{secret}\",\"secret_encoding\":\"hex\",\
                     \"confirmed\":true}}"
                );
                call(client, &format!("/v1/subjects/ext:{}/factors", subject.name), body, 201).await?;
                Ok(None)
            }
            Self::Verification => verification(client).await.map(Some),
            Self::Challenge(subject) => {
                challenge(client, subject).await.map(|path| Some((path, String::new())))
            }
            Self::CheckVerification { path, code } => check(client, path, code).await,
            Self::CheckChallenge { path, subject } => check(client, path, &subject.code()).await,
            Self::OneCall(subject) => {
                let body = format!("{{\"subject\":\"{}\",\"code\":\"{}\"}}", subject.name, subject.code());
                let answer = call(client, "/v1/challenges", body, 200).await?;
                ensure!(answer["proof"].is_string(), "no proof: {answer}");
                Ok(None)
            }
            Self::VerificationTwoCalls => {
                let (path, code) = verification(client).await?;
                check(client, &path, &code).await
            }
            Self::TwoCalls(subject) => {
                let path = challenge(client, subject).await?;
                check(client, &path, &subject.code()).await
            }
        }
    }
}

async fn verification(client: &mut Client) -> anyhow::Result<(String, String)> {
    let to = crate::load::fresh_number().1;
    let body = format!("{{\"to\":\"{to}\",\"channel\":\"self\"}}");
    let answer = call(client, "/v1/verifications", body, 201).await?;
    let field = |name: &str| answer[name].as_str().with_context(|| format!("no {name} in {answer}"));
    Ok((format!("/v1/verifications/{}/check", field("id")?), field("code")?.to_owned()))
}

async fn challenge(client: &mut Client, subject: &Subject) -> anyhow::Result<String> {
    let body = format!("{{\"subject\":\"{}\"}}", subject.name);
    let answer = call(client, "/v1/challenges", body, 201).await?;
    Ok(format!("/v1/challenges/{}/check", answer["id"].as_str().context("no id")?))
}

async fn check(client: &mut Client, path: &str, code: &str) -> anyhow::Result<Made> {
    let answer = call(client, path, format!("{{\"code\":\"{code}\"}}"), 200).await?;
    ensure!(answer["proof"].is_string(), "no proof: {answer}");
    Ok(None)
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

async fn call(
    client: &mut Client,
    path: &str,
    body: String,
    wanted: u16,
) -> anyhow::Result<serde_json::Value> {
    let once = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let (status, answer) = client.post(path, &once, body).await?;
    ensure!(status == wanted, "{path} answered {status}: {}", String::from_utf8_lossy(&answer));
    Ok(serde_json::from_slice(&answer)?)
}

/// What was measured of one kind so far.
#[derive(Default)]
struct Tally {
    latencies: Vec<u32>,
    elapsed: f64,
    cpu_seconds: f64,
}

/// Does all jobs over so many connections, and answers what each made, in any order.
async fn all(
    servers: &Servers,
    connections: usize,
    jobs: Vec<Job>,
    tally: &mut Tally,
) -> anyhow::Result<Vec<(usize, Made)>> {
    let (jobs, next) = (Arc::new(jobs), Arc::new(AtomicUsize::new(0)));
    let mut clients = Vec::new();
    for number in 0..connections {
        clients.push(Client::connect(servers.address(number), &servers.key).await?);
    }
    let (cpu_before, start) = (servers.cpu_seconds()?, Instant::now());
    let mut workers = Vec::new();
    for mut client in clients {
        let (jobs, next) = (Arc::clone(&jobs), Arc::clone(&next));
        workers.push(tokio::spawn(async move {
            let (mut made, mut latencies) = (Vec::new(), Vec::new());
            while let Some((place, job)) = take(&jobs, &next) {
                let began = Instant::now();
                made.push((place, job.run(&mut client).await?));
                latencies.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            anyhow::Ok((made, latencies))
        }));
    }
    let mut made = Vec::with_capacity(jobs.len());
    for worker in workers {
        let (mut one, mut latencies) = worker.await??;
        made.append(&mut one);
        tally.latencies.append(&mut latencies);
    }
    tally.elapsed += start.elapsed().as_secs_f64();
    tally.cpu_seconds += servers.cpu_seconds()? - cpu_before;
    Ok(made)
}

fn take<'a>(jobs: &'a [Job], next: &AtomicUsize) -> Option<(usize, &'a Job)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    jobs.get(place).map(|job| (place, job))
}

/// Measures all kinds in turns.
pub(crate) async fn measure(servers: &Servers, plan: Plan) -> anyhow::Result<Vec<Row>> {
    let subjects: Vec<_> = (0..plan.checks).map(|number| Arc::new(Subject::new(number))).collect();
    eprintln!("enrolling {} factors …", plan.checks);
    let enrol = subjects.iter().cloned().map(Job::Enrol).collect();
    all(servers, PREPARING, enrol, &mut Tally::default()).await?;
    let mut tallies = Kind::ALL.map(|_| Tally::default());
    let mut used = step();
    for turn in 1..=plan.turns {
        for (kind, tally) in Kind::ALL.into_iter().zip(&mut tallies) {
            let jobs = prepared(servers, kind, &subjects).await?;
            if kind.uses_step() {
                until_behind(used).await;
            }
            all(servers, plan.people, jobs, tally).await?;
            used = if kind.uses_step() { step() } else { used };
        }
        eprintln!("turn {turn} of {} done", plan.turns);
    }
    Ok(rows(tallies))
}

/// What one row does, with all that is not part of it done.
async fn prepared(servers: &Servers, kind: Kind, subjects: &[Arc<Subject>]) -> anyhow::Result<Vec<Job>> {
    let each = |job: fn(Arc<Subject>) -> Job| subjects.iter().cloned().map(job).collect::<Vec<_>>();
    let prepare = match kind {
        Kind::VerificationCheck => vec![Job::Verification; subjects.len()],
        Kind::ChallengeCheck => each(Job::Challenge),
        Kind::OneCall => return Ok(each(Job::OneCall)),
        Kind::VerificationTwoCalls => return Ok(vec![Job::VerificationTwoCalls; subjects.len()]),
        Kind::TwoCalls => return Ok(each(Job::TwoCalls)),
    };
    let made = all(servers, PREPARING, prepare, &mut Tally::default()).await?;
    let job = |(place, made): (usize, Made)| {
        let (path, code) = made.context("nothing was made")?;
        Ok(match kind {
            Kind::ChallengeCheck => Job::CheckChallenge { path, subject: Arc::clone(&subjects[place]) },
            _ => Job::CheckVerification { path, code },
        })
    };
    made.into_iter().map(job).collect()
}

/// Waits for a step after `used`, and for the server to be in it as well.
async fn until_behind(used: u64) {
    while step() <= used {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn rows(tallies: [Tally; 5]) -> Vec<Row> {
    let rates = tallies.each_ref().map(|tally| tally.latencies.len() as f64 / tally.elapsed);
    let rate_of = |kind: Kind| rates[Kind::ALL.iter().position(|known| *known == kind).unwrap_or(0)];
    let row = |(kind, tally): (Kind, Tally)| Row {
        name: kind.name(),
        checks: tally.latencies.len(),
        checks_per_second: rate_of(kind),
        server_cpu_microseconds: tally.cpu_seconds * 1e6 / tally.latencies.len().max(1) as f64,
        latency: Quantiles::of(tally.latencies),
        ratio: rate_of(kind) / rate_of(kind.reference()),
    };
    Kind::ALL.into_iter().zip(tallies).map(row).collect()
}

impl Report {
    pub(crate) fn table(&self) -> String {
        let mut table = comfy_table::Table::new();
        table.set_header([
            "",
            "people",
            "per second",
            "server CPU µs",
            "p50/p99 ms",
            "of the verification's rate",
        ]);
        for row in &self.rows {
            table.add_row([
                row.name.to_owned(),
                self.people.to_string(),
                format!("{:.0}", row.checks_per_second),
                format!("{:.0}", row.server_cpu_microseconds),
                row.latency.show(),
                format!("{:.2}", row.ratio),
            ]);
        }
        format!(
            "{}\n{table}\nreferences of this run: empty axum handler {:.0} requests/s, fsync {:.0}/s; goal {GOAL} × \
             \"{REFERENCE}\"\n{}",
            self.store,
            self.empty_handler_per_second,
            self.fsync_per_second,
            node_lines(&self.nodes)
        )
    }
}
