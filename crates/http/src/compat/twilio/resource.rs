//! What belongs to a service and is a setting: made, changed, read, listed and removed the same way for every kind.
//! A kind says what it is called, what its parameters mean and what it shows.

use axum::extract::{RawPathParams, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::ids::KeyId;
use countersign_core::setting::{Put, SettingKind};
use countersign_core::tenancy::Scope;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::client::{Account, Client};
use super::error::TwilioError;
use super::form::Form;
use super::page::{PARAMETERS, Page};
use super::rate_limits::RateLimit;
use super::rows::{self, Kept};
use super::services::{Service, find};
use super::sid::Sid;
use super::view;
use crate::answer;
use crate::app::App;

/// A kind of setting that belongs to a service, or to a setting of one.
pub(crate) trait Resource: Serialize + DeserializeOwned {
    const KIND: SettingKind;
    /// What its SIDs begin with.
    const SID: &'static str;
    /// Its part of the path.
    const PATH: &'static str;
    /// Its records in a list.
    const KEY: &'static str;
    /// The parameters a new one takes.
    const MAKING: &'static [&'static str];
    /// The parameters a change takes.
    const CHANGING: &'static [&'static str];
    /// What goes with it when it is removed.
    const BELOW: Option<SettingKind> = None;

    /// A new one, beside those there are under the same owner.
    fn made(form: &Form, service: &Service, beside: &[Kept<Self>]) -> Result<Self, TwilioError>;

    /// This one after what a form changes, beside the others under the same owner.
    fn changed(self, form: &Form, beside: &[Kept<Self>]) -> Result<Self, TwilioError>;

    /// What it shows beside its SID, its owners, its instants and its address.
    fn shown(&self, url: &str) -> Value;
}

/// Where records of a kind are: under a service, or under one of its rate limits.
struct Place {
    service: Service,
    limit: Option<[u8; 16]>,
    /// The list's path below the mount.
    path: String,
}

/// A parameter of the path; the table of paths names it.
fn named<'a>(params: &'a RawPathParams, name: &str) -> Option<&'a str> {
    params.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
}

impl Place {
    async fn of<T: Resource>(
        app: &App,
        account: &Account,
        params: &RawPathParams,
    ) -> Result<Self, TwilioError> {
        let service = find(app, account, named(params, "service").unwrap_or_default()).await?;
        let mut path = format!("/v2/Services/{}", service.sid());
        let mut limit = None;
        if let Some(sid) = named(params, "limit") {
            path = format!("{path}/{}", RateLimit::PATH);
            let found = one::<RateLimit>(app, account, service.id, sid, &path).await?;
            path = format!("{path}/{}", Sid(RateLimit::SID, found.id));
            limit = Some(found.id);
        }
        Ok(Self { service, limit, path: format!("{path}/{}", T::PATH) })
    }

    /// What the rows lie under.
    fn owner(&self) -> [u8; 16] {
        self.limit.unwrap_or(self.service.id)
    }

    async fn all<T: Resource>(&self, app: &App, account: &Account) -> Result<Vec<Kept<T>>, TwilioError> {
        rows::all(app, account, T::KIND, self.owner()).await
    }

    async fn one<T: Resource>(
        &self,
        app: &App,
        account: &Account,
        params: &RawPathParams,
    ) -> Result<Kept<T>, TwilioError> {
        one(app, account, self.owner(), named(params, "sid").unwrap_or_default(), &self.path).await
    }

    fn view<T: Resource>(&self, account: &Account, row: &Kept<T>) -> Value {
        let sid = Sid(T::SID, row.id);
        let url = account.link(&format!("{}/{sid}", self.path));
        let mut shown = row.body.shown(&url);
        let mut members = json!({
            "sid": sid, "service_sid": self.service.sid(), "account_sid": account.sid(),
            "date_created": view::instant(row.created_at), "date_updated": view::instant(row.updated_at),
            "url": url,
        });
        if let (Some(members), Some(own)) = (members.as_object_mut(), shown.as_object_mut()) {
            members.extend(std::mem::take::<Map<_, _>>(own));
            members
                .extend(self.limit.map(|id| ("rate_limit_sid".to_owned(), json!(Sid(RateLimit::SID, id)))));
        }
        members
    }
}

/// The record of a SID under its owner; `path` is that of its list.
async fn one<T: Resource>(
    app: &App,
    account: &Account,
    owner: [u8; 16],
    sid: &str,
    path: &str,
) -> Result<Kept<T>, TwilioError> {
    let not_found = || TwilioError::not_found(&format!("{path}/{}", rows::shown(sid)));
    let id = Sid::parse(T::SID, sid).ok_or_else(not_found)?.1;
    let all = rows::all(app, account, T::KIND, owner).await?;
    all.into_iter().find(|row| row.id == id).ok_or_else(not_found)
}

pub(crate) async fn create<T: Resource>(
    State(app): State<App>,
    params: RawPathParams,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let place = Place::of::<T>(&app, &account, &params).await?;
    let form = form.only(T::MAKING)?;
    let body = T::made(&form, &place.service, &place.all(&app, &account).await?)?;
    let id = *KeyId::new(app.services.clock.now(), app.id_tail()).as_bytes();
    let row = rows::put(&app, &account, T::KIND, id, place.owner(), &body, Put::New).await?;
    let row = Kept { id, body, created_at: row.created_at, updated_at: row.updated_at };
    Ok(answer::json(StatusCode::CREATED, &place.view(&account, &row)))
}

pub(crate) async fn update<T: Resource>(
    State(app): State<App>,
    params: RawPathParams,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let place = Place::of::<T>(&app, &account, &params).await?;
    let Kept { id, body, created_at, .. } = place.one::<T>(&app, &account, &params).await?;
    let mut beside = place.all(&app, &account).await?;
    beside.retain(|other| other.id != id);
    let body = body.changed(&form.only(T::CHANGING)?, &beside)?;
    let row = rows::put(&app, &account, T::KIND, id, place.owner(), &body, Put::Existing).await?;
    let row = Kept { id, body, created_at, updated_at: row.updated_at };
    Ok(answer::json(StatusCode::OK, &place.view(&account, &row)))
}

pub(crate) async fn fetch<T: Resource>(
    State(app): State<App>,
    params: RawPathParams,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let place = Place::of::<T>(&app, &account, &params).await?;
    let row = place.one::<T>(&app, &account, &params).await?;
    Ok(answer::json(StatusCode::OK, &place.view(&account, &row)))
}

pub(crate) async fn list<T: Resource>(
    State(app): State<App>,
    params: RawPathParams,
    uri: Uri,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let place = Place::of::<T>(&app, &account, &params).await?;
    let form = Form::of_query(&uri).only(&PARAMETERS)?;
    let page = Page::of(&form, &uri, place.path.clone())?;
    let (rows, next) = page.cut(place.all::<T>(&app, &account).await?)?;
    let records = rows.iter().map(|row| place.view(&account, row)).collect();
    Ok(page.answer(&account, T::KEY, records, next))
}

pub(crate) async fn delete<T: Resource>(
    State(app): State<App>,
    params: RawPathParams,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let place = Place::of::<T>(&app, &account, &params).await?;
    let row = place.one::<T>(&app, &account, &params).await?;
    if let Some(kind) = T::BELOW {
        for below in app.settings.read(&app, account.member.tenant, kind).await?.iter() {
            if below.under == row.id {
                rows::remove(&app, &account, kind, below.key.id).await?;
            }
        }
    }
    rows::remove(&app, &account, T::KIND, row.id).await?;
    Ok(rows::gone())
}
