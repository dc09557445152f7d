//! `cargo xtask`: everything a person or a CI machine runs in this repository besides `cargo` itself.
//!
//! Each subcommand is one module with one entry function that takes the [`Checkout`]. A new one is a
//! module, a variant of [`Task`] and an arm in [`run`].

mod bench;
mod checkout;
mod deny;
mod docs;
mod finding;
mod program;
mod setup;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::checkout::Checkout;

/// Set-up, tests and checks of the Countersign repository.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what the tests need below target/tools; quick when it is already there.
    Setup,
    /// Run every check of this repository: what the README promises and CI calls.
    Test,
    /// Hold the rules about the source tree: arrows between crates, ratchets, dependency list.
    Tidy,
    /// Check licences, sources and bans of all dependencies, and their advisories where reachable.
    Deny,
    /// Measure the server's speed, beside references of the same run.
    Bench {
        /// Options of the load generator, like `--seconds 5 --stored 100000 --json out.json`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        options: Vec<std::ffi::OsString>,
    },
    /// Generate the documents that come from code.
    Docs {
        /// Write nothing: fail if a generated document is stale, a link is broken or OpenAPI does not lint.
        #[arg(long)]
        check: bool,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match Checkout::find().and_then(|checkout| run(&checkout, &arguments.task)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(checkout: &Checkout, task: &Task) -> anyhow::Result<()> {
    match task {
        Task::Setup => setup::run(checkout),
        Task::Test => test::run(checkout),
        Task::Tidy => tidy::run(checkout),
        Task::Deny => deny::run(checkout),
        Task::Bench { options } => bench::run(checkout, options),
        Task::Docs { check: false } => docs::generate(checkout),
        Task::Docs { check: true } => docs::check(checkout),
    }
}
