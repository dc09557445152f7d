//! Documents printed by `countersign docs NAME`, a hidden command of the product itself, so that what they
//! say about errors, configuration and the API is what the code does.

use std::fs;

use anyhow::{Context, Result};

use crate::checkout::Checkout;
use crate::finding::Finding;
use crate::program;

/// A document of the repository and the arguments for which the program prints it.
struct Document {
    path: String,
    arguments: Vec<String>,
}

pub(super) const OPENAPI: &str = "docs/openapi.json";

/// Where the vendors' presets lie; each has a page of its name in [`PROVIDERS`].
const PRESETS: &str = "crates/delivery/presets";
const PROVIDERS: &str = "docs/providers";
/// Stands in every page of a preset; a page without it was written by hand.
const PRINTED: &str = "\nGenerated from `crates/delivery/presets/";

fn documents(checkout: &Checkout) -> Result<Vec<Document>> {
    let of = |path: &str, arguments: &[&str]| Document {
        path: path.to_owned(),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
    };
    let mut documents = vec![
        of("docs/errors.md", &["errors"]),
        of("docs/configuration.md", &["config"]),
        of(OPENAPI, &["openapi"]),
    ];
    for name in stems(checkout, PRESETS, ".toml")? {
        documents.push(of(&format!("{PROVIDERS}/{name}.md"), &["preset", &name]));
    }
    Ok(documents)
}

/// The names of the files with that ending, without it, in order.
fn stems(checkout: &Checkout, directory: &str, ending: &str) -> Result<Vec<String>> {
    let mut stems = Vec::new();
    let entries =
        fs::read_dir(checkout.path(directory)).with_context(|| format!("cannot list {directory}"))?;
    for entry in entries {
        let name = entry?.file_name();
        stems.extend(name.to_string_lossy().strip_suffix(ending).map(str::to_owned));
    }
    stems.sort();
    Ok(stems)
}

pub(super) fn write(checkout: &Checkout) -> Result<()> {
    for document in &documents(checkout)? {
        let text = print(checkout, document)?;
        if difference(&document.path, &text, &checkout.read(&document.path).unwrap_or_default()).is_some() {
            fs::create_dir_all(checkout.path(PROVIDERS))?;
            fs::write(checkout.path(&document.path), text)
                .with_context(|| format!("cannot write {}", document.path))?;
            println!("{} is new", document.path);
        }
    }
    Ok(())
}

pub(super) fn check(checkout: &Checkout) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let documents = documents(checkout)?;
    for document in &documents {
        let stored = checkout.read(&document.path).unwrap_or_default();
        findings.extend(difference(&document.path, &print(checkout, document)?, &stored));
    }
    for name in stems(checkout, PROVIDERS, ".md")? {
        let path = format!("{PROVIDERS}/{name}.md");
        let printed = checkout.read(&path)?.contains(PRINTED);
        if printed && documents.iter().all(|document| document.path != path) {
            findings.push(Finding::at_line(&path, 1, "is the page of no preset"));
        }
    }
    Ok(findings)
}

/// Built with the features of the whole workspace, as `cargo test --workspace` builds it.
fn print(checkout: &Checkout, document: &Document) -> Result<String> {
    let arguments = document.arguments.iter().map(String::as_str);
    let run = ["run", "--quiet", "--bin", "countersign", "--", "docs"];
    let mut cargo = checkout.cargo(&run.into_iter().chain(arguments).collect::<Vec<_>>());
    program::capture(&mut cargo).with_context(|| format!("cannot generate {}", document.path))
}

/// The first line where the stored document is not what the code says.
fn difference(path: &str, generated: &str, stored: &str) -> Option<Finding> {
    if generated == stored {
        return None;
    }
    let same = generated.lines().zip(stored.lines()).take_while(|(new, old)| new == old).count();
    let message = "is not what the code says; run `cargo xtask docs` and commit the result";
    Some(Finding::at_line(path, same + 1, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_is_what_the_code_says_is_fine() {
        assert_eq!(difference("docs/errors.md", "a\nb\n", "a\nb\n"), None);
    }

    #[test]
    fn a_stale_or_missing_document_is_found_with_the_command_to_run() {
        let finding = difference("docs/errors.md", "a\nb\nc\n", "a\nB\nc\n").unwrap();
        assert_eq!(finding.place, "docs/errors.md:2");
        assert!(finding.message.contains("cargo xtask docs"));
        assert_eq!(difference("docs/errors.md", "a\n", "").unwrap().place, "docs/errors.md:1");
        assert_eq!(difference("docs/errors.md", "a\n", "a\nrest\n").unwrap().place, "docs/errors.md:2");
    }
}
