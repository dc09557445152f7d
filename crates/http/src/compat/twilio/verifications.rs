//! `/v2/Services/{ServiceSid}/Verifications`: start, send again by starting again, read, cancel, approve.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::command::{Answer, Command, Create, RecipientIndex, Snapshot};
use countersign_core::delivery::Delivery;
use countersign_core::ids::VerificationId;
use countersign_core::policy::Policy;
use countersign_core::store::{Filter, Shown, Unavailable};
use countersign_core::tenancy::Scope;
use countersign_core::verification::{Channel, Status};

use super::client::{Account, Client};
use super::error::{TwilioError, facts};
use super::form::Form;
use super::services::{Service, find};
use super::sid::Sid;
use super::start::{self, Start};
use super::{rows, safelist, view};
use crate::answer;
use crate::app::App;

/// How many of a recipient's verifications are looked at to find the one of this service.
const LOOKED_AT: usize = 20;

pub(crate) async fn create(
    State(app): State<App>,
    Path(sid): Path<String>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsWrite)?;
    let service = find(&app, &account, &sid).await?;
    let form = form.only(&start::KNOWN)?;
    let Start { mut create, address, limits } = start::read(&app, &account, &service, &form)?;
    let taken = super::rate_limits::take(&app, &account, &service, &limits).await?;
    let person = (account.member.tenant, service.id, create.index.folded.first().copied());
    let told = app.told.of(&person);
    create.dialect =
        create.dialect.map(|dialect| countersign_core::command::DialectStart { answered: told, ..dialect });
    let channel = create.channel.unwrap_or(Channel::Sms);
    let answer = match submit(&app, &account, create, address).await {
        Ok(answer) => answer,
        Err(error) => {
            taken.give_back(&app);
            return Err(error);
        }
    };
    let snapshot = match answer {
        Answer::Done(snapshot) | Answer::Approved(snapshot, _) => snapshot,
        Answer::Refused(refusal, snapshot) => {
            let now = account.now(&app);
            return Err(TwilioError::of_start(refusal, channel, snapshot.as_deref(), now));
        }
        Answer::Subject(_) | Answer::Granted(..) | Answer::Declined(..) => {
            return Err(Unavailable::Internal.into());
        }
    };
    let deliveries = deliveries(&app, &snapshot).await?;
    let body = view::verification(&app, &account, &service, &snapshot, &deliveries, true).await?;
    app.named.note((account.member.key(), snapshot.verification.id), ());
    app.told.note(person, (snapshot.verification.id, snapshot.verification.sends));
    Ok(answer::json(StatusCode::CREATED, &body))
}

/// Submits a start, with the permits that are taken at the edge. A number on the safe list needs none.
async fn submit(
    app: &App,
    account: &Account,
    create: Create,
    address: Option<std::net::IpAddr>,
) -> Result<Answer, TwilioError> {
    let safe = safelist::has(app, account, &create.to).await?;
    let country = create.to.country();
    let mut request = account.request(app, Command::Create(Box::new(create)));
    if safe {
        request.policy = std::sync::Arc::new(Policy::clone(&request.policy).without_countries());
    } else if let Some(address) = address {
        let now = account.now(app);
        request.ip_held_until = app.admit(account.member.tenant, address, country, now);
    }
    Ok(crate::budgets::submit(app, account.member.project(), request).await?.answer)
}

/// All sends of a verification. The first is in the snapshot; more are read.
async fn deliveries(app: &App, snapshot: &Snapshot) -> Result<Vec<Delivery>, TwilioError> {
    let row = &snapshot.verification;
    match &snapshot.delivery {
        Some(first) if row.sends <= 1 => Ok(vec![first.clone()]),
        _ => {
            let shown = app.services.store.verification(row.tenant, row.id).await?;
            Ok(shown.map(|shown| shown.deliveries).unwrap_or_default())
        }
    }
}

/// A verification of this service, by its SID or its recipient; whether the caller named the recipient.
async fn meant(
    app: &App,
    account: &Account,
    service: &Service,
    named: &str,
) -> Result<(Shown, bool), TwilioError> {
    let (store, tenant) = (&app.services.store, account.member.tenant);
    let not_found = || TwilioError::not_found(&path(service, named));
    if let Some(Sid(_, id)) = Sid::parse("VE", named) {
        let found = store.verification(tenant, VerificationId::from_bytes(id)).await?;
        let found = found.filter(|shown| shown.verification.origin == Some(service.origin()));
        return Ok((found.ok_or_else(not_found)?, false));
    }
    let to = countersign_core::recipient::Recipient::parse(named).map_err(|_| not_found())?;
    let to = Some(RecipientIndex::of(&app.services.keys, &tenant, &to));
    let page = store.verifications(tenant, Filter { to, ..Filter::default() }, None, LOOKED_AT).await?;
    let now = account.now(app);
    let mine =
        page.verifications.into_iter().filter(|shown| shown.verification.origin == Some(service.origin()));
    let best = mine
        .max_by_key(|shown| (shown.verification.status_at(now) == Status::Pending, shown.verification.id));
    Ok((best.ok_or_else(not_found)?, true))
}

fn path(service: &Service, named: &str) -> String {
    format!("/v2/Services/{}/Verifications/{}", service.sid(), rows::shown(named))
}

pub(crate) async fn fetch(
    State(app): State<App>,
    Path((sid, named)): Path<(String, String)>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let service = find(&app, &account, &sid).await?;
    let (shown, by_recipient) = meant(&app, &account, &service, &named).await?;
    let snapshot = shown.snapshot(&account.member.dialect_policy(), true, account.now(&app));
    let over = matches!(snapshot.verification.status, Status::Approved | Status::Expired);
    if over && !service.settings.keep_final_state {
        return Err(TwilioError::not_found(&path(&service, &named)).with(facts(&snapshot)));
    }
    let body =
        view::verification(&app, &account, &service, &snapshot, &shown.deliveries, by_recipient).await?;
    Ok(answer::json(StatusCode::OK, &body))
}

/// `canceled` calls it off; `approved` is the customer's word for it and needs a scope of its own.
pub(crate) async fn update(
    State(app): State<App>,
    Path((sid, named)): Path<(String, String)>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsWrite)?;
    let service = find(&app, &account, &sid).await?;
    let form = form.only(&["Status"])?;
    let wanted = form.required("Status")?;
    let (shown, by_recipient) = meant(&app, &account, &service, &named).await?;
    let id = shown.verification.id;
    let command = match wanted {
        "canceled" => Command::Cancel(id),
        "approved" => {
            account.member.needs(Scope::VerificationsOverride)?;
            Command::Override(id)
        }
        other => return Err(TwilioError::invalid("Status", other)),
    };
    match app.services.store.submit(account.request(&app, command)).await?.answer {
        Answer::Done(snapshot) | Answer::Approved(snapshot, _) => {
            let deliveries = &shown.deliveries;
            let body =
                view::verification(&app, &account, &service, &snapshot, deliveries, by_recipient).await?;
            Ok(answer::json(StatusCode::OK, &body))
        }
        Answer::Refused(refusal, snapshot) => {
            let (path, now) = (path(&service, &named), account.now(&app));
            Err(TwilioError::of_refusal(refusal, snapshot.as_deref(), &path, now))
        }
        Answer::Subject(_) | Answer::Granted(..) | Answer::Declined(..) => Err(Unavailable::Internal.into()),
    }
}
