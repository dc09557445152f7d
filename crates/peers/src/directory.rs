//! A program's directory, and the watchdog that outlives us to end the program and remove the directory.
//!
//! A `Drop` is not enough: statics are never dropped, and a killed test drops nothing. The watchdog is a shell
//! whose standard input is a pipe from this process; however this process ends, the kernel closes the pipe.
//! (The parent death signal of Linux fires when the *thread* that started the child ends, and a test's thread
//! ends before its process.)

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::account;

/// Ends the program whose id stands in `$1/pid`, as a database ends when it must not tidy up, then removes
/// `$1`. A zombie has ended: its parent is gone, and not every init collects it soon. A server killed by
/// SIGKILL leaves a System V segment behind; line 7 of its own pid file has the id.
const WATCHDOG: &str = r#"
read -r _
pid=$(cat "$1/pid" 2>/dev/null)
if [ -n "$pid" ] && kill -QUIT "$pid" 2>/dev/null; then
    kill -CONT "$pid" 2>/dev/null
    tries=0
    while kill -0 "$pid" 2>/dev/null && ! grep -qs '^State:.Z' "/proc/$pid/status" && [ "$tries" -lt 80 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    kill -KILL "$pid" 2>/dev/null
fi
segment=$(sed -n '7s/.* //p' "$1/data/postmaster.pid" 2>/dev/null)
[ -z "$segment" ] || ipcrm -m "$segment" 2>/dev/null
rm -rf "$1"
"#;

/// Lives as long as the program may; its directory belongs to the account that the program runs under.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    watchdog: Child,
}

impl Directory {
    pub(crate) fn new() -> Self {
        let path = tempfile::Builder::new().prefix("countersign-peers-").tempdir();
        let path = path.expect("a temporary directory").keep();
        fs::set_permissions(&path, Permissions::from_mode(0o700)).expect("our own directory");
        if let Some(account) = account::unprivileged() {
            chown(&path, Some(account.user), Some(account.group)).expect("root may give a directory away");
        }
        let mut command = Command::new("sh");
        command.args(["-c", WATCHDOG, "watchdog"]).arg(&path).current_dir("/");
        // A group of its own: an interrupt from the terminal is for the test, not for the watchdog.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let watchdog = command.spawn().expect("a shell starts");
        Self { path, watchdog }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Where the output of the program goes.
    pub(crate) fn log_file(&self) -> PathBuf {
        self.join("output.log")
    }

    pub(crate) fn log(&self) -> String {
        fs::read(self.log_file()).map(|log| String::from_utf8_lossy(&log).into_owned()).unwrap_or_default()
    }

    /// A command under the program's account, at home in this directory and free of what our own environment
    /// says about PostgreSQL.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().env("HOME", &self.path).env("LC_ALL", "C").env("TZ", "UTC");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.current_dir(&self.path).stdin(Stdio::null());
        account::lower(&mut command);
        command
    }

    /// Writes a file that the program can read and others cannot.
    pub(crate) fn write(&self, name: &str, content: &str) {
        let path = self.join(name);
        fs::write(&path, content).expect("our own directory");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("our own file");
        self.give(&path);
    }

    /// Opens the log at its end.
    pub(crate) fn open_log(&self) -> File {
        let path = self.log_file();
        let file = File::options().create(true).append(true).open(&path).expect("our own directory");
        self.give(&path);
        file
    }

    fn give(&self, path: &Path) {
        if let Some(account) = account::unprivileged() {
            chown(path, Some(account.user), Some(account.group)).expect("root may give a file away");
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // Its end of input; it removes the directory, and nothing is left when the drop is over.
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
    }
}
