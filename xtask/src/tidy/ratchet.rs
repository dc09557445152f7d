//! Files and functions stay short. What is longer is listed by name with its ceiling, and the list only
//! shrinks: a ceiling well above the actual length, or one no longer needed, is a finding.

use std::collections::BTreeMap;

use super::rules::{Ceiling, Rules};
use super::source::Outline;
use crate::checkout::SourceFile;
use crate::finding::Finding;

/// Lengths by name: a path, or `path::function`.
type Lengths = BTreeMap<String, usize>;

/// The lengths of everything in the tree.
#[derive(Debug, Default)]
pub(crate) struct Sizes {
    code: Lengths,
    files: Lengths,
    functions: Lengths,
}

impl Sizes {
    pub(crate) fn add(&mut self, file: &SourceFile, outline: &Outline) {
        if !outline.is_rust {
            return;
        }
        let all = file.text.lines().count();
        self.files.insert(file.path.clone(), all);
        self.code.insert(file.path.clone(), (1..=all).filter(|&line| !outline.is_test_line(line)).count());
        for function in &outline.functions {
            let longest = self.functions.entry(format!("{}::{}", file.path, function.name)).or_default();
            *longest = function.lines.max(*longest);
        }
    }

    pub(crate) fn check(&self, rules: &Rules) -> Vec<Finding> {
        let mut findings =
            check("file_code_lines", "lines without its tests", &rules.file_code_lines, &self.code);
        findings.extend(check("file_lines", "lines", &rules.file_lines, &self.files));
        findings.extend(check("function_lines", "lines", &rules.function_lines, &self.functions));
        findings
    }
}

fn check(table: &str, unit: &str, ceiling: &Ceiling, lengths: &Lengths) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, &length) in lengths {
        let allowed = ceiling.exceptions.get(name).copied().unwrap_or(ceiling.limit);
        if length > allowed {
            findings.push(Finding::new(
                name,
                format!("{length} {unit}, at most {allowed}; split it by what it does"),
            ));
        }
    }
    for (name, &allowed) in &ceiling.exceptions {
        let length = lengths.get(name).copied().unwrap_or(0);
        let find = |message| Finding::new("xtask/tidy.toml", message);
        if length <= ceiling.limit {
            findings.push(find(format!("[{table}.exceptions] no longer needs {name}; remove it")));
        } else if allowed * 10 > length * 11 {
            findings.push(find(format!(
                "[{table}.exceptions] {name} has {length} {unit}; lower {allowed} to that"
            )));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::source::outline;
    use super::super::source::testing::file;
    use super::*;

    fn findings(exceptions: &[(&str, usize)], lengths: &[(&str, usize)]) -> Vec<String> {
        let map = |pairs: &[(&str, usize)]| {
            pairs.iter().map(|(name, lines)| ((*name).to_owned(), *lines)).collect()
        };
        let ceiling = Ceiling { limit: 100, exceptions: map(exceptions) };
        check("file_lines", "lines", &ceiling, &map(lengths)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_limit_itself_is_fine_and_one_more_is_found() {
        assert!(findings(&[], &[("a.rs", 99), ("b.rs", 100)]).is_empty());
        assert_eq!(
            findings(&[], &[("a.rs", 101)]),
            ["a.rs: 101 lines, at most 100; split it by what it does"]
        );
    }

    #[test]
    fn an_exception_allows_its_ceiling_and_no_more() {
        assert!(findings(&[("a.rs", 150)], &[("a.rs", 150)]).is_empty());
        assert!(findings(&[("a.rs", 150)], &[("a.rs", 151)])[0].contains("151 lines, at most 150"));
    }

    #[test]
    fn a_ceiling_more_than_a_tenth_above_the_length_must_come_down() {
        assert!(findings(&[("a.rs", 220)], &[("a.rs", 200)]).is_empty());
        assert!(
            findings(&[("a.rs", 221)], &[("a.rs", 200)])[0]
                .ends_with("a.rs has 200 lines; lower 221 to that")
        );
    }

    #[test]
    fn an_exception_that_is_not_needed_must_go() {
        assert!(findings(&[("a.rs", 101)], &[("a.rs", 100)])[0].contains("no longer needs a.rs"));
        assert!(findings(&[("gone.rs", 150)], &[])[0].contains("no longer needs gone.rs"));
    }

    #[test]
    fn a_file_is_counted_with_and_without_its_tests_and_a_function_by_its_longest() {
        let text = "fn f() {}\n#[cfg(test)]\nmod tests {\n    fn f() {\n    }\n}\n";
        let file = file("src/a.rs", text);
        let mut sizes = Sizes::default();
        sizes.add(&file, &outline(&file).unwrap());
        assert_eq!((sizes.code["src/a.rs"], sizes.files["src/a.rs"]), (1, 6));
        assert_eq!(sizes.functions["src/a.rs::f"], 2);
    }

    #[test]
    fn other_files_may_be_as_long_as_they_like() {
        let file = file("docs/long.md", "line\nline\n");
        let mut sizes = Sizes::default();
        sizes.add(&file, &outline(&file).unwrap());
        assert!(sizes.files.is_empty());
    }
}
