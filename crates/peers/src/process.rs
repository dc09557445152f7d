//! A running program, and the signals it can get.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;
use std::{fs, io};

use rustix::process::{Pid, Signal, kill_process};

use crate::directory::Directory;
use crate::wait::until;

/// Writes its own id where the watchdog looks for it, then becomes the program: there is no moment in which
/// the program runs and the watchdog would not know.
const START: &str = r#"echo $$ > pid && exec "$@""#;

/// A program in its [`Directory`].
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    pid_file: std::path::PathBuf,
}

impl Process {
    /// Starts `program`; what it prints goes to the directory's log.
    pub(crate) fn start(directory: &Directory, program: &Path, arguments: &[&str]) -> Self {
        let mut command = directory.command(Path::new("/bin/sh"));
        command.args(["-c", START, "start"]).arg(program).args(arguments);
        let log = directory.open_log();
        command.stdout(log.try_clone().expect("a second handle")).stderr(log).process_group(0);
        let child = command.spawn().expect("a shell starts");
        Self { child, pid_file: directory.join("pid") }
    }

    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // We have not waited for it, so its id is still its own.
        let _ = kill_process(self.pid(), signal);
    }

    /// Its exit status, if it has ended.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let status = self.child.try_wait().expect("a child of ours")?;
        let _ = fs::remove_file(&self.pid_file);
        Some(status)
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self, limit: Duration) -> ExitStatus {
        until("the end of the program", limit, || self.ended())
    }

    /// Kills the program and its children with SIGKILL and waits until all are gone.
    pub(crate) fn kill_all(&mut self) {
        // Stopped, it starts no child behind our back.
        self.signal(Signal::STOP);
        let children = children(self.pid());
        self.signal(Signal::KILL);
        for child in &children {
            let _ = kill_process(*child, Signal::KILL);
        }
        self.wait(Duration::from_secs(30));
        until("the end of all children", Duration::from_secs(30), || {
            let running = running();
            children.iter().all(|child| running.iter().all(|process| process.pid != *child)).then_some(())
        });
    }

    /// Stops or continues the program with its children.
    pub(crate) fn signal_all(&self, signal: Signal) {
        self.signal(signal);
        for child in children(self.pid()) {
            let _ = kill_process(child, signal);
        }
    }
}

struct Running {
    pid: Pid,
    parent: i32,
}

fn children(parent: Pid) -> Vec<Pid> {
    let parent = parent.as_raw_nonzero().get();
    running().into_iter().filter(|process| process.parent == parent).map(|process| process.pid).collect()
}

/// All processes but those that have ended and only wait to be collected.
fn running() -> Vec<Running> {
    let listed = if Path::new("/proc/self/stat").exists() {
        from_proc().expect("a list of processes")
    } else {
        from_ps().expect("a list of processes by `ps`")
    };
    listed.lines().filter_map(parse).collect()
}

/// Lines of id, state and parent.
fn from_proc() -> io::Result<String> {
    let mut list = String::new();
    for entry in fs::read_dir("/proc")?.flatten() {
        // A process may end while we look; what is no process has no such file.
        let stat = fs::read(entry.path().join("stat")).unwrap_or_default();
        let stat = String::from_utf8_lossy(&stat);
        // The second field is the name in parentheses and may contain anything.
        if let (Some((pid, _)), Some((_, rest))) = (stat.split_once(" ("), stat.rsplit_once(") ")) {
            list.push_str(&format!("{pid} {rest}\n"));
        }
    }
    Ok(list)
}

fn from_ps() -> io::Result<String> {
    let output = Command::new("ps").args(["-A", "-o", "pid=,stat=,ppid="]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn parse(line: &str) -> Option<Running> {
    let mut fields = line.split_whitespace();
    let pid = Pid::from_raw(fields.next()?.parse().ok()?)?;
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (!state.starts_with(['Z', 'X'])).then_some(Running { pid, parent })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_of_processes_has_this_one_and_its_parent() {
        let me = rustix::process::getpid();
        let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
        // A small Linux has no `ps`, others have no /proc.
        let lists: Vec<_> = [from_proc(), from_ps()].into_iter().flatten().collect();
        assert!(!lists.is_empty());
        for list in lists {
            let found = list.lines().filter_map(parse).find(|process| process.pid == me).unwrap();
            assert_eq!(Some(found.parent), parent);
        }
    }

    #[test]
    fn a_process_that_only_waits_to_be_collected_is_not_running() {
        assert!(parse("17 Z 1").is_none());
        assert!(parse("17 Ss 1").is_some());
        assert!(parse("nonsense").is_none());
    }
}
