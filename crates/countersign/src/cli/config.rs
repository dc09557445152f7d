//! `countersign config`

use std::path::PathBuf;

use serde_json::json;

use super::Output;
use crate::config::{Config, FILE_NAME, sample};
use crate::problem::{Outcome, Problem};

/// Check a configuration, show what is in force, or print a sample.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say what is wrong with a configuration file.
    Check {
        /// The file.
        #[arg(long, value_name = "FILE", default_value = FILE_NAME)]
        config: PathBuf,
    },
    /// Print what is in force: defaults, file and environment together. Secrets are never in it.
    Show {
        /// The file.
        #[arg(long, value_name = "FILE", default_value = FILE_NAME)]
        config: PathBuf,
    },
    /// Print a file with every key, its default and its meaning.
    Sample,
}

pub(super) fn run(args: &Args, output: &Output) -> Outcome {
    match &args.command {
        Command::Check { config } => {
            let read = Config::read(config)?;
            read.providers(None)?;
            read.receipts()?;
            read.tariff()?;
            output.answer(&format!("{} is good", config.display()), &json!({ "ok": true }));
        }
        Command::Show { config } => {
            let config = Config::read(config)?;
            let unprintable = |error: String| {
                Problem::new("the configuration cannot be printed", error, "report this as a bug")
            };
            let text = toml::to_string(&config).map_err(|error| unprintable(error.to_string()))?;
            let json = serde_json::to_value(&config).map_err(|error| unprintable(error.to_string()))?;
            output.answer(&text, &json);
        }
        Command::Sample => output.answer(&sample(), &json!({ "sample": sample() })),
    }
    Ok(())
}
