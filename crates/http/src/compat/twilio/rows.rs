//! What all resources that are settings share: reading, writing and removing their rows.

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use countersign_core::ids::RequestId;
use countersign_core::journal::Actor;
use countersign_core::setting::{Put, Setting, SettingKey, SettingKind};
use countersign_core::tenancy::{AdminAnswer, AdminChange};
use countersign_core::time::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::client::Account;
use super::error::TwilioError;
use crate::answer;
use crate::app::App;
use crate::problem::Problem;

/// A row with its body read.
pub(crate) struct Kept<T> {
    pub(crate) id: [u8; 16],
    pub(crate) body: T,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
}

/// A part of a path in a message: what cannot be a SID or a name is left out.
pub(crate) fn shown(part: &str) -> String {
    part.chars().filter(|symbol| !symbol.is_control()).take(100).collect()
}

/// One line of 1 to `most` characters.
pub(crate) fn text(name: &str, value: &str, most: usize) -> Result<String, TwilioError> {
    let fine = (1..=most).contains(&value.chars().count()) && !value.chars().any(char::is_control);
    if fine { Ok(value.to_owned()) } else { Err(TwilioError::invalid(name, value)) }
}

impl<T: DeserializeOwned> Kept<T> {
    /// A row whose body says what it should.
    pub(crate) fn of(row: &Setting) -> Option<Self> {
        let body = serde_json::from_slice(&row.body).ok()?;
        Some(Self { id: row.key.id, body, created_at: row.created_at, updated_at: row.updated_at })
    }
}

/// All rows of a kind that belong to `under`, oldest first, as they are now.
pub(crate) async fn all<T: DeserializeOwned>(
    app: &App,
    account: &Account,
    kind: SettingKind,
    under: [u8; 16],
) -> Result<Vec<Kept<T>>, TwilioError> {
    let rows = app.settings.read(app, account.member.tenant, kind).await?;
    let mut kept = of_owner(&rows, under);
    kept.sort_by_key(|row| (row.created_at, row.id));
    Ok(kept)
}

/// The rows among these that belong to `under`.
pub(crate) fn of_owner<T: DeserializeOwned>(rows: &[Setting], under: [u8; 16]) -> Vec<Kept<T>> {
    rows.iter().filter(|row| row.under == under).filter_map(Kept::of).collect()
}

/// Writes a row. One that is there already, or one too many, is `60200`; callers look first where there is a better code.
pub(crate) async fn put<T: Serialize>(
    app: &App,
    account: &Account,
    kind: SettingKind,
    id: [u8; 16],
    under: [u8; 16],
    body: &T,
    how: Put,
) -> Result<Setting, TwilioError> {
    let key = SettingKey { tenant: account.member.tenant, kind, id };
    let by = (account.member.actor(), account.member.context.request_id);
    match write(app, by, row(key, under, body), how).await? {
        AdminAnswer::Setting(row) => Ok(row),
        AdminAnswer::NotFound => Err(TwilioError::new(404, 20404, "The requested resource was not found")),
        AdminAnswer::Project(_) | AdminAnswer::Key(_) | AdminAnswer::Noted | AdminAnswer::Conflict => {
            Err(TwilioError::new(400, 60200, "It exists already, or there are too many"))
        }
    }
}

/// A row as it is to be written.
pub(crate) fn row<T: Serialize>(key: SettingKey, under: [u8; 16], body: &T) -> Setting {
    let never = Timestamp::default();
    Setting { key, under, body: answer::json_bytes(body), created_at: never, updated_at: never }
}

/// Writes a row for whoever asks in which request; what is remembered of its tenant is forgotten.
pub(crate) async fn write(
    app: &App,
    (actor, request_id): (Actor, RequestId),
    row: Setting,
    how: Put,
) -> Result<AdminAnswer, Problem> {
    let tenant = row.key.tenant;
    let answer = app.administer(actor, request_id, AdminChange::PutSetting(row, how)).await;
    app.settings.forget(tenant);
    answer
}

/// Removes a row; one that is gone already is fine.
pub(crate) async fn remove(
    app: &App,
    account: &Account,
    kind: SettingKind,
    id: [u8; 16],
) -> Result<(), TwilioError> {
    let tenant = account.member.tenant;
    let change = AdminChange::RemoveSetting(SettingKey { tenant, kind, id });
    let answer = app.administer(account.member.actor(), account.member.context.request_id, change).await;
    app.settings.forget(tenant);
    answer.map(|_| ()).map_err(TwilioError::from)
}

/// 204, without a body: twilio-python would hand out a body instead of `True`.
pub(crate) fn gone() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

/// The service a bucket's rate limit belongs to.
pub(crate) fn service_of_bucket(row: &Setting) -> Option<[u8; 16]> {
    serde_json::from_slice::<super::buckets::Bucket>(&row.body).ok().map(|bucket| bucket.service)
}
