//! The words of templates as the worker needs them. A version never changes, so what was read once stays good.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use countersign_core::message_template::Version;
use countersign_core::setting::SettingKind;
use countersign_core::store::Store;
use countersign_core::tenant::Tenant;
use countersign_core::verification::{Private, TemplateUse};

/// Versions that are remembered at once.
const MOST: usize = 256;

/// Reads versions of templates, and remembers them.
#[derive(Default)]
pub(crate) struct Wording(Mutex<Known>);

/// By tenant and the id of the version's row.
type Known = HashMap<(Tenant, [u8; 16]), Arc<Version>>;

impl Wording {
    /// The words of a verification's messages. `None` when it uses those that ship, and when its own cannot be read: a
    /// code in other words is better than none.
    pub(crate) async fn of(
        &self,
        store: &dyn Store,
        tenant: Tenant,
        private: &Private,
    ) -> Option<Arc<Version>> {
        let wanted = private.template?;
        let key = (tenant, Version::row(wanted.template, wanted.version));
        if let Some(known) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
            return Some(Arc::clone(known));
        }
        let found = read(store, tenant, wanted).await;
        if found.is_none() {
            tracing::warn!(template = %wanted.template, version = wanted.version, "the words of a template cannot be read");
        }
        let found = Arc::new(found?);
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, Arc::clone(&found));
        Some(found)
    }
}

async fn read(store: &dyn Store, tenant: Tenant, wanted: TemplateUse) -> Option<Version> {
    let rows = store.settings(tenant, SettingKind::TemplateVersion).await.ok()?;
    Version::find(wanted, rows.iter())
}
