//! `countersign sandbox`

use std::net::SocketAddr;

use serde_json::json;

use super::Output;
use crate::lifecycle::Signals;
use crate::problem::{Outcome, Problem};
use crate::sandbox::{Habits, http};

/// Run gateways that misbehave on purpose, at given rates, for demonstrations and tests.
///
/// Prints how to point a provider at each. They take codes in clear: nothing here is for real people.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where an HTTP gateway listens, on this machine. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    #[command(flatten)]
    habits: Habits,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let Some(address) = args.http else {
        let fix = "write `countersign sandbox --http 127.0.0.1:8090`";
        return Err(Problem::usage("there is nothing to run", "no gateway is named", fix));
    };
    let mut signals = Signals::take()?;
    let running = http::start(address, args.habits).await?;
    let greeting = format!("{}\n\nCtrl-C ends it.", http::greeting(running.address));
    output.answer(&greeting, &json!({ "http": "listening", "address": running.address }));
    tokio::select! {
        () = signals.stop() => Ok(()),
        ended = running.task => {
            let why = match ended {
                Ok(Err(error)) => error.to_string(),
                _ => "it broke".to_owned(),
            };
            let what = "the HTTP gateway takes no more connections";
            Err(Problem::new(what, why, "check the limits of this process"))
        }
    }
}
