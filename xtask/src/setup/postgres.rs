//! PostgreSQL, PgBouncer and faketime, from the system: the tests of the store start servers of their own.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

use super::debian;
use crate::program;

/// Debian keeps the programs of each version in `VERSION/bin`, off the `PATH`; `countersign-peers` looks there.
const DEBIAN: &str = "/usr/lib/postgresql";
const OLDEST: u32 = 15;
/// What a test runs; a server without them is of no use.
const PROGRAMS: [&str; 4] = ["postgres", "initdb", "psql", "pg_basebackup"];

pub(super) fn install() -> Result<()> {
    let missing = missing();
    if missing.is_empty() {
        return Ok(());
    }
    if !debian::can_install() {
        bail!(
            "missing: {}. Install PostgreSQL {OLDEST} or newer, with its client programs, PgBouncer and faketime \
             (Debian: apt-get install postgresql pgbouncer faketime), then run the command again.",
            missing.join(", ")
        );
    }
    // A server that was there before, if too old for us, may serve somebody.
    let fresh: Vec<_> = missing.iter().filter(|service| !debian::has_service(service)).collect();
    debian::install(&missing)?;
    for service in fresh.into_iter().filter(|service| debian::has_service(service)) {
        debian::switch_off(service)?;
    }
    let missing = self::missing();
    if !missing.is_empty() {
        bail!(
            "{} is installed, but not as PostgreSQL {OLDEST} or newer would be: is this Debian too old?",
            missing.join(", ")
        );
    }
    Ok(())
}

/// The Debian packages whose programs are not there; their services, if any, have the same names.
fn missing() -> Vec<&'static str> {
    let pooler = program::find("pgbouncer").is_some() || Path::new("/usr/sbin/pgbouncer").is_file();
    let mut missing = Vec::new();
    missing.extend((!directories().iter().any(|directory| usable(directory))).then_some("postgresql"));
    missing.extend((!pooler).then_some("pgbouncer"));
    missing.extend(program::find("faketime").is_none().then_some("faketime"));
    missing
}

/// Where PostgreSQL's programs may be.
fn directories() -> Vec<PathBuf> {
    let on_path = program::find("postgres").and_then(|program| {
        // Only the link may be on the path.
        Some(program.canonicalize().ok()?.parent()?.to_owned())
    });
    let versions = Path::new(DEBIAN).read_dir().into_iter().flatten().flatten();
    on_path.into_iter().chain(versions.map(|version| version.path().join("bin"))).collect()
}

fn usable(directory: &Path) -> bool {
    let complete = PROGRAMS.iter().all(|name| directory.join(name).is_file());
    let version = || program::capture(program::command(directory.join("postgres")).arg("--version")).ok();
    complete && version().and_then(|text| major(&text)).is_some_and(|major| major >= OLDEST)
}

/// Of a text like `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`, or `18beta1` before a release.
fn major(text: &str) -> Option<u32> {
    let number = text.strip_prefix("postgres (PostgreSQL) ")?;
    number.split(|symbol: char| !symbol.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_however_it_was_packaged() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major("postgres: command not found\n"), None);
    }

    #[test]
    fn a_directory_without_the_programs_is_of_no_use() {
        assert!(!usable(Path::new("no-such-directory-anywhere")));
    }
}
