//! `/v2/Templates`: the one template there is, the built-in message in all its languages.

use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use countersign_core::tenancy::Scope;
use countersign_core::verification::Channel;
use serde_json::{Map, Value, json};

use super::client::Client;
use super::error::TwilioError;
use super::form::Form;
use super::page::Page;
use super::rows;
use super::sid::Sid;
use crate::app::App;
use crate::value;

/// The built-in message.
const BUILT_IN: Sid = Sid("HJ", *b"countersign/text");
const NAME: &str = "Countersign";

/// Refuses a SID of no template.
pub(crate) fn known(sid: &str) -> Result<(), TwilioError> {
    if Sid::parse("HJ", sid) == Some(BUILT_IN) {
        return Ok(());
    }
    Err(TwilioError::new(404, 60228, format!("Template not found: {}", rows::shown(sid))))
}

/// Looks at what a start says of templates. There is one, so a right choice changes nothing and a wrong one is refused.
pub(crate) fn chosen(form: &Form, channel: Channel) -> Result<(), TwilioError> {
    let (one, list) = (form.one("TemplateSid")?, form.one("Templates")?);
    if (one.is_some() || list.is_some()) && !matches!(channel, Channel::Sms | Channel::Voice) {
        return Err(TwilioError::new(400, 60408, "TemplateSid is not supported by this channel"));
    }
    if let Some(sid) = one.filter(|_| list.is_none()) {
        known(sid)?;
    }
    if let Some(list) = list {
        ordered(list)?;
    }
    let substitutions = form.object("TemplateCustomSubstitutions")?;
    if substitutions.is_some_and(|members| !members.is_empty()) {
        let why = "The template has no placeholder of its own";
        return Err(TwilioError::new(
            400,
            60200,
            format!("Invalid parameter `TemplateCustomSubstitutions`: {why}"),
        ));
    }
    Ok(())
}

/// `Templates`: up to ten objects with a `sid`, of which one must exist.
fn ordered(list: &str) -> Result<(), TwilioError> {
    let wrong = || TwilioError::invalid("Templates", list);
    let Ok(value::Value::Array(entries)) = value::Value::json(list.as_bytes()) else { return Err(wrong()) };
    if entries.is_empty() || entries.len() > 10 {
        return Err(wrong());
    }
    let sid = |entry: &value::Value| match entry {
        value::Value::Object(members) => members.iter().find_map(|(name, value)| match value {
            value::Value::Text(sid) if name == "sid" => Some(sid.clone()),
            _ => None,
        }),
        _ => None,
    };
    let valid = entries.iter().filter_map(sid).any(|sid| known(&sid).is_ok());
    if valid { Ok(()) } else { Err(TwilioError::new(400, 60252, "None of the Templates is valid")) }
}

pub(crate) async fn list(State(app): State<App>, uri: Uri, client: Client) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let form = Form::of_query(&uri).only(&["PageSize", "Page", "PageToken", "FriendlyName"])?;
    let page = Page::of(&form, &uri, "/v2/Templates".to_owned())?;
    let wanted = form.one("FriendlyName")?.is_none_or(|name| name == NAME);
    let all: Vec<()> = wanted.then_some(()).into_iter().collect();
    let (records, next) = page.cut(all)?;
    let record = || {
        let translation = |(locale, text): (&'static str, String)| {
            let translation = json!({
                "is_default_translation": locale == "en", "status": "approved", "locale": locale, "text": text,
                "date_created": "2026-11-24T00:00:00Z", "date_updated": "2026-11-24T00:00:00Z",
            });
            (locale.to_owned(), translation)
        };
        let translations: Map<String, Value> =
            app.services.messages.texts().into_iter().map(translation).collect();
        json!({
            "sid": BUILT_IN, "account_sid": account.sid(), "friendly_name": NAME, "channels": ["sms", "voice"],
            "translations": translations,
        })
    };
    Ok(page.answer(&account, "templates", records.iter().map(|()| record()).collect(), next))
}
