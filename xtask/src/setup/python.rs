//! The Python environment in `target/tools/venv`: the mail server of the SMTP tests, Twilio's client library, an
//! authenticator, SMPP peers; and the sources of Jasmin, whose own tests have SMSCs that misbehave.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::{Stamp, clear};
use crate::checkout::Checkout;
use crate::program;

const REQUIREMENTS: &str = "xtask/tools/requirements.txt";
const JASMIN: &str = "xtask/tools/jasmin.txt";
const JASMIN_ARCHIVE: &str = "jasmin-0.11.1.tar.gz";
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

/// The wheel of Jasmin lacks its tests, so its source archive is fetched and unpacked; nothing of it is installed.
pub(super) fn unpack_jasmin(checkout: &Checkout) -> Result<()> {
    let python = checkout.tools().join("venv/bin/python");
    let directory = checkout.tools().join("jasmin");
    let stamp = Stamp::new(&directory, checkout.read(JASMIN)?);
    if stamp.is_current() {
        return Ok(());
    }
    println!("unpacking the sources of {JASMIN}");
    clear(&directory)?;
    fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let mut pip = checkout.command(&python);
    pip.args(["-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]);
    pip.args(["--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--require-hashes"]);
    program::run_quietly(pip.args(["--requirement", JASMIN, "--dest"]).arg(&directory))?;
    let mut tar = checkout.command(&python);
    tar.args(["-m", "tarfile", "--extract"]).arg(directory.join(JASMIN_ARCHIVE)).arg(&directory);
    program::run_quietly(&mut tar)?;
    stamp.write()
}

/// False too when the Python that the environment points at was removed or upgraded.
fn works(environment: &Path) -> bool {
    program::capture(
        program::command(environment.join("bin/python"))
            .args(["-c", "import aiosmtpd, pskc, twilio, twisted, smpp.pdu, smpplib"]),
    )
    .is_ok()
}
