//! `…/Entities/{Identity}/Factors`: authenticator apps. They are the native ones: what was enrolled at one door is there at the
//! other, with the same counters. Factors of other kinds are not seen here.

pub(crate) mod form;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::command::Entered;
use countersign_core::factor::{Factor, FactorState, Means, SecretBytes};
use countersign_core::ids::FactorId;
use countersign_core::refusal::Refusal;
use countersign_core::store::SubjectShown;
use countersign_core::subject::{Act, Aim, FactorChange, SubjectSnapshot};
use countersign_core::tenancy::Scope;
use countersign_core::time::Timestamp;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::client::{Account, Client};
use super::entities::{self, of_path, path};
use super::error::{Asked, TwilioError};
use super::form::Form;
use super::page::{PARAMETERS, Page};
use super::services::{Service, find};
use super::sid::Sid;
use super::totp::{Config, SKEW};
use super::{rows, view};
use crate::answer;
use crate::app::App;
use crate::factors::key_uri::{base32, whole_key_uri};
use crate::subjects::{Declined, Person};
use form::Wanted;

/// Whether it is a factor of this resource.
fn is_seen(factor: &Factor, now: Timestamp) -> bool {
    matches!(factor.means, Means::Totp { .. }) && factor.state_at(now) != FactorState::Removed
}

/// A factor of the person of a path, with the person.
pub(crate) async fn meant(
    app: &App,
    account: &Account,
    identity: &str,
    sid: &str,
) -> Result<(SubjectShown, FactorId), TwilioError> {
    let missing = || Asked::Factor.missing();
    let id = FactorId::from_bytes(Sid::parse("YF", sid).ok_or_else(missing)?.1);
    let read = entities::read(app, account, Aim::Factor(id)).await?.ok_or_else(missing)?;
    let of_person = Person::open(&app.services.keys, &read.subject).external_id() == Some(identity);
    let now = account.now(app);
    let seen = read.subject.factor(id).is_some_and(|factor| is_seen(factor, now));
    if of_person && seen { Ok((read, id)) } else { Err(missing()) }
}

/// Whether a factor may answer, in the words of this resource.
pub(crate) const fn status_name(factor: &Factor) -> &'static str {
    match factor.state {
        FactorState::Active => "verified",
        FactorState::Pending | FactorState::Disabled | FactorState::Removed => "unverified",
    }
}

/// A factor as it is shown at any time.
fn shown(account: &Account, service: &Service, person: &Person<'_>, factor: &Factor) -> Value {
    let private = person.factor(factor);
    let (identity, sid) = (person.external_id().unwrap_or_default(), Sid("YF", *factor.id.as_bytes()));
    let updated = factor.activated_at.max(factor.last_used_at).unwrap_or(factor.created_at);
    let config = match &factor.means {
        Means::Totp { algorithm, digits, period, .. } => json!({
            "alg": algorithm.as_str().to_ascii_lowercase(), "skew": SKEW, "code_length": digits, "time_step": period,
        }),
        _ => Value::Null,
    };
    let metadata = private.metadata.map(|pairs| pairs.into_iter().map(|(name, text)| (name, text.into())));
    json!({
        "sid": sid, "account_sid": account.sid(), "service_sid": service.sid(),
        "entity_sid": Sid("YE", *person.row.id.as_bytes()), "identity": identity,
        "date_created": view::instant(factor.created_at), "date_updated": view::instant(updated),
        "friendly_name": private.name, "status": status_name(factor), "factor_type": "totp", "config": config,
        "metadata": metadata.map(|members| Value::Object(members.collect())),
        "url": account.link(&format!("{}/Factors/{sid}", path(service, identity))),
    })
}

/// The answer about a factor of a row.
fn answered(
    app: &App,
    account: &Account,
    service: &Service,
    snapshot: &SubjectSnapshot,
) -> Result<Response, TwilioError> {
    let person = Person::open(&app.services.keys, &snapshot.subject);
    let factor = snapshot.factor().ok_or_else(|| Asked::Factor.missing())?;
    Ok(answer::json(StatusCode::OK, &shown(account, service, &person, factor)))
}

/// Enrols an authenticator app, and makes the person where there is none. What is secret is shown in this answer only.
pub(crate) async fn create(
    State(app): State<App>,
    Path((sid, identity)): Path<(String, String)>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::FactorsWrite)?;
    let service = find(&app, &account, &sid).await?;
    let aim = entities::aim(&app, &account, entities::to_make(&identity)?)?;
    let Wanted { enrol, brought } = form::read(app.services.entropy.as_ref(), &service, &form)?;
    if let Some(secret) = brought {
        is_new(&app, &account, aim.clone(), &secret).await?;
    }
    let told = account.told(&app, aim, Act::Enrol(Box::new(enrol)), Asked::Entity).await?;
    let person = Person::open(&app.services.keys, &told.snapshot.subject);
    let factor = told.snapshot.factor().ok_or_else(|| Asked::Factor.missing())?;
    let private = person.factor(factor);
    let issuer = service.other("Totp.Issuer").unwrap_or(&service.settings.friendly_name);
    let uri = whole_key_uri(&factor.means, &private, issuer, private.account.as_deref().unwrap_or_default());
    let mut body = shown(&account, &service, &person, factor);
    let secret = base32(&private.secret.0);
    body["binding"] = json!({ "secret": secret.as_str(), "uri": uri.as_ref().map(|uri| uri.as_str()) });
    body["options"] = Value::Null;
    Ok(answer::json(StatusCode::CREATED, &body))
}

/// 60317 when the person has a factor with this secret already.
async fn is_new(app: &App, account: &Account, aim: Aim, secret: &SecretBytes) -> Result<(), TwilioError> {
    let Some(read) = entities::read(app, account, aim).await? else { return Ok(()) };
    let person = Person::open(&app.services.keys, &read.subject);
    let now = account.now(app);
    let same = |factor: &Factor| is_seen(factor, now) && person.factor(factor).secret == *secret;
    if read.subject.factors.iter().any(same) {
        return Err(TwilioError::new(409, 60317, "The entity has a factor with the same binding already"));
    }
    Ok(())
}

pub(crate) async fn fetch(
    State(app): State<App>,
    Path((sid, identity, factor)): Path<(String, String, String)>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SubjectsRead)?;
    let service = find(&app, &account, &sid).await?;
    let (read, id) = meant(&app, &account, &identity, &factor).await?;
    answered(&app, &account, &service, &about(read, id, account.now(&app)))
}

/// What was read, as an outcome about this factor.
fn about(read: SubjectShown, id: FactorId, now: Timestamp) -> SubjectSnapshot {
    SubjectSnapshot { factor: Some(id), ..SubjectSnapshot::of(read.subject, None, now) }
}

pub(crate) async fn list(
    State(app): State<App>,
    Path((sid, identity)): Path<(String, String)>,
    uri: Uri,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SubjectsRead)?;
    let service = find(&app, &account, &sid).await?;
    let form = Form::of_query(&uri).only(&PARAMETERS).map_err(TwilioError::of_factors)?;
    let page = Page::of(&form, &uri, format!("{}/Factors", path(&service, &identity)))?;
    let read = of_path(&app, &account, &identity).await?;
    let (person, now) = (Person::open(&app.services.keys, &read.subject), account.now(&app));
    let seen = read.subject.factors.iter().filter(|factor| is_seen(factor, now)).collect();
    let (factors, next) = page.cut(seen)?;
    let records = factors.into_iter().map(|factor| shown(&account, &service, &person, factor)).collect();
    Ok(page.answer(&account, "factors", records, next))
}

/// A code somebody typed. What has another length than the factor's codes is a wrong one.
pub(crate) fn auth_payload(form: &Form) -> Result<Option<Entered>, TwilioError> {
    let fine = |code: &str| (3..=8).contains(&code.trim().chars().count());
    match form.one("AuthPayload")? {
        Some(code) if fine(code) => Ok(Some(Entered(Zeroizing::new(code.to_owned())))),
        Some(_) => Err(TwilioError::invalid("AuthPayload", "it has 3 to 8 characters")),
        None => Ok(None),
    }
}

const CHANGING: [&str; 6] =
    ["AuthPayload", "FriendlyName", "Config.TimeStep", "Config.Skew", "Config.CodeLength", "Config.Alg"];

/// What is to become of a factor.
struct Change {
    name: Option<String>,
    code: Option<Entered>,
}

impl Change {
    /// Reads a change. What an app is set to can be said again, not changed: its secret went out with it.
    fn read(form: Form, factor: &Factor) -> Result<Self, TwilioError> {
        let form = form.only(&CHANGING)?;
        let (config, alg) = (Config::read(&form, "Config")?, form::algorithm(&form)?);
        let Means::Totp { algorithm, digits, period, .. } = factor.means else {
            return Err(Asked::Factor.missing());
        };
        let same = config.time_step.is_none_or(|step| step == u64::from(period))
            && config.code_length.is_none_or(|length| length == u64::from(digits))
            && alg.is_none_or(|alg| alg == algorithm);
        if !same {
            return Err(TwilioError::invalid("Config", "a factor keeps what its app was set to"));
        }
        let name = form.one("FriendlyName")?.map(form::friendly_name).transpose()?;
        Ok(Self { name, code: auth_payload(&form)? })
    }
}

/// Renames a factor, or verifies it with its first code. A wrong code is an answer, not an error: the factor stays as it was.
pub(crate) async fn update(
    State(app): State<App>,
    Path((sid, identity, factor)): Path<(String, String, String)>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::FactorsWrite)?;
    let service = find(&app, &account, &sid).await?;
    let (read, id) = meant(&app, &account, &identity, &factor).await?;
    let mut snapshot = about(read, id, account.now(&app));
    let factor = snapshot.factor().ok_or_else(|| Asked::Factor.missing())?;
    let change = Change::read(form, factor).map_err(TwilioError::of_factors)?;
    if let Some(name) = change.name {
        let act = Act::Change(FactorChange { name: Some(Some(name)), enabled: None });
        snapshot = account.told(&app, Aim::Factor(id), act, Asked::Factor).await?.snapshot;
    }
    if let Some(code) = change.code {
        match account.ask(&app, Aim::Factor(id), Act::Activate(code)).await? {
            Ok(told) => snapshot = told.snapshot,
            Err(Declined { refusal: Refusal::CodeIncorrect, snapshot: Some(told), .. }) => snapshot = *told,
            Err(Declined { refusal: Refusal::CodeMalformed, .. }) => {}
            Err(declined) => {
                return Err(TwilioError::of_decline(&declined, Asked::Factor, account.now(&app)));
            }
        }
    }
    answered(&app, &account, &service, &snapshot)
}

/// Removes a factor; one that is in use only with the scope for it.
pub(crate) async fn delete(
    State(app): State<App>,
    Path((sid, identity, factor)): Path<(String, String, String)>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::FactorsWrite)?;
    find(&app, &account, &sid).await?;
    let (_, id) = meant(&app, &account, &identity, &factor).await?;
    account.told(&app, Aim::Factor(id), Act::RemoveFactor(account.authority()), Asked::Factor).await?;
    Ok(rows::gone())
}
