//! `[push]`: what wakes the devices that a challenge asks.

use std::sync::Arc;

use countersign_core::factor::wake::{DeviceWaker, NoWaker};
use countersign_core::health::Board;
use countersign_core::time::Clock;
use countersign_delivery::wake::PushWaker;
use serde::{Deserialize, Serialize};

use super::error::Invalid;
use super::providers::Providers;
use super::reference::{Field, Section};

/// What wakes devices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Push {
    /// The provider; without one, devices poll.
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<String>,
}

impl Push {
    /// Whether it says nothing, so that nothing of it needs to be written.
    pub(super) const fn is_empty(&self) -> bool {
        self.provider.is_none()
    }

    /// What wakes devices. Needs a runtime.
    pub(crate) fn waker(
        &self,
        providers: &Providers,
        board: &Arc<Board>,
        clock: &Arc<dyn Clock>,
    ) -> Arc<dyn DeviceWaker> {
        match self.provider.as_ref().and_then(|name| providers.get(name)) {
            Some(provider) => {
                Arc::new(PushWaker::start(Arc::clone(provider), Arc::clone(board), Arc::clone(clock)))
            }
            None => Arc::new(NoWaker),
        }
    }

    pub(super) fn validate(&self, providers: &toml::Table) -> Result<(), Invalid> {
        let Some(name) = &self.provider else { return Ok(()) };
        let invalid = |why: String, fix: &str| Err(Invalid::new(&["push", "provider"], why, fix));
        match providers.get(name).map(|table| table.get("type").and_then(toml::Value::as_str)) {
            Some(Some("http")) => Ok(()),
            Some(_) => {
                let fix = "name an HTTP gateway, such as one with preset = \"fcm\"";
                invalid(format!("the provider {name:?} cannot reach an app"), fix)
            }
            None => invalid(format!("there is no provider {name:?}"), "correct the name, or remove it"),
        }
    }
}

pub(super) const SECTION: Section = Section {
    header: "[push]",
    about: "What wakes the devices that a challenge asks (docs/factors.md). Without it they poll. A wake-up says whose app to \
            open and nothing of what is asked; it is tried once, and a challenge neither waits for it nor fails with it.",
    optional: true,
    fields: &[Field {
        key: "provider",
        value: "\"gateway\"",
        optional: true,
        about: "The name of a provider of the type `http`, such as one with `preset = \"fcm\"`. No route needs to name it.",
    }],
};
