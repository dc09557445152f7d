//! `/v2/Services/{ServiceSid}/VerificationCheck`: check a code. A wrong one is an answer here, not an error.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::command::{Answer, Check, Command, Entered, RecipientIndex, Target};
use countersign_core::ids::VerificationId;
use countersign_core::refusal::Refusal;
use countersign_core::store::Unavailable;
use countersign_core::tenancy::Scope;
use zeroize::Zeroizing;

use super::client::{Account, Client};
use super::error::TwilioError;
use super::form::Form;
use super::services::{Service, find};
use super::sid::Sid;
use super::{start, view};
use crate::answer;
use crate::app::App;

pub(crate) async fn create(
    State(app): State<App>,
    Path(sid): Path<String>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsCheck)?;
    let service = find(&app, &account, &sid).await?;
    let form = form.only(&["Code", "To", "VerificationSid", "Amount", "Payee", "SnaClientToken"])?;
    if let Some(token) = form.one("SnaClientToken")? {
        return Err(TwilioError::invalid("SnaClientToken", token));
    }
    let (target, named) = target(&app, &account, &service, &form).await?;
    let check = Check {
        target,
        code: code(&form)?,
        purpose: None,
        subject: None,
        session: None,
        transaction: start::transaction(&service, &form)?,
        origin: Some(service.origin()),
    };
    let answer = app.services.store.submit(account.request(&app, Command::Check(check))).await?.answer;
    if let Answer::Approved(snapshot, _) = &answer {
        crate::routing::note_approval(&app, snapshot);
    }
    let (snapshot, approved) = match answer {
        Answer::Done(snapshot) | Answer::Approved(snapshot, _) => (snapshot, true),
        Answer::Refused(Refusal::CodeIncorrect | Refusal::CodeMalformed, Some(snapshot)) => (snapshot, false),
        Answer::Refused(refusal, snapshot) => {
            let path = format!("/v2/Services/{}/VerificationCheck", service.sid());
            let now = account.now(&app);
            return Err(TwilioError::of_refusal(refusal, snapshot.as_deref(), &path, now));
        }
        Answer::Subject(_) | Answer::Granted(..) | Answer::Declined(..) => {
            return Err(Unavailable::Internal.into());
        }
    };
    let body = view::check(&app, &account, &service, &snapshot, named, approved).await?;
    Ok(answer::json(StatusCode::OK, &body))
}

/// What is checked, and whether the caller named the recipient. When both are given, both must mean the same.
async fn target(
    app: &App,
    account: &Account,
    service: &Service,
    form: &Form,
) -> Result<(Target, bool), TwilioError> {
    let (to, sid) = (form.one("To")?, form.one("VerificationSid")?);
    let tenant = account.member.tenant;
    let index = match to {
        Some(text) => Some(RecipientIndex::of(&app.services.keys, &tenant, &start::recipient(text)?)),
        None => None,
    };
    let path = format!("/v2/Services/{}/VerificationCheck", service.sid());
    match (sid, index) {
        (None, None) => Err(TwilioError::new(400, 60221, "Either To or VerificationSid must be given")),
        (None, Some(index)) => Ok((Target::Recipient(index), true)),
        (Some(sid), index) => {
            let Sid(_, id) = Sid::parse("VE", sid).ok_or_else(|| TwilioError::not_found(&path))?;
            let id = VerificationId::from_bytes(id);
            let named = index.is_some();
            if let Some(index) = index {
                let found = app.services.store.verification(tenant, id).await?;
                let same = found.is_some_and(|shown| index.exact.contains(&shown.verification.address));
                if !same {
                    return Err(TwilioError::not_found(&path));
                }
            }
            Ok((Target::Id(id), named))
        }
    }
}

/// Four to ten characters; what else does not fit the verification's form is a wrong code.
fn code(form: &Form) -> Result<Entered, TwilioError> {
    let code = form.one("Code")?.ok_or_else(|| TwilioError::missing("Code"))?;
    if (4..=10).contains(&code.trim().chars().count()) {
        return Ok(Entered(Zeroizing::new(code.to_owned())));
    }
    Err(TwilioError::new(400, 60200, "Invalid parameter `Code`: it has 4 to 10 characters"))
}
