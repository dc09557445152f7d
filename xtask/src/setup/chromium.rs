//! Chromium, from the system: Playwright drives it, but its own download is a build for one distribution.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::program;

/// Names a Chromium or Chrome has on the `PATH`, best first.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
/// Overrides the search; `cargo xtask test` hands the found path to the tests in the same variable.
pub(crate) const VARIABLE: &str = "COUNTERSIGN_CHROMIUM";

pub(super) fn install() -> Result<()> {
    if find().is_some() {
        return Ok(());
    }
    if !is_debian(&fs::read_to_string("/etc/os-release").unwrap_or_default()) || !is_root() {
        bail!(
            "no Chromium on the PATH. Install it (Debian: apt-get install chromium), or set {VARIABLE} to its \
             path, then run the command again."
        );
    }
    println!("installing the Debian package chromium");
    if apt_get(&["install", "--yes", "--no-install-recommends", "chromium"]).is_err() {
        // A fresh container has no package lists, an old one stale ones.
        apt_get(&["update"])?;
        apt_get(&["install", "--yes", "--no-install-recommends", "chromium"])?;
    }
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

fn apt_get(arguments: &[&str]) -> Result<()> {
    let mut command = program::command("apt-get");
    command.args(["--quiet", "--quiet", "-o", "DPkg::Lock::Timeout=300"]).args(arguments);
    program::run_quietly(command.env("DEBIAN_FRONTEND", "noninteractive"))
}

fn is_debian(os_release: &str) -> bool {
    os_release.lines().any(|line| line == "ID=debian")
}

fn is_root() -> bool {
    program::capture(program::command("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_debian_itself_gets_the_debian_package() {
        assert!(is_debian("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n"));
        // Ubuntu's package of that name only points to a snap.
        assert!(!is_debian("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(!is_debian(""));
    }

    #[test]
    fn a_program_that_is_not_there_does_not_start() {
        assert!(!starts(Path::new("no-such-browser-anywhere")));
    }
}
