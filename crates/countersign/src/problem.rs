//! What went wrong at the command line: three lines that say what, why and how to fix it.

use std::fmt;

/// The exit codes, as `countersign --help` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something failed.
    Failed = 1,
    /// The command or the configuration is wrong.
    Usage = 2,
    /// The server answered; it did not accept the code.
    Rejected = 3,
}

/// A failure with its cause and its remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// What did not work.
    pub(crate) what: String,
    /// The cause, as far as it is known.
    pub(crate) why: String,
    /// What to do about it.
    pub(crate) fix: String,
    /// How the process ends.
    pub(crate) exit: Exit,
}

impl Problem {
    /// Something failed.
    pub(crate) fn new(what: impl Into<String>, why: impl fmt::Display, fix: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.to_string(), fix: fix.into(), exit: Exit::Failed }
    }

    /// The command or the configuration is wrong.
    pub(crate) fn usage(what: impl Into<String>, why: impl fmt::Display, fix: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::new(what, why, fix) }
    }

    /// The JSON form, for `--json`.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::json!({ "error": { "what": self.what, "why": self.why, "fix": self.fix } })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let indented = |text: &str| text.trim_end().replace('\n', "\n       ");
        writeln!(f, "error: {}", indented(&self.what))?;
        writeln!(f, "why:   {}", indented(&self.why))?;
        write!(f, "fix:   {}", indented(&self.fix))
    }
}

/// What commands answer.
pub(crate) type Outcome<T = ()> = Result<T, Problem>;
