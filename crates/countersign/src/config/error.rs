//! What is wrong with a configuration: file, line, key and the remedy.

use std::borrow::Cow;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::overlay::Variable;
use crate::problem::Problem;

const WHAT: &str = "the configuration cannot be used";

/// A value that does not pass its section's checks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Invalid {
    /// The key, from the top: `["server", "listen"]`.
    pub(super) key: Vec<String>,
    /// What is wrong with it.
    pub(super) why: String,
    /// What to write instead.
    pub(super) fix: String,
}

impl Invalid {
    pub(super) fn new(key: &[&str], why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { key: key.iter().map(ToString::to_string).collect(), why: why.into(), fix: fix.into() }
    }
}

/// The file an error stands in.
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    pub(super) text: &'a str,
}

impl Source<'_> {
    /// The text is not TOML, or not of the shape.
    pub(super) fn malformed(&self, error: &toml::de::Error) -> Problem {
        let line = error.span().map(|span| line_at(self.text, span.start));
        let place = self.place(line);
        // A line with a URL is not repeated: there may be a password in it.
        let quoted = line.and_then(|line| self.text.lines().nth(line - 1)).map(str::trim);
        let quoted = quoted.filter(|text| !text.contains("://"));
        let quoted = quoted.map(|text| format!(" (`{text}`)")).unwrap_or_default();
        let fix = "correct that line; `countersign config sample` prints every key with its meaning";
        Problem::usage(WHAT, format!("{place}: {}{quoted}", error.message().trim_end()), fix)
    }

    /// A value does not pass the checks.
    pub(super) fn invalid(&self, invalid: &Invalid, variables: &[Variable]) -> Problem {
        let key = invalid.key.join(".");
        let from = variables.iter().find(|variable| variable.key == invalid.key);
        let place = match from {
            Some(variable) => format!("{} (environment)", variable.name),
            None => self.place(line_of(self.text, &invalid.key)),
        };
        Problem::usage(WHAT, format!("{place}: {key}: {}", invalid.why), invalid.fix.clone())
    }

    fn place(&self, line: Option<usize>) -> String {
        match line {
            Some(line) => format!("{}:{line}", self.path.display()),
            None => self.path.display().to_string(),
        }
    }
}

fn line_at(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

/// The line of a key, or of the nearest table around it that is in the file.
fn line_of(text: &str, key: &[String]) -> Option<usize> {
    let table = DeTable::parse(text).ok()?;
    let mut at = None;
    let mut value: Cow<'_, DeValue<'_>> = Cow::Owned(DeValue::Table(table.into_inner()));
    for part in key {
        let (span, next) = match value.as_ref() {
            DeValue::Table(table) => {
                let (name, next) = table.iter().find(|(name, _)| name.get_ref().as_ref() == part)?;
                (name.span(), next.get_ref().clone())
            }
            DeValue::Array(items) => {
                let next = items.get(part.parse::<usize>().ok()?)?;
                (next.span(), next.get_ref().clone())
            }
            _ => break,
        };
        at = Some(line_at(text, span.start));
        value = Cow::Owned(next);
    }
    at
}
