//! `POST /v1/templates/preview`: a message as it would be sent, what it costs, and what to think about.

use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::message_template::Version;
use countersign_core::routing::Wanted;
use countersign_core::tenancy::Scope;
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::verification::{Channel, Private, Purpose, Transaction};
use serde::Serialize;
use serde_json::Value;

use super::{one, write};
use crate::answer::json;
use crate::app::App;
use crate::body::Payload;
use crate::caller::{Caller, Member};
use crate::error_code::ErrorCode as Code;
use crate::fields::{Fields, invalid};
use crate::limits;
use crate::openapi::{Method, Operation};
use crate::problem::Problem;
use crate::verifications::{channel, purpose, recipient};
use crate::{Draft, Written};

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/templates/preview",
    id: "previewTemplate",
    tag: "Templates",
    summary: "See a message before it is sent",
    description: "Give `template` (and a `version`; the active or latest one if not given), or `texts` with a `purpose`, or \
                  neither for the words that ship. With `to`, a live message's price by the provider that would be asked first \
                  stands beside it. Transactions are shown with an example.",
    scope: Some("templates:manage"),
    parameters: &[],
    body: Some((
        "TemplatePreview",
        r#"{"texts":{"en":{"sms":"{code} is your {brand} code."}},"channel":"sms","locale":"en","to":"+48600100217"}"#,
    )),
    success: (200, "The message", "TemplatePreviewed"),
    errors: &[Code::ResourceNotFound, Code::RecipientInvalid],
    idempotent: false,
};

/// Stands for a code in previews.
const CODE: &str = "123456";

#[derive(Serialize)]
struct Preview {
    object: &'static str,
    channel: &'static str,
    locale: String,
    subject: Option<String>,
    text: String,
    html: Option<String>,
    encoding: Option<&'static str>,
    segments: u32,
    /// What a message to `to` costs by the provider that would be asked first.
    price: Option<Value>,
    warnings: Vec<&'static str>,
}

pub(crate) async fn handle(
    State(app): State<App>,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::TemplatesManage)?;
    let known = ["template", "version", "texts", "default_locale", "purpose", "channel", "locale", "to"];
    let mut fields = payload.fields(&known)?;
    let (version, purpose) = words(&app, &member, &mut fields).await?;
    let to = match fields.text("to", limits::MAX_TO)? {
        Some(text) => Some(recipient(&text)?),
        None => None,
    };
    let channel = channel(&mut fields)?.unwrap_or(match &to {
        Some(to) if Channel::Email.reaches(to.kind()) => Channel::Email,
        _ => Channel::Sms,
    });
    if channel == Channel::Own {
        return Err(invalid("channel", "must be one that we send over"));
    }
    let private = Private {
        locale: fields.text("locale", limits::MAX_LOCALE)?,
        transaction: (purpose == Purpose::Transaction).then(example).flatten(),
        ..Private::default()
    };
    let lifetime = member.policy().default_lifetime(purpose);
    let draft = draft(&private, purpose, channel, lifetime, version.as_ref());
    let written = app.services.messages.write(member.project(), &draft);
    let written = written.map_err(|why| invalid("texts", &format!("cannot be written: {why}")))?;
    let price = to.and_then(|to| {
        let routes = app.routes();
        let tenant = Tenant { mode: Mode::Live, ..member.tenant };
        let explained = routes.explain(&Wanted { tenant, purpose, to: to.by_ref() }, Some(channel));
        let price = explained.steps.first()?.price?;
        Some(crate::budgets::money(price.price.times(written.parts)))
    });
    Ok(json(StatusCode::OK, &preview(channel, written, &member.project().brand, price)))
}

/// The words to show, and what for.
async fn words(
    app: &App,
    member: &Member,
    fields: &mut Fields,
) -> Result<(Option<Version>, Purpose), Problem> {
    let wanted = purpose(fields)?;
    let number = fields.integer("version", 1..=u64::from(u32::MAX))?;
    let Some(id) = fields.text("template", limits::MAX_TEXT)? else {
        let purpose = wanted.unwrap_or(Purpose::Authentication);
        let own = fields.has("texts").then(|| write::version(member, fields, 1, purpose)).transpose()?;
        return Ok((own, purpose));
    };
    let kept = one(app, member.tenant, &id).await?;
    let number = number.and_then(|number| u32::try_from(number).ok()).or(kept.template.active);
    let version = kept.version(number.unwrap_or_else(|| kept.latest())).cloned();
    let version =
        version.ok_or_else(|| invalid("version", "must be the number of a version of this template"))?;
    Ok((Some(version), kept.template.purpose))
}

fn example() -> Option<Transaction> {
    Transaction::new(125_000, "EUR", "NORD PARTS LTD", Some("INV-77")).ok()
}

const fn draft<'a>(
    private: &'a Private,
    purpose: Purpose,
    channel: Channel,
    lifetime: Duration,
    template: Option<&'a Version>,
) -> Draft<'a> {
    Draft { private, purpose, channel, lifetime, code: CODE, template }
}

fn preview(channel: Channel, written: Written, brand: &str, price: Option<Value>) -> Preview {
    let warnings = warnings(channel, &written, brand);
    let Written { locale, subject, text, html, encoding, parts } = written;
    Preview {
        object: "template_preview",
        channel: channel.as_str(),
        locale,
        subject,
        text,
        html,
        encoding,
        segments: parts,
        price,
        warnings,
    }
}

/// What a message should be, and this one is not.
fn warnings(channel: Channel, written: &Written, brand: &str) -> Vec<&'static str> {
    let text = &written.text;
    let begins = text.trim_start().starts_with(CODE);
    let link = ["://", "www."].iter().any(|sign| text.contains(sign));
    let checks = [
        (!begins, "The code is not the first word: phones and mail programs show the beginning."),
        (!text.contains(brand), "The brand is missing: people cannot tell whose code it is."),
        (link, "There is a link in it: people should learn to distrust codes that come with one."),
        (
            channel == Channel::Sms && written.parts > 1,
            "It takes more than one segment, and each is charged.",
        ),
        (
            written.encoding == Some("ucs2"),
            "It has letters outside GSM-7, so a segment holds 70 characters instead of 160.",
        ),
        (
            channel == Channel::Email && written.html.is_none(),
            "The mail has no HTML part; that is fine where plain text is what you want.",
        ),
    ];
    checks.into_iter().filter(|(applies, _)| *applies).map(|(_, warning)| warning).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str, encoding: Option<&'static str>, parts: u32) -> Written {
        let (locale, text) = ("en".to_owned(), text.to_owned());
        Written { locale, subject: None, text, html: None, encoding, parts }
    }

    #[test]
    fn a_good_message_has_no_warnings_and_a_bad_one_each_of_them() {
        let good = written("123456 is your Acme code.", Some("gsm7"), 1);
        assert!(warnings(Channel::Sms, &good, "Acme").is_empty());
        let bad = written("Your code: 123456, see https://acme.example ж", Some("ucs2"), 2);
        assert_eq!(warnings(Channel::Sms, &bad, "Acme Bank").len(), 5);
    }
}
