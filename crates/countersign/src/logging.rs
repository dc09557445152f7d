//! The log: to standard error, without a line that could hold a recipient.

use tracing::Metadata;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, filter};

use crate::config::{Format, Log};

/// The library that parses phone numbers logs them; it is silenced whatever the level says.
fn is_discreet(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("rlibphonenumber")
}

/// Starts the log, once per process.
pub(crate) fn start(log: &Log) {
    let level = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(level).with(filter::filter_fn(is_discreet));
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // Not `init`: that would also bridge the `log` crate, whose users we have not looked at.
    let started = match log.format {
        Format::Text => tracing::subscriber::set_global_default(registry.with(lines.with_ansi(false))),
        Format::Json => tracing::subscriber::set_global_default(registry.with(lines.json())),
    };
    debug_assert!(started.is_ok(), "the log is started once");
}
