//! A SQLite file is open in one process at a time: a lock beside it says so.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::files;
use crate::problem::{Outcome, Problem};

/// The right to open a SQLite file: held by one process at a time.
pub(crate) struct Alone {
    _lock: File,
}

impl Alone {
    /// Takes it for this file; its directory is made where it is missing.
    pub(crate) fn with(database: &Path) -> Outcome<Self> {
        if let Some(directory) = database.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            files::private_dir(directory)?;
        }
        let path = database.with_extension("lock");
        let opened = OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let lock = opened.map_err(|error| {
            let fix = "check that you may write there and that the disk is not full";
            Problem::new(format!("{} cannot be opened", path.display()), error, fix)
        })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(Problem::new(
                format!("the store {} is in use", database.display()),
                "another countersign process has it open",
                "stop that process first, or use another data directory",
            )),
            Err(TryLockError::Error(error)) => Err(Problem::new(
                format!("{} cannot be locked", path.display()),
                error,
                "put the store on a local file system",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_is_open_in_one_process_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("data/countersign.db");
        let first = Alone::with(&database).unwrap();
        let refused = Alone::with(&database).map(drop).unwrap_err();
        assert!(refused.what.ends_with("is in use"), "{refused}");
        drop(first);
        assert!(Alone::with(&database).is_ok());
    }
}
