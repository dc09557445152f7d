//! `/v2/SafeList/Numbers`: numbers that country rules and address limits do not hold back. Only a keyed digest of each
//! is kept; whoever asks names the number.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::recipient::{Recipient, RecipientKind};
use countersign_core::setting::{Put, SettingKind};
use countersign_core::tenancy::Scope;
use countersign_core::tenant::Tenant;
use serde_json::{Value, json};

use super::client::{Account, Client};
use super::error::TwilioError;
use super::form::Form;
use super::rows;
use super::sid::Sid;
use crate::answer;
use crate::app::App;

/// The id a number has here: sixteen bytes of its fingerprint under the lowest root, which outlives activations.
pub(crate) fn id(app: &App, tenant: Tenant, number: &Recipient) -> Result<[u8; 16], TwilioError> {
    let (keys, tenant) = (&app.services.keys, tenant.to_bytes());
    let fields: [&[u8]; 3] = [b"safelist/v1", &tenant, number.canonical().as_bytes()];
    let digest = keys.root_ids().min().and_then(|root| keys.fingerprint(root, &fields));
    let mut id = [0; 16];
    id.copy_from_slice(&digest.ok_or_else(|| TwilioError::new(503, 20503, "Service unavailable"))?.0[..16]);
    Ok(id)
}

/// Whether a start to this recipient is let through.
pub(crate) async fn has(app: &App, account: &Account, to: &Recipient) -> Result<bool, TwilioError> {
    let listed = app.settings.of(app, account.member.tenant, SettingKind::SafelistEntry).await?;
    if listed.is_empty() || to.kind() != RecipientKind::Phone {
        return Ok(false);
    }
    let id = id(app, account.member.tenant, to)?;
    Ok(listed.iter().any(|row| row.key.id == id))
}

pub(crate) fn number(text: &str) -> Result<Recipient, TwilioError> {
    let parsed = Recipient::parse(text).ok().filter(|to| to.kind() == RecipientKind::Phone);
    parsed.ok_or_else(|| TwilioError::invalid("PhoneNumber", text))
}

fn shown(account: &Account, id: [u8; 16], number: &Recipient) -> Value {
    let number = number.canonical();
    json!({
        "sid": Sid("GN", id), "phone_number": number,
        "url": account.link(&format!("/v2/SafeList/Numbers/{number}")),
    })
}

pub(crate) async fn create(
    State(app): State<App>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let form = form.only(&["PhoneNumber"])?;
    let number = number(form.required("PhoneNumber")?)?;
    if kept(&app, &account, &number).await?.is_some() {
        return Err(TwilioError::new(400, 60411, "The phone number is in the safe list already"));
    }
    let id = id(&app, account.member.tenant, &number)?;
    rows::put(&app, &account, SettingKind::SafelistEntry, id, [0; 16], &json!({}), Put::Any).await?;
    Ok(answer::json(StatusCode::CREATED, &shown(&account, id, &number)))
}

/// The row of a number, as it is now.
async fn kept(app: &App, account: &Account, number: &Recipient) -> Result<Option<[u8; 16]>, TwilioError> {
    let id = id(app, account.member.tenant, number)?;
    let rows = app.settings.read(app, account.member.tenant, SettingKind::SafelistEntry).await?;
    Ok(rows.iter().any(|row| row.key.id == id).then_some(id))
}

/// The listed number of a path.
async fn listed(app: &App, account: &Account, text: &str) -> Result<([u8; 16], Recipient), TwilioError> {
    let not_found = || TwilioError::not_found(&format!("/v2/SafeList/Numbers/{}", rows::shown(text)));
    let number = number(text).map_err(|_| not_found())?;
    Ok((kept(app, account, &number).await?.ok_or_else(not_found)?, number))
}

pub(crate) async fn fetch(
    State(app): State<App>,
    Path(text): Path<String>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let (id, number) = listed(&app, &account, &text).await?;
    Ok(answer::json(StatusCode::OK, &shown(&account, id, &number)))
}

pub(crate) async fn delete(
    State(app): State<App>,
    Path(text): Path<String>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let (id, _) = listed(&app, &account, &text).await?;
    rows::remove(&app, &account, SettingKind::SafelistEntry, id).await?;
    Ok(rows::gone())
}
