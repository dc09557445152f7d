//! `countersign docs`: the pages of `docs/` that are made from the code.

use countersign_delivery::http_gateway::preset;
use serde_json::json;

use super::Output;
use crate::problem::{Outcome, Problem};

/// Print generated documentation.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Which page.
    page: Page,
    /// Of which preset.
    #[arg(required_if_eq("page", "preset"))]
    preset: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Page {
    /// `docs/errors.md`
    Errors,
    /// `docs/configuration.md`
    Config,
    /// `docs/openapi.json`
    Openapi,
    /// `docs/providers/PRESET.md`
    Preset,
}

pub(super) fn run(args: &Args, output: &Output) -> Outcome {
    let text = match args.page {
        Page::Errors => countersign_http::error_catalogue(),
        Page::Config => crate::config::markdown(),
        Page::Openapi => countersign_http::openapi(),
        Page::Preset => {
            let name = args.preset.as_deref().unwrap_or_default();
            preset::page(name).map_err(|problem| {
                Problem::usage("there is no such page", problem.problem.clone(), problem.fix.clone())
            })?
        }
    };
    output.answer(&text, &json!({ "page": text }));
    Ok(())
}
