//! `countersign doctor`

use std::path::Path;
use std::time::Duration;

use countersign_core::store::Unavailable;
use countersign_core::time::{Clock as _, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use super::{Output, Place};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::problem::{Outcome, Problem};
use crate::{control, files, ring, wire};

/// Less free space than this is too little to write safely; less than ten times this is worth a word.
const LEAST_FREE_BYTES: u64 = 100 * 1024 * 1024;
/// No build of this program is older than this: a clock before it is wrong (2025-01-01).
const EARLIEST: Timestamp = Timestamp::from_millis(1_735_689_600_000);
const PROVIDER_TIME: Duration = Duration::from_secs(30);

/// Look for what keeps the server from working, and say how to fix it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    place: Place,
}

enum Verdict {
    Good(String),
    Doubtful(String),
    Bad(Problem),
}

struct Finding {
    what: String,
    verdict: Verdict,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let findings = examine(&args.place).await;
    let lines: Vec<String> = findings.iter().map(Finding::line).collect();
    let json: Vec<Value> = findings.iter().map(Finding::json).collect();
    output.answer(&lines.join("\n"), &json!({ "findings": json }));
    let bad = findings.iter().filter(|finding| matches!(finding.verdict, Verdict::Bad(_))).count();
    if bad == 0 {
        return Ok(());
    }
    Err(Problem::new(
        "the server would not work",
        format!("{bad} of the findings above are bad"),
        "fix them from the top",
    ))
}

async fn examine(place: &Place) -> Vec<Finding> {
    let config = match place.config() {
        Ok(config) => config,
        Err(problem) => return vec![Finding::bad("configuration", problem)],
    };
    let mut findings = vec![Finding::good("configuration", "every key is known and in range")];
    findings.push(clock());
    findings.extend(places(&config));
    let roots = ring::read(&config.ring());
    let note = |count: usize| format!("{} with {count} root(s)", config.ring().display());
    findings.push(Finding::of("key ring", roots.map(|roots| note(roots.len()))));
    findings.push(store(&config).await);
    findings.extend(providers(&config).await);
    findings.extend(prices(&config));
    findings
}

fn clock() -> Finding {
    if SystemClock.now() >= EARLIEST {
        return Finding::good("clock", "plausible");
    }
    let fix = "set the clock, and keep it right with NTP";
    Finding::bad(
        "clock",
        Problem::new("the clock is wrong", "it stands before this program was written", fix),
    )
}

/// The directories of this machine that the server needs.
fn places(config: &Config) -> Vec<Finding> {
    let of = |path: &Path| path.parent().unwrap_or(Path::new(".")).to_owned();
    let Some(database) = config.database() else {
        let directory = of(&config.control_socket());
        return vec![Finding::of("control directory", private_or_missing(&directory))];
    };
    let directory = of(&database);
    vec![Finding::of("data directory", private(&directory)), disk(&directory)]
}

fn private(directory: &Path) -> Outcome<String> {
    files::check_private(directory)?;
    Ok(format!("{} is its owner's alone", directory.display()))
}

/// A server makes the directory of its control socket.
fn private_or_missing(directory: &Path) -> Outcome<String> {
    if directory.exists() {
        return private(directory);
    }
    Ok(format!("{} is made at the start", directory.display()))
}

fn disk(directory: &Path) -> Finding {
    let fix = "free some space, or move the store to a larger disk";
    match rustix::fs::statvfs(directory) {
        Err(error) => Finding::bad(
            "disk",
            Problem::new("the disk cannot be asked", error, "check the path of the store"),
        ),
        Ok(disk) => {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            let note = format!("{} MiB are free", free / 1024 / 1024);
            if free < LEAST_FREE_BYTES {
                Finding::bad("disk", Problem::new("the disk is full", note, fix))
            } else if free < 10 * LEAST_FREE_BYTES {
                Finding::new("disk", Verdict::Doubtful(format!("only {note}")))
            } else {
                Finding::good("disk", &note)
            }
        }
    }
}

async fn store(config: &Config) -> Finding {
    if control::is_served(&config.control_socket()) {
        return served(config).await;
    }
    if let Some(database) = config.database().filter(|database| !database.is_file()) {
        let why = format!("there is no file {}", database.display());
        let fix = "run `countersign init`, restore a backup, or correct store.url";
        return Finding::bad("store", Problem::new("there is no store", why, fix));
    }
    match wire::open(config).await {
        Ok(opened) => {
            let ready = opened.store.ready().await;
            opened.close().await;
            match ready {
                Ok(()) => {
                    Finding::good("store", "opens with this key ring, schema up to date, can be written to")
                }
                Err(why) => Finding::bad("store", refusing(&why)),
            }
        }
        Err(problem) => Finding::bad("store", problem),
    }
}

fn refusing(why: &Unavailable) -> Problem {
    let fix = match why {
        Unavailable::ClockWentBack(_) => "`countersign clock accept --help` says what to do",
        _ => "look into the log and at the space of the disk or database",
    };
    Problem::new("the store refuses every change", why, fix)
}

/// The price table, where there is one.
fn prices(config: &Config) -> Option<Finding> {
    config.money.prices.as_ref()?;
    let priced = config.tariff().map(|tariff| {
        let names: Vec<_> = tariff.providers().collect();
        format!("of {}", names.join(", "))
    });
    Some(Finding::of("prices", priced))
}

/// What the running server says of its store.
async fn served(config: &Config) -> Finding {
    match control::call(config, Method::GET, "/readyz", None).await {
        Ok(Ok(_)) => Finding::good("store", "open and written to, in a server that runs now"),
        Ok(Err(refused)) => Finding::bad("store", refused.problem("the server that runs now cannot use it")),
        Err(problem) => Finding::bad("store", problem),
    }
}

async fn providers(config: &Config) -> Vec<Finding> {
    let providers = match config.providers(None) {
        Ok(providers) => providers,
        Err(problem) => return vec![Finding::bad("providers", problem)],
    };
    if config.routing_table().live.is_empty() {
        let note = "there is no route: live starts answer `no_route`; test keys work";
        return vec![Finding::new("providers", Verdict::Doubtful(note.to_owned()))];
    }
    let mut findings = Vec::new();
    for (name, provider) in providers {
        let verified = tokio::time::timeout(PROVIDER_TIME, provider.verify()).await;
        let what = format!("provider {name}");
        let problem = |why: String| {
            Problem::new(
                "the provider does not answer as it should",
                why,
                format!("correct [providers.{name}]"),
            )
        };
        findings.push(match verified {
            Ok(Ok(note)) => Finding::good(&what, &note),
            Ok(Err(error)) => Finding::bad(&what, problem(error.to_string())),
            Err(_) => Finding::bad(&what, problem(format!("no answer within {PROVIDER_TIME:?}"))),
        });
    }
    findings
}

impl Finding {
    fn new(what: &str, verdict: Verdict) -> Self {
        Self { what: what.to_owned(), verdict }
    }

    fn good(what: &str, note: &str) -> Self {
        Self::new(what, Verdict::Good(note.to_owned()))
    }

    fn bad(what: &str, problem: Problem) -> Self {
        Self::new(what, Verdict::Bad(problem))
    }

    fn of(what: &str, outcome: Outcome<String>) -> Self {
        match outcome {
            Ok(note) => Self::good(what, &note),
            Err(problem) => Self::bad(what, problem),
        }
    }

    fn line(&self) -> String {
        let what = &self.what;
        match &self.verdict {
            Verdict::Good(note) => format!("good      {what}: {note}"),
            Verdict::Doubtful(note) => format!("doubtful  {what}: {note}"),
            Verdict::Bad(Problem { what: problem, why, fix, .. }) => {
                format!("BAD       {what}: {problem}\n          why: {why}\n          fix: {fix}")
            }
        }
    }

    fn json(&self) -> Value {
        match &self.verdict {
            Verdict::Good(note) => json!({ "what": self.what, "verdict": "good", "note": note }),
            Verdict::Doubtful(note) => json!({ "what": self.what, "verdict": "doubtful", "note": note }),
            Verdict::Bad(problem) => {
                json!({ "what": self.what, "verdict": "bad", "why": problem.why, "fix": problem.fix })
            }
        }
    }
}
