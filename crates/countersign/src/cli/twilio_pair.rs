//! What Twilio's libraries need to know, as it is printed.

use countersign_core::ids::ProjectId;
use serde_json::{Value, json};

use crate::profile::Pair;

/// A pair, the project it opens and the base URL of the server.
pub(super) struct TwilioPair {
    pub(super) url: String,
    pub(super) project: ProjectId,
    pub(super) pair: Pair,
}

impl TwilioPair {
    fn values(&self) -> [(&'static str, &'static str, String); 5] {
        let sid = |kind| countersign_http::twilio_sid(kind, *self.project.as_bytes());
        let base = format!("{}{}", self.url, countersign_http::TWILIO_MOUNT);
        [
            ("Twilio base URL", "base_url", base),
            ("Account SID", "account_sid", sid("AC")),
            ("API key SID", "api_key_sid", self.pair.api_key_sid.clone()),
            ("API key secret", "api_key_secret", self.pair.api_key_secret.clone()),
            ("Service SID", "service_sid", sid("VA")),
        ]
    }

    /// For people, and to copy from.
    pub(super) fn lines(&self) -> String {
        self.values().map(|(label, _, value)| format!("{label}: {value}")).join("\n")
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        self.values().into_iter().map(|(_, name, value)| (name.to_owned(), json!(value))).collect()
    }
}
