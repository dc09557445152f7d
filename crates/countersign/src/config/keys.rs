//! `[keys]`: where the key ring lies.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::reference::{Field, Section};

/// The key ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Keys {
    /// The ring's file.
    pub(crate) ring_file: PathBuf,
}

impl Default for Keys {
    fn default() -> Self {
        Self { ring_file: PathBuf::from("keys.ring") }
    }
}

pub(super) const SECTION: Section = Section {
    header: "[keys]",
    about: "The root keys that codes, indexes, seals and proofs are derived from.",
    optional: false,
    fields: &[Field {
        key: "ring_file",
        value: "\"keys.ring\"",
        optional: false,
        about: "The file of the key ring, mode 400. Back it up, but never together with the database.",
    }],
};
