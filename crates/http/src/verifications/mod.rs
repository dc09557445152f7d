//! Verifications: one file per call; what they share stands here.

pub(crate) mod cancel;
pub(crate) mod check;
pub(crate) mod create;
pub(crate) mod list;
pub(crate) mod report;
pub(crate) mod resend;
pub(crate) mod show;
pub(crate) mod timeline;
pub(crate) mod view;
mod workflow;

use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use countersign_core::command::{Answer, Command, Once, Request, Snapshot};
use countersign_core::ids::VerificationId;
use countersign_core::recipient::Recipient;
use countersign_core::store::Unavailable;
use countersign_core::tenancy::{AdminChange, Scope};
use countersign_core::verification::{Channel, Purpose, Transaction};

use crate::answer::{REPLAYED, json};
use crate::app::App;
use crate::caller::Member;
use crate::error_code::ErrorCode;
use crate::fields::{Fields, invalid, missing};
use crate::limits;
use crate::problem::Problem;
use crate::subjects::note_recipient;
use crate::value::Value;
use view::{Extras, VerificationView, open_private};

/// The names of a transaction's fields.
const TRANSACTION: [&str; 4] = ["amount", "currency", "payee", "reference"];

/// The id of a path; a text that is none is as unknown as a foreign one.
pub(crate) fn id(text: &str) -> Result<VerificationId, Problem> {
    text.parse().map_err(|_| Problem::plain(ErrorCode::ResourceNotFound))
}

/// The recipient a text means.
pub(crate) fn recipient(text: &str) -> Result<Recipient, Problem> {
    Recipient::parse(text)
        .map_err(|why| Problem::new(ErrorCode::RecipientInvalid, sentence(&why.to_string())).param("to"))
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
}

/// A `purpose` field.
pub(crate) fn purpose(fields: &mut Fields) -> Result<Option<Purpose>, Problem> {
    let words = "authentication, address_validation, recovery or transaction";
    fields.word("purpose", words, Purpose::named)
}

/// A `channel` field that names one; `auto` is the same as none.
pub(crate) fn channel(fields: &mut Fields) -> Result<Option<Channel>, Problem> {
    let at = fields.at("channel");
    fields.take("channel").map_or(Ok(None), |value| one_channel(at, value))
}

fn one_channel(at: String, value: Value) -> Result<Option<Channel>, Problem> {
    let text = crate::fields::text(value);
    match text.as_deref() {
        Some("auto") => Ok(None),
        name => name
            .and_then(Channel::named)
            .map(Some)
            .ok_or_else(|| invalid(at, "must be auto, sms, voice, whatsapp, email or self")),
    }
}

/// A `transaction` field.
pub(crate) fn transaction(fields: &mut Fields) -> Result<Option<Transaction>, Problem> {
    let Some(mut inner) = fields.object("transaction", &TRANSACTION)? else { return Ok(None) };
    let amount = inner.integer("amount", 0..=countersign_core::limits::MAX_AMOUNT)?;
    let amount = amount.ok_or_else(|| missing("transaction.amount"))?;
    let currency = inner.required_text("currency", 3)?;
    let payee = inner.required_text("payee", limits::MAX_TEXT)?;
    let reference = inner.text("reference", limits::MAX_TEXT)?;
    Transaction::new(amount, &currency, &payee, reference.as_deref()).map(Some).map_err(|param| {
        invalid(param, "is not valid: a currency is three letters, a text one line of 1 to 140 characters")
    })
}

/// Submits a command, and answers with the verification it is about.
pub(crate) async fn carry_out(
    app: &App,
    member: &Member,
    command: Command,
    once: Option<Once>,
    status: StatusCode,
) -> Result<Response, Problem> {
    submit(app, member, member.request(app, command, once), status).await
}

/// The same for a request that is made already.
pub(crate) async fn submit(
    app: &App,
    member: &Member,
    request: Request,
    status: StatusCode,
) -> Result<Response, Problem> {
    // A code goes only into the answer of a call that made it or asked for it.
    let with_code = matches!(request.command, Command::Create(_) | Command::Resend(..));
    let outcome = crate::budgets::submit(app, member.project(), request).await?;
    let mut response = match &outcome.answer {
        Answer::Done(snapshot) => done(app, member, snapshot, with_code, status).await?,
        Answer::Approved(snapshot, grant) => {
            if !outcome.replayed {
                crate::routing::note_approval(app, snapshot);
            }
            let private = open_private(app, snapshot);
            note_recipient(app, member, snapshot, &private);
            let proof = app.signers.proof(snapshot, &private, *grant)?;
            let extras = Extras { proof: Some(proof), code: None };
            let view = revealing(app, member, snapshot, &private, extras).await?;
            json(status, &view)
        }
        Answer::Refused(refusal, snapshot) => {
            let now = snapshot.as_ref().map_or_else(|| member.now(app), |snapshot| snapshot.at);
            let mut problem = Problem::of_refusal(*refusal, now);
            if let Some(snapshot) = snapshot {
                let private = open_private(app, snapshot);
                problem.locale.clone_from(&private.locale);
                let view = VerificationView::new(snapshot, &private, false, Extras::default());
                problem.verification = Some(Box::new(view));
            }
            problem.replayed = outcome.replayed;
            return Err(problem);
        }
        Answer::Subject(_) | Answer::Granted(..) | Answer::Declined(..) => {
            return Err(Unavailable::Internal.into());
        }
    };
    if outcome.replayed {
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    }
    Ok(response)
}

async fn done(
    app: &App,
    member: &Member,
    snapshot: &Snapshot,
    with_code: bool,
    status: StatusCode,
) -> Result<Response, Problem> {
    let private = open_private(app, snapshot);
    let own = with_code && snapshot.verification.channel == Channel::Own && member.may(Scope::CodesReveal);
    let code = if own { view::code(app, snapshot) } else { None };
    let view = revealing(app, member, snapshot, &private, Extras { proof: None, code }).await?;
    Ok(json(status, &view))
}

/// The view under the scopes of the caller; reading a recipient in the clear is written down first.
async fn revealing(
    app: &App,
    member: &Member,
    snapshot: &Snapshot,
    private: &countersign_core::verification::Private,
    extras: Extras,
) -> Result<VerificationView, Problem> {
    let reveal = note_reveal(app, member).await?;
    Ok(VerificationView::new(snapshot, private, reveal, extras))
}

/// Whether the caller sees recipients in the clear; if so, the journal knows it before the caller does.
pub(crate) async fn note_reveal(app: &App, member: &Member) -> Result<bool, Problem> {
    if !member.may(Scope::RecipientsRead) {
        return Ok(false);
    }
    let change = AdminChange::NoteReveal(member.tenant);
    app.administer(member.actor(), member.context.request_id, change).await?;
    Ok(true)
}
