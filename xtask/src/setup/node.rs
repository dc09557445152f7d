//! The Node packages in `target/tools/node`: the browser driver, the OpenAPI linter, Twilio's client library, an
//! authenticator, an SMSC.

use std::fs;

use anyhow::{Context, Result, bail};

use super::{Stamp, clear};
use crate::checkout::Checkout;
use crate::program;

const PACKAGE: &str = "xtask/tools/package.json";
const LOCK: &str = "xtask/tools/package-lock.json";
const OLDEST_NODE: u32 = 20;
const HOW_TO_GET_NODE: &str = "Node.js 20.19 or newer with npm (https://nodejs.org)";

pub(super) fn install(checkout: &Checkout) -> Result<()> {
    let node = program::require("node", HOW_TO_GET_NODE)?;
    let npm = program::require("npm", HOW_TO_GET_NODE)?;
    let directory = checkout.tools().join("node");
    let (package, lock) = (checkout.read(PACKAGE)?, checkout.read(LOCK)?);
    let stamp = Stamp::new(&directory, format!("{package}{lock}"));
    if stamp.is_current() {
        return Ok(());
    }
    println!("installing the Node packages of {LOCK}");
    require_recent(&program::capture(program::command(node).arg("--version"))?)?;
    clear(&directory)?;
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    fs::write(directory.join("package.json"), package).context("cannot copy package.json")?;
    fs::write(directory.join("package-lock.json"), lock).context("cannot copy package-lock.json")?;
    let mut npm = program::command(npm);
    npm.current_dir(&directory).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    program::run_quietly(&mut npm)?;
    stamp.write()
}

fn require_recent(version: &str) -> Result<()> {
    let version = version.trim();
    let major = version.trim_start_matches('v').split('.').next().and_then(|major| major.parse::<u32>().ok());
    if major.is_none_or(|major| major < OLDEST_NODE) {
        bail!("this is Node.js {version}. Install {HOW_TO_GET_NODE}, then run the command again.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_node_is_an_error_that_names_the_version_to_install() {
        assert!(require_recent("v20.19.0\n").is_ok());
        let error = require_recent("v18.20.4\n").unwrap_err().to_string();
        assert!(error.contains("v18.20.4") && error.contains(HOW_TO_GET_NODE), "{error}");
        assert!(require_recent("nonsense").is_err());
    }
}
