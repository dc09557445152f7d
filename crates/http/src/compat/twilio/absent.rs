//! What there is no counterpart of: passkeys, and the access tokens that only the vendor's push factors need. Their paths say
//! so with the vendor's codes, after the credentials and the service were looked at like everywhere.

use axum::extract::{Path, RawPathParams, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::tenancy::Scope;
use serde_json::json;

use super::client::Client;
use super::error::TwilioError;
use super::services::find;
use crate::answer;
use crate::app::App;

async fn refused(
    app: &App,
    params: &RawPathParams,
    client: Client,
    error: TwilioError,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let service = params.iter().find(|(name, _)| *name == "service").map_or("", |(_, value)| value);
    find(app, &account, service).await?;
    Err(error)
}

/// 60313: nothing may be made.
pub(crate) async fn create(
    State(app): State<App>,
    params: RawPathParams,
    client: Client,
) -> Result<Response, TwilioError> {
    let error = TwilioError::new(403, 60313, "Push factors and passkeys are not available on this server");
    refused(&app, &params, client, error).await
}

pub(crate) async fn factor(
    State(app): State<App>,
    params: RawPathParams,
    client: Client,
) -> Result<Response, TwilioError> {
    refused(&app, &params, client, TwilioError::new(404, 60390, "Factor not found")).await
}

pub(crate) async fn challenge(
    State(app): State<App>,
    params: RawPathParams,
    client: Client,
) -> Result<Response, TwilioError> {
    refused(&app, &params, client, TwilioError::new(404, 60391, "Challenge not found")).await
}

pub(crate) async fn access_token(
    State(app): State<App>,
    params: RawPathParams,
    uri: Uri,
    client: Client,
) -> Result<Response, TwilioError> {
    let path = super::rows::shown(uri.path());
    refused(&app, &params, client, TwilioError::not_found(&path)).await
}

/// `/v2/Forms/form-push`: empty forms, as in the vendor's own example.
pub(crate) async fn form(Path(form): Path<String>, client: Client) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    if form != "form-push" {
        return Err(TwilioError::not_found(&format!("/v2/Forms/{}", super::rows::shown(&form))));
    }
    let url = account.link("/v2/Forms/form-push");
    let body = json!({ "form_type": "form-push", "forms": {}, "form_meta": {}, "url": url });
    Ok(answer::json(StatusCode::OK, &body))
}
