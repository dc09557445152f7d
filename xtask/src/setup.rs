//! `cargo xtask setup`: what the tests start and cargo does not bring.
//!
//! Everything lands in `target/tools` except Chromium, Java, PostgreSQL, PgBouncer, oathtool and zbarimg, which come
//! from the system.
//! The versions stand in `xtask/tools`, one file per package manager. Each part first looks whether its work
//! is done, so the whole is quick the second time.

pub(crate) mod cargo_deny;
pub(crate) mod chromium;
mod debian;
mod java;
mod node;
mod one_time_passwords;
mod postgres;
mod python;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::checkout::Checkout;

/// Installs what is missing and tells what it installs.
pub(crate) fn run(checkout: &Checkout) -> Result<()> {
    let tools = checkout.tools();
    fs::create_dir_all(&tools).with_context(|| format!("cannot create {}", tools.display()))?;
    let _one_at_a_time = lock(&tools)?;
    python::install(checkout).context("Python packages")?;
    python::unpack_jasmin(checkout).context("the sources of Jasmin")?;
    node::install(checkout).context("Node packages")?;
    chromium::install().context("Chromium")?;
    java::install().context("Java")?;
    postgres::install().context("PostgreSQL")?;
    one_time_passwords::install().context("oathtool and zbarimg")?;
    cargo_deny::install(checkout).context("cargo-deny")?;
    Ok(())
}

/// Waits until no other `setup` works in the same directory; released when dropped.
fn lock(tools: &Path) -> Result<File> {
    let path = tools.join(".lock");
    let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Remembers from which pins an installation was made, so that a changed pin installs anew.
struct Stamp {
    path: PathBuf,
    pins: String,
}

impl Stamp {
    /// The stamp of `installation` for the content of its pin file.
    fn new(installation: &Path, pins: String) -> Self {
        Self { path: installation.join(".installed-from"), pins }
    }

    fn is_current(&self) -> bool {
        fs::read_to_string(&self.path).is_ok_and(|installed| installed == self.pins)
    }

    /// To be called last, when the installation is complete.
    fn write(&self) -> Result<()> {
        fs::write(&self.path, &self.pins).with_context(|| format!("cannot write {}", self.path.display()))
    }
}

/// Removes a half-made or outdated installation.
fn clear(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_current_only_for_the_pins_it_was_written_with() {
        let directory = std::env::temp_dir().join(format!("countersign-xtask-stamp-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let stamp = Stamp::new(&directory, "tool==1\n".to_owned());
        assert!(!stamp.is_current());
        stamp.write().unwrap();
        assert!(stamp.is_current());
        assert!(!Stamp::new(&directory, "tool==2\n".to_owned()).is_current());
        clear(&directory).unwrap();
        assert!(!stamp.is_current());
    }
}
