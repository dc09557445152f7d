//! `countersign docs`: the pages of `docs/` that are made from the code.

use serde_json::json;

use super::Output;
use crate::problem::Outcome;

/// Print generated documentation.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which page.
    page: Page,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Page {
    /// `docs/errors.md`
    Errors,
    /// `docs/configuration.md`
    Config,
    /// `docs/openapi.json`
    Openapi,
}

pub(super) fn run(args: &Args, output: &Output) -> Outcome {
    let text = match args.page {
        Page::Errors => countersign_http::error_catalogue(),
        Page::Config => crate::config::markdown(),
        Page::Openapi => countersign_http::openapi(),
    };
    output.answer(&text, &json!({ "page": text }));
    Ok(())
}
