//! A JDK, from the system: one test makes the requests of Twilio's Java library with what Java itself brings.

use anyhow::{Result, bail};

use super::debian;
use crate::program;

const PACKAGE: &str = "default-jdk-headless";

pub(super) fn install() -> Result<()> {
    if works() {
        return Ok(());
    }
    if !debian::can_install() {
        bail!(
            "there is no JDK 11 or newer. Install one (Debian: apt-get install {PACKAGE}), then run the command again."
        );
    }
    debian::install(&[PACKAGE])?;
    if !works() {
        bail!("{PACKAGE} is installed, but `javac` does not run");
    }
    Ok(())
}

/// Whether there is a compiler too: the test's program is a source file.
fn works() -> bool {
    program::find("java").is_some()
        && program::find("javac")
            .is_some_and(|javac| program::capture(program::command(javac).arg("-version")).is_ok())
}
