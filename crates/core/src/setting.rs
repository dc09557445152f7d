//! Settings: small rows of a tenant, for dialects with a body that only the edge reads, and for message templates.

use minicbor::{Decode, Encode};

use crate::named::named;
use crate::tenant::Tenant;
use crate::time::Timestamp;

named!(
    /// What a setting is.
    SettingKind {
        /// A service of a dialect: what its verifications look like.
        0 Service = "service",
        /// A limit on starts by a value the customer names.
        1 RateLimit = "rate_limit",
        /// How many starts in how much time, of a rate limit.
        2 Bucket = "bucket",
        /// A number that is always sent to.
        4 SafelistEntry = "safelist_entry",
        /// Where events are wanted.
        5 Webhook = "webhook",
        /// A message template: its name, purpose and active version.
        20 Template = "template",
        /// The words of one version of a message template.
        21 TemplateVersion = "template_version",
    }
);

/// Settings of one kind that one tenant may have.
pub const MOST_OF_A_KIND: usize = 1000;
/// Versions of message templates that one tenant may have: they are large, and read together.
pub const MOST_TEMPLATE_VERSIONS: usize = 200;
/// Bytes of a body.
pub const MOST_BYTES: usize = 16 * 1024;

/// Which setting: its tenant, kind and sixteen bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct SettingKey {
    /// Whose it is.
    #[n(0)]
    pub tenant: Tenant,
    /// What it is.
    #[n(1)]
    pub kind: SettingKind,
    /// Its id.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub id: [u8; 16],
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Setting {
    /// Which.
    #[n(0)]
    pub key: SettingKey,
    /// The id of what it belongs to.
    #[cbor(n(1), with = "minicbor::bytes")]
    pub under: [u8; 16],
    /// What it says; nothing that names a person or opens anything.
    #[cbor(n(2), with = "minicbor::bytes")]
    pub body: Vec<u8>,
    /// When it was made.
    #[n(3)]
    pub created_at: Timestamp,
    /// When it was changed.
    #[n(4)]
    pub updated_at: Timestamp,
}

/// How a setting is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It must not be there yet.
    New,
    /// It must be there.
    Existing,
    /// Either.
    Any,
}

const fn most_of(kind: SettingKind) -> usize {
    match kind {
        SettingKind::TemplateVersion => MOST_TEMPLATE_VERSIONS,
        _ => MOST_OF_A_KIND,
    }
}

/// The row a wish to write leaves, or `None` when it is refused. `known` is the row as it is, `of_kind` how many of its
/// kind the tenant has.
#[must_use]
pub fn put(
    wanted: &Setting,
    how: Put,
    known: Option<&Setting>,
    of_kind: usize,
    now: Timestamp,
) -> Option<Setting> {
    let allowed = match (how, known) {
        (Put::New, Some(_)) | (Put::Existing, None) => false,
        (Put::Existing | Put::Any, Some(_)) => true,
        (Put::New | Put::Any, None) => of_kind < most_of(wanted.key.kind),
    };
    (allowed && wanted.body.len() <= MOST_BYTES).then(|| Setting {
        created_at: known.map_or(now, |known| known.created_at),
        updated_at: now,
        ..wanted.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Setting {
        let key = SettingKey { tenant: Tenant::STORE, kind: SettingKind::Service, id: [1; 16] };
        Setting {
            key,
            under: [2; 16],
            body: vec![7],
            created_at: Timestamp::default(),
            updated_at: Timestamp::default(),
        }
    }

    #[test]
    fn a_new_one_must_be_new_and_a_changed_one_must_be_there() {
        let (known, now) = (Some(wanted()), Timestamp::from_millis(9));
        for (how, there, done) in [
            (Put::New, false, true),
            (Put::New, true, false),
            (Put::Existing, false, false),
            (Put::Existing, true, true),
            (Put::Any, false, true),
            (Put::Any, true, true),
        ] {
            let known = known.as_ref().filter(|_| there);
            let written = put(&wanted(), how, known, 0, now);
            assert_eq!(written.is_some(), done, "{how:?} {there}");
            assert!(written.is_none_or(|row| row.updated_at == now));
        }
    }

    #[test]
    fn a_tenant_has_a_thousand_of_a_kind_and_not_more() {
        let put_with = |of_kind| put(&wanted(), Put::New, None, of_kind, Timestamp::default()).is_some();
        assert!(put_with(MOST_OF_A_KIND - 1) && !put_with(MOST_OF_A_KIND));
        let key = SettingKey { kind: SettingKind::TemplateVersion, ..wanted().key };
        let version = |of_kind| {
            put(&Setting { key, ..wanted() }, Put::New, None, of_kind, Timestamp::default()).is_some()
        };
        assert!(version(MOST_TEMPLATE_VERSIONS - 1) && !version(MOST_TEMPLATE_VERSIONS));
        let large = Setting { body: vec![0; MOST_BYTES + 1], ..wanted() };
        assert_eq!(put(&large, Put::New, None, 0, Timestamp::default()), None);
    }
}
