//! Chromium, from the system: Playwright drives it, but its own download is a build for one distribution.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::debian;
use crate::program;

/// Names a Chromium or Chrome has on the `PATH`, best first.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/// Overrides the search; `cargo xtask test` hands the found path to the tests in the same variable.
pub(crate) const VARIABLE: &str = "COUNTERSIGN_CHROMIUM";

pub(super) fn install() -> Result<()> {
    if find().is_some() {
        return Ok(());
    }
    if !debian::can_install() {
        bail!(
            "no Chromium on the PATH. Install it (Debian: apt-get install chromium), or set {VARIABLE} to its \
             path, then run the command again."
        );
    }
    debian::install(&["chromium"])?;
    find().map(drop).context("the package chromium is installed, but its program does not run")
}

/// A Chromium that starts; Ubuntu's stub that only names a snap does not.
pub(crate) fn find() -> Option<PathBuf> {
    let chosen = std::env::var_os(VARIABLE).map(PathBuf::from);
    let candidates = chosen.into_iter().chain(NAMES.iter().filter_map(|name| program::find(name)));
    candidates.into_iter().find(|candidate| starts(candidate))
}

fn starts(candidate: &Path) -> bool {
    program::capture(program::command(candidate).arg("--version")).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_does_not_start() {
        assert!(!starts(Path::new("no-such-browser-anywhere")));
    }
}
