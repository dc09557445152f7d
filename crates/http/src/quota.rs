//! The quota of each API key, on this node, and the headers that tell it
//! (draft-ietf-httpapi-ratelimit-headers). No other limit is ever told in headers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use axum::http::{HeaderMap, HeaderValue};
use countersign_core::ids::KeyId;
use countersign_core::quota::{Quota, Standing};
use countersign_core::time::Timestamp;

use crate::error_code::ErrorCode;
use crate::limits;
use crate::problem::Problem;

/// How the keys of this node stand. Only keys that opened are in it; those whose quota is whole are forgotten first.
pub(crate) struct Quotas {
    quota: Quota,
    used_until: Mutex<HashMap<KeyId, i64>>,
}

impl Quotas {
    pub(crate) fn new(quota: Quota) -> Self {
        Self { quota, used_until: Mutex::default() }
    }

    /// Takes a request of a key and leaves its standing in `slot`, for the headers.
    pub(crate) fn take(&self, key: KeyId, now: Timestamp, slot: Option<&Slot>) -> Result<(), Problem> {
        let mut known = self.used_until.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= limits::MAX_CACHED_KEYS && !known.contains_key(&key) {
            known.retain(|_, used| *used > now.millis().saturating_mul(1000));
        }
        let used = known.entry(key).or_default();
        let taken = self.quota.take(*used, now);
        if let Ok(standing) = &taken {
            *used = standing.used_until;
        }
        if let Some(slot) = slot {
            let _ = slot.0.set((self.quota, taken));
        }
        taken.map(|_| ()).map_err(|wait| Problem::plain(ErrorCode::ApiRateLimited).until(now.plus(wait), now))
    }
}

/// Where the standing of a request's key is left for the outermost layer.
#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<OnceLock<(Quota, Result<Standing, std::time::Duration>)>>);

impl Slot {
    /// Writes the headers, when a key was looked at.
    pub(crate) fn tell(&self, headers: &mut HeaderMap) {
        let Some((quota, standing)) = self.0.get() else { return };
        let (remaining, seconds) = match standing {
            Ok(standing) => (standing.remaining, standing.full_in.as_secs_f64()),
            Err(wait) => (0, wait.as_secs_f64()),
        };
        let policy = format!("\"key\";q={};w={}", quota.requests, quota.window.as_secs());
        let left = format!("\"key\";r={remaining};t={}", seconds.ceil());
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", left)] {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        }
    }
}
