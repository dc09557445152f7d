//! The second round: each token is enrolled, several at a time, each at most once.

use std::io::IsTerminal as _;
use std::sync::Arc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Entry;
use super::token::Token;
use super::validate::Plan;
use crate::cli::factors::subject_path;
use crate::cli::{Output, text};
use crate::client::{Client, Refused};
use crate::problem::{Outcome, Problem};

const BAR: &str = "importing {wide_bar} {human_pos} of {human_len} tokens, {eta} left";
/// Tokens under way at the same time.
const AT_ONCE: usize = 8;
/// How often a server that asks for patience gets it, and for how long at most.
const TRIES: usize = 5;
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// What came of an import.
#[derive(Debug, Default)]
pub(super) struct Report {
    imported: u64,
    there: u64,
}

/// What became of one token.
enum Outcomes {
    Imported,
    There,
}

/// Enrols all tokens; the file was looked at before.
pub(super) async fn run(
    client: &Arc<Client>,
    entries: impl Iterator<Item = Entry<Token>> + Send,
    plan: &Plan,
    output: &Output,
) -> Outcome<Report> {
    let bar = bar(plan.tokens(), !output.json && std::io::stderr().is_terminal());
    let mut under_way = JoinSet::new();
    let mut report = Report::default();
    let mut failed = None;
    for entry in entries {
        let token = match entry {
            Entry::Token(token) => token,
            Entry::LeftOut(_) => continue,
            Entry::Wrong { line, .. } | Entry::Broken { line, .. } => {
                failed = Some(changed(line));
                break;
            }
        };
        if under_way.len() >= AT_ONCE
            && let Err(problem) = report.note(under_way.join_next().await, &bar)
        {
            failed = Some(problem);
            break;
        }
        let client = Arc::clone(client);
        under_way.spawn(async move { enrol(&client, &token).await });
    }
    // Those under way are sent already: what came of them counts, whatever failed.
    while let Some(one) = under_way.join_next().await {
        if let Err(problem) = report.note(Some(one), &bar) {
            failed.get_or_insert(problem);
        }
    }
    bar.finish_and_clear();
    match failed {
        None => Ok(report),
        Some(problem) => Err(report.broken_off(problem, plan)),
    }
}

fn bar(tokens: u64, shown: bool) -> ProgressBar {
    if !shown {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(tokens);
    if let Ok(style) = ProgressStyle::with_template(BAR) {
        bar.set_style(style);
    }
    bar
}

async fn enrol(client: &Client, token: &Token) -> Outcome<Outcomes> {
    let subject = subject_path(&token.external_id);
    if let Some(serial) = &token.serial
        && is_there(client, &subject, serial, token.kind()).await?
    {
        return Ok(Outcomes::There);
    }
    let path = format!("{subject}/factors");
    let (once, body) = (token.once(), token.body());
    let mut tries = 0;
    loop {
        let posted = client.once(&path, &once, &body).await?;
        match posted.answer {
            Ok(_) if posted.replayed => return Ok(Outcomes::There),
            Ok(_) => return Ok(Outcomes::Imported),
            Err(refused) => match refused.retry_after() {
                Some(wait) if tries < TRIES => {
                    tries += 1;
                    tokio::time::sleep(wait.min(LONGEST_WAIT)).await;
                }
                _ => return Err(not_enrolled(&refused, token)),
            },
        }
    }
}

/// Whether the person has this token already, from an import long ago.
async fn is_there(client: &Client, subject: &str, serial: &str, kind: &str) -> Outcome<bool> {
    match client.call(Method::GET, subject, &[], None).await? {
        Ok(subject) => Ok(subject["factors"].as_array().into_iter().flatten().any(|factor| {
            text(factor, "/serial") == serial
                && text(factor, "/type") == kind
                && text(factor, "/status") != "removed"
        })),
        // Nobody knows the person yet.
        Err(refused) if refused.status() == 404 => Ok(false),
        Err(refused) => Err(refused.problem("the factors that are there cannot be listed")),
    }
}

fn not_enrolled(refused: &Refused, token: &Token) -> Problem {
    let serial = token.serial.as_deref().map(|serial| format!(", serial {serial}")).unwrap_or_default();
    let Problem { why, fix, .. } = refused.problem("");
    Problem::new("", format!("line {}{serial}: {why}", token.line), fix)
}

fn changed(line: u64) -> Problem {
    let why = format!("line {line} is not what it was when the file was looked at");
    Problem::new("", why, "leave the file alone while it is imported")
}

impl Report {
    fn note(
        &mut self,
        one: Option<Result<Outcome<Outcomes>, tokio::task::JoinError>>,
        bar: &ProgressBar,
    ) -> Outcome {
        match one {
            None => return Ok(()),
            Some(Ok(Ok(Outcomes::Imported))) => self.imported += 1,
            Some(Ok(Ok(Outcomes::There))) => self.there += 1,
            Some(Ok(Err(problem))) => return Err(problem),
            Some(Err(error)) => return Err(Problem::new("", error, "report this as a bug of countersign")),
        }
        bar.inc(1);
        Ok(())
    }

    fn done(&self) -> u64 {
        self.imported + self.there
    }

    fn broken_off(&self, problem: Problem, plan: &Plan) -> Problem {
        let what = format!("the import ended after {} of {} tokens", self.done(), plan.tokens());
        let fix = format!(
            "{}; then give the same command again: it goes on, and enrols nothing twice",
            problem.fix
        );
        Problem { what, fix, ..problem }
    }

    pub(super) fn describe(&self, plan: &Plan) -> String {
        let mut lines = vec![match (self.imported, self.there) {
            (imported, 0) => format!("Imported: {imported} tokens, usable at once."),
            (0, there) => format!("All {there} tokens were there already; nothing was changed."),
            (imported, there) => {
                format!("Imported: {imported} tokens, usable at once; {there} were there already.")
            }
        }];
        lines.extend(plan.remarks());
        lines.push(
            "The file holds secrets in clear text, or all that protects them: keep it safe, or delete it."
                .to_owned(),
        );
        lines.join("\n")
    }

    pub(super) fn json(&self, plan: &Plan) -> Value {
        let mut json = plan.json();
        json["imported"] = json!(self.imported);
        json["there_already"] = json!(self.there);
        json
    }
}
