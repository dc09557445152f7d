//! `…/Webhooks`: where events of factors and challenges are wanted. Kept and shown; nothing is called yet, for there
//! are no factors whose events could happen.

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
use super::rows::{self, Kept};
use super::services::{Service, find};
use super::sid::Sid;
use super::view;
use crate::answer;
use crate::app::App;

const KIND: SettingKind = SettingKind::Webhook;
const KNOWN: [&str; 5] = ["FriendlyName", "EventTypes", "WebhookUrl", "Status", "Version"];
const EVENTS: [&str; 6] =
    ["*", "factor.created", "factor.verified", "factor.deleted", "challenge.approved", "challenge.denied"];

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Webhook {
    friendly_name: String,
    event_types: Vec<String>,
    webhook_url: String,
    status: String,
    version: String,
}

fn shown(account: &Account, service: &Service, row: &Kept<Webhook>) -> Value {
    let (sid, body) = (Sid("YW", row.id), &row.body);
    json!({
        "sid": sid, "service_sid": service.sid(), "account_sid": account.sid(),
        "friendly_name": body.friendly_name, "event_types": body.event_types, "status": body.status,
        "version": body.version, "webhook_url": body.webhook_url, "webhook_method": "POST",
        "date_created": view::instant(row.created_at), "date_updated": view::instant(row.updated_at),
        "url": account.link(&format!("/v2/Services/{}/Webhooks/{sid}", service.sid())),
    })
}

/// The webhook after what a form changes.
fn changed(mut webhook: Webhook, form: &Form) -> Result<Webhook, TwilioError> {
    if let Some(name) = form.one("FriendlyName")? {
        webhook.friendly_name = rows::text("FriendlyName", name, 64)?;
    }
    if let Some(url) = form.one("WebhookUrl")? {
        let fine = url.starts_with("https://") && url.len() <= 2048 && url.parse::<Uri>().is_ok();
        webhook.webhook_url =
            if fine { url.to_owned() } else { return Err(TwilioError::invalid("WebhookUrl", url)) };
    }
    let events: Vec<_> = form.all("EventTypes").map(str::to_owned).collect();
    if let Some(wrong) = events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
        return Err(TwilioError::new(
            400,
            60306,
            format!("Invalid parameter `EventTypes`: {}", rows::shown(wrong)),
        ));
    }
    if !events.is_empty() {
        webhook.event_types = events;
    }
    for (name, words, field) in [
        ("Status", ["enabled", "disabled"], &mut webhook.status),
        ("Version", ["v1", "v2"], &mut webhook.version),
    ] {
        let chosen = form.read_as(name, |text| words.contains(&text).then(|| text.to_owned()))?;
        *field = chosen.unwrap_or_else(|| field.clone());
    }
    Ok(webhook)
}

async fn of_path(
    app: &App,
    account: &Account,
    service: &Service,
    sid: &str,
) -> Result<Kept<Webhook>, TwilioError> {
    let path = format!("/v2/Services/{}/Webhooks/{}", service.sid(), rows::shown(sid));
    let not_found = || TwilioError::not_found(&path);
    let id = Sid::parse("YW", sid).ok_or_else(not_found)?.1;
    let all = rows::all(app, account, KIND, service.id).await?;
    all.into_iter().find(|row| row.id == id).ok_or_else(not_found)
}

pub(crate) async fn create(
    State(app): State<App>,
    Path(sid): Path<String>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let service = find(&app, &account, &sid).await?;
    let form = form.only(&KNOWN)?;
    form.required("FriendlyName")?;
    form.required("WebhookUrl")?;
    form.all("EventTypes").next().ok_or_else(|| TwilioError::missing("EventTypes"))?;
    let empty = Webhook {
        friendly_name: String::new(),
        event_types: Vec::new(),
        webhook_url: String::new(),
        status: "enabled".to_owned(),
        version: "v2".to_owned(),
    };
    let body = changed(empty, &form)?;
    let id = *KeyId::new(app.services.clock.now(), app.id_tail()).as_bytes();
    let row = rows::put(&app, &account, KIND, id, service.id, &body, Put::New).await?;
    let row = Kept { id, body, created_at: row.created_at, updated_at: row.updated_at };
    Ok(answer::json(StatusCode::CREATED, &shown(&account, &service, &row)))
}

pub(crate) async fn update(
    State(app): State<App>,
    Path((sid, webhook)): Path<(String, String)>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let service = find(&app, &account, &sid).await?;
    let mut row = of_path(&app, &account, &service, &webhook).await?;
    row.body = changed(row.body, &form.only(&KNOWN)?)?;
    let kept = rows::put(&app, &account, KIND, row.id, service.id, &row.body, Put::Existing).await?;
    row.updated_at = kept.updated_at;
    Ok(answer::json(StatusCode::OK, &shown(&account, &service, &row)))
}

pub(crate) async fn fetch(
    State(app): State<App>,
    Path((sid, webhook)): Path<(String, String)>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let service = find(&app, &account, &sid).await?;
    let row = of_path(&app, &account, &service, &webhook).await?;
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
    let page = Page::of(&form, &uri, format!("/v2/Services/{}/Webhooks", service.sid()))?;
    let (all, next) = page.cut(rows::all(&app, &account, KIND, service.id).await?)?;
    let records = all.iter().map(|row| shown(&account, &service, row)).collect();
    Ok(page.answer(&account, "webhooks", records, next))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Path((sid, webhook)): Path<(String, String)>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let service = find(&app, &account, &sid).await?;
    let row = of_path(&app, &account, &service, &webhook).await?;
    rows::remove(&app, &account, KIND, row.id).await?;
    Ok(rows::gone())
}
