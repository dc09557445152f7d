//! A subject as answers show it.

use countersign_core::ids::{SubjectId, VerificationId};
use countersign_core::recipient::{Recipient, RecipientKind};
use countersign_core::subject::KnownRecipient;
use countersign_core::time::Timestamp;
use serde::Serialize;

use super::Person;
use crate::answer::Text;
use crate::factors::view::FactorView;
use crate::verifications::view::Metadata;

/// The wire form of a subject.
#[derive(Debug, Serialize)]
pub(crate) struct SubjectView {
    id: Text<SubjectId>,
    object: &'static str,
    livemode: bool,
    external_id: Option<String>,
    factors: Vec<FactorView>,
    recipients: Vec<RecipientView>,
    metadata: Metadata,
    created_at: Text<Timestamp>,
    updated_at: Text<Timestamp>,
    deleted_at: Option<Text<Timestamp>>,
}

/// A recipient that is known to be the person's.
#[derive(Serialize)]
struct RecipientView {
    r#type: &'static str,
    masked: String,
    country: Option<String>,
    value: Option<String>,
    verified_at: Text<Timestamp>,
    verification: Option<Text<VerificationId>>,
}

impl std::fmt::Debug for RecipientView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RecipientView({})", self.masked)
    }
}

impl SubjectView {
    /// The view of a subject at an instant; `reveal` shows recipients in the clear.
    pub(crate) fn new(person: &Person<'_>, now: Timestamp, reveal: bool) -> Self {
        let row = person.row;
        let recipients = person.private.recipients.iter();
        Self {
            id: Text(row.id),
            object: "subject",
            livemode: row.tenant.mode.is_live(),
            external_id: person.external_id().map(str::to_owned),
            factors: row.factors.iter().map(|factor| FactorView::new(person, factor, now)).collect(),
            recipients: recipients.filter_map(|known| recipient(known, reveal)).collect(),
            metadata: Metadata(person.private.metadata.clone()),
            created_at: Text(row.created_at),
            updated_at: Text(row.updated_at),
            deleted_at: row.removed_at.map(Text),
        }
    }
}

fn recipient(known: &KnownRecipient, reveal: bool) -> Option<RecipientView> {
    let to = Recipient::parse(&known.to).ok()?;
    Some(RecipientView {
        r#type: match to.kind() {
            RecipientKind::Phone => "phone",
            RecipientKind::Email => "email",
        },
        masked: to.masked(),
        country: to.country().map(|country| country.as_str().to_owned()),
        value: reveal.then(|| known.to.clone()),
        verified_at: Text(known.verified_at),
        verification: known.verification.map(Text),
    })
}
