//! `countersign completion`

use clap::CommandFactory as _;

use super::Output;
use crate::problem::Outcome;

/// Print the completion script of a shell.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The shell.
    shell: clap_complete::Shell,
}

pub(super) fn run(args: &Args, output: &Output) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut super::Cli::command(), "countersign", &mut script);
    let script = String::from_utf8_lossy(&script);
    output.answer(&script, &serde_json::json!({ "script": script }));
    Ok(())
}
