//! `countersign ring`

use std::path::Path;

use countersign_core::keys::{Root, RootId};
use serde_json::{Value, json};

use super::output::table;
use super::{Output, Place};
use crate::problem::Outcome;
use crate::ring;

/// Change the root keys that everything secret is derived from, without a stop.
///
/// First the ring with the new root goes to every server, then it becomes the active one:
/// `ring add` on one of them, copy the file to all others, restart them one after the other, `ring activate` on each,
/// restart again. A root is used only once every server that lives has it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Add a new root, which is known and not used yet.
    Add,
    /// Use a root for everything new; the one before only reads what is old.
    Activate {
        /// Its number.
        number: u16,
    },
    /// Show the roots by number, state and check value, never the keys. Servers of one store have the same.
    Status,
}

pub(super) fn run(args: &Args, output: &Output) -> Outcome {
    let path = args.place.config()?.ring();
    match args.command {
        Command::Add => {
            let number = ring::add(&path)?.0;
            output.answer(&after_adding(&path, number), &json!({ "ring": path, "added": number }));
        }
        Command::Activate { number } => {
            let changed = ring::activate(&path, RootId(number))?;
            let text = if changed {
                format!(
                    "Root {number} is active in {}. Do the same on every other server, then restart them one after \
                         the other.",
                    path.display()
                )
            } else {
                format!("root {number} is active already")
            };
            output.answer(&text, &json!({ "ring": path, "active": number, "changed": changed }));
        }
        Command::Status => {
            let roots = ring::read(&path)?;
            let rows = roots.iter().map(|root| {
                vec![root.id.0.to_string(), ring::state_name(root.state).to_owned(), root.check_value()]
            });
            let json: Vec<Value> = roots.iter().map(describe).collect();
            let text = table(&["NUMBER", "STATE", "CHECK VALUE"], rows);
            output.answer(&text, &json!({ "ring": path, "roots": json }));
        }
    }
    Ok(())
}

fn describe(root: &Root) -> Value {
    let state = ring::state_name(root.state);
    json!({ "number": root.id.0, "state": state, "check_value": root.check_value() })
}

fn after_adding(path: &Path, number: u16) -> String {
    let (file, me) = (path.display(), super::dev::program());
    format!(
        "\
Root {number} is in {file}, not used yet.

Next:
  1. Copy {file} to every other server of this store, and to the safe place where its copy is.
     Do not `add` there: that would make another key under the same number.
  2. Restart the servers, one after the other.
  3. {me} ring activate {number}"
    )
}
