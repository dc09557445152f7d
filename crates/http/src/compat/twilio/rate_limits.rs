//! `/v2/Services/{ServiceSid}/RateLimits`: limits on starts by values the caller names, and their enforcement.

use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use countersign_core::buckets::{Buckets, Wish};
use countersign_core::keys::{Digest, length_prefixed_all, sha256};
use countersign_core::setting::SettingKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::buckets::Bucket;
use super::client::Account;
use super::error::TwilioError;
use super::form::Form;
use super::resource::Resource;
use super::rows::{self, Kept};
use super::services::Service;
use crate::app::App;

/// Rate limits of one service.
const MOST: usize = 50;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct RateLimit {
    pub(crate) unique_name: String,
    description: Option<String>,
}

fn description(form: &Form) -> Result<Option<String>, TwilioError> {
    form.one("Description")?.map(|text| rows::text("Description", text, 255)).transpose()
}

impl Resource for RateLimit {
    const KIND: SettingKind = SettingKind::RateLimit;
    const SID: &'static str = "RK";
    const PATH: &'static str = "RateLimits";
    const KEY: &'static str = "rate_limits";
    const MAKING: &'static [&'static str] = &["UniqueName", "Description"];
    const CHANGING: &'static [&'static str] = &["Description"];
    const BELOW: Option<SettingKind> = Some(SettingKind::Bucket);

    fn made(form: &Form, _: &Service, beside: &[Kept<Self>]) -> Result<Self, TwilioError> {
        let name = form.required("UniqueName")?;
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.len() > 64 || !name.bytes().all(fine) {
            return Err(TwilioError::new(
                400,
                60209,
                "UniqueName has letters, digits, `-`, `_` and `.` only",
            ));
        }
        if beside.iter().any(|row| row.body.unique_name == name) {
            return Err(TwilioError::new(400, 60208, "A rate limit with this UniqueName exists already"));
        }
        if beside.len() >= MOST {
            return Err(TwilioError::new(400, 60207, "The service has as many rate limits as it may"));
        }
        Ok(Self { unique_name: name.to_owned(), description: description(form)? })
    }

    fn changed(mut self, form: &Form, _: &[Kept<Self>]) -> Result<Self, TwilioError> {
        self.description = description(form)?.or(self.description);
        Ok(self)
    }

    fn shown(&self, url: &str) -> Value {
        json!({
            "unique_name": self.unique_name, "description": self.description,
            "links": { "buckets": format!("{url}/{}", Bucket::PATH) },
        })
    }
}

/// What a start took of its buckets.
pub(crate) struct Taken(Vec<Wish<Digest>>);

impl Taken {
    /// Gives it back, for a start whose fate is unknown: the client will repeat it, and that is one start still.
    pub(crate) fn give_back(self, app: &App) {
        locked(app).give_back(&self.0);
    }
}

fn locked(app: &App) -> MutexGuard<'_, Buckets<Digest>> {
    app.buckets.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes a start of every bucket of the limits a start names, or of none.
pub(crate) async fn take(
    app: &App,
    account: &Account,
    service: &Service,
    named: &[(String, String)],
) -> Result<Taken, TwilioError> {
    if named.is_empty() {
        return Ok(Taken(Vec::new()));
    }
    let tenant = account.member.tenant;
    let known = |limits: &[Kept<RateLimit>], name: &str| {
        limits.iter().find(|row| row.body.unique_name == name).map(|row| row.id)
    };
    let mut limits = rows::of_owner(&app.settings.of(app, tenant, SettingKind::RateLimit).await?, service.id);
    if named.iter().any(|(name, _)| known(&limits, name).is_none()) {
        limits = rows::all(app, account, SettingKind::RateLimit, service.id).await?;
    }
    let buckets = app.settings.of(app, tenant, SettingKind::Bucket).await?;
    let (mut wishes, mut names) = (Vec::new(), Vec::new());
    for (name, value) in named {
        let limit = known(&limits, name).ok_or_else(|| TwilioError::invalid("RateLimits", name))?;
        for bucket in rows::of_owner::<Bucket>(&buckets, limit) {
            let tenant = tenant.to_bytes();
            let key = sha256(&length_prefixed_all(&[&tenant, &bucket.id, value.as_bytes()]));
            let interval = Duration::from_secs(bucket.body.interval);
            wishes.push(Wish { key, most: bucket.body.max, interval });
            names.push(name.as_str());
        }
    }
    let now = account.now(app);
    let taken = locked(app).take(&wishes, now);
    taken.map(|()| Taken(wishes)).map_err(|(nth, until)| {
        TwilioError::too_many_requests().until(until, now, names.get(nth).copied().unwrap_or_default())
    })
}
