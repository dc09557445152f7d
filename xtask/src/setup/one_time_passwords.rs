//! oathtool, which makes the codes of apps and tokens, pskctool, which reads files of tokens, and zbarimg, which reads QR
//! codes, from the system.

use anyhow::{Result, bail};

use super::debian;
use crate::program;

/// Each program with the Debian package it is in.
const PROGRAMS: [(&str, &str); 3] =
    [("oathtool", "oathtool"), ("pskctool", "pskctool"), ("zbarimg", "zbar-tools")];

pub(super) fn install() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    if !debian::can_install() {
        let packages = missing.join(" ");
        bail!(
            "missing: {packages}. Install them (Debian: apt-get install {packages}), then run the command again."
        );
    }
    debian::install(&missing)?;
    match self::missing().as_slice() {
        [] => Ok(()),
        still => bail!("installed, but without its program: {}", still.join(", ")),
    }
}

/// The packages whose programs are not on the `PATH`.
fn missing() -> Vec<&'static str> {
    PROGRAMS.iter().filter(|(name, _)| program::find(name).is_none()).map(|(_, package)| *package).collect()
}
