//! The OpenAPI document is one that other people's tools accept.

use anyhow::Result;

use super::generated::OPENAPI;
use crate::checkout::Checkout;
use crate::program;

const CONFIGURATION: &str = "xtask/tools/redocly.yaml";

pub(super) fn lint(checkout: &Checkout) -> Result<()> {
    let linter = checkout.tools().join("node/node_modules/.bin/redocly");
    let mut command = checkout.command(program::require_installed(&linter)?);
    command.args(["lint", "--config", CONFIGURATION, OPENAPI]);
    command.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    program::run_quietly(&mut command)
}
