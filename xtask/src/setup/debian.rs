//! Packages from Debian, for root on Debian itself; elsewhere a person decides where they come from.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::program;

/// Whether packages can be installed without asking anyone.
pub(super) fn can_install() -> bool {
    is_debian(&fs::read_to_string("/etc/os-release").unwrap_or_default()) && is_root()
}

pub(super) fn install(packages: &[&str]) -> Result<()> {
    println!("installing the Debian packages: {}", packages.join(", "));
    let arguments = [&["install", "--yes", "--no-install-recommends"], packages].concat();
    if apt_get(&arguments).is_err() {
        // A fresh container has no package lists, an old one stale ones.
        apt_get(&["update"])?;
        apt_get(&arguments)?;
    }
    Ok(())
}

pub(super) fn has_service(service: &str) -> bool {
    Path::new("/etc/init.d").join(service).exists()
}

/// Ends the service that comes with a package and starts by itself, now and at the next boot: the tests start
/// their own.
pub(super) fn switch_off(service: &str) -> Result<()> {
    program::run_quietly(program::command("service").args([service, "stop"]))?;
    program::run_quietly(program::command("update-rc.d").args([service, "disable"]))
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
    fn only_debian_itself_gets_debian_packages() {
        assert!(is_debian("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n"));
        // Ubuntu's Chromium, for one, only points to a snap.
        assert!(!is_debian("ID=ubuntu\nID_LIKE=debian\n"));
        assert!(!is_debian(""));
    }
}
