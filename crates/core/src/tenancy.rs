//! Projects and API keys: who may ask, for what, and how that changes.

use minicbor::{Decode, Encode};

use crate::ids::{KeyId, ProjectId, RequestId};
use crate::journal::{Actor, Entry, Event};
use crate::policy::{Policy, Profile};
use crate::setting::{self, Put, Setting, SettingKey};
use crate::tenant::{Mode, Tenant};
use crate::time::Timestamp;

pub use crate::api_key::{ApiKey, KeyKind, KeySecret, PREFIX_RANDOM, Scope, default_scopes, pair_scopes};

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

impl Project {
    /// Its numbers: those of its profile, with the countries it names.
    #[must_use]
    pub fn policy(&self) -> Policy {
        let countries = self.countries.iter();
        let countries =
            countries.filter_map(|country| <[u8; 2]>::try_from(country.as_bytes()).ok()).collect();
        Policy { countries, ..Policy::of(self.profile) }
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
    /// A setting is made or changed; its times are set by the engine.
    PutSetting(Setting, Put),
    /// A setting goes.
    RemoveSetting(SettingKey),
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
            Self::PutSetting(Setting { key, .. }, _) | Self::RemoveSetting(key) => key.tenant.project,
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

    /// The setting it concerns.
    #[must_use]
    pub const fn setting(&self) -> Option<SettingKey> {
        match self {
            Self::PutSetting(Setting { key, .. }, _) | Self::RemoveSetting(key) => Some(*key),
            _ => None,
        }
    }
}

/// The rows a change stands on, as they are.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// The project.
    pub project: Option<Project>,
    /// The key it names.
    pub key: Option<ApiKey>,
    /// The setting it names.
    pub setting: Option<Setting>,
    /// How many settings of that kind the tenant has.
    pub settings_of_kind: usize,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdminAnswer {
    /// The project as it is now.
    Project(Project),
    /// The key as it is now.
    Key(ApiKey),
    /// The setting as it is now.
    Setting(Setting),
    /// Noted.
    Noted,
    /// No such project, key or setting.
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
    /// The setting.
    pub setting: Option<Setting>,
    /// The setting that goes.
    pub removed: Option<SettingKey>,
    /// The entry.
    pub entry: Option<Entry>,
}

/// The largest step of the test clock, and the farthest it goes: 400 days, in seconds.
pub const TEST_CLOCK_MOST: u64 = 400 * 24 * 60 * 60;

/// Decides a change, on the rows it names as they are.
#[must_use]
pub fn decide(request: &AdminRequest, found: Found, now: Timestamp) -> (AdminEffects, AdminAnswer) {
    let Found { project, key, setting, settings_of_kind } = found;
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
        (AdminChange::PutSetting(wanted, how), Some(_), _) => {
            match setting::put(wanted, *how, setting.as_ref(), settings_of_kind, now) {
                Some(written) => write_setting(request, written, now),
                None if *how == Put::Existing => nothing(AdminAnswer::NotFound),
                None => nothing(AdminAnswer::Conflict),
            }
        }
        (AdminChange::RemoveSetting(key), Some(_), _) => match setting {
            Some(_) => remove_setting(request, *key, now),
            None => nothing(AdminAnswer::NotFound),
        },
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
        entry: Some(entry(request, tenant, event, now)),
        ..AdminEffects::default()
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
    let effects = AdminEffects { key: Some(key.clone()), entry: Some(entry), ..AdminEffects::default() };
    (effects, AdminAnswer::Key(key))
}

fn write_setting(request: &AdminRequest, row: Setting, now: Timestamp) -> (AdminEffects, AdminAnswer) {
    let event = Event::SettingWritten(row.key.kind, row.key.id);
    let entry = Some(entry(request, row.key.tenant, event, now));
    let effects = AdminEffects { setting: Some(row.clone()), entry, ..AdminEffects::default() };
    (effects, AdminAnswer::Setting(row))
}

fn remove_setting(request: &AdminRequest, key: SettingKey, now: Timestamp) -> (AdminEffects, AdminAnswer) {
    let event = Event::SettingRemoved(key.kind, key.id);
    let entry = Some(entry(request, key.tenant, event, now));
    (AdminEffects { removed: Some(key), entry, ..AdminEffects::default() }, AdminAnswer::Noted)
}

fn entry(request: &AdminRequest, tenant: Tenant, event: Event, now: Timestamp) -> Entry {
    let entry = Entry::new(tenant, event, request.actor, now, request.entry);
    Entry { request: request.request_id, ..entry }
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
        let tenant = Tenant { project: of.id, mode: Mode::Live };
        ApiKey::new(KeyId::from_bytes([9; 16]), tenant, KeyKind::Secret, &[7; 32], false).0
    }

    fn ask(
        change: AdminChange,
        project: Option<Project>,
        key: Option<ApiKey>,
    ) -> (AdminEffects, AdminAnswer) {
        let request = AdminRequest { actor: Actor::Operator, request_id: None, entry: [3; 10], change };
        let (effects, answer) = decide(&request, Found { project, key, ..Found::default() }, NOW);
        let changes = effects.project.is_some()
            || effects.key.is_some()
            || effects.setting.is_some()
            || answer == AdminAnswer::Noted;
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
}
