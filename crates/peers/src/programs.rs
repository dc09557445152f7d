//! Where the programs are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// Debian keeps the servers of each PostgreSQL version here, off the `PATH`.
const DEBIAN: &str = "/usr/lib/postgresql";
const OLDEST_POSTGRES: u32 = 15;

/// The directory with `postgres`, `initdb`, `psql` and `pg_basebackup`.
pub(crate) fn postgres() -> PathBuf {
    let on_path = find("postgres", &[]).and_then(|program| {
        // A link on the path leads to where the other programs are.
        Some(fs::canonicalize(program).ok()?.parent()?.to_owned())
    });
    let candidates = on_path.into_iter().chain(debian_directories());
    let mut usable = candidates.filter(|directory| {
        let complete = ["initdb", "psql", "pg_basebackup"].iter().all(|name| directory.join(name).is_file());
        complete && version(&directory.join("postgres")).is_some_and(|version| version >= OLDEST_POSTGRES)
    });
    usable.next().unwrap_or_else(|| {
        panic!(
            "no PostgreSQL {OLDEST_POSTGRES} or newer with its client programs on the PATH or in {DEBIAN}; \
             `cargo xtask setup` installs it"
        )
    })
}

pub(crate) fn pgbouncer() -> PathBuf {
    // Debian's package puts it where only root's path leads.
    find("pgbouncer", &["/usr/sbin"]).expect("PgBouncer is not on the PATH; `cargo xtask setup` installs it")
}

/// The library that shows a program another time, to be preloaded; `FAKETIME` says which, `+1h` for an hour ahead.
pub fn faketime() -> PathBuf {
    let libraries = fs::read_dir("/usr/lib").into_iter().flatten().flatten();
    let directories = libraries.map(|library| library.path()).chain([PathBuf::from("/usr/lib")]);
    let mut candidates = directories.map(|directory| directory.join("faketime/libfaketimeMT.so.1"));
    candidates
        .find(|library| library.is_file())
        .unwrap_or_else(|| panic!("no libfaketimeMT.so.1 in /usr/lib; `cargo xtask setup` installs it"))
}

/// Newest first.
fn debian_directories() -> Vec<PathBuf> {
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let mut versions: Vec<u32> =
        versions.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    versions.sort_unstable_by_key(|version| std::cmp::Reverse(*version));
    versions.iter().map(|version| Path::new(DEBIAN).join(version.to_string()).join("bin")).collect()
}

/// The major version from a text like `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn version(program: &Path) -> Option<u32> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let number = text.split(") ").nth(1)?.split(|symbol: char| !symbol.is_ascii_digit()).next()?;
    number.parse().ok()
}

/// The program on the `PATH` or in `more` directories.
fn find(name: &str, more: &[&str]) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = env::split_paths(&path).chain(more.iter().map(PathBuf::from));
    directories.map(|directory| directory.join(name)).find(|candidate| candidate.is_file())
}
