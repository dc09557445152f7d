//! Who is asking: the API key of a request, read through a small memory that is at most a second old.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use countersign_core::ids::ProjectId;
use countersign_core::keys::sha256;
use countersign_core::policy::Policy;
use countersign_core::store::KeyRecord;
use countersign_core::tenancy::KeySecret;
use tokio::time::Instant;
use zeroize::Zeroizing;

use crate::app::App;
use crate::caller::Caller;
use crate::error_code::ErrorCode;
use crate::limits;
use crate::network::Cidr;
use crate::observe::Context;
use crate::problem::Problem;
use crate::quota::Slot;

/// A key that was found, with what is derived from its project.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) record: KeyRecord,
    pub(crate) policy: Arc<Policy>,
    /// The same for dialects.
    pub(crate) dialect_policy: Arc<Policy>,
}

impl Opened {
    fn new(record: KeyRecord) -> Arc<Self> {
        let policy = record.project.policy();
        Arc::new(Self { dialect_policy: Arc::new(policy.in_dialect()), policy: Arc::new(policy), record })
    }
}

/// Keys read lately. Bounded; a change made through this process is seen at once, one of another within a second.
#[derive(Default)]
pub(crate) struct KeyCache(Mutex<Cached>);

#[derive(Default)]
struct Cached {
    keys: HashMap<String, (Arc<Opened>, Instant)>,
    /// Goes up with every change, so that what was read before one is not kept after it.
    changes: u64,
}

impl KeyCache {
    fn lock(&self) -> MutexGuard<'_, Cached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops all keys of a project.
    pub(crate) fn forget(&self, project: ProjectId) {
        let mut cached = self.lock();
        cached.changes = cached.changes.wrapping_add(1);
        cached.keys.retain(|_, (opened, _)| opened.record.project.id != project);
    }

    fn fresh(&self, prefix: &str) -> Result<Arc<Opened>, u64> {
        let cached = self.lock();
        match cached.keys.get(prefix) {
            Some((opened, read)) if read.elapsed() < limits::KEY_AGE => Ok(Arc::clone(opened)),
            _ => Err(cached.changes),
        }
    }

    fn keep(&self, prefix: &str, opened: &Arc<Opened>, read: Instant, changes: u64) {
        let mut cached = self.lock();
        if cached.changes != changes {
            return;
        }
        if cached.keys.len() >= limits::MAX_CACHED_KEYS {
            cached.keys.retain(|_, (_, read)| read.elapsed() < limits::KEY_AGE);
        }
        if cached.keys.len() < limits::MAX_CACHED_KEYS {
            cached.keys.insert(prefix.to_owned(), (Arc::clone(opened), read));
        }
    }
}

/// Marks a request of the owner-only socket: whoever can open it may do what an operator may.
#[derive(Clone, Copy)]
pub(crate) struct FromOwner;

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let context = Context::of(&parts.extensions, app);
        if parts.extensions.get::<FromOwner>().is_some() {
            return Ok(Self::owner(context));
        }
        let text = key_text(parts)?;
        enter(parts, app, open(app, &text).await?)
    }
}

/// The caller that a key stands for, if it may be used now, from there, and once more.
pub(crate) fn enter(parts: &Parts, app: &App, opened: Arc<Opened>) -> Result<Caller, Problem> {
    let client = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    admit(app, &opened, client)?;
    if let Some(quotas) = &app.quotas {
        quotas.take(opened.record.key.id, app.services.clock.now(), parts.extensions.get::<Slot>())?;
    }
    Ok(Caller::with_key(Context::of(&parts.extensions, app), opened))
}

/// The key's text: Bearer, or the user name of Basic (RFC 7617).
fn key_text(parts: &Parts) -> Result<Zeroizing<String>, Problem> {
    let Some(header) = parts.headers.get(AUTHORIZATION) else {
        return Err(Problem::plain(ErrorCode::KeyMissing));
    };
    read_authorization(header.as_bytes()).ok_or_else(|| Problem::plain(ErrorCode::KeyInvalid))
}

fn read_authorization(header: &[u8]) -> Option<Zeroizing<String>> {
    let (scheme, rest) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Zeroizing::new(rest.trim().to_owned()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = data_encoding::BASE64.decode(rest.trim().as_bytes()).map(Zeroizing::new).ok()?;
    let user = decoded.split(|byte| *byte == b':').next()?;
    Some(Zeroizing::new(std::str::from_utf8(user).ok()?.to_owned()))
}

/// The record of a key's text. A wrong one tells nobody whether its public beginning is known.
async fn open(app: &App, text: &str) -> Result<Arc<Opened>, Problem> {
    let prefix = KeySecret::prefix(text).ok_or_else(|| Problem::plain(ErrorCode::KeyInvalid))?;
    open_pair(app, prefix, text).await
}

/// The record of a pair: what it is looked up by, and the secret that belongs to it.
pub(crate) async fn open_pair(app: &App, prefix: &str, text: &str) -> Result<Arc<Opened>, Problem> {
    let unknown = || Problem::plain(ErrorCode::KeyInvalid);
    let opened = match app.key_cache.fresh(prefix) {
        Ok(opened) => opened,
        Err(changes) => {
            let read = Instant::now();
            let record = app.services.store.key(prefix.to_owned()).await?.ok_or_else(unknown)?;
            let opened = Opened::new(record);
            app.key_cache.keep(prefix, &opened, read, changes);
            opened
        }
    };
    if opened.record.key.opens_with(text) { Ok(opened) } else { Err(unknown()) }
}

/// The record of the pair of a project whose secret this is, for clients that know only their account.
pub(crate) async fn open_account(
    app: &App,
    project: ProjectId,
    secret: &str,
) -> Result<Arc<Opened>, Problem> {
    let unknown = || Problem::plain(ErrorCode::KeyInvalid);
    let digest = sha256(secret.as_bytes());
    let name = format!("{project}/{}", digest.hex());
    let changes = match app.key_cache.fresh(&name) {
        Ok(opened) => return Ok(opened),
        Err(changes) => changes,
    };
    let read = Instant::now();
    let keys = app.services.store.keys(project).await?;
    let pair = keys.into_iter().find(|key| key.is_pair() && key.hash.matches(&digest)).ok_or_else(unknown)?;
    let record = app.services.store.key(pair.prefix).await?.ok_or_else(unknown)?;
    let opened = Opened::new(record);
    app.key_cache.keep(&name, &opened, read, changes);
    Ok(opened)
}

fn admit(app: &App, opened: &Opened, client: Option<IpAddr>) -> Result<(), Problem> {
    let key = &opened.record.key;
    if key.revoked_at.is_some() {
        return Err(Problem::plain(ErrorCode::KeyRevoked));
    }
    if key.expires_at.is_some_and(|end| app.services.clock.now() >= end) {
        return Err(Problem::plain(ErrorCode::KeyExpired));
    }
    let inside = |client: IpAddr| {
        key.networks.iter().filter_map(|network| Cidr::parse(network)).any(|network| network.contains(client))
    };
    if key.networks.is_empty() || client.is_some_and(inside) {
        return Ok(());
    }
    Err(Problem::plain(ErrorCode::IpNotAllowed))
}

#[cfg(test)]
mod tests {
    use countersign_core::ids::KeyId;

    use countersign_core::policy::Profile;
    use countersign_core::tenancy::{ApiKey, KeyKind, Project};
    use countersign_core::tenant::{Mode, Tenant};
    use countersign_core::time::Timestamp;

    use super::*;

    fn opened(project: u8) -> Arc<Opened> {
        let tenant = Tenant { project: ProjectId::from_bytes([project; 16]), mode: Mode::Live };
        let (key, _) = ApiKey::new(KeyId::from_bytes([1; 16]), tenant, KeyKind::Secret, &[0; 32], false);
        let project = Project {
            id: tenant.project,
            name: String::new(),
            brand: String::new(),
            origin_host: None,
            profile: Profile::Standard,
            locale: "en".into(),
            countries: vec!["PL".into()],
            created_at: Timestamp::default(),
            test_clock_ahead: 0,
            outbox_cleared_at: None,
        };
        let record = KeyRecord { key, project };
        Opened::new(record)
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_remembered_for_a_second_or_until_its_project_changes() {
        let cache = KeyCache::default();
        let keep = |changes| cache.keep("a", &opened(1), Instant::now(), changes);
        keep(0);
        assert!(cache.fresh("a").is_ok());
        tokio::time::advance(limits::KEY_AGE).await;
        assert_eq!(cache.fresh("a").err(), Some(0), "too old");
        keep(0);
        cache.forget(ProjectId::from_bytes([2; 16]));
        assert!(cache.fresh("a").is_ok(), "another project changed");
        cache.forget(ProjectId::from_bytes([1; 16]));
        assert_eq!(cache.fresh("a").err(), Some(2));
        keep(1);
        assert_eq!(cache.fresh("a").err(), Some(2), "what was read before a change is not kept after it");
    }

    #[test]
    fn a_project_brings_its_countries_into_the_policy() {
        assert_eq!(opened(1).policy.countries, [*b"PL"]);
    }

    #[test]
    fn a_key_comes_as_bearer_or_as_basic_user_name() {
        for header in
            ["Bearer sk_1", "bearer  sk_1 ", "Basic c2tfMTo=", "BASIC c2tfMTpwYXNz", "Basic c2tfMQ=="]
        {
            let read = read_authorization(header.as_bytes());
            assert_eq!(read.as_deref().map(String::as_str), Some("sk_1"), "{header}");
        }
        for wrong in ["", "sk_1", "Digest sk_1", "Basic ???", "Bearer"] {
            assert!(read_authorization(wrong.as_bytes()).is_none(), "{wrong}");
        }
        assert!(read_authorization(b"Bearer \xff").is_none());
    }
}
