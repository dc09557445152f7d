//! `countersign sandbox`

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::json;

use super::Output;
use crate::lifecycle::Signals;
use crate::problem::{Outcome, Problem};
use crate::sandbox::{Habits, smpp};

/// Run gateways that misbehave on purpose, at given rates, for demonstrations and tests.
///
/// Prints how to point a provider at each, then every message the SMSC takes, codes included: nothing here is for real
/// people.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where an SMSC (SMPP 3.4) listens, on this machine. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    smpp: Option<SocketAddr>,
    #[command(flatten)]
    own: smpp::Own,
    #[command(flatten)]
    habits: Habits,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let Some(address) = args.smpp else {
        let fix = "write `countersign sandbox --smpp 127.0.0.1:2775`";
        return Err(Problem::usage("there is nothing to run", "no gateway is named", fix));
    };
    let mut signals = Signals::take()?;
    let printer = Output { json: output.json };
    let tell = Arc::new(move |line: &str, json: &serde_json::Value| printer.answer(line, json));
    let running = smpp::start(address, args.habits, &args.own, tell).await?;
    let greeting = format!("{}\n\nCtrl-C ends it.", smpp::greeting(running.address));
    output.answer(&greeting, &json!({ "smpp": "listening", "address": running.address }));
    tokio::select! {
        () = signals.stop() => Ok(()),
        ended = running.task => {
            let why = match ended {
                Ok(Err(error)) => error.to_string(),
                _ => "it broke".to_owned(),
            };
            Err(Problem::new("the SMSC takes no more connections", why, "check the limits of this process"))
        }
    }
}
