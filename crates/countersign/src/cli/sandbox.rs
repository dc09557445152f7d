//! `countersign sandbox`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::json;

use super::Output;
use crate::files;
use crate::lifecycle::Signals;
use crate::problem::{Outcome, Problem};
use crate::sandbox::{Faults, smpp};

/// Run fake providers that misbehave as told, for demonstrations and tests.
///
/// Prints how to point a provider at each, then every message it takes, codes included: nothing here is for real
/// people.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Run an SMSC (SMPP 3.4) here; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS")]
    smpp: Option<SocketAddr>,
    /// Whoever binds must have this password, and the system id `sandbox`.
    #[arg(long, value_name = "FILE", requires = "smpp")]
    smpp_password_file: Option<PathBuf>,
    #[command(flatten)]
    faults: Faults,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let Some(address) = args.smpp else {
        let fix = "write `countersign sandbox --smpp 127.0.0.1:2775`";
        return Err(Problem::usage("there is nothing to run", "no fake provider is named", fix));
    };
    if args.faults.shares() > 1.0 {
        let why = format!("the shares add up to {:.2}", args.faults.shares());
        return Err(Problem::usage(
            "more would go wrong than there is",
            why,
            "make the shares at most 1 together",
        ));
    }
    let password = args.smpp_password_file.as_deref().map(files::read).transpose()?;
    let password = password.map(|text| text.trim_end_matches(['\r', '\n']).to_owned());
    let mut signals = Signals::take()?;
    let printer = Output { json: output.json };
    let tell = Arc::new(move |line: &str, json: &serde_json::Value| printer.answer(line, json));
    let running = smpp::start(address, &args.faults, password, tell).await?;
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
