//! Documents printed by `countersign docs NAME`, a hidden command of the product itself, so that what they
//! say about errors, configuration and the API is what the code does.

use std::fs;

use anyhow::{Context, Result};

use crate::checkout::Checkout;
use crate::finding::Finding;
use crate::program;

/// A document of the repository and the name by which the program prints it.
struct Document {
    path: &'static str,
    name: &'static str,
}

pub(super) const OPENAPI: &str = "docs/openapi.json";

const DOCUMENTS: [Document; 3] = [
    Document { path: "docs/errors.md", name: "errors" },
    Document { path: "docs/configuration.md", name: "config" },
    Document { path: OPENAPI, name: "openapi" },
];

pub(super) fn write(checkout: &Checkout) -> Result<()> {
    for document in &DOCUMENTS {
        let text = print(checkout, document)?;
        if difference(document.path, &text, &checkout.read(document.path).unwrap_or_default()).is_some() {
            fs::write(checkout.path(document.path), text)
                .with_context(|| format!("cannot write {}", document.path))?;
            println!("{} is new", document.path);
        }
    }
    Ok(())
}

pub(super) fn check(checkout: &Checkout) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for document in &DOCUMENTS {
        let stored = checkout.read(document.path).unwrap_or_default();
        findings.extend(difference(document.path, &print(checkout, document)?, &stored));
    }
    Ok(findings)
}

/// Built with the features of the whole workspace, as `cargo test --workspace` builds it.
fn print(checkout: &Checkout, document: &Document) -> Result<String> {
    let mut cargo = checkout.cargo(&["run", "--quiet", "--bin", "countersign", "--", "docs", document.name]);
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
