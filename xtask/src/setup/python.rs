//! The Python environment in `target/tools/venv`: the mail server of the SMTP tests, Twilio's client library,
//! an authenticator.

use std::path::Path;

use anyhow::{Context, Result};

use super::{Stamp, clear};
use crate::checkout::Checkout;
use crate::program;

const REQUIREMENTS: &str = "xtask/tools/requirements.txt";
const HOW_TO_GET_PYTHON: &str =
    "Python 3.11 or newer with its venv module (Debian: apt-get install python3-venv)";

pub(super) fn install(checkout: &Checkout) -> Result<()> {
    let environment = checkout.tools().join("venv");
    let stamp = Stamp::new(&environment, checkout.read(REQUIREMENTS)?);
    if stamp.is_current() && works(&environment) {
        return Ok(());
    }
    println!("installing the Python packages of {REQUIREMENTS}");
    let python = program::require("python3", HOW_TO_GET_PYTHON)?;
    clear(&environment)?;
    program::run_quietly(program::command(python).args(["-m", "venv"]).arg(&environment))
        .with_context(|| format!("no virtual environment could be made; install {HOW_TO_GET_PYTHON}"))?;
    let mut pip = checkout.command(environment.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--no-input", "--disable-pip-version-check"]);
    program::run(pip.args(["--require-hashes", "--requirement", REQUIREMENTS]))?;
    stamp.write()
}

/// False too when the Python that the environment points at was removed or upgraded.
fn works(environment: &Path) -> bool {
    program::capture(
        program::command(environment.join("bin/python")).args(["-c", "import aiosmtpd, pskc, twilio"]),
    )
    .is_ok()
}
