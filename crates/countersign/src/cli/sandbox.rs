//! `countersign sandbox`

use std::net::SocketAddr;

use serde_json::json;

use super::Output;
use crate::lifecycle::Signals;
use crate::problem::Outcome;
use crate::sandbox::{Habits, http};

/// Run gateways that misbehave on purpose, at given rates, for demonstrations and tests.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where an HTTP gateway listens, on this machine. Port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8090")]
    http: SocketAddr,
    #[command(flatten)]
    habits: Habits,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let mut signals = Signals::take()?;
    let listener = http::listen(args.http).await?;
    let address = listener.local_addr().unwrap_or(args.http).to_string();
    let provider = http::PROVIDER.replace("ADDRESS", &address);
    output.answer(&provider, &json!({ "http": format!("http://{address}/messages"), "provider": provider }));
    tokio::select! {
        served = http::serve(args.habits, listener) => served,
        () = signals.stop() => Ok(()),
    }
}
