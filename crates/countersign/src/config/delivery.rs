//! `[delivery]`: how messages go out when a start does not say.

use countersign_core::limits::MAX_LIFETIME;
use countersign_core::workflow::{Flaw, Step, check, read};
use serde::{Deserialize, Serialize};

use super::error::Invalid;
use super::reference::{Field, Section};

/// How messages go out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Delivery {
    /// The workflow of `auto`.
    #[serde(skip_serializing_if = "Option::is_none")]
    workflow: Option<String>,
}

impl Delivery {
    /// The steps of `auto`; empty where the first route that matches decides.
    pub(crate) fn workflow(&self) -> Vec<Step> {
        self.workflow.as_deref().and_then(|text| read(text).ok()).unwrap_or_default()
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        let Some(text) = &self.workflow else { return Ok(()) };
        let invalid =
            |why: String| Invalid::new(&["delivery", "workflow"], why, "write it like \"sms:60,voice\"");
        let steps = read(text).map_err(invalid)?;
        check(&steps, MAX_LIFETIME).map_err(|Flaw { place, must }| match place {
            Some((nth, field)) => invalid(format!("{field} of step {} {must}", nth + 1)),
            None => invalid(must),
        })
    }
}

pub(super) const SECTION: Section = Section {
    header: "[delivery]",
    about: "How messages go out when a start does not say.",
    optional: false,
    fields: &[Field {
        key: "workflow",
        value: "\"sms:60:20,voice\"",
        optional: true,
        about: "The channels of `auto`, one after the other: an SMS; after 60 seconds without a check, or 20 without the \
                network's word that it arrived, a call. Without it the first route that matches decides, and nothing follows.",
    }],
};
