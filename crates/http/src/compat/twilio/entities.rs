//! `/v2/Services/{ServiceSid}/Entities`: persons. All services of an account see the same ones, and so does the native API,
//! which calls them subjects: a person's factors and their counters are there once.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::ids::SubjectId;
use countersign_core::store::SubjectShown;
use countersign_core::subject::{Act, Aim};
use countersign_core::tenancy::Scope;
use percent_encoding::utf8_percent_encode;
use serde_json::{Value, json};

use super::client::{Account, Client};
use super::error::{Asked, TwilioError};
use super::form::Form;
use super::page::{PARAMETERS, Page};
use super::services::{Service, find};
use super::sid::Sid;
use super::{rows, view};
use crate::answer;
use crate::app::App;
use crate::factors::key_uri::ESCAPED;
use crate::subjects::{Person, name_of};

/// The subject an identity means. Any name the native API takes can be read here.
pub(crate) fn aim(app: &App, account: &Account, identity: &str) -> Result<Aim, TwilioError> {
    let name = name_of(app, &account.member.tenant, identity, "Identity");
    name.map(Aim::Name).map_err(|_| wrong(identity))
}

/// The identity of a person that may be new: 8 to 64 letters, digits and dashes, as the vendor has it.
pub(crate) fn to_make(identity: &str) -> Result<&str, TwilioError> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    if (8..=64).contains(&identity.len()) && identity.bytes().all(fine) {
        return Ok(identity);
    }
    Err(wrong(identity))
}

fn wrong(identity: &str) -> TwilioError {
    TwilioError::new(400, 60366, format!("Invalid parameter `Identity`: {}", rows::shown(identity)))
}

/// A person that was read; `None` where there is none, or was.
pub(crate) async fn read(
    app: &App,
    account: &Account,
    aim: Aim,
) -> Result<Option<SubjectShown>, TwilioError> {
    let found = app.services.store.subject(account.member.tenant, aim).await?;
    Ok(found.filter(|shown| shown.subject.removed_at.is_none()))
}

/// The person of a path.
pub(crate) async fn of_path(
    app: &App,
    account: &Account,
    identity: &str,
) -> Result<SubjectShown, TwilioError> {
    let aim = aim(app, account, identity)?;
    read(app, account, aim).await?.ok_or_else(|| Asked::Entity.missing())
}

/// The path of a person below the mount.
pub(crate) fn path(service: &Service, identity: &str) -> String {
    format!("/v2/Services/{}/Entities/{}", service.sid(), utf8_percent_encode(identity, ESCAPED))
}

fn shown(account: &Account, service: &Service, person: &Person<'_>) -> Value {
    let identity = person.external_id().unwrap_or_default();
    let url = account.link(&path(service, identity));
    json!({
        "sid": Sid("YE", *person.row.id.as_bytes()), "identity": identity,
        "account_sid": account.sid(), "service_sid": service.sid(),
        "date_created": view::instant(person.row.created_at), "date_updated": view::instant(person.row.updated_at),
        "url": url,
        "links": {
            "factors": format!("{url}/Factors"), "new_factors": format!("{url}/Factors"),
            "challenges": format!("{url}/Challenges"),
        },
    })
}

pub(crate) async fn create(
    State(app): State<App>,
    Path(sid): Path<String>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SubjectsWrite)?;
    let service = find(&app, &account, &sid).await?;
    let form = form.only(&["Identity"]).map_err(TwilioError::of_factors)?;
    let identity = to_make(form.one("Identity").map_err(TwilioError::of_factors)?.unwrap_or_default())?;
    let aim = aim(&app, &account, identity)?;
    let exists = || TwilioError::new(409, 60301, "An entity with this identity exists already");
    if read(&app, &account, aim.clone()).await?.is_some() {
        return Err(exists());
    }
    let told = account.told(&app, aim, Act::Put(None), Asked::Entity).await?;
    let row = &told.snapshot.subject;
    if row.created_at != told.snapshot.at {
        return Err(exists());
    }
    let person = Person::open(&app.services.keys, row);
    Ok(answer::json(StatusCode::CREATED, &shown(&account, &service, &person)))
}

pub(crate) async fn fetch(
    State(app): State<App>,
    Path((sid, identity)): Path<(String, String)>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SubjectsRead)?;
    let service = find(&app, &account, &sid).await?;
    let read = of_path(&app, &account, &identity).await?;
    let person = Person::open(&app.services.keys, &read.subject);
    Ok(answer::json(StatusCode::OK, &shown(&account, &service, &person)))
}

/// All persons of the account, newest first.
pub(crate) async fn list(
    State(app): State<App>,
    Path(sid): Path<String>,
    uri: Uri,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SubjectsRead)?;
    let service = find(&app, &account, &sid).await?;
    let form = Form::of_query(&uri).only(&PARAMETERS)?;
    let page = Page::of(&form, &uri, format!("/v2/Services/{}/Entities", service.sid()))?;
    let before = page.cursor()?.map(SubjectId::from_bytes);
    let read = app.services.store.subjects(account.member.tenant, before, page.size).await?;
    let keys = &app.services.keys;
    let records = read.subjects.iter().map(|row| shown(&account, &service, &Person::open(keys, row)));
    let next = read.next.map(|id| Page::token(id.as_bytes()));
    Ok(page.answer(&account, "entities", records.collect(), next))
}

/// Removes a person with all factors; where some are in use, with the scope that may remove those.
pub(crate) async fn delete(
    State(app): State<App>,
    Path((sid, identity)): Path<(String, String)>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SubjectsWrite)?;
    find(&app, &account, &sid).await?;
    let aim = aim(&app, &account, &identity)?;
    account.told(&app, aim, Act::Remove(account.authority()), Asked::Entity).await?;
    Ok(rows::gone())
}
