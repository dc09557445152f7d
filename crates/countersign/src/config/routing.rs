//! `[routing]`: how providers are judged, and which are switched off.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_core::health::Settings;
use serde::{Deserialize, Serialize};

use super::error::Invalid;
use super::reference::{Field, Section};

/// The longest answer that may count as quick.
const MOST_SECONDS: u64 = 60;

/// How providers are judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Routing {
    /// Providers that are switched off.
    disabled: Vec<String>,
    /// Whether learned conversion counts.
    learn_conversion: bool,
    /// Answers that take longer lower a weight.
    slow_seconds: u64,
}

impl Default for Routing {
    fn default() -> Self {
        Self { disabled: Vec::new(), learn_conversion: false, slow_seconds: 5 }
    }
}

impl Routing {
    /// The providers that are switched off.
    pub(super) fn disabled(&self) -> BTreeSet<String> {
        self.disabled.iter().cloned().collect()
    }

    /// How their health is judged.
    pub(crate) fn health(&self) -> Settings {
        Settings { slow: Duration::from_secs(self.slow_seconds), learn_conversion: self.learn_conversion }
    }

    pub(super) fn validate(&self, providers: &toml::Table) -> Result<(), Invalid> {
        if !(1..=MOST_SECONDS).contains(&self.slow_seconds) {
            let fix = format!("write 1 to {MOST_SECONDS} seconds");
            return Err(Invalid::new(&["routing", "slow_seconds"], "out of range", fix));
        }
        match self.disabled.iter().find(|name| !providers.contains_key(*name)) {
            None => Ok(()),
            Some(name) => {
                let why = format!("there is no provider {name:?}");
                Err(Invalid::new(&["routing", "disabled"], why, "correct the name, or remove it"))
            }
        }
    }
}

pub(super) const SECTION: Section = Section {
    header: "[routing]",
    about: "How providers are judged. Each server judges by what it sees itself: a provider that fails five times within \
            a minute, and at least half of the time, is left out for ten seconds, then probed with three messages.",
    optional: false,
    fields: &[
        Field {
            key: "disabled",
            value: "[]",
            optional: false,
            about: "Names of providers that carry nothing, wherever routes name them.",
        },
        Field {
            key: "learn_conversion",
            value: "false",
            optional: false,
            about: "Whether providers that share messages get more of a country's when more of their messages there end \
                    in an approval. The numbers are shown in any case.",
        },
        Field {
            key: "slow_seconds",
            value: "5",
            optional: false,
            about: "An answer that takes longer lowers the provider's weight, 1 to 60.",
        },
    ],
};
