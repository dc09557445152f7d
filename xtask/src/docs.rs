//! `cargo xtask docs`: documents that come from code, and the links between documents.

mod generated;
mod links;
mod openapi;

use anyhow::Result;

use crate::checkout::Checkout;
use crate::finding;

/// Writes the generated documents.
pub(crate) fn generate(checkout: &Checkout) -> Result<()> {
    generated::write(checkout)
}

/// Changes nothing; needs what `cargo xtask setup` installs.
pub(crate) fn check(checkout: &Checkout) -> Result<()> {
    finding::report("links", &links::check(checkout)?)?;
    finding::report("generated documents", &generated::check(checkout)?)?;
    openapi::lint(checkout)
}
