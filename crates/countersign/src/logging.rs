//! The log: to standard error, without a line that could hold a recipient, a code or a key.

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, filter};

use crate::config::{Format, Log};

/// What we wrote ourselves names no secret. Of what libraries say, details may: some print the texts they parse or the
/// headers they carry, and the parser of phone numbers does so in warnings, too.
fn is_discreet(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    target.starts_with("countersign")
        || (*metadata.level() <= Level::WARN && !target.starts_with("rlibphonenumber"))
}

/// Starts the log, once per process.
pub(crate) fn start(log: &Log) {
    // Not `init`: that would also bridge the `log` crate, whose users we have not looked at.
    let started = tracing::subscriber::set_global_default(subscriber(log, std::io::stderr));
    debug_assert!(started.is_ok(), "the log is started once");
}

fn subscriber<W>(log: &Log, writer: W) -> Box<dyn Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let level = EnvFilter::try_new(&log.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(level).with(filter::filter_fn(is_discreet));
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    match log.format {
        Format::Text => Box::new(registry.with(lines.with_ansi(false))),
        Format::Json => Box::new(registry.with(lines.json())),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn at_the_loudest_level_libraries_tell_no_details_and_the_phone_parser_nothing() {
        for format in [Format::Text, Format::Json] {
            let (kept, log) = (Kept::default(), Log { format, level: "trace".to_owned() });
            let writer = kept.clone();
            tracing::subscriber::with_default(subscriber(&log, move || writer.clone()), || {
                tracing::trace!("ours");
                tracing::warn!(target: "h2::codec", "theirs");
                tracing::info!(target: "h2::codec", "a header");
                tracing::error!(target: "rlibphonenumber::parser", "a number");
            });
            let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
            assert!(text.contains("ours") && text.contains("theirs"), "{text}");
            assert!(!text.contains("a header") && !text.contains("a number"), "{text}");
        }
    }
}
