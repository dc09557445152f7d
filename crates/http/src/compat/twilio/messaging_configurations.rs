//! `…/MessagingConfigurations`: senders by country. The routes of this server's configuration choose those, so there are
//! none here and none can be made.

use axum::extract::{Path, State};
use axum::http::Uri;
use axum::response::Response;
use countersign_core::tenancy::Scope;

use super::client::Client;
use super::error::TwilioError;
use super::form::Form;
use super::page::{PARAMETERS, Page};
use super::rows;
use super::services::find;
use crate::app::App;

/// 60204, for the service the caller may change.
pub(crate) async fn create(
    State(app): State<App>,
    Path(sid): Path<String>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    find(&app, &account, &sid).await?;
    Err(TwilioError::lacking("senders by country are chosen by the routes of this server's configuration"))
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
    Ok(page.answer(&account, "messaging_configurations", Vec::new(), None))
}

/// 20404, whatever is asked of one.
pub(crate) async fn one(
    State(app): State<App>,
    Path((sid, country)): Path<(String, String)>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let service = find(&app, &account, &sid).await?;
    let country = rows::shown(&country);
    Err(TwilioError::not_found(&format!("/v2/Services/{}/MessagingConfigurations/{country}", service.sid())))
}
