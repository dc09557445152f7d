//! `/v2/Services/{ServiceSid}/RateLimits`: limits on starts by values the caller names, and their enforcement.

use std::time::Duration;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::buckets::Wish;
use countersign_core::ids::KeyId;
use countersign_core::keys::{length_prefixed_all, sha256};
use countersign_core::setting::{Put, SettingKind};
use countersign_core::tenancy::Scope;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::buckets::Bucket;
use super::client::{Account, Client};
use super::error::TwilioError;
use super::form::Form;
use super::page::{PARAMETERS, Page};
use super::rows::{self, Kept};
use super::services::{Service, find};
use super::sid::Sid;
use super::view;
use crate::answer;
use crate::app::App;

/// Rate limits of one service.
const MOST: usize = 50;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct RateLimit {
    unique_name: String,
    description: Option<String>,
}

fn shown(account: &Account, service: &Service, row: &Kept<RateLimit>) -> Value {
    let sid = Sid("RK", row.id);
    let url = account.link(&format!("/v2/Services/{}/RateLimits/{sid}", service.sid()));
    json!({
        "sid": sid, "service_sid": service.sid(), "account_sid": account.sid(),
        "unique_name": row.body.unique_name, "description": row.body.description,
        "date_created": view::instant(row.created_at), "date_updated": view::instant(row.updated_at),
        "links": { "buckets": format!("{url}/Buckets") }, "url": url,
    })
}

/// The rate limit of a path.
pub(crate) async fn of_path(
    app: &App,
    account: &Account,
    service: &Service,
    sid: &str,
) -> Result<Kept<RateLimit>, TwilioError> {
    let path = format!("/v2/Services/{}/RateLimits/{}", service.sid(), rows::shown(sid));
    let not_found = || TwilioError::not_found(&path);
    let id = Sid::parse("RK", sid).ok_or_else(not_found)?.1;
    let all = rows::all(app, account, SettingKind::RateLimit, service.id).await?;
    all.into_iter().find(|row| row.id == id).ok_or_else(not_found)
}

/// Takes a start of every bucket of the limits a start names, or of none.
pub(crate) async fn take(
    app: &App,
    account: &Account,
    service: &Service,
    named: &[(String, String)],
) -> Result<(), TwilioError> {
    if named.is_empty() {
        return Ok(());
    }
    let limits: Vec<Kept<RateLimit>> = rows::all(app, account, SettingKind::RateLimit, service.id).await?;
    let (mut wishes, mut names) = (Vec::new(), Vec::new());
    for (name, value) in named {
        let known = limits.iter().find(|row| row.body.unique_name == *name);
        let limit = known.ok_or_else(|| TwilioError::invalid("RateLimits", name))?;
        for bucket in rows::all::<Bucket>(app, account, SettingKind::Bucket, limit.id).await? {
            let tenant = account.member.tenant.to_bytes();
            let key = sha256(&length_prefixed_all(&[&tenant, &bucket.id, value.as_bytes()]));
            let interval = Duration::from_secs(bucket.body.interval);
            wishes.push(Wish { key, most: bucket.body.max, interval });
            names.push(name.as_str());
        }
    }
    let now = account.now(app);
    let mut buckets = app.buckets.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    buckets.take(&wishes, now).map_err(|(nth, until)| {
        TwilioError::too_many_sends().until(until, now, names.get(nth).copied().unwrap_or_default())
    })
}

pub(crate) async fn create(
    State(app): State<App>,
    Path(sid): Path<String>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let service = find(&app, &account, &sid).await?;
    let form = form.only(&["UniqueName", "Description"])?;
    let name = form.required("UniqueName")?;
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.len() > 64 || !name.bytes().all(fine) {
        return Err(TwilioError::new(400, 60209, "UniqueName has letters, digits, `-`, `_` and `.` only"));
    }
    let all: Vec<Kept<RateLimit>> = rows::all(&app, &account, SettingKind::RateLimit, service.id).await?;
    if all.iter().any(|row| row.body.unique_name == name) {
        return Err(TwilioError::new(400, 60208, "A rate limit with this UniqueName exists already"));
    }
    if all.len() >= MOST {
        return Err(TwilioError::new(400, 60207, "The service has as many rate limits as it may"));
    }
    let description =
        form.one("Description")?.map(|text| rows::text("Description", text, 255)).transpose()?;
    let body = RateLimit { unique_name: name.to_owned(), description };
    let id = *KeyId::new(app.services.clock.now(), app.id_tail()).as_bytes();
    let row = rows::put(&app, &account, SettingKind::RateLimit, id, service.id, &body, Put::New).await?;
    let row = Kept { id, body, created_at: row.created_at, updated_at: row.updated_at };
    Ok(answer::json(StatusCode::CREATED, &shown(&account, &service, &row)))
}

pub(crate) async fn update(
    State(app): State<App>,
    Path((sid, limit)): Path<(String, String)>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let service = find(&app, &account, &sid).await?;
    let mut row = of_path(&app, &account, &service, &limit).await?;
    let form = form.only(&["Description"])?;
    if let Some(text) = form.one("Description")? {
        row.body.description = Some(rows::text("Description", text, 255)?);
    }
    let kind = SettingKind::RateLimit;
    let kept = rows::put(&app, &account, kind, row.id, service.id, &row.body, Put::Existing).await?;
    row.updated_at = kept.updated_at;
    Ok(answer::json(StatusCode::OK, &shown(&account, &service, &row)))
}

pub(crate) async fn fetch(
    State(app): State<App>,
    Path((sid, limit)): Path<(String, String)>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let service = find(&app, &account, &sid).await?;
    let row = of_path(&app, &account, &service, &limit).await?;
    Ok(answer::json(StatusCode::OK, &shown(&account, &service, &row)))
}

pub(crate) async fn list(
    State(app): State<App>,
    Path(sid): Path<String>,
    uri: Uri,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let service = find(&app, &account, &sid).await?;
    let form = Form::of_query(&uri).only(&PARAMETERS)?;
    let page = Page::of(&form, &uri, format!("/v2/Services/{}/RateLimits", service.sid()))?;
    let (all, next) = page.cut(rows::all(&app, &account, SettingKind::RateLimit, service.id).await?)?;
    let records = all.iter().map(|row| shown(&account, &service, row)).collect();
    Ok(page.answer(&account, "rate_limits", records, next))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Path((sid, limit)): Path<(String, String)>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let service = find(&app, &account, &sid).await?;
    let row = of_path(&app, &account, &service, &limit).await?;
    for bucket in rows::all::<Bucket>(&app, &account, SettingKind::Bucket, row.id).await? {
        rows::remove(&app, &account, SettingKind::Bucket, bucket.id).await?;
    }
    rows::remove(&app, &account, SettingKind::RateLimit, row.id).await?;
    Ok(rows::gone())
}
