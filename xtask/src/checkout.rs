//! The checkout this program was built from: its paths, its tracked files and its crate graph.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::program;

/// The directory of the workspace, from which every other path is derived.
pub(crate) struct Checkout {
    root: PathBuf,
}

/// A tracked text file; the path is relative to the root and uses `/`.
pub(crate) struct SourceFile {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Checkout {
    /// The workspace that holds this crate.
    pub(crate) fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("the xtask crate has no directory above it")?
            .canonicalize()
            .context("the checkout that xtask was built from is gone; build it again")?;
        Ok(Self { root })
    }

    /// An absolute path below the root.
    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.root.join(relative)
    }

    /// Where `setup` installs. Tests that run without xtask compute the same path from their
    /// `CARGO_MANIFEST_DIR`, so it does not follow `CARGO_TARGET_DIR`.
    pub(crate) fn tools(&self) -> PathBuf {
        self.path("target/tools")
    }

    /// Reads a file that must exist.
    pub(crate) fn read(&self, relative: &str) -> Result<String> {
        fs::read_to_string(self.path(relative)).with_context(|| format!("cannot read {relative}"))
    }

    /// A command that runs in the root; see [`program::command`].
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = program::command(program);
        command.current_dir(&self.root);
        command
    }

    /// The cargo that started this program (so its toolchain stays the pinned one), with arguments.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments);
        command
    }

    /// Paths git tracks, or would track after `git add .`, that exist in the working tree.
    pub(crate) fn tracked_paths(&self) -> Result<BTreeSet<String>> {
        let git = program::require("git", "git (Debian: apt-get install git)")?;
        let mut command = self.command(git);
        command.args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
        let listing = program::capture(&mut command).context("xtask needs a git checkout")?;
        let paths = listing.split('\0').filter(|path| !path.is_empty() && self.path(path).is_file());
        Ok(paths.map(str::to_owned).collect())
    }

    /// The tracked files that are text; pictures and other binaries are left out.
    pub(crate) fn tracked_files(&self) -> Result<Vec<SourceFile>> {
        let mut files = Vec::new();
        for path in self.tracked_paths()? {
            let bytes = fs::read(self.path(&path)).with_context(|| format!("cannot read {path}"))?;
            if let Ok(text) = String::from_utf8(bytes) {
                files.push(SourceFile { path, text });
            }
        }
        Ok(files)
    }
}
