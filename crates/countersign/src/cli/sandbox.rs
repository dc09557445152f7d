//! `countersign sandbox`

use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::Output;
use crate::lifecycle::Signals;
use crate::problem::{Outcome, Problem};
use crate::sandbox::{Habits, http, smpp};

/// Run gateways that misbehave on purpose, at given rates, for demonstrations and tests.
///
/// Prints how to point a provider at each, and every message the SMSC takes, codes included: nothing here is for real
/// people.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where an HTTP gateway listens, on this machine. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    http: Option<SocketAddr>,
    /// Where an SMSC (SMPP 3.4) listens, on this machine. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    smpp: Option<SocketAddr>,
    #[command(flatten)]
    own: smpp::Own,
    #[command(flatten)]
    habits: Habits,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    if args.http.is_none() && args.smpp.is_none() {
        let fix = "write `countersign sandbox --http 127.0.0.1:8090`, --smpp 127.0.0.1:2775, or both";
        return Err(Problem::usage("there is nothing to run", "no gateway is named", fix));
    }
    let mut signals = Signals::take()?;
    let mut running = JoinSet::new();
    if let Some(address) = args.http {
        let gateway = http::start(address, args.habits).await?;
        let listening = json!({ "http": "listening", "address": gateway.address });
        output.answer(&http::greeting(gateway.address), &listening);
        running.spawn(async move { ("the HTTP gateway", gateway.task.await) });
    }
    if let Some(address) = args.smpp {
        let printer = Output { json: output.json };
        let tell = Arc::new(move |line: &str, json: &Value| printer.answer(line, json));
        let smsc = smpp::start(address, args.habits, &args.own, tell).await?;
        let listening = json!({ "smpp": "listening", "address": smsc.address });
        output.answer(&smpp::greeting(smsc.address), &listening);
        running.spawn(async move { ("the SMSC", smsc.task.await) });
    }
    if !output.json {
        output.answer("\nCtrl-C ends it.", &Value::Null);
    }
    tokio::select! {
        () = signals.stop() => Ok(()),
        Some(ended) = running.join_next() => {
            let (what, why) = match ended {
                Ok((what, Ok(Err(error)))) => (what, error.to_string()),
                Ok((what, _)) => (what, "it broke".to_owned()),
                Err(_) => ("a gateway", "it broke".to_owned()),
            };
            let what = format!("{what} takes no more connections");
            Err(Problem::new(what, why, "check the limits of this process"))
        }
    }
}
