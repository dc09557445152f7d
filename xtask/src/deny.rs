//! `cargo xtask deny`: licences, sources and bans of the dependency tree (`deny.toml`), and advisories
//! where their database can be had.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::checkout::Checkout;
use crate::program;
use crate::setup::cargo_deny;

/// `db-path` in deny.toml.
const ADVISORIES: &str = "target/tools/advisory-db";
/// How long to wait for the advisory database before the check is skipped.
const FETCH_SECONDS: &str = "60";

/// Needs what `cargo xtask setup` installs.
pub(crate) fn run(checkout: &Checkout) -> Result<()> {
    let tool = program::require_installed(&cargo_deny::path(checkout))?;
    // Duplicate versions are warnings, too many to print each time: `cargo deny check bans` lists them.
    let mut check = checkout.command(&tool);
    program::run(check.args(["--log-level", "error", "check", "licenses", "bans", "sources"]))?;
    advisories(checkout, &tool)
}

/// The database lives on a code host that not every build machine reaches. A fetch that fails is told, not
/// hidden, and is no failure of the tree; an older copy is used if there is one.
fn advisories(checkout: &Checkout, tool: &Path) -> Result<()> {
    let fetched = program::capture(fetch(checkout, tool).args(["--log-level", "error", "fetch", "db"]));
    if let Err(error) = fetched {
        let reason = format!("{error:#}");
        let reason = reason.lines().last().unwrap_or_default();
        if !has_copy(&checkout.path(ADVISORIES)) {
            println!("advisories skipped: their database cannot be fetched: {reason}");
            return Ok(());
        }
        println!("advisories: checking against the copy of an earlier fetch: {reason}");
    }
    program::run(checkout.command(tool).args(["--log-level", "error", "--offline", "check", "advisories"]))
}

/// The fetch under `timeout`, which ends git's children too; without that program git's own limits hold.
fn fetch(checkout: &Checkout, tool: &Path) -> Command {
    let Some(timeout) = program::find("timeout") else {
        return checkout.command(tool);
    };
    let mut command = checkout.command(timeout);
    command.arg(FETCH_SECONDS).arg(tool);
    command
}

/// Whether a clone is there; an attempt that failed leaves only a lock file.
fn has_copy(advisories: &Path) -> bool {
    advisories.read_dir().is_ok_and(|entries| entries.flatten().any(|entry| entry.path().is_dir()))
}
