//! `[log]`: what is written to standard error.

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;

use super::error::Invalid;
use super::reference::{Field, Section};

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Log {
    /// How lines look.
    pub(crate) format: Format,
    /// Which lines there are.
    pub(crate) level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: Format::Text, level: "info".to_owned() }
    }
}

impl Log {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        EnvFilter::try_new(&self.level).map(drop).map_err(|error| {
            Invalid::new(
                &["log", "level"],
                error.to_string(),
                "write error, warn, info, debug or trace, or directives like \"info,countersign_delivery=debug\"",
            )
        })
    }
}

pub(super) const SECTION: Section = Section {
    header: "[log]",
    about: "What is written to standard error. No code, key or full recipient ever is.",
    optional: false,
    fields: &[
        Field { key: "format", value: "\"text\"", optional: false, about: "`text` or `json`." },
        Field {
            key: "level",
            value: "\"info\"",
            optional: false,
            about: "`error`, `warn`, `info`, `debug`, `trace`, or directives like \"info,countersign_delivery=debug\".",
        },
    ],
};
