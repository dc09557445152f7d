//! `[retention]`: how long rows are kept.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::Invalid;
use super::reference::{Field, Section};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MOST_DAYS: u64 = 3650;

/// How long rows are kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Retention {
    /// Verifications and their deliveries.
    pub(crate) verifications_days: u64,
    /// The journal.
    pub(crate) journal_days: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self { verifications_days: 30, journal_days: 400 }
    }
}

impl Retention {
    /// The same as the store takes it.
    pub(crate) fn keep(&self) -> countersign_core::store::Retention {
        let days = |days: u64| DAY.saturating_mul(u32::try_from(days).unwrap_or(u32::MAX));
        countersign_core::store::Retention {
            verifications: days(self.verifications_days),
            journal: days(self.journal_days),
        }
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        let fields = [("verifications_days", self.verifications_days), ("journal_days", self.journal_days)];
        for (key, days) in fields {
            if !(1..=MOST_DAYS).contains(&days) {
                let fix = format!("write 1 to {MOST_DAYS} days");
                return Err(Invalid::new(&["retention", key], "out of range", fix));
            }
        }
        if self.journal_days < self.verifications_days {
            let why = "shorter than the verifications it tells about";
            return Err(Invalid::new(
                &["retention", "journal_days"],
                why,
                "make it at least verifications_days",
            ));
        }
        Ok(())
    }
}

pub(super) const SECTION: Section = Section {
    header: "[retention]",
    about: "How long rows are kept after the fact.",
    optional: false,
    fields: &[
        Field {
            key: "verifications_days",
            value: "30",
            optional: false,
            about: "Verifications and their deliveries, 1 to 3650 days.",
        },
        Field {
            key: "journal_days",
            value: "400",
            optional: false,
            about: "The journal: audit entries and timelines, at least as long as verifications.",
        },
    ],
};
