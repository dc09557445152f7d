//! `…/RateLimits/{RateLimitSid}/Buckets`: how many starts in how many seconds.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::ids::KeyId;
use countersign_core::setting::{Put, SettingKind};
use countersign_core::tenancy::Scope;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Account, Client};
use super::error::TwilioError;
use super::form::Form;
use super::page::{PARAMETERS, Page};
use super::rate_limits::of_path;
use super::rows::{self, Kept};
use super::services::{Service, find};
use super::sid::Sid;
use super::view;
use crate::answer;
use crate::app::App;

/// Buckets of one rate limit.
const MOST: usize = 20;
/// The longest interval: a day, in seconds.
const LONGEST: u64 = 24 * 60 * 60;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Bucket {
    pub(crate) service: [u8; 16],
    pub(crate) max: u64,
    pub(crate) interval: u64,
}

/// The bucket of a path with what it belongs to.
struct Place {
    service: Service,
    limit: [u8; 16],
    path: String,
}

async fn place(app: &App, account: &Account, service: &str, limit: &str) -> Result<Place, TwilioError> {
    let service = find(app, account, service).await?;
    let limit = of_path(app, account, &service, limit).await?.id;
    let path = format!("/v2/Services/{}/RateLimits/{}/Buckets", service.sid(), Sid("RK", limit));
    Ok(Place { service, limit, path })
}

async fn bucket(app: &App, account: &Account, place: &Place, sid: &str) -> Result<Kept<Bucket>, TwilioError> {
    let not_found = || TwilioError::not_found(&format!("{}/{}", place.path, rows::shown(sid)));
    let id = Sid::parse("BL", sid).ok_or_else(not_found)?.1;
    let all = rows::all(app, account, SettingKind::Bucket, place.limit).await?;
    all.into_iter().find(|row| row.id == id).ok_or_else(not_found)
}

fn shown(account: &Account, place: &Place, row: &Kept<Bucket>) -> Value {
    let sid = Sid("BL", row.id);
    json!({
        "sid": sid, "rate_limit_sid": Sid("RK", place.limit), "service_sid": place.service.sid(),
        "account_sid": account.sid(), "max": row.body.max, "interval": row.body.interval,
        "date_created": view::instant(row.created_at), "date_updated": view::instant(row.updated_at),
        "url": account.link(&format!("{}/{sid}", place.path)),
    })
}

fn max(form: &Form) -> Result<Option<u64>, TwilioError> {
    form.number("Max", 0..=u64::from(u32::MAX))
}

fn interval(form: &Form) -> Result<Option<u64>, TwilioError> {
    form.number("Interval", 1..=LONGEST)
}

fn taken() -> TwilioError {
    TwilioError::new(400, 60211, "A bucket with this Interval exists already")
}

pub(crate) async fn create(
    State(app): State<App>,
    Path((service, limit)): Path<(String, String)>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let place = place(&app, &account, &service, &limit).await?;
    let form = form.only(&["Max", "Interval"])?;
    let max = max(&form)?.ok_or_else(|| TwilioError::missing("Max"))?;
    let interval = interval(&form)?.ok_or_else(|| TwilioError::missing("Interval"))?;
    let all: Vec<Kept<Bucket>> = rows::all(&app, &account, SettingKind::Bucket, place.limit).await?;
    if all.iter().any(|row| row.body.interval == interval) {
        return Err(taken());
    }
    if all.len() >= MOST {
        return Err(TwilioError::new(400, 60210, "The rate limit has as many buckets as it may"));
    }
    let body = Bucket { service: place.service.id, max, interval };
    let id = *KeyId::new(app.services.clock.now(), app.id_tail()).as_bytes();
    let row = rows::put(&app, &account, SettingKind::Bucket, id, place.limit, &body, Put::New).await?;
    let row = Kept { id, body, created_at: row.created_at, updated_at: row.updated_at };
    Ok(answer::json(StatusCode::CREATED, &shown(&account, &place, &row)))
}

pub(crate) async fn update(
    State(app): State<App>,
    Path((service, limit, sid)): Path<(String, String, String)>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let place = place(&app, &account, &service, &limit).await?;
    let mut row = bucket(&app, &account, &place, &sid).await?;
    let form = form.only(&["Max", "Interval"])?;
    row.body.max = max(&form)?.unwrap_or(row.body.max);
    row.body.interval = interval(&form)?.unwrap_or(row.body.interval);
    let all: Vec<Kept<Bucket>> = rows::all(&app, &account, SettingKind::Bucket, place.limit).await?;
    if all.iter().any(|other| other.id != row.id && other.body.interval == row.body.interval) {
        return Err(taken());
    }
    let kind = SettingKind::Bucket;
    let kept = rows::put(&app, &account, kind, row.id, place.limit, &row.body, Put::Existing).await?;
    row.updated_at = kept.updated_at;
    Ok(answer::json(StatusCode::OK, &shown(&account, &place, &row)))
}

pub(crate) async fn fetch(
    State(app): State<App>,
    Path((service, limit, sid)): Path<(String, String, String)>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let place = place(&app, &account, &service, &limit).await?;
    let row = bucket(&app, &account, &place, &sid).await?;
    Ok(answer::json(StatusCode::OK, &shown(&account, &place, &row)))
}

pub(crate) async fn list(
    State(app): State<App>,
    Path((service, limit)): Path<(String, String)>,
    uri: Uri,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let place = place(&app, &account, &service, &limit).await?;
    let form = Form::of_query(&uri).only(&PARAMETERS)?;
    let page = Page::of(&form, &uri, place.path.clone())?;
    let (all, next) = page.cut(rows::all(&app, &account, SettingKind::Bucket, place.limit).await?)?;
    let records = all.iter().map(|row| shown(&account, &place, row)).collect();
    Ok(page.answer(&account, "buckets", records, next))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Path((service, limit, sid)): Path<(String, String, String)>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let place = place(&app, &account, &service, &limit).await?;
    let row = bucket(&app, &account, &place, &sid).await?;
    rows::remove(&app, &account, SettingKind::Bucket, row.id).await?;
    Ok(rows::gone())
}
