//! `countersign store`

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use countersign_store::copy::{Progress, Report};
use countersign_store::postgres::Settings;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::output::table;
use super::{Output, Place};
use crate::config::{Config, StoreUrl};
use crate::problem::{Outcome, Problem};
use crate::wire;

const BAR: &str = "{msg:15} {wide_bar} {human_pos} of {human_len} rows, {eta} left";

/// Move a store from a SQLite file into PostgreSQL, or fence it after a restore from a backup.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Copy a store from a SQLite file into an empty PostgreSQL database, with every server stopped.
    ///
    /// Codes that were sent before stay good. A copy that was broken off goes on when the same command is given again; until
    /// it is complete no server starts on the database. At the end the rows of both are counted.
    Copy(CopyArgs),
    /// Begin a new epoch of a store that was restored from a backup, with every server stopped, before any is started.
    ///
    /// A backup does not know what was used after it was taken. From the fence on, codes that were sent before it are dead,
    /// and so are open challenges, backup codes and the steps of apps up to now; tokens that count have to be set right with
    /// two codes. Apps and devices stay enrolled. It can be given again, and does the same again.
    Fence(Place),
}

#[derive(Debug, clap::Args)]
struct CopyArgs {
    /// The file, like sqlite:countersign-data/countersign.db.
    #[arg(long, value_name = "URL")]
    from: String,
    /// The database, like postgres://user@host:5432/database, without a password [default: COUNTERSIGN_STORE__URL].
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// The file with the database's password, its owner's alone [default: COUNTERSIGN_STORE__PASSWORD_FILE].
    #[arg(long, value_name = "FILE")]
    to_password_file: Option<PathBuf>,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    match &args.command {
        Command::Copy(args) => copy(args, output).await,
        Command::Fence(place) => fence(&place.config()?, output).await,
    }
}

async fn fence(config: &Config, output: &Output) -> Outcome {
    let at = wire::fence(config).await?;
    let at = jiff::Timestamp::from_millisecond(at.millis()).unwrap_or_default();
    let (url, me) = (&config.store.url, super::dev::program());
    let told = format!(
        "\
{url} is fenced: what could have been used before {at:.0} counts as used.

Whoever waits for a code asks for another one. Apps are good again with their next codes but one, devices at once.
Tokens that count are set right with two codes; lists of backup codes have to be made anew.
The journal says when this was done.

Next: {me} serve"
    );
    output.answer(&told, &json!({ "store": url, "fenced_at": at }));
    Ok(())
}

async fn copy(args: &CopyArgs, output: &Output) -> Outcome {
    let from = source(&args.from)?;
    let to = target(args)?;
    let bar = Bar::new(!output.json && std::io::stderr().is_terminal());
    let began = Instant::now();
    let copied = wire::copy(&from, &to, &mut |progress| bar.show(progress)).await;
    bar.end();
    let report = copied?;
    output.answer(&describe(&report, began.elapsed(), &from, &to), &document(&report, &from, &to));
    Ok(())
}

fn source(from: &str) -> Outcome<PathBuf> {
    from.strip_prefix("sqlite:").filter(|path| !path.is_empty()).map(PathBuf::from).ok_or_else(|| {
        Problem::usage(
            "nothing was copied",
            format!("--from is {}; a store is copied from a SQLite file only", StoreUrl::new(from)),
            "write it like sqlite:countersign-data/countersign.db",
        )
    })
}

fn target(args: &CopyArgs) -> Outcome<Config> {
    let Some(url) = args.to.clone().or_else(|| std::env::var("COUNTERSIGN_STORE__URL").ok()) else {
        let fix = "write --to postgres://user@host:5432/database, or set COUNTERSIGN_STORE__URL";
        return Err(Problem::usage("nothing was copied", "no database is named", fix));
    };
    if args.to.is_some() && StoreUrl::new(url.as_str()).has_password() {
        return Err(Problem::usage(
            "nothing was copied",
            "--to has a password in it, which everybody on this machine can read in the list of processes",
            "leave it out, and name a file of mode 400 with it in --to-password-file; or set the whole URL in \
             COUNTERSIGN_STORE__URL instead of --to",
        ));
    }
    if let Err(why) = Settings::new(url.as_str()).check() {
        return Err(Problem::usage(
            "nothing was copied",
            format!("{} cannot be the URL of a PostgreSQL database: {why}", StoreUrl::new(url)),
            "write it like postgres://user@host:5432/database",
        ));
    }
    Config::of_store(&url, args.to_password_file.as_deref())
}

/// The bar on a terminal; nothing elsewhere.
struct Bar(ProgressBar);

impl Bar {
    fn new(shown: bool) -> Self {
        if !shown {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::new(0);
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style);
        }
        Self(bar)
    }

    fn show(&self, progress: Progress) {
        self.0.set_length(progress.total);
        self.0.set_position(progress.rows);
        self.0.set_message(progress.table);
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}

fn describe(report: &Report, took: Duration, from: &Path, to: &Config) -> String {
    let rows = report.tables.iter();
    let rows =
        rows.map(|count| vec![count.table.to_owned(), count.source.to_string(), count.target.to_string()]);
    let counted = table(&["TABLE", "FILE", "DATABASE"], rows);
    let (from, url, me) = (from.display(), &to.store.url, super::dev::program());
    let ended = if report.was_complete {
        "This copy was complete already; nothing was changed.".to_owned()
    } else {
        format!(
            "Complete: {} rows written in {:.1} s, and both have as many of each.",
            report.written,
            took.as_secs_f64()
        )
    };
    format!(
        "\
{counted}

{ended}

Next:
  1. In the configuration: store.url = \"{url}\", and store.password_file where it wants a password.
     The key ring stays the one it is; every server needs the same.
  2. {me} serve --config FILE
  3. Never serve {from} again: what is used up in the database is not in that file. Keep it as a backup, or delete it."
    )
}

fn document(report: &Report, from: &Path, to: &Config) -> Value {
    let counts = report.tables.iter();
    let counts: Vec<Value> = counts
        .map(|count| json!({ "table": count.table, "file": count.source, "database": count.target }))
        .collect();
    json!({
        "from": from, "to": to.store.url, "tables": counts, "written": report.written,
        "was_complete": report.was_complete,
    })
}
