//! API keys: what they open, how their texts look, what each kind may do.

use minicbor::{Decode, Encode};

use crate::ids::KeyId;
use crate::keys::{Digest, sha256};
use crate::named::named;
use crate::tenant::{Mode, Tenant};
use crate::time::Timestamp;

named!(
    /// What a key may do.
    Scope {
        /// Begin, resend, cancel and report.
        0 VerificationsWrite = "verifications:write",
        /// Check codes.
        1 VerificationsCheck = "verifications:check",
        /// Read verifications and timelines.
        2 VerificationsRead = "verifications:read",
        /// See recipients in the clear.
        3 RecipientsRead = "recipients:read",
        /// Get codes in answers (`channel: self`).
        4 CodesReveal = "codes:reveal",
        /// Read the test outbox and move the test clock.
        5 TestControl = "test:control",
        /// Make and list projects.
        6 ProjectsManage = "projects:manage",
        /// Make, list and revoke keys.
        7 KeysManage = "keys:manage",
        /// Approve without a code, where a dialect has that.
        8 VerificationsOverride = "verifications:override",
        /// Change services, limits and lists of a dialect.
        9 SettingsManage = "settings:manage",
        /// See routes, providers and how they stand.
        16 RoutesRead = "routes:read",
        /// Write and read message templates.
        17 TemplatesManage = "templates:manage",
        /// Read subjects, their factors and challenges.
        20 SubjectsRead = "subjects:read",
        /// Make, change and delete subjects.
        21 SubjectsWrite = "subjects:write",
        /// Enrol, activate, rename and resynchronise factors.
        22 FactorsWrite = "factors:write",
        /// Remove, disable and unlock factors without a proof by another one.
        23 FactorsManage = "factors:manage",
        /// Begin and call off challenges.
        24 ChallengesWrite = "challenges:write",
        /// Check answers to challenges.
        25 ChallengesCheck = "challenges:check",
    }
);

named!(
    /// What a key is for.
    KeyKind {
        /// A server's key: everything of its project but seeing codes and recipients.
        0 Secret = "secret",
        /// A key with the scopes it was given.
        1 Restricted = "restricted",
        /// An operator's key: projects and keys.
        2 Operator = "operator",
    }
);

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct ApiKey {
    /// Its id.
    #[n(0)]
    pub id: KeyId,
    /// What it opens.
    #[n(1)]
    pub tenant: Tenant,
    /// What it is for.
    #[n(2)]
    pub kind: KeyKind,
    /// The public beginning, by which it is looked up.
    #[n(3)]
    pub prefix: String,
    /// SHA-256 of the whole key.
    #[n(4)]
    pub hash: Digest,
    /// What it may do.
    #[n(5)]
    pub scopes: Vec<Scope>,
    /// What people call it.
    #[n(6)]
    pub name: String,
    /// From this instant on it opens nothing.
    #[n(7)]
    pub expires_at: Option<Timestamp>,
    /// When it was revoked.
    #[n(8)]
    pub revoked_at: Option<Timestamp>,
    /// Networks it may be used from (CIDR); empty allows all.
    #[n(9)]
    pub networks: Vec<String>,
    /// When it was made.
    #[n(10)]
    pub created_at: Timestamp,
}

/// A key in the clear, shown once. Prints as `***` and is wiped when dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct KeySecret(pub zeroize::Zeroizing<String>);

impl std::fmt::Debug for KeySecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("KeySecret(***)")
    }
}

/// Characters of a key's text that are public: the kind, the mode and 60 bits to look it up by.
pub const PREFIX_RANDOM: usize = 12;

impl KeySecret {
    /// The key's text for 32 random bytes: `sk_live_` and 52 lower-case Crockford base32 characters.
    #[must_use]
    pub fn from_random(kind: KeyKind, mode: Mode, random: &[u8; 32]) -> Self {
        let head = match (kind, mode) {
            (KeyKind::Secret, Mode::Live) => "sk_live_",
            (KeyKind::Secret, Mode::Test) => "sk_test_",
            (KeyKind::Restricted, Mode::Live) => "rk_live_",
            (KeyKind::Restricted, Mode::Test) => "rk_test_",
            (KeyKind::Operator, _) => "ok_live_",
        };
        let mut text = zeroize::Zeroizing::new(String::with_capacity(60));
        text.push_str(head);
        let symbols = b"0123456789abcdefghjkmnpqrstvwxyz";
        for place in 0..52_usize {
            let value = (0..5).fold(0_u8, |value, bit| (value << 1) | bit_at(random, place * 5 + bit));
            text.push(char::from(symbols[usize::from(value)]));
        }
        Self(text)
    }

    /// A new key's text and what it is looked up by. With the id of a pair, that is `SK` and the id in hexadecimal, and
    /// the text has letters and digits only: clients of a dialect send both, and refuse other characters.
    #[must_use]
    pub fn new(kind: KeyKind, mode: Mode, random: &[u8; 32], pair: Option<KeyId>) -> (Self, String) {
        let secret = Self::from_random(kind, mode, random);
        let Some(id) = pair else {
            let prefix = Self::prefix(&secret.0).unwrap_or_default().to_owned();
            return (secret, prefix);
        };
        let symbols = secret.0.rsplit('_').next().unwrap_or_default().to_owned();
        (
            Self(zeroize::Zeroizing::new(symbols)),
            format!("SK{}", data_encoding::HEXLOWER.encode(id.as_bytes())),
        )
    }

    /// The public beginning of a key's text; `None` when it cannot be a key.
    #[must_use]
    pub fn prefix(text: &str) -> Option<&str> {
        let known = ["sk_live_", "sk_test_", "rk_live_", "rk_test_", "ok_live_"];
        let head = known.iter().find(|head| text.starts_with(**head))?;
        let random = &text.as_bytes()[head.len()..];
        let symbols = random.iter().all(|symbol| symbol.is_ascii_lowercase() || symbol.is_ascii_digit());
        (random.len() == 52 && symbols).then(|| &text[..head.len() + PREFIX_RANDOM])
    }
}

fn bit_at(bytes: &[u8; 32], bit: usize) -> u8 {
    bytes.get(bit / 8).map_or(0, |byte| (byte >> (7 - bit % 8)) & 1)
}

impl ApiKey {
    /// Whether `text` is this key, in a time that does not depend on where it differs.
    #[must_use]
    pub fn opens_with(&self, text: &str) -> bool {
        self.hash.matches(&sha256(text.as_bytes()))
    }

    /// Whether it is a pair for a dialect: it opens nothing else.
    #[must_use]
    pub fn is_pair(&self) -> bool {
        self.prefix.starts_with("SK")
    }

    /// Whether it has a scope.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// What a server does every day. Removing a person's factors without a proof is not among it.
const SERVER: &[Scope] = &[
    Scope::VerificationsWrite,
    Scope::VerificationsCheck,
    Scope::VerificationsRead,
    Scope::SubjectsRead,
    Scope::SubjectsWrite,
    Scope::FactorsWrite,
    Scope::ChallengesWrite,
    Scope::ChallengesCheck,
    Scope::RoutesRead,
];

/// The scopes a kind of key has when nobody says otherwise.
#[must_use]
pub fn default_scopes(kind: KeyKind, mode: Mode) -> Vec<Scope> {
    use Scope::{CodesReveal, KeysManage, ProjectsManage, RoutesRead, TemplatesManage, TestControl};
    match (kind, mode) {
        (KeyKind::Secret, Mode::Live) => SERVER.to_vec(),
        (KeyKind::Secret, Mode::Test) => [SERVER, &[CodesReveal, TestControl, TemplatesManage]].concat(),
        (KeyKind::Restricted, _) => Vec::new(),
        (KeyKind::Operator, _) => vec![ProjectsManage, KeysManage, RoutesRead],
    }
}

/// The scopes of a pair when nobody says otherwise: what the vendor's own keys can do, but approving without a code.
#[must_use]
pub fn pair_scopes() -> Vec<Scope> {
    [SERVER, &[Scope::RecipientsRead, Scope::SettingsManage, Scope::FactorsManage]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> ApiKey {
        let secret = KeySecret::from_random(KeyKind::Secret, Mode::Live, &[7; 32]);
        ApiKey {
            id: KeyId::from_bytes([9; 16]),
            tenant: Tenant::STORE,
            kind: KeyKind::Secret,
            prefix: KeySecret::prefix(&secret.0).unwrap().to_owned(),
            hash: sha256(secret.0.as_bytes()),
            scopes: default_scopes(KeyKind::Secret, Mode::Live),
            name: "server".to_owned(),
            expires_at: None,
            revoked_at: None,
            networks: Vec::new(),
            created_at: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn a_key_opens_with_its_own_text_only() {
        let secret = KeySecret::from_random(KeyKind::Secret, Mode::Live, &[7; 32]);
        let key = key();
        assert!(key.opens_with(&secret.0));
        let mut other = secret.0.to_string();
        assert_ne!(other.pop(), Some('1'));
        other.push('1');
        assert!(!key.opens_with(&other) && !key.opens_with(&key.prefix) && !key.opens_with(""));
        assert_eq!(format!("{secret:?}"), "KeySecret(***)");
    }

    #[test]
    fn a_pair_has_letters_and_digits_only_and_opens_nothing_by_its_text_alone() {
        let id = KeyId::from_bytes([0xab; 16]);
        let (secret, sid) = KeySecret::new(KeyKind::Restricted, Mode::Live, &[7; 32], Some(id));
        assert_eq!(sid, format!("SK{}", "ab".repeat(16)));
        assert!(secret.0.len() == 52 && secret.0.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!((KeySecret::prefix(&secret.0), KeySecret::prefix(&sid)), (None, None));
        assert!(!pair_scopes().contains(&Scope::VerificationsOverride));
    }

    #[test]
    fn what_cannot_be_a_key_has_no_prefix() {
        let text = KeySecret::from_random(KeyKind::Restricted, Mode::Test, &[0xff; 32]).0;
        assert_eq!(KeySecret::prefix(&text), Some("rk_test_zzzzzzzzzzzz"));
        for wrong in [&text[1..], &text[..59], &format!("{}0", *text), &text.replace("rk_", "xk_"), ""] {
            assert_eq!(KeySecret::prefix(wrong), None, "{wrong}");
        }
        let accents = format!("sk_live_{}", "é".repeat(26));
        assert_eq!(KeySecret::prefix(&accents), None);
        // Basic authentication can carry any byte, and not every database takes this one in a text.
        assert_eq!(KeySecret::prefix(&format!("sk_live_\0{}", "0".repeat(51))), None);
    }

    #[test]
    fn no_key_sees_codes_or_recipients_in_live_mode_by_itself() {
        for kind in KeyKind::ALL {
            let scopes = default_scopes(*kind, Mode::Live);
            for scope in [Scope::CodesReveal, Scope::RecipientsRead, Scope::TestControl] {
                assert!(!scopes.contains(&scope), "{kind:?} {scope:?}");
            }
        }
        assert!(!default_scopes(KeyKind::Secret, Mode::Test).contains(&Scope::KeysManage));
        assert!(default_scopes(KeyKind::Restricted, Mode::Test).is_empty());
    }
}
