//! The command line: one file per command.

mod budgets;
mod challenge;
mod check;
mod clock;
mod completion;
mod config;
mod dev;
mod device;
mod docs;
mod doctor;
mod factors;
mod import;
mod inbox;
mod init;
mod keys;
mod migrate;
mod money;
mod output;
mod place;
mod projects;
mod qr;
mod ring;
mod routes;
mod sandbox;
mod send;
mod serve;
mod store;
mod timeline;
mod twilio_pair;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::problem::{Outcome, Problem};

pub(crate) use output::{Output, line_from_stdin, text};
pub(crate) use place::Place;
use twilio_pair::TwilioPair;

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 failed, 2 wrong command or configuration,
3 the code was not accepted.

Secrets are never flags: send, check and inbox take the key from --key-file,
from COUNTERSIGN_API_KEY, or from the profile that `countersign dev` writes.";

/// Send one-time codes, check them, prove it.
#[derive(Parser)]
#[command(name = "countersign", version, about, after_help = AFTER_HELP, propagate_version = true)]
struct Cli {
    /// Print JSON instead of text, errors included.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a server to try things with: embedded store, test key, outbox instead of providers.
    Dev(dev::Args),
    /// Make a key ring, a project, a live key and a configuration file in an empty directory.
    Init(init::Args),
    /// Run the server.
    Serve(serve::Args),
    /// Send a code to a phone number or mail address.
    Send(send::Args),
    /// Check a code; exit code 3 when it is not accepted.
    Check(check::Args),
    /// Enrol authenticator apps, tokens, backup codes and devices, and look after them.
    Factors(factors::Args),
    /// Ask a person for an approval by one of their factors; exit code 3 when a code is not accepted.
    Challenge(challenge::Args),
    /// Be the device that approves: enrol it, see what is asked, sign the answer.
    Device(device::Args),
    /// Show what happened to a verification: routes, messages, receipts, steps, checks.
    Timeline(timeline::Args),
    /// Read the messages that test keys sent.
    Inbox(inbox::Args),
    /// Make, list and revoke API keys.
    Keys(keys::Args),
    /// Make and list projects.
    Projects(projects::Args),
    /// Look at the store's clock, or accept that it was set back.
    Clock(clock::Args),
    /// Take over tokens and authenticator apps that are enrolled elsewhere, or the settings of a service.
    Import(import::Args),
    /// Change the root keys that everything secret is derived from, without a stop.
    Ring(ring::Args),
    /// Explain where a message would go, or list routes and providers.
    Routes(routes::Args),
    /// Look at what is left of the budgets.
    Budgets(budgets::Args),
    /// Check a configuration, show what is in force, or print a sample.
    Config(config::Args),
    /// Bring the store's schema up to date (the server does so at start, too).
    Migrate(migrate::Args),
    /// Move a store from a SQLite file into PostgreSQL, or fence it after a restore from a backup.
    Store(store::Args),
    /// Look for what keeps the server from working, and say how to fix it.
    Doctor(doctor::Args),
    /// Run gateways that misbehave on purpose, for demonstrations and tests.
    Sandbox(sandbox::Args),
    /// Print the completion script of a shell.
    Completion(completion::Args),
    /// Print generated documentation.
    #[command(hide = true)]
    Docs(docs::Args),
}

/// Parses the command line, runs the command and says how it ended.
pub(crate) fn run() -> ExitCode {
    let Cli { json, command } = Cli::parse();
    let output = Output { json };
    match on_runtime(execute(command, &output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            output.problem(&problem);
            ExitCode::from(problem.exit as u8)
        }
    }
}

fn on_runtime(command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|error| {
        Problem::new("the runtime cannot be started", error, "check the limits of this process")
    })?;
    runtime.block_on(command)
}

async fn execute(command: Command, output: &Output) -> Outcome {
    match command {
        Command::Dev(args) => dev::run(args, output).await,
        Command::Init(args) => init::run(&args, output).await,
        Command::Serve(args) => serve::run(&args, output).await,
        Command::Send(args) => send::run(&args, output).await,
        Command::Check(args) => check::run(&args, output).await,
        Command::Factors(args) => factors::run(&args, output).await,
        Command::Challenge(args) => challenge::run(&args, output).await,
        Command::Device(args) => device::run(&args, output).await,
        Command::Timeline(args) => timeline::run(&args, output).await,
        Command::Inbox(args) => inbox::run(&args, output).await,
        Command::Keys(args) => keys::run(&args, output).await,
        Command::Projects(args) => projects::run(&args, output).await,
        Command::Clock(args) => clock::run(&args, output).await,
        Command::Import(args) => import::run(&args, output).await,
        Command::Ring(args) => ring::run(&args, output),
        Command::Routes(args) => routes::run(&args, output).await,
        Command::Budgets(args) => budgets::run(&args, output).await,
        Command::Config(args) => config::run(&args, output),
        Command::Migrate(args) => migrate::run(&args, output).await,
        Command::Store(args) => store::run(&args, output).await,
        Command::Doctor(args) => doctor::run(&args, output).await,
        Command::Sandbox(args) => sandbox::run(&args, output).await,
        Command::Completion(args) => completion::run(&args, output),
        Command::Docs(args) => docs::run(&args, output),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_flag_takes_a_secret() {
        fn visit(command: &clap::Command) {
            for argument in command.get_arguments().filter_map(|argument| argument.get_long()) {
                let words = ["password", "secret", "api-key", "token"];
                let argument = argument.strip_suffix("-file").map_or(argument, |_| "file");
                assert!(!words.iter().any(|word| argument.contains(word)), "--{argument}");
            }
            command.get_subcommands().for_each(visit);
        }
        visit(&Cli::command());
    }
}
