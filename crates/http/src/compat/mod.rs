//! Vendors' APIs, spoken so that their clients need no change. Each is an edge of its own over the same rules.

mod settings;
pub(crate) mod twilio;

pub(crate) use settings::SettingsCache;
