//! The first look: all of a file, before anything of it is imported.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::assignments::Assignments;
use super::token::{Token, shortened};
use super::{Entry, Source, read};
use crate::cli::output::table;
use crate::problem::{Outcome, Problem};

/// Mistakes that are told one by one.
const TOLD: usize = 20;

/// What is wrong with a file, the first ones by line.
pub(super) struct Mistakes {
    path: PathBuf,
    told: Vec<String>,
    count: usize,
}

impl Mistakes {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), told: Vec::new(), count: 0 }
    }

    pub(super) fn add(&mut self, line: u64, why: &str) {
        self.count += 1;
        if self.told.len() < TOLD {
            self.told.push(format!("line {line}: {why}"));
        }
    }

    /// Fails when there was one.
    pub(super) fn none(self) -> Outcome {
        let Some(more) = self.count.checked_sub(self.told.len()).filter(|_| self.count > 0) else {
            return Ok(());
        };
        let mut why = format!("{} has mistakes:\n{}", self.path.display(), self.told.join("\n"));
        if more > 0 {
            why.push_str(&format!("\nand {more} more"));
        }
        Err(Problem::usage("nothing was imported", why, "correct these lines, then import again"))
    }
}

/// What an import would do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// How many tokens there are of each type.
    pub(super) kinds: Vec<(&'static str, u64)>,
    /// What stays out, and how many.
    pub(super) left_out: Vec<(&'static str, u64)>,
    /// Tokens without a serial number.
    pub(super) nameless: u64,
}

/// Looks at the whole file.
pub(super) fn run(source: &dyn Source, assignments: Option<&Assignments>, most: usize) -> Outcome<Plan> {
    let mut mistakes = Mistakes::new(source.path());
    let mut plan = Plan::default();
    let mut seen = Seen::default();
    for entry in read(source, assignments)? {
        match entry {
            Entry::Token(token) => {
                if plan.tokens() >= most as u64 {
                    mistakes
                        .add(token.line, &format!("one import takes at most {most} tokens; part the file"));
                    break;
                }
                if let Some(line) = seen.before(&token) {
                    let serial = shortened(token.serial.as_deref().unwrap_or_default());
                    mistakes.add(
                        token.line,
                        &format!("serial {serial:?} of the same person stands on line {line} already"),
                    );
                }
                plan.nameless += u64::from(token.serial.is_none());
                count(&mut plan.kinds, token.kind());
            }
            Entry::LeftOut(what) => count(&mut plan.left_out, what),
            Entry::Wrong { line, why } => mistakes.add(line, &why.join("; ")),
            Entry::Broken { line, why } => mistakes.add(line, &why),
        }
    }
    if mistakes.count == 0 {
        let mut unmet: Vec<_> = assignments.into_iter().flat_map(Assignments::unmet).collect();
        unmet.sort_unstable();
        let list = unmet.iter().take(TOLD).map(|(line, serial)| format!("line {line}: {serial}"));
        if !unmet.is_empty() {
            let why = format!(
                "the assignments name {} serial numbers that {} does not have:\n{}",
                unmet.len(),
                source.path().display(),
                list.collect::<Vec<_>>().join("\n")
            );
            return Err(Problem::usage("nothing was imported", why, "correct one of the two files"));
        }
    }
    mistakes.none()?;
    if plan.tokens() == 0 {
        let why = format!("{} holds no token that can be enrolled", source.path().display());
        return Err(Problem::usage("nothing was imported", why, "look whether it is the right file"));
    }
    Ok(plan)
}

/// Tokens that stood there before, by a hash of whose and which: a few bytes each.
#[derive(Default)]
struct Seen {
    hasher: RandomState,
    lines: HashMap<u64, u64>,
}

impl Seen {
    /// The line of the same token further up.
    fn before(&mut self, token: &Token) -> Option<u64> {
        let serial = token.serial.as_deref()?;
        let key = self.hasher.hash_one((&token.external_id, serial, token.kind()));
        self.lines.insert(key, token.line)
    }
}

fn count(counts: &mut Vec<(&'static str, u64)>, what: &'static str) {
    match counts.iter_mut().find(|(known, _)| *known == what) {
        Some((_, count)) => *count += 1,
        None => counts.push((what, 1)),
    }
}

impl Plan {
    /// Tokens in all.
    pub(super) fn tokens(&self) -> u64 {
        self.kinds.iter().map(|(_, count)| count).sum()
    }

    /// What a dry run says.
    pub(super) fn describe(&self) -> String {
        let kinds = self.kinds.iter().map(|(kind, count)| vec![(*kind).to_owned(), count.to_string()]);
        let mut lines = vec![table(&["TYPE", "TOKENS"], kinds), String::new()];
        lines.extend(self.remarks());
        lines.push("The file is in order. This was a dry run: nothing was imported.".to_owned());
        lines.join("\n")
    }

    /// What a person should know beside the numbers.
    pub(super) fn remarks(&self) -> Vec<String> {
        let mut remarks: Vec<_> =
            self.left_out.iter().map(|(what, count)| format!("Left out: {count} {what}.")).collect();
        if self.nameless > 0 {
            remarks.push(format!(
                "{} without a serial number: the server knows them again for 24 hours only, so do not import \
                 them again later.",
                self.nameless
            ));
        }
        remarks
    }

    pub(super) fn json(&self) -> Value {
        let counts = |all: &[(&'static str, u64)]| {
            all.iter()
                .map(|(what, count)| ((*what).to_owned(), json!(count)))
                .collect::<serde_json::Map<_, _>>()
        };
        json!({
            "tokens": self.tokens(), "types": counts(&self.kinds), "left_out": counts(&self.left_out),
            "without_serial": self.nameless,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use zeroize::Zeroizing;

    use super::super::token::Fields;
    use super::*;

    /// Tokens of one person with these serial numbers, one a line.
    struct Given(Vec<&'static str>);

    impl Source for Given {
        fn path(&self) -> &Path {
            Path::new("tokens")
        }

        fn entries(&self) -> Outcome<Box<dyn Iterator<Item = Entry<Fields>> + Send + '_>> {
            Ok(Box::new((1_u64..).zip(&self.0).map(|(line, serial)| {
                Entry::Token(Fields {
                    line,
                    external_id: Some("anna".to_owned()),
                    kind: Some("hotp".to_owned()),
                    serial: (!serial.is_empty()).then(|| (*serial).to_owned()),
                    secret: (*serial != "bad").then(|| Ok(Zeroizing::new(vec![1; 20]))),
                    ..Fields::default()
                })
            })))
        }
    }

    #[test]
    fn a_file_may_hold_as_many_tokens_as_the_limit_says() {
        let of = |count: usize| run(&Given(vec![""; count]), None, 5).map(|plan| plan.tokens());
        assert_eq!((of(4), of(5)), (Ok(4), Ok(5)));
        assert!(of(6).unwrap_err().why.contains("line 6: one import takes at most 5 tokens"));
    }

    #[test]
    fn the_same_token_twice_is_a_mistake() {
        let problem = run(&Given(vec!["1", "2", "1"]), None, 9).unwrap_err();
        assert!(
            problem.why.contains("line 3: serial \"1\" of the same person stands on line 1"),
            "{}",
            problem.why
        );
        assert_eq!(run(&Given(vec!["", ""]), None, 9).unwrap().nameless, 2);
    }

    #[test]
    fn so_many_mistakes_are_told_and_the_rest_is_counted() {
        let why = |count: usize| run(&Given(vec!["bad"; count]), None, 99).unwrap_err().why;
        assert!(why(TOLD).ends_with("line 20: secret is missing"), "{}", why(TOLD));
        assert!(why(TOLD + 1).ends_with("and 1 more"), "{}", why(TOLD + 1));
        assert!(why(TOLD + 4).ends_with("and 4 more"));
    }

    #[test]
    fn an_empty_file_is_told() {
        assert!(run(&Given(vec![]), None, 9).unwrap_err().why.contains("no token"));
    }
}
