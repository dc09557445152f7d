//! cargo-deny in `target/tools/bin`, built from its published sources.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::clear;
use crate::checkout::Checkout;
use crate::program;

/// One line, `cargo-deny VERSION`: exactly what `cargo-deny --version` prints.
const PIN: &str = "xtask/tools/cargo-deny.txt";

/// Where the program is after [`install`].
pub(crate) fn path(checkout: &Checkout) -> PathBuf {
    checkout.tools().join("bin/cargo-deny")
}

pub(super) fn install(checkout: &Checkout) -> Result<()> {
    let pin = checkout.read(PIN)?;
    if installed(&path(checkout)).is_some_and(|installed| installed.trim() == pin.trim()) {
        return Ok(());
    }
    println!("building {} (takes a minute or two)", pin.trim());
    let tools = checkout.tools();
    let build = tools.join("cargo-deny-build");
    let specification = pin.trim().replace(' ', "@");
    // The unoptimised build takes half the time to make and checks this tree in a second.
    let mut cargo = checkout.cargo(&["install", "--quiet", "--locked", "--debug", "--force"]);
    cargo.arg("--root").arg(&tools).arg("--target-dir").arg(&build).arg(&specification);
    program::run(&mut cargo).with_context(|| format!("cannot build {specification}"))?;
    clear(&build)
}

fn installed(program: &Path) -> Option<String> {
    program::capture(program::command(program).arg("--version")).ok()
}
