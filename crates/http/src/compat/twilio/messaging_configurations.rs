//! `…/MessagingConfigurations`: the sender pool of a country. Kept and shown; which gateway serves a country is decided
//! by the routes of this server.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::keys::{length_prefixed_all, sha256};
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

const KIND: SettingKind = SettingKind::MessagingConfiguration;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Configuration {
    country: String,
    messaging_service_sid: String,
}

/// One per service and country, by construction.
fn id(service: &Service, country: &str) -> [u8; 16] {
    let digest = sha256(&length_prefixed_all(&[b"messaging-configuration", &service.id, country.as_bytes()]));
    let mut id = [0; 16];
    id.copy_from_slice(&digest.0[..16]);
    id
}

fn country(text: &str) -> Result<String, TwilioError> {
    let fine = text.eq_ignore_ascii_case("all")
        || (text.len() == 2 && text.bytes().all(|letter| letter.is_ascii_alphabetic()));
    if !fine {
        return Err(TwilioError::invalid("Country", text));
    }
    Ok(if text.len() == 2 { text.to_ascii_uppercase() } else { "all".to_owned() })
}

fn sender(form: &Form) -> Result<String, TwilioError> {
    let sid = form.required("MessagingServiceSid")?;
    let read = Sid::parse("MG", sid).ok_or_else(|| TwilioError::invalid("MessagingServiceSid", sid))?;
    Ok(read.to_string())
}

fn shown(account: &Account, service: &Service, row: &Kept<Configuration>) -> Value {
    let Configuration { country, messaging_service_sid } = &row.body;
    json!({
        "account_sid": account.sid(), "service_sid": service.sid(), "country": country,
        "messaging_service_sid": messaging_service_sid,
        "date_created": view::instant(row.created_at), "date_updated": view::instant(row.updated_at),
        "url": account.link(&format!("/v2/Services/{}/MessagingConfigurations/{country}", service.sid())),
    })
}

async fn of_path(
    app: &App,
    account: &Account,
    service: &Service,
    text: &str,
) -> Result<Kept<Configuration>, TwilioError> {
    let path = format!("/v2/Services/{}/MessagingConfigurations/{}", service.sid(), rows::shown(text));
    let not_found = || TwilioError::not_found(&path);
    let id = id(service, &country(text).map_err(|_| not_found())?);
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
    let form = form.only(&["Country", "MessagingServiceSid"])?;
    let country = country(form.required("Country")?)?;
    let body = Configuration { messaging_service_sid: sender(&form)?, country };
    if of_path(&app, &account, &service, &body.country).await.is_ok() {
        return Err(TwilioError::new(
            400,
            60213,
            "A messaging configuration exists already for this country",
        ));
    }
    let id = id(&service, &body.country);
    let row = rows::put(&app, &account, KIND, id, service.id, &body, Put::New).await?;
    let row = Kept { id, body, created_at: row.created_at, updated_at: row.updated_at };
    Ok(answer::json(StatusCode::CREATED, &shown(&account, &service, &row)))
}

pub(crate) async fn update(
    State(app): State<App>,
    Path((sid, country)): Path<(String, String)>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let service = find(&app, &account, &sid).await?;
    let mut row = of_path(&app, &account, &service, &country).await?;
    row.body.messaging_service_sid = sender(&form.only(&["MessagingServiceSid"])?)?;
    let kept = rows::put(&app, &account, KIND, row.id, service.id, &row.body, Put::Existing).await?;
    row.updated_at = kept.updated_at;
    Ok(answer::json(StatusCode::OK, &shown(&account, &service, &row)))
}

pub(crate) async fn fetch(
    State(app): State<App>,
    Path((sid, country)): Path<(String, String)>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let service = find(&app, &account, &sid).await?;
    let row = of_path(&app, &account, &service, &country).await?;
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
    let page = Page::of(&form, &uri, format!("/v2/Services/{}/MessagingConfigurations", service.sid()))?;
    let (all, next) = page.cut(rows::all(&app, &account, KIND, service.id).await?)?;
    let records = all.iter().map(|row| shown(&account, &service, row)).collect();
    Ok(page.answer(&account, "messaging_configurations", records, next))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Path((sid, country)): Path<(String, String)>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let service = find(&app, &account, &sid).await?;
    let row = of_path(&app, &account, &service, &country).await?;
    rows::remove(&app, &account, KIND, row.id).await?;
    Ok(rows::gone())
}
