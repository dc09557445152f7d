//! Starting other programs: never with a terminal's stdin, always with an error that names the command.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, anyhow, bail};

/// Variables that `cargo run` sets about *this* crate. Left in place they would reach build scripts of
/// nested cargo calls and make cargo rebuild what a plain `cargo test` has built.
const OUR_PACKAGE_VARIABLES: [&str; 2] = ["CARGO_PKG_", "CARGO_MANIFEST_"];

/// A command without stdin and without the variables that describe the xtask crate.
pub(crate) fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null());
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if OUR_PACKAGE_VARIABLES.iter().any(|prefix| text.starts_with(prefix)) {
            command.env_remove(&name);
        }
    }
    command
}

/// The program's path, if `PATH` has it.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(name)).find(|candidate| candidate.is_file())
}

/// The program's path, or an error that says what to install.
pub(crate) fn require(name: &str, install: &str) -> Result<PathBuf> {
    find(name)
        .ok_or_else(|| anyhow!("`{name}` is not on the PATH. Install {install}, then run the command again."))
}

/// The path of a program that `cargo xtask setup` installs, or an error that says so.
pub(crate) fn require_installed(path: &Path) -> Result<PathBuf> {
    if !path.is_file() {
        bail!("{} is not there. Run `cargo xtask setup` first.", path.display());
    }
    Ok(path.to_owned())
}

/// Runs with the output on this terminal; an error if it does not succeed.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot start `{}`", shown(command)))?;
    expect_success(command, status)
}

/// Runs and returns stdout; stderr is part of the error if it does not succeed.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        bail!("`{}` failed ({}): {complaint}", shown(command), output.status);
    }
    String::from_utf8(output.stdout).with_context(|| format!("`{}` printed no UTF-8", shown(command)))
}

/// Runs silently and prints what it said only if it fails.
pub(crate) fn run_quietly(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot start `{}`", shown(command)))?;
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stdout));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    expect_success(command, output.status)
}

fn expect_success(command: &Command, status: ExitStatus) -> Result<()> {
    if !status.success() {
        bail!("`{}` failed ({status})", shown(command));
    }
    Ok(())
}

/// The command as a person would type it, near enough to be found again in a log.
fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(OsStr::to_string_lossy));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_an_error_that_says_what_to_install() {
        let error = require("no-such-program-anywhere", "the Nothing package").unwrap_err().to_string();
        assert!(error.contains("no-such-program-anywhere"), "{error}");
        assert!(error.contains("the Nothing package"), "{error}");
    }

    #[test]
    fn a_tool_that_is_not_installed_is_an_error_that_names_the_command() {
        let error = require_installed(Path::new("target/tools/bin/nothing")).unwrap_err().to_string();
        assert!(error.contains("cargo xtask setup"), "{error}");
    }

    #[test]
    fn a_failing_command_is_an_error_with_its_own_complaint() {
        let error = capture(command("sh").args(["-c", "echo broken pipe fitting >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().contains("broken pipe fitting"), "{error}");
    }

    #[test]
    fn a_command_has_no_stdin_to_wait_for() {
        assert_eq!(capture(command("cat").arg("-")).unwrap(), "");
    }

    #[test]
    fn variables_about_this_crate_do_not_reach_other_programs() {
        let environment = capture(&mut command("env")).unwrap();
        assert!(!environment.lines().any(|line| line.starts_with("CARGO_PKG_")), "{environment}");
    }
}
