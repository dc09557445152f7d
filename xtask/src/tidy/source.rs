//! What the rules need to know about a Rust file: its functions and which of its lines are tests.

use std::ops::RangeInclusive;

use proc_macro2::Span;
use syn::visit::{self, Visit};
use syn::{Attribute, Block, ImplItemFn, ItemFn, ItemMod, Meta, Signature, TraitItemFn};

use crate::checkout::SourceFile;
use crate::finding::Finding;

/// The parts of one file.
#[derive(Debug, Default)]
pub(crate) struct Outline {
    /// The file is Rust; other files have no functions and are tests as a whole or not at all.
    pub(crate) is_rust: bool,
    pub(crate) functions: Vec<Function>,
    /// Lines of the test modules, from the attribute to the closing brace, counted from 1.
    pub(crate) test_lines: Vec<RangeInclusive<usize>>,
    /// The whole file serves tests.
    pub(crate) is_test_file: bool,
}

/// A function with a body; `lines` go from its signature to the closing brace.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(crate) name: String,
    pub(crate) lines: usize,
}

impl Outline {
    pub(crate) fn is_test_line(&self, number: usize) -> bool {
        self.is_test_file || self.test_lines.iter().any(|lines| lines.contains(&number))
    }
}

/// Reads the outline of any tracked file; a Rust file that does not parse is a finding.
pub(crate) fn outline(file: &SourceFile) -> Result<Outline, Finding> {
    let is_rust = file.path.ends_with(".rs");
    let mut outline = Outline { is_rust, is_test_file: is_test_path(&file.path), ..Outline::default() };
    if is_rust {
        let syntax = syn::parse_file(&file.text).map_err(|error| {
            Finding::at_line(&file.path, error.span().start().line, format!("does not parse: {error}"))
        })?;
        outline.visit_file(&syntax);
    }
    Ok(outline)
}

/// Integration tests, and test modules in a file or directory of their own.
fn is_test_path(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs" || part.ends_with("_tests.rs"))
}

impl Outline {
    fn add_function(&mut self, signature: &Signature, body: &Block) {
        let first = line(signature.fn_token.span);
        let last = line(body.brace_token.span.close());
        self.functions.push(Function { name: signature.ident.to_string(), lines: last - first + 1 });
    }
}

impl<'ast> Visit<'ast> for Outline {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.add_function(&function.sig, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.add_function(&function.sig, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.add_function(&function.sig, body);
        }
        visit::visit_trait_item_fn(self, function);
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let for_tests = module.attrs.iter().find(|attribute| is_for_tests(attribute));
        if let (Some(attribute), Some((brace, _))) = (for_tests, &module.content) {
            self.test_lines.push(line(attribute.pound_token.span)..=line(brace.span.close()));
        }
        visit::visit_item_mod(self, module);
    }
}

/// `#[cfg(test)]`, alone or with further conditions.
fn is_for_tests(attribute: &Attribute) -> bool {
    let Meta::List(list) = &attribute.meta else { return false };
    let condition = list.tokens.to_string().replace(' ', "");
    list.path.is_ident("cfg") && (condition == "test" || condition.starts_with("all(test,"))
}

fn line(span: Span) -> usize {
    span.start().line
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    pub(crate) fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_owned(), text: text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::file;
    use super::*;

    const FILE: &str = "\
/// Documentation is not part of the count.
#[must_use]
pub fn outer() -> u32 {
    fn inner() -> u32 { 1 }
    inner()
}
trait Speaks {
    fn silent(&self);
    fn loud(&self) {
    }
}
#[cfg(test)]
mod tests {
    fn claim() {}
}
mod code { #[cfg(all(test, unix))] mod deep {
} }
";

    #[test]
    fn functions_are_measured_from_signature_to_brace() {
        let outline = outline(&file("src/lib.rs", FILE)).unwrap();
        let sizes: Vec<_> = outline.functions.iter().map(|it| (it.name.as_str(), it.lines)).collect();
        assert_eq!(sizes, [("outer", 4), ("inner", 1), ("loud", 2), ("claim", 1)]);
    }

    #[test]
    fn lines_of_test_modules_are_known_with_their_attribute() {
        let outline = outline(&file("src/lib.rs", FILE)).unwrap();
        let lines: Vec<_> = (1..=17).filter(|&number| outline.is_test_line(number)).collect();
        assert_eq!(lines, [12, 13, 14, 15, 16, 17]);
    }

    #[test]
    fn test_files_are_known_by_their_place() {
        for path in [
            "crates/http/tests/api.rs",
            "crates/core/src/code/tests.rs",
            "crates/core/src/code_tests.rs",
            "tests/x.py",
        ] {
            assert!(outline(&file(path, "")).unwrap().is_test_line(1), "{path}");
        }
        assert!(!outline(&file("crates/core/src/latest.rs", "")).unwrap().is_test_line(1));
    }

    #[test]
    fn a_rust_file_that_does_not_parse_is_found() {
        assert_eq!(outline(&file("src/lib.rs", "fn x() {}\nfn (")).unwrap_err().place, "src/lib.rs:2");
        assert!(outline(&file("notes.md", "fn (")).is_ok());
    }
}
