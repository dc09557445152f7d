//! Settings of dialects read lately: every start needs them, and they hardly ever change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_core::setting::{Setting, SettingKind};
use countersign_core::store::Unavailable;
use countersign_core::tenant::Tenant;
use tokio::time::Instant;

use crate::app::App;
use crate::limits;

type Rows = Arc<[Setting]>;

/// Bounded; a change made through this process is seen at once, one of another within a second.
#[derive(Default)]
pub(crate) struct SettingsCache(Mutex<Cached>);

#[derive(Default)]
struct Cached {
    rows: HashMap<(Tenant, SettingKind), (Rows, Instant)>,
    /// Goes up with every change, so that what was read before one is not kept after it.
    changes: u64,
}

impl SettingsCache {
    fn lock(&self) -> MutexGuard<'_, Cached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops what is known of a tenant.
    pub(crate) fn forget(&self, tenant: Tenant) {
        let mut cached = self.lock();
        cached.changes = cached.changes.wrapping_add(1);
        cached.rows.retain(|(known, _), _| *known != tenant);
    }

    /// All settings of a kind, as they were within the last second: for calls that come often.
    pub(crate) async fn of(&self, app: &App, tenant: Tenant, kind: SettingKind) -> Result<Rows, Unavailable> {
        let known = self.lock().rows.get(&(tenant, kind)).cloned();
        match known {
            Some((rows, read)) if read.elapsed() < limits::KEY_AGE => Ok(rows),
            _ => self.read(app, tenant, kind).await,
        }
    }

    /// All settings of a kind as they are now: for whoever looks at them or changes them, and before it is said that
    /// something is not there, which another process may just have made.
    pub(crate) async fn read(
        &self,
        app: &App,
        tenant: Tenant,
        kind: SettingKind,
    ) -> Result<Rows, Unavailable> {
        let changes = self.lock().changes;
        let read = Instant::now();
        let rows: Rows = app.services.store.settings(tenant, kind).await?.into();
        let mut cached = self.lock();
        if cached.changes == changes {
            if cached.rows.len() >= limits::MAX_CACHED_SETTINGS {
                cached.rows.retain(|_, (_, read)| read.elapsed() < limits::KEY_AGE);
            }
            if cached.rows.len() < limits::MAX_CACHED_SETTINGS {
                cached.rows.insert((tenant, kind), (Arc::clone(&rows), read));
            }
        }
        Ok(rows)
    }
}
