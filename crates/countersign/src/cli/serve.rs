//! `countersign serve`

use std::path::PathBuf;

use serde_json::json;

use super::Output;
use crate::config::{Config, FILE_NAME};
use crate::problem::Outcome;
use crate::wire;

/// Run the server.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = FILE_NAME)]
    config: PathBuf,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let config = Config::read(&args.config)?;
    let opened = wire::open(&config).await?;
    wire::serve(&config, opened, |reachable| {
        let url = &reachable.url;
        output.answer(&format!("API:  {url}/v1\nDocs: {url}/docs"), &json!({ "url": url }));
        Ok(())
    })
    .await
}
