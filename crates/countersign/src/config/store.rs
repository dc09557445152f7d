//! `[store]`: where everything durable lies.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::error::Invalid;
use super::reference::{Field, Section};

const SCHEME: &str = "sqlite:";

/// The store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Store {
    /// `sqlite:` and the path of the file.
    pub(crate) url: String,
}

impl Default for Store {
    fn default() -> Self {
        Self { url: "sqlite:countersign-data/countersign.db".to_owned() }
    }
}

impl Store {
    /// The path of the SQLite file, as written.
    pub(super) fn file(&self) -> &Path {
        Path::new(self.url.strip_prefix(SCHEME).unwrap_or_default())
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        if self.file().file_name().is_some() {
            return Ok(());
        }
        Err(Invalid::new(
            &["store", "url"],
            "not a store this program knows",
            "write it like \"sqlite:countersign-data/countersign.db\"",
        ))
    }
}

pub(super) const SECTION: Section = Section {
    header: "[store]",
    about: "Where projects, verifications and the journal lie.",
    optional: false,
    fields: &[Field {
        key: "url",
        value: "\"sqlite:countersign-data/countersign.db\"",
        optional: false,
        about: "`sqlite:` and the path of the file, from where this configuration lies. \
                Its directory must be its owner's alone (mode 700); the control socket lies beside the file.",
    }],
};
