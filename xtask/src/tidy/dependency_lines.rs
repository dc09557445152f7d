//! Every direct dependency has one line that says why in `docs/dependencies.md`, and no line is left over.

use std::collections::BTreeSet;

use crate::finding::Finding;

pub(crate) const DOCUMENT: &str = "docs/dependencies.md";

/// A line is a list item: a dash, the name in backquotes, a colon, the reason.
pub(crate) fn check(document: &str, dependencies: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut explained = BTreeSet::new();
    for (number, line) in (1..).zip(document.lines()) {
        let Some((name, reason)) = line.strip_prefix("- `").and_then(|rest| rest.split_once('`')) else {
            continue;
        };
        let mut find = |message: String| findings.push(Finding::at_line(DOCUMENT, number, message));
        if reason.strip_prefix(':').is_none_or(|reason| reason.trim().is_empty()) {
            find(format!("say after a colon why `{name}` is here"));
        }
        if !dependencies.contains(name) {
            find(format!("no crate depends on `{name}`; remove the line"));
        }
        if !explained.insert(name.to_owned()) {
            find(format!("`{name}` has a line already"));
        }
    }
    let missing = dependencies.difference(&explained);
    findings.extend(missing.map(|name| {
        Finding::new(DOCUMENT, format!("add a line that says why `{name}` is here: - `{name}`: ..."))
    }));
    findings
}

#[cfg(test)]
mod tests {
    use super::super::crates::testing::names;
    use super::*;

    fn messages(document: &str) -> Vec<String> {
        let findings = check(document, &names(&["tokio", "serde"]));
        findings.into_iter().map(|finding| finding.message).collect()
    }

    #[test]
    fn one_line_for_each_dependency_is_fine() {
        assert!(messages("# Why\n\nProse.\n\n- `tokio`: runtime\n- `serde`: wire types\n").is_empty());
    }

    #[test]
    fn a_dependency_without_a_line_is_found() {
        assert!(messages("- `tokio`: runtime\n")[0].contains("why `serde` is here"));
    }

    #[test]
    fn a_line_without_a_dependency_a_reason_or_a_second_one_is_found() {
        let found = messages("- `tokio`: runtime\n- `serde`:\n- `tokio`: again\n- `rand`: dice\n");
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("why `serde`"));
        assert!(found[1].contains("`tokio` has a line already"));
        assert!(found[2].contains("no crate depends on `rand`"));
    }
}
