//! How commands answer: text for people, one JSON document for programs.

use std::io::Write as _;

use serde_json::Value;

use crate::problem::{Outcome, Problem};

/// Where and how to print.
pub(crate) struct Output {
    /// `--json`
    pub(crate) json: bool,
}

impl Output {
    /// Prints the answer: `text` for people, `json` for programs.
    pub(crate) fn answer(&self, text: &str, json: &Value) {
        if self.json { print(&json.to_string()) } else { print(text) }
    }

    /// Prints why the command failed, to standard error.
    pub(crate) fn problem(&self, problem: &Problem) {
        let text = if self.json { problem.json().to_string() } else { problem.to_string() };
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Prints a remark that is not the answer, to standard error.
    pub(crate) fn note(&self, text: &str) {
        if !self.json {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }
}

/// To standard output; a reader that went away is not an error.
fn print(text: &str) {
    let mut stdout = std::io::stdout().lock();
    let _ = stdout.write_all(text.trim_end_matches('\n').as_bytes());
    let _ = stdout.write_all(b"\n").and_then(|()| stdout.flush());
}

/// A table for people.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::NOTHING).set_header(header);
    table.add_rows(rows);
    let lines: Vec<String> = table.lines().map(|line| line.trim().to_owned()).collect();
    lines.join("\n")
}

/// A field of a JSON object as text; empty when it is null or absent.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A text that somebody else chose, on one line, without what a terminal would obey or that turns digits around.
pub(crate) fn plain(text: &str) -> String {
    const LONGEST: usize = 200;
    countersign_delivery::messages::single_line(text, LONGEST)
}

/// A line from standard input, without its end; for secrets and codes that must not stand in the shell's history.
pub(crate) fn line_from_stdin(what: &str) -> Outcome<zeroize::Zeroizing<String>> {
    let mut line = zeroize::Zeroizing::new(String::new());
    let read = std::io::stdin().read_line(&mut line);
    let trimmed = zeroize::Zeroizing::new(line.trim().to_owned());
    match read {
        Ok(_) if !trimmed.is_empty() => Ok(trimmed),
        Ok(_) => Err(Problem::usage(
            format!("no {what} was given"),
            "standard input was empty",
            format!("write the {what} on one line"),
        )),
        Err(error) => {
            Err(Problem::new(format!("the {what} cannot be read"), error, "write it to standard input"))
        }
    }
}
