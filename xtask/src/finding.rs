//! What a check found wrong, and how a list of findings is told.

use std::fmt;

use anyhow::{Result, bail};

/// One thing to fix: where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// A path relative to the root, with `:line` where there is one.
    pub(crate) place: String,
    /// What is wrong and how to put it right.
    pub(crate) message: String,
}

impl Finding {
    pub(crate) fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }

    pub(crate) fn at_line(path: &str, line: usize, message: impl Into<String>) -> Self {
        Self::new(format!("{path}:{line}"), message)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.place, self.message)
    }
}

/// Prints the findings; an error if there are any.
pub(crate) fn report(check: &str, findings: &[Finding]) -> Result<()> {
    for finding in findings {
        eprintln!("{finding}");
    }
    match findings.len() {
        0 => Ok(()),
        1 => bail!("{check}: 1 finding"),
        count => bail!("{check}: {count} findings"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_findings_are_a_success_and_any_is_an_error() {
        assert!(report("links", &[]).is_ok());
        let error = report("links", &[Finding::at_line("README.md", 3, "broken")]).unwrap_err();
        assert_eq!(error.to_string(), "links: 1 finding");
    }
}
