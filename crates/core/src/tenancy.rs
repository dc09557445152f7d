//! Projects and API keys: who may ask, for what, and how that changes.

use minicbor::{Decode, Encode};

use crate::ids::{EntryId, KeyId, ProjectId, RequestId};
use crate::journal::{Actor, Entry, Event};
use crate::keys::{Digest, sha256};
use crate::policy::Profile;
use crate::tenant::{Mode, Tenant};
use crate::time::Timestamp;
use crate::verification::named;

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

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Project {
    /// Its id.
    #[n(0)]
    pub id: ProjectId,
    /// Its name, for people at the console.
    #[n(1)]
    pub name: String,
    /// The name messages carry.
    #[n(2)]
    pub brand: String,
    /// The host messages are bound to, in ASCII.
    #[n(3)]
    pub origin_host: Option<String>,
    /// The defaults it picked.
    #[n(4)]
    pub profile: Profile,
    /// Languages used when a start names none.
    #[n(5)]
    pub locale: String,
    /// Countries phones may be in; empty allows all.
    #[n(6)]
    pub countries: Vec<String>,
    /// When it was made.
    #[n(7)]
    pub created_at: Timestamp,
    /// Seconds the test clock is ahead.
    #[n(8)]
    pub test_clock_ahead: u64,
    /// When the test outbox was emptied.
    #[n(9)]
    pub outbox_cleared_at: Option<Timestamp>,
}

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

    /// Whether it has a scope.
    #[must_use]
    pub fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }
}

/// The scopes a kind of key has when nobody says otherwise.
#[must_use]
pub fn default_scopes(kind: KeyKind, mode: Mode) -> Vec<Scope> {
    use Scope::{
        CodesReveal, KeysManage, ProjectsManage, TestControl, VerificationsCheck, VerificationsRead,
        VerificationsWrite,
    };
    match (kind, mode) {
        (KeyKind::Secret, Mode::Live) => vec![VerificationsWrite, VerificationsCheck, VerificationsRead],
        (KeyKind::Secret, Mode::Test) => {
            vec![VerificationsWrite, VerificationsCheck, VerificationsRead, CodesReveal, TestControl]
        }
        (KeyKind::Restricted, _) => Vec::new(),
        (KeyKind::Operator, _) => vec![ProjectsManage, KeysManage],
    }
}

/// A change of projects or keys.
#[derive(Debug, Clone)]
pub struct AdminRequest {
    /// Who asks.
    pub actor: Actor,
    /// The HTTP request it came with.
    pub request_id: Option<RequestId>,
    /// Random tail of the entry's id.
    pub entry: [u8; 10],
    /// What is asked.
    pub change: AdminChange,
}

/// What may change.
#[derive(Debug, Clone)]
pub enum AdminChange {
    /// A new project; its times are set by the engine.
    CreateProject(Project),
    /// A new key; its times are set by the engine.
    CreateKey(ApiKey),
    /// A key stops working.
    RevokeKey(ProjectId, KeyId),
    /// The test clock goes forward by so many seconds.
    AdvanceTestClock(ProjectId, u64),
    /// The test outbox is emptied.
    ClearOutbox(ProjectId),
    /// Somebody saw recipients in the clear.
    NoteReveal(Tenant),
}

impl AdminChange {
    /// The project it concerns.
    #[must_use]
    pub const fn project(&self) -> ProjectId {
        match self {
            Self::CreateProject(project) => project.id,
            Self::CreateKey(key) => key.tenant.project,
            Self::RevokeKey(project, _)
            | Self::AdvanceTestClock(project, _)
            | Self::ClearOutbox(project)
            | Self::NoteReveal(Tenant { project, .. }) => *project,
        }
    }

    /// The key it concerns.
    #[must_use]
    pub const fn key(&self) -> Option<KeyId> {
        match self {
            Self::CreateKey(key) => Some(key.id),
            Self::RevokeKey(_, id) => Some(*id),
            _ => None,
        }
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAnswer {
    /// The project as it is now.
    Project(Project),
    /// The key as it is now.
    Key(ApiKey),
    /// Noted.
    Noted,
    /// No such project or key.
    NotFound,
    /// It is so already, or cannot be.
    Conflict,
}

/// The rows a change writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AdminEffects {
    /// The project.
    pub project: Option<Project>,
    /// The key.
    pub key: Option<ApiKey>,
    /// The entry.
    pub entry: Option<Entry>,
}

/// The largest step of the test clock, and the farthest it goes: 400 days, in seconds.
pub const TEST_CLOCK_MOST: u64 = 400 * 24 * 60 * 60;

/// Decides a change, on the project and the key it names as they are.
#[must_use]
pub fn decide(
    request: &AdminRequest,
    project: Option<Project>,
    key: Option<ApiKey>,
    now: Timestamp,
) -> (AdminEffects, AdminAnswer) {
    let nothing = |answer| (AdminEffects::default(), answer);
    let test = Tenant { project: request.change.project(), mode: Mode::Test };
    match (&request.change, project, key) {
        (AdminChange::CreateProject(_), Some(_), _) | (AdminChange::CreateKey(_), _, Some(_)) => {
            nothing(AdminAnswer::Conflict)
        }
        (AdminChange::CreateProject(wanted), None, _) => {
            let tenant = Tenant { project: wanted.id, mode: Mode::Live };
            let wanted = Project { created_at: now, ..wanted.clone() };
            write_project(request, wanted, tenant, Event::ProjectCreated, now)
        }
        (_, None, _) | (AdminChange::RevokeKey(..), _, None) => nothing(AdminAnswer::NotFound),
        (AdminChange::CreateKey(wanted), Some(_), None) => {
            let wanted = ApiKey { created_at: now, ..wanted.clone() };
            write_key(request, wanted.clone(), Event::KeyCreated(wanted.id), now)
        }
        (AdminChange::RevokeKey(..), Some(project), Some(key)) => {
            if key.tenant.project != project.id {
                return nothing(AdminAnswer::NotFound);
            }
            if key.revoked_at.is_some() {
                return nothing(AdminAnswer::Key(key));
            }
            let id = key.id;
            write_key(request, ApiKey { revoked_at: Some(now), ..key }, Event::KeyRevoked(id), now)
        }
        (AdminChange::AdvanceTestClock(_, seconds), Some(mut project), _) => {
            let ahead = project.test_clock_ahead.saturating_add(*seconds);
            if *seconds == 0 || ahead > TEST_CLOCK_MOST {
                return nothing(AdminAnswer::Conflict);
            }
            project.test_clock_ahead = ahead;
            write_project(request, project, test, Event::TestClockAdvanced(*seconds), now)
        }
        (AdminChange::ClearOutbox(_), Some(mut project), _) => {
            project.outbox_cleared_at = Some(now);
            write_project(request, project, test, Event::OutboxCleared, now)
        }
        (AdminChange::NoteReveal(tenant), Some(_), _) => {
            let entry = entry(request, *tenant, Event::RecipientRevealed, now);
            (AdminEffects { entry: Some(entry), ..AdminEffects::default() }, AdminAnswer::Noted)
        }
    }
}

fn write_project(
    request: &AdminRequest,
    project: Project,
    tenant: Tenant,
    event: Event,
    now: Timestamp,
) -> (AdminEffects, AdminAnswer) {
    let effects = AdminEffects {
        project: Some(project.clone()),
        key: None,
        entry: Some(entry(request, tenant, event, now)),
    };
    (effects, AdminAnswer::Project(project))
}

fn write_key(
    request: &AdminRequest,
    key: ApiKey,
    event: Event,
    now: Timestamp,
) -> (AdminEffects, AdminAnswer) {
    let entry = entry(request, key.tenant, event, now);
    (AdminEffects { project: None, key: Some(key.clone()), entry: Some(entry) }, AdminAnswer::Key(key))
}

fn entry(request: &AdminRequest, tenant: Tenant, event: Event, now: Timestamp) -> Entry {
    Entry {
        id: EntryId::new(now, request.entry),
        tenant,
        at: now,
        actor: request.actor,
        request: request.request_id,
        recipient: None,
        verification: None,
        delivery: None,
        event,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn project(n: u8) -> Project {
        Project {
            id: ProjectId::from_bytes([n; 16]),
            name: "Shop".to_owned(),
            brand: "Shop".to_owned(),
            origin_host: None,
            profile: Profile::Standard,
            locale: "en".to_owned(),
            countries: Vec::new(),
            created_at: Timestamp::from_millis(0),
            test_clock_ahead: 0,
            outbox_cleared_at: None,
        }
    }

    fn key(of: &Project) -> ApiKey {
        let secret = KeySecret::from_random(KeyKind::Secret, Mode::Live, &[7; 32]);
        ApiKey {
            id: KeyId::from_bytes([9; 16]),
            tenant: Tenant { project: of.id, mode: Mode::Live },
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

    fn ask(
        change: AdminChange,
        project: Option<Project>,
        key: Option<ApiKey>,
    ) -> (AdminEffects, AdminAnswer) {
        let request = AdminRequest { actor: Actor::Operator, request_id: None, entry: [3; 10], change };
        let (effects, answer) = decide(&request, project, key, NOW);
        let changes = effects.project.is_some() || effects.key.is_some() || answer == AdminAnswer::Noted;
        assert_eq!(changes, effects.entry.is_some(), "one entry per change: {answer:?}");
        (effects, answer)
    }

    #[test]
    fn a_project_is_made_once_at_the_time_of_the_engine() {
        let (effects, answer) = ask(AdminChange::CreateProject(project(1)), None, None);
        assert_eq!(answer, AdminAnswer::Project(Project { created_at: NOW, ..project(1) }));
        assert_eq!(effects.entry.unwrap().event, Event::ProjectCreated);
        let (_, again) = ask(AdminChange::CreateProject(project(1)), Some(project(1)), None);
        assert_eq!(again, AdminAnswer::Conflict);
    }

    #[test]
    fn a_key_needs_its_project_and_is_made_once() {
        let wanted = || AdminChange::CreateKey(key(&project(1)));
        assert_eq!(ask(wanted(), None, None).1, AdminAnswer::NotFound);
        let (effects, _) = ask(wanted(), Some(project(1)), None);
        let entry = effects.entry.unwrap();
        assert_eq!(
            (effects.key.unwrap().created_at, entry.event),
            (NOW, Event::KeyCreated(key(&project(1)).id))
        );
        assert_eq!(ask(wanted(), Some(project(1)), Some(key(&project(1)))).1, AdminAnswer::Conflict);
    }

    #[test]
    fn a_key_is_revoked_once_and_only_by_its_own_project() {
        let id = key(&project(1)).id;
        let revoke = |from: u8| AdminChange::RevokeKey(project(from).id, id);
        let (effects, _) = ask(revoke(1), Some(project(1)), Some(key(&project(1))));
        let revoked = effects.key.unwrap();
        assert_eq!(revoked.revoked_at, Some(NOW));
        let (effects, answer) = ask(revoke(1), Some(project(1)), Some(revoked.clone()));
        assert_eq!((effects, answer), (AdminEffects::default(), AdminAnswer::Key(revoked)));
        assert_eq!(ask(revoke(2), Some(project(2)), Some(key(&project(1)))).1, AdminAnswer::NotFound);
        assert_eq!(ask(revoke(1), Some(project(1)), None).1, AdminAnswer::NotFound);
    }

    #[test]
    fn the_test_clock_goes_forward_up_to_its_limit() {
        let advance = |ahead, seconds| {
            let before = Project { test_clock_ahead: ahead, ..project(1) };
            let (effects, _) = ask(AdminChange::AdvanceTestClock(before.id, seconds), Some(before), None);
            effects.entry.as_ref().inspect(|entry| assert_eq!(entry.tenant.mode, Mode::Test));
            effects.project.map(|project| project.test_clock_ahead)
        };
        assert_eq!(advance(5, 900), Some(905));
        assert_eq!(advance(TEST_CLOCK_MOST - 1, 1), Some(TEST_CLOCK_MOST));
        assert_eq!(advance(TEST_CLOCK_MOST, 1), None);
        assert_eq!(advance(1, u64::MAX), None);
        assert_eq!(advance(5, 0), None);
    }

    #[test]
    fn the_outbox_is_emptied_and_a_reveal_noted_with_an_entry() {
        let (effects, _) = ask(AdminChange::ClearOutbox(project(1).id), Some(project(1)), None);
        assert_eq!(effects.project.unwrap().outbox_cleared_at, Some(NOW));
        let tenant = Tenant { project: project(1).id, mode: Mode::Live };
        let (effects, answer) = ask(AdminChange::NoteReveal(tenant), Some(project(1)), None);
        let entry = effects.entry.unwrap();
        assert_eq!(
            (answer, entry.event, entry.tenant),
            (AdminAnswer::Noted, Event::RecipientRevealed, tenant)
        );
    }

    #[test]
    fn a_key_opens_with_its_own_text_only() {
        let secret = KeySecret::from_random(KeyKind::Secret, Mode::Live, &[7; 32]);
        let key = key(&project(1));
        assert!(key.opens_with(&secret.0));
        let mut other = secret.0.to_string();
        assert_ne!(other.pop(), Some('1'));
        other.push('1');
        assert!(!key.opens_with(&other) && !key.opens_with(&key.prefix) && !key.opens_with(""));
        assert_eq!(format!("{secret:?}"), "KeySecret(***)");
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
