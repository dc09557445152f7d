//! `countersign clock`

use reqwest::Method;
use serde_json::Value;

use super::{Output, Place, text};
use crate::config::Config;
use crate::control;
use crate::problem::{Outcome, Problem};

/// Look at the store's clock, or accept that it was set back.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show what the clock of the store shows, and how far it stands behind the last commit.
    Show,
    /// Say that the clock is right although it stands behind the last commit, and go on from what it shows.
    ///
    /// Until then the store refuses every change. What was started in the clock's future ends, so that no code lives
    /// longer than it may. If it is the clock that is wrong, set it right instead.
    Accept,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let config = args.place.config()?;
    match args.command {
        Command::Show => {
            let shown = show(&config).await?;
            output.answer(&describe(&shown), &shown);
        }
        Command::Accept => {
            let accepted = accept(&config).await?;
            output.answer(&meaning(&accepted), &accepted);
        }
    }
    Ok(())
}

async fn show(config: &Config) -> Outcome<Value> {
    let answer = control::call(config, Method::GET, "/v1/clock", None).await?;
    answer.map_err(|refused| refused.problem("the clock cannot be shown"))
}

async fn accept(config: &Config) -> Outcome<Value> {
    let answer = control::call(config, Method::POST, "/v1/clock/accept", None).await?;
    answer.map_err(|refused| {
        let problem = refused.problem("no clock was accepted");
        match refused.code() {
            "state_conflict" => Problem { fix: "nothing has to be done".to_owned(), ..problem },
            _ => problem,
        }
    })
}

fn back_by(clock: &Value) -> u64 {
    clock.get("back_by_seconds").and_then(Value::as_u64).unwrap_or_default()
}

fn describe(shown: &Value) -> String {
    let now = text(shown, "/now");
    match back_by(shown) {
        0 => format!("{now}, as it should be"),
        seconds => format!(
            "\
{now}, {seconds} s behind the last commit: every change is refused.
Set the clock right, or say that it is right with `countersign clock accept`."
        ),
    }
}

fn meaning(accepted: &Value) -> String {
    let seconds = back_by(accepted);
    format!(
        "\
The clock is accepted: it stood {seconds} s behind the last commit, and time goes on from what it shows.
Everything that was started in the clock's future was ended: whoever waits for such a code starts again.
The journal says who accepted it and when."
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use countersign_core::store::Store as _;
    use countersign_core::time::Clock as _;
    use countersign_sim::{FakeClock, Requests};
    use countersign_store::sqlite::{Options, SqliteStore};
    use serde_json::json;

    use super::*;
    use crate::clock::SystemClock;
    use crate::entropy::SystemEntropy;
    use crate::{files, ring};

    /// A store whose last commit is an hour ahead of the clock of this machine.
    async fn from_the_future(directory: &std::path::Path) -> Config {
        let data = directory.join("data");
        files::private_dir(&data).unwrap();
        let config = Config::of_dev(&data).unwrap();
        let store = SqliteStore::open(&Options {
            path: &config.database().unwrap(),
            roots: &ring::create(&config.ring()).unwrap(),
            clock: Arc::new(FakeClock::at(SystemClock.now().plus(Duration::from_secs(3600)))),
            entropy: &SystemEntropy,
            hand_over: Arc::new(drop),
        })
        .unwrap();
        let requests = Requests::new(store.keys(), 1);
        let change = countersign_core::tenancy::AdminChange::CreateProject(requests.project());
        store.administer(requests.admin(change)).await.unwrap();
        store.close().await.unwrap();
        config
    }

    #[tokio::test]
    async fn a_clock_that_was_set_back_stops_every_change_until_it_is_accepted_once() {
        let dir = tempfile::tempdir().unwrap();
        let config = from_the_future(dir.path()).await;
        let body = json!({ "name": "Shop" });
        let make = || control::call(&config, Method::POST, "/v1/projects", Some(&body));
        assert_eq!(make().await.unwrap().unwrap_err().code(), "storage_unavailable");
        let shown = show(&config).await.unwrap();
        assert!(describe(&shown).contains("s behind the last commit"), "{shown}");
        let accepted = accept(&config).await.unwrap();
        assert_eq!(accepted["accepted"], true);
        assert!((3500..=3600).contains(&accepted["back_by_seconds"].as_u64().unwrap()), "{accepted}");
        assert!(make().await.unwrap().is_ok());
        assert_eq!(back_by(&show(&config).await.unwrap()), 0);
        let again = accept(&config).await.unwrap_err();
        assert!(again.why.contains("nothing to accept"), "{again}");
    }
}
