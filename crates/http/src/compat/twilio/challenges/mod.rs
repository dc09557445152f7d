//! `…/Entities/{Identity}/Challenges`: asking a person for a code of an authenticator app. Like verifications, a challenge
//! belongs to the service it was begun in, and native ones are not seen here; the factor that answers it is the native one.

mod form;

use std::collections::VecDeque;

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::challenge::{Challenge, ChallengeStatus};
use countersign_core::ids::{ChallengeId, FactorId, SubjectId};
use countersign_core::refusal::Refusal;
use countersign_core::store::SubjectShown;
use countersign_core::subject::{Act, Aim, CheckChallenge, NewChallenge, SubjectRow, SubjectSnapshot};
use countersign_core::tenancy::Scope;
use countersign_core::time::Timestamp;
use countersign_core::verification::{Origin, Purpose};
use serde_json::{Map, Value, json};

use super::client::{Account, Client};
use super::entities::{self, of_path, path};
use super::error::{Asked, TwilioError};
use super::factors::{auth_payload, meant as meant_factor};
use super::form::Form;
use super::page::Page;
use super::services::{Service, find};
use super::sid::Sid;
use super::view;
use crate::answer;
use crate::app::App;
use crate::subjects::{Declined, Person};
use form::Wanted;

/// Challenges read at a time, and looked at in one call.
const STEP: usize = 200;
const LOOKED_AT: usize = 20_000;

/// The name of a state here. What ended without a right answer is denied, what nobody may answer any more expired.
const fn status_name(status: ChallengeStatus) -> &'static str {
    match status {
        ChallengeStatus::Pending => "pending",
        ChallengeStatus::Approved => "approved",
        ChallengeStatus::Denied | ChallengeStatus::MaxAttempts => "denied",
        ChallengeStatus::Expired
        | ChallengeStatus::CanceledByCustomer
        | ChallengeStatus::Superseded
        | ChallengeStatus::BindingChanged => "expired",
    }
}

/// Something a person sees, or the customer keeps; null when there is nothing.
fn object(members: Map<String, Value>) -> Value {
    if members.is_empty() { Value::Null } else { Value::Object(members) }
}

fn shown(
    app: &App,
    account: &Account,
    service: &Service,
    person: &Person<'_>,
    challenge: &Challenge,
    now: Timestamp,
) -> Value {
    let (private, status) = (person.challenge(challenge), challenge.status_at(&app.services.keys, now));
    let (identity, sid) = (person.external_id().unwrap_or_default(), Sid("YC", *challenge.id.as_bytes()));
    let url = account.link(&format!("{}/Challenges/{sid}", path(service, identity)));
    let answered = matches!(status_name(status), "approved" | "denied");
    let responded = challenge.ended_at.filter(|_| answered).map(view::instant);
    let mut details = Map::new();
    if private.message.is_some() || !private.details.is_empty() {
        let fields = private.details.iter().map(|(label, value)| json!({ "label": label, "value": value }));
        details.insert("message".to_owned(), json!(private.message));
        details.insert("date_created".to_owned(), json!(view::instant(challenge.created_at)));
        details.insert("fields".to_owned(), Value::Array(fields.collect()));
    }
    let hidden = private.metadata.into_iter().map(|(name, text)| (name, Value::String(text)));
    json!({
        "sid": sid, "account_sid": account.sid(), "service_sid": service.sid(),
        "entity_sid": Sid("YE", *challenge.subject.as_bytes()), "identity": identity,
        "factor_sid": challenge.factor.map(|id| Sid("YF", *id.as_bytes())), "factor_type": "totp",
        "date_created": view::instant(challenge.created_at),
        "date_updated": view::instant(challenge.ended_at.unwrap_or(challenge.created_at)),
        "date_responded": responded, "expiration_date": view::instant(challenge.expires_at),
        "status": status_name(status), "responded_reason": "none",
        "details": object(details), "hidden_details": object(hidden.collect()), "metadata": null,
        "url": url, "links": { "notifications": format!("{url}/Notifications") },
    })
}

/// The answer about a challenge of a row.
fn answered(
    app: &App,
    account: &Account,
    service: &Service,
    row: &SubjectRow,
    (challenge, now): (Option<&Challenge>, Timestamp),
    status: StatusCode,
) -> Result<Response, TwilioError> {
    let challenge = challenge.ok_or_else(|| Asked::Challenge.missing())?;
    let person = Person::open(&app.services.keys, row);
    Ok(answer::json(status, &shown(app, account, service, &person, challenge, now)))
}

/// A challenge of the person of a path that began in this service, with the person.
async fn meant(
    app: &App,
    account: &Account,
    origin: Origin,
    identity: &str,
    sid: &str,
) -> Result<(SubjectShown, ChallengeId), TwilioError> {
    let missing = || Asked::Challenge.missing();
    let id = ChallengeId::from_bytes(Sid::parse("YC", sid).ok_or_else(missing)?.1);
    let read = entities::read(app, account, Aim::Challenge(id)).await?.ok_or_else(missing)?;
    let of_person = Person::open(&app.services.keys, &read.subject).external_id() == Some(identity);
    let of_service = |known: &Challenge| known.id == id && known.origin == Some(origin);
    if of_person && read.challenges.iter().any(of_service) { Ok((read, id)) } else { Err(missing()) }
}

/// Begins a challenge. One that comes with a code is answered in the same breath; a wrong code leaves it pending.
pub(crate) async fn create(
    State(app): State<App>,
    Path((sid, identity)): Path<(String, String)>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::ChallengesWrite)?;
    let service = find(&app, &account, &sid).await?;
    let wanted = Wanted::read(&form, account.now(&app)).map_err(TwilioError::of_factors)?;
    if wanted.code.is_some() {
        account.member.needs(Scope::ChallengesCheck)?;
    }
    let (read, factor) = meant_factor(&app, &account, &identity, &wanted.factor.to_string()).await?;
    let new = NewChallenge {
        methods: Vec::new(),
        factor: Some(factor),
        purpose: Purpose::Authentication,
        lifetime: wanted.lifetime,
        private: wanted.private,
        code: wanted.code,
        origin: Some(service.origin()),
    };
    let snapshot = begin(&app, &account, read.subject.id, new).await?;
    let about = (snapshot.challenge.as_ref(), snapshot.at);
    answered(&app, &account, &service, &snapshot.subject, about, StatusCode::CREATED)
}

async fn begin(
    app: &App,
    account: &Account,
    of: SubjectId,
    mut new: NewChallenge,
) -> Result<SubjectSnapshot, TwilioError> {
    let act = |new: &NewChallenge| Act::Challenge(Box::new(new.clone()));
    match account.ask(app, Aim::Id(of), act(&new)).await? {
        Ok(told) => Ok(told.snapshot),
        Err(Declined { refusal: Refusal::CodeIncorrect, snapshot: Some(snapshot), .. }) => Ok(*snapshot),
        // The rules begin nothing for what cannot be a code; here that is a wrong code, which leaves a challenge.
        Err(Declined { refusal: Refusal::CodeMalformed, .. }) => {
            new.code = None;
            Ok(account.told(app, Aim::Id(of), act(&new), Asked::Challenge).await?.snapshot)
        }
        Err(declined) => Err(TwilioError::of_decline(&declined, Asked::Challenge, account.now(app))),
    }
}

pub(crate) async fn fetch(
    State(app): State<App>,
    Path((sid, identity, challenge)): Path<(String, String, String)>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SubjectsRead)?;
    let service = find(&app, &account, &sid).await?;
    let (read, id) = meant(&app, &account, service.origin(), &identity, &challenge).await?;
    let about = (read.challenges.iter().find(|known| known.id == id), account.now(&app));
    answered(&app, &account, &service, &read.subject, about, StatusCode::OK)
}

/// Checks a code. A wrong one is an answer, not an error.
pub(crate) async fn update(
    State(app): State<App>,
    Path((sid, identity, challenge)): Path<(String, String, String)>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::ChallengesCheck)?;
    let service = find(&app, &account, &sid).await?;
    let (_, id) = meant(&app, &account, service.origin(), &identity, &challenge).await?;
    let code = form
        .only(&["AuthPayload"])
        .and_then(|form| auth_payload(&form)?.ok_or_else(|| TwilioError::missing("AuthPayload")));
    let check = CheckChallenge {
        code: code.map_err(TwilioError::of_factors)?,
        method: None,
        session: None,
        transaction: None,
        origin: Some(service.origin()),
    };
    let snapshot = match account.ask(&app, Aim::Challenge(id), Act::Check(check)).await? {
        Ok(told) => told.snapshot,
        Err(Declined {
            refusal: Refusal::CodeIncorrect | Refusal::CodeMalformed,
            snapshot: Some(snapshot),
            ..
        }) => *snapshot,
        Err(declined) => {
            return Err(TwilioError::of_decline(&declined, Asked::Challenge, account.now(&app)));
        }
    };
    let about = (snapshot.challenge.as_ref(), snapshot.at);
    answered(&app, &account, &service, &snapshot.subject, about, StatusCode::OK)
}

/// Messages to the devices of push factors, of which there are none.
pub(crate) async fn notify(
    State(app): State<App>,
    Path((sid, identity, challenge)): Path<(String, String, String)>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::ChallengesWrite)?;
    let service = find(&app, &account, &sid).await?;
    meant(&app, &account, service.origin(), &identity, &challenge).await?;
    Err(TwilioError::new(400, 60307, "The factor of this challenge has no notification platform"))
}

/// Which challenges a list is about.
struct Filter {
    origin: Origin,
    factor: Option<FactorId>,
    status: Option<&'static str>,
    newest_first: bool,
}

const FILTERS: [&str; 6] = ["PageSize", "Page", "PageToken", "FactorSid", "Status", "Order"];

impl Filter {
    fn read(form: &Form, service: &Service) -> Result<Self, TwilioError> {
        const NAMES: [&str; 4] = ["pending", "expired", "approved", "denied"];
        let order = form.read_as("Order", |text| match text {
            "asc" => Some(false),
            "desc" => Some(true),
            _ => None,
        })?;
        Ok(Self {
            origin: service.origin(),
            factor: form::factor(form)?.map(|sid| FactorId::from_bytes(sid.1)),
            status: form.read_as("Status", |text| NAMES.into_iter().find(|name| *name == text))?,
            newest_first: order.unwrap_or(false),
        })
    }

    fn fits(&self, app: &App, challenge: &Challenge, now: Timestamp) -> bool {
        let status = || status_name(challenge.status_at(&app.services.keys, now));
        challenge.origin == Some(self.origin)
            && self.factor.is_none_or(|id| challenge.factor == Some(id))
            && self.status.is_none_or(|wanted| wanted == status())
    }
}

/// The rows of a page behind `after`, and whether there are more. The store knows the newest first; the other order is found
/// by looking at all that come behind.
async fn rows_behind(
    app: &App,
    account: &Account,
    of: SubjectId,
    filter: &Filter,
    (after, size): (Option<ChallengeId>, usize),
) -> Result<(Vec<Challenge>, bool), TwilioError> {
    let (mut found, mut looked_at) = (VecDeque::new(), 0);
    let mut before = after.filter(|_| filter.newest_first);
    let until = after.filter(|_| !filter.newest_first);
    let now = account.now(app);
    'pages: loop {
        let read = app.services.store.challenges(account.member.tenant, Some(of), before, STEP).await?;
        looked_at += read.challenges.len();
        for (challenge, _) in read.challenges {
            if until.is_some_and(|until| challenge.id <= until) {
                break 'pages;
            }
            if filter.fits(app, &challenge, now) {
                found.push_back(challenge);
            }
            if filter.newest_first && found.len() > size {
                break 'pages;
            }
            if found.len() > size + 1 {
                found.pop_front();
            }
        }
        before = read.next;
        if before.is_none() {
            break;
        }
        if looked_at >= LOOKED_AT {
            return Err(
                TwilioError::invalid("Order", "there are too many challenges for this list").of_factors()
            );
        }
    }
    let mut found: Vec<_> = found.into();
    if !filter.newest_first {
        found.reverse();
    }
    let more = found.len() > size;
    found.truncate(size);
    Ok((found, more))
}

pub(crate) async fn list(
    State(app): State<App>,
    Path((sid, identity)): Path<(String, String)>,
    uri: Uri,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SubjectsRead)?;
    let service = find(&app, &account, &sid).await?;
    let form = Form::of_query(&uri).only(&FILTERS).map_err(TwilioError::of_factors)?;
    let filter = Filter::read(&form, &service).map_err(TwilioError::of_factors)?;
    let page = Page::of(&form, &uri, format!("{}/Challenges", path(&service, &identity)))?;
    let after = page.cursor()?.map(ChallengeId::from_bytes);
    let read = of_path(&app, &account, &identity).await?;
    let of = read.subject.id;
    let (challenges, more) = rows_behind(&app, &account, of, &filter, (after, page.size)).await?;
    let (person, now) = (Person::open(&app.services.keys, &read.subject), account.now(&app));
    let view = |challenge: &Challenge| shown(&app, &account, &service, &person, challenge, now);
    let records = challenges.iter().map(view).collect();
    let next = challenges.last().filter(|_| more).map(|last| Page::token(last.id.as_bytes()));
    Ok(page.answer(&account, "challenges", records, next))
}
