//! Relative links in the documents lead to files of the repository.

use std::collections::BTreeSet;

use anyhow::Result;
use pulldown_cmark::{Event, Parser, Tag};

use crate::checkout::Checkout;
use crate::finding::Finding;

pub(super) fn check(checkout: &Checkout) -> Result<Vec<Finding>> {
    let tracked = checkout.tracked_paths()?;
    let mut findings = Vec::new();
    for path in tracked.iter().filter(|path| is_document(path)) {
        findings.extend(broken(path, &checkout.read(path)?, &tracked));
    }
    Ok(findings)
}

/// The pages at the root (README, ARCHITECTURE, CHANGELOG) and everything below `docs`.
fn is_document(path: &str) -> bool {
    path.ends_with(".md") && (!path.contains('/') || path.starts_with("docs/"))
}

fn broken(path: &str, text: &str, tracked: &BTreeSet<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (event, range) in Parser::new(text).into_offset_iter() {
        let Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) = event else { continue };
        if is_elsewhere(&dest_url) {
            continue;
        }
        if !target(path, &dest_url).is_some_and(|target| exists(&target, tracked)) {
            let line = text[..range.start].matches('\n').count() + 1;
            findings.push(Finding::at_line(path, line, format!("the link to {dest_url} leads nowhere")));
        }
    }
    findings
}

/// An address with a scheme, or a place on the same page.
fn is_elsewhere(link: &str) -> bool {
    let scheme = link.split_once(':').map_or("", |(scheme, _)| scheme);
    link.starts_with('#') || (!scheme.is_empty() && scheme.chars().all(char::is_alphanumeric))
}

/// The linked path, relative to the root; none if it leaves the repository.
fn target(document: &str, link: &str) -> Option<String> {
    let file = link.split(['#', '?']).next().unwrap_or_default();
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    if file.starts_with('/') {
        parts.clear();
    }
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// A tracked file, or a directory that holds one. A file only this machine has is no target.
fn exists(target: &str, tracked: &BTreeSet<String>) -> bool {
    let directory = format!("{target}/");
    target.is_empty() || tracked.contains(target) || tracked.iter().any(|path| path.starts_with(&directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(path: &str, text: &str) -> Vec<String> {
        let tracked = ["README.md", "docs/errors.md", "docs/img/map.svg"].map(str::to_owned).into();
        broken(path, text, &tracked).into_iter().map(|finding| finding.place).collect()
    }

    #[test]
    fn links_to_tracked_files_and_directories_are_fine() {
        let text = "[a](docs/errors.md#x) ![b](docs/img/map.svg) [c](./docs/) [d]\n\n[d]: /docs/errors.md\n";
        assert!(places("README.md", text).is_empty());
        assert!(places("docs/errors.md", "[up](../README.md) [here](#top) [side](img/map.svg)").is_empty());
    }

    #[test]
    fn addresses_and_code_are_not_links_to_files() {
        let text = "[w](https://example.com/x) [m](mailto:a@example.com)\n\n```\n[no](gone.md)\n```\n`[no](gone.md)`";
        assert!(places("README.md", text).is_empty());
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found_with_its_line() {
        assert_eq!(places("README.md", "# Title\n\nSee [it](docs/gone.md).\n"), ["README.md:3"]);
        assert_eq!(places("docs/errors.md", "[wrong base](docs/errors.md)"), ["docs/errors.md:1"]);
        assert_eq!(places("README.md", "![picture](docs/img/none.svg)"), ["README.md:1"]);
    }

    #[test]
    fn a_link_out_of_the_repository_is_found() {
        assert_eq!(places("docs/errors.md", "[out](../../notes.md)").len(), 1);
    }

    #[test]
    fn the_root_pages_and_docs_are_the_documents() {
        assert!(is_document("CHANGELOG.md") && is_document("docs/deep/page.md"));
        assert!(!is_document("crates/http/notes.md") && !is_document("docs/openapi.json"));
    }
}
