//! Files that only their owner may read.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::problem::{Outcome, Problem};

/// Makes a directory (and its parents) that only the owner may enter; one that exists must be so already.
pub(crate) fn private_dir(path: &Path) -> Outcome {
    if path.is_dir() {
        return check_private(path);
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| {
        Problem::new(
            format!("the directory {} cannot be made", path.display()),
            error,
            "name a directory you may write to",
        )
    })
}

/// Refuses a file or directory that group or others may touch.
pub(crate) fn check_private(path: &Path) -> Outcome {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    let wanted = if metadata.is_dir() { "700" } else { "400" };
    Err(Problem::new(
        format!("{} is open to others than its owner", path.display()),
        format!("its mode is {mode:03o}; keys and recipients are in there"),
        format!("chmod {wanted} {}", path.display()),
    ))
}

/// Writes a file in one step: after a crash there is the old one or the new one, never half of it.
pub(crate) fn write_private(path: &Path, text: &str, mode: u32) -> Outcome {
    write_whole(path, text, mode).map_err(|error| {
        Problem::new(
            format!("{} cannot be written", path.display()),
            error,
            "check that the directory exists, that you may write to it and that the disk is not full",
        )
    })
}

fn write_whole(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let new = PathBuf::from(format!("{}.{}.new", path.display(), std::process::id()));
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

/// Reads a text file.
pub(crate) fn read(path: &Path) -> Outcome<String> {
    fs::read_to_string(path).map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(
        format!("{} cannot be read", path.display()),
        error,
        "check the path and that you are the user who owns it",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_the_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let inner = dir.path().join("a/b");
        private_dir(&inner).unwrap();
        private_dir(&inner).unwrap();
        let file = inner.join("secret");
        write_private(&file, "x", 0o400).unwrap();
        write_private(&file, "y", 0o400).unwrap();
        check_private(&file).unwrap();
        assert_eq!(read(&file).unwrap(), "y");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o400);
    }

    #[test]
    fn what_others_may_read_is_refused_with_the_remedy() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ring");
        write_private(&file, "x", 0o640).unwrap();
        assert!(check_private(&file).unwrap_err().fix.starts_with("chmod 400"));
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        assert!(private_dir(dir.path()).unwrap_err().fix.starts_with("chmod 700"));
    }
}
