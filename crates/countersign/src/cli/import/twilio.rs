//! `countersign import twilio`: what a service at Twilio Verify is set to.

mod export;

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::cli::output::table;
use crate::cli::{Output, Place, projects, text};
use crate::control;
use crate::problem::{Outcome, Problem};
use export::Export;

/// Thousands of rows are written one by one, each for good, before the answer comes.
const PATIENCE: Duration = Duration::from_secs(10 * 60);
/// Refused records that are told one by one.
const TOLD: usize = 20;

/// What is imported, and into what.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// JSON files; `-` is standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The project [default: the only one].
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// Import for the test keys of the project.
    #[arg(long)]
    test: bool,
    /// Say what would come of it, and write nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: Place,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let export = Export::read(&args.files)?;
    let config = args.place.config()?;
    let project = projects::only(&config, args.project.as_deref()).await?;
    let body = json!({
        "project": project, "livemode": !args.test, "dry_run": args.dry_run, "records": export.records,
    });
    let answer =
        control::call_within(PATIENCE, &config, Method::POST, "/v1/imports/twilio", Some(&body)).await?;
    let mut report = answer.map_err(|refused| refused.problem("nothing was imported"))?;
    refused(&export, &report)?;
    let left = left(&export, &report);
    let lines = describe(&report, &left, args.dry_run);
    report["left"] = left.into_iter().map(|(what, why)| json!({ "what": what, "why": why })).collect();
    output.answer(&lines, &report);
    Ok(())
}

fn list<'a>(report: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    report.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// Which record an entry of the report is about.
fn place<'a>(export: &'a Export, entry: &Value) -> &'a str {
    let nth = entry["record"].as_u64().and_then(|nth| usize::try_from(nth).ok());
    nth.and_then(|nth| export.places.get(nth)).map_or("", String::as_str)
}

/// Fails when a record was refused: then none was written.
fn refused(export: &Export, report: &Value) -> Outcome {
    let all: Vec<_> = list(report, "refused")
        .map(|entry| format!("{}: {}", place(export, entry), text(entry, "/why")))
        .collect();
    if all.is_empty() {
        return Ok(());
    }
    let more = all.len().saturating_sub(TOLD);
    let mut why = all[..all.len() - more].join("\n");
    if more > 0 {
        why = format!("{why}\nand {more} more");
    }
    let fix = "correct or remove these records in the files, then import again";
    Err(Problem::usage("nothing was imported", why, fix))
}

/// What is not carried over and why: whole records, then members of records.
fn left(export: &Export, report: &Value) -> Vec<(String, String)> {
    let records =
        export.left.iter().map(|(what, (count, why))| (format!("{count} {what}"), (*why).to_owned()));
    let members = list(report, "left").map(|entry| {
        (format!("{}: {}", place(export, entry), text(entry, "/member")), text(entry, "/why").to_owned())
    });
    records.chain(members).collect()
}

fn describe(report: &Value, left: &[(String, String)], dry_run: bool) -> String {
    let counts = list(report, "counts").map(|count| {
        let of = |name: &str| count[name].to_string();
        vec![text(count, "/kind").replace('_', " "), of("made"), of("changed"), of("unchanged")]
    });
    let mut lines = vec![table(&["KIND", "MADE", "CHANGED", "UNCHANGED"], counts)];
    if !left.is_empty() {
        lines.push("\nNot carried over:".to_owned());
        lines.extend(left.iter().map(|(what, why)| format!("  {what}: {why}")));
    }
    lines.push(if dry_run {
        "\nThis is what an import would do; nothing was written.".to_owned()
    } else {
        "\nThe SIDs of all these are good here. Make credentials with: countersign keys create --twilio"
            .to_owned()
    });
    lines.join("\n")
}
