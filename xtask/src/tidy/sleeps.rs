//! Tests wait for events, not for time: a sleep is slow on a good day and wrong on a bad one.

use super::source::Outline;
use crate::checkout::SourceFile;
use crate::finding::Finding;

/// Calls that wait for time, in Rust and in the languages of test helpers.
const CALLS: [&str; 2] = ["sleep(", "sleep_until("];

/// The crate that is there for tests only.
const TEST_CRATE: &str = "crates/sim/";

pub(crate) fn check(file: &SourceFile, outline: &Outline) -> Vec<Finding> {
    let mut findings = Vec::new();
    let all_is_test = file.path.starts_with(TEST_CRATE);
    for (number, line) in (1..).zip(file.text.lines()) {
        if (all_is_test || outline.is_test_line(number)) && CALLS.iter().any(|call| calls(line, call)) {
            let message = "a test sleeps; wait for the event itself, or move a fake clock";
            findings.push(Finding::at_line(&file.path, number, message));
        }
    }
    findings
}

/// Whether the line has `call` as a whole word, outside a comment.
fn calls(line: &str, call: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    let mut starts = code.match_indices(call).map(|(start, _)| start);
    starts.any(|start| !code[..start].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
}

#[cfg(test)]
mod tests {
    use super::super::source::outline;
    use super::super::source::testing::file;
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        // The rule reads this file too, so its own examples are written with another word.
        let file = file(path, &text.replace("doze", "sleep"));
        let outline = outline(&file).unwrap();
        check(&file, &outline).into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn a_test_that_sleeps_is_found() {
        assert_eq!(findings("a/tests/api.rs", "fn t() {\n  tokio::time::doze(x);\n}"), ["a/tests/api.rs:2"]);
        assert_eq!(
            findings("a/src/lib.rs", "#[cfg(test)]\nmod tests { fn t() { doze(x) } }"),
            ["a/src/lib.rs:2"]
        );
        assert_eq!(findings("a/tests/doze.rs", "fn t() { doze_until(x) }").len(), 1);
        assert_eq!(findings("a/tests/server.py", "import time\ntime.doze(1)"), ["a/tests/server.py:2"]);
        assert_eq!(findings("crates/sim/src/lib.rs", "fn wait() { doze(x) }").len(), 1);
    }

    #[test]
    fn code_that_is_no_test_and_words_that_are_no_call_are_fine() {
        assert!(findings("a/src/lib.rs", "fn wait() { doze(x) }").is_empty());
        assert!(findings("a/tests/api.rs", "// no doze() here\nfn a_doze() { never_doze(1) }").is_empty());
    }
}
