//! `POST /v1/templates`, `…/{id}/versions` and `…/{id}/activate`: a template is made, gets new words, and uses them.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::ids::TemplateId;
use countersign_core::message_template::{MOST_CHARS, MOST_LANGUAGES, Part, Template, Texts, Version};
use countersign_core::setting::{MOST_BYTES, Put, Setting, SettingKey, SettingKind};
use countersign_core::tenancy::{AdminAnswer, AdminChange, Scope};
use countersign_core::time::Timestamp;
use countersign_core::verification::Purpose;

use super::{one, view};
use crate::answer::json;
use crate::app::App;
use crate::body::Payload;
use crate::caller::{Caller, Member};
use crate::error_code::ErrorCode as Code;
use crate::fields::{Fields, invalid, missing};
use crate::limits;
use crate::openapi::{Method, Operation};
use crate::path::PathId;
use crate::problem::Problem;
use crate::value::Value;
use crate::verifications::purpose;

pub(crate) const CREATE: Operation = Operation {
    method: Method::Post,
    path: "/v1/templates",
    id: "createTemplate",
    tag: "Templates",
    summary: "Make a message template",
    description: "With its first version. Each language has `sms`, or `subject`, `text` and optionally `html`, or both. \
                  Placeholders: {code} {brand} {minutes}, and {amount} {currency} {payee} for the purpose `transaction`, whose \
                  texts must contain them. Nothing is sent with it before a version is active.",
    scope: Some("templates:manage"),
    parameters: &[],
    body: Some((
        "TemplateCreate",
        r#"{"name":"login","purpose":"authentication","default_locale":"en","activate":true,"texts":{"en":{"sms":"{code} is your {brand} code, good for {minutes} minutes. Never share it."}}}"#,
    )),
    success: (201, "The template", "Template"),
    errors: &[Code::StateConflict],
    idempotent: false,
};

pub(crate) const ADD_VERSION: Operation = Operation {
    method: Method::Post,
    path: "/v1/templates/{id}/versions",
    id: "addTemplateVersion",
    tag: "Templates",
    summary: "Add a version to a message template",
    description: "A version never changes: verifications that began under one are sent and resent in its words.",
    scope: Some("templates:manage"),
    parameters: &[],
    body: Some((
        "TemplateVersionCreate",
        r#"{"texts":{"en":{"sms":"{code} is your {brand} code."}},"activate":false}"#,
    )),
    success: (201, "The template with its new version", "Template"),
    errors: &[Code::ResourceNotFound, Code::StateConflict],
    idempotent: false,
};

pub(crate) const ACTIVATE: Operation = Operation {
    method: Method::Post,
    path: "/v1/templates/{id}/activate",
    id: "activateTemplate",
    tag: "Templates",
    summary: "Send with a version of a message template from now on",
    description: "The latest version, or the one named; an earlier one rolls back.",
    scope: Some("templates:manage"),
    parameters: &[],
    body: Some(("TemplateActivate", r#"{"version":1}"#)),
    success: (200, "The template", "Template"),
    errors: &[Code::ResourceNotFound],
    idempotent: false,
};

pub(crate) async fn create(
    State(app): State<App>,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::TemplatesManage)?;
    let mut fields = payload.fields(&["name", "purpose", "default_locale", "texts", "activate"])?;
    let name = fields.line("name", 80)?.ok_or_else(|| missing("name"))?;
    let purpose = purpose(&mut fields)?.unwrap_or(Purpose::Authentication);
    let version = version(&member, &mut fields, 1, purpose)?;
    let activate = fields.boolean("activate")?.unwrap_or(false);
    if super::all(&app, member.tenant).await?.iter().any(|kept| kept.template.name == name) {
        return Err(
            Problem::new(Code::StateConflict, "There is a template of this name already.").param("name")
        );
    }
    let id = TemplateId::new(app.services.clock.now(), app.id_tail());
    put_version(&app, &member, id, &version).await?;
    let template = Template { name, purpose, active: activate.then_some(1) };
    put(
        &app,
        &member,
        row(&member, SettingKind::Template, *id.as_bytes(), [0; 16], template.to_bytes()),
        Put::New,
    )
    .await?;
    let kept = one(&app, member.tenant, &id.to_string()).await?;
    Ok(json(StatusCode::CREATED, &view(member.tenant, kept)))
}

pub(crate) async fn add_version(
    State(app): State<App>,
    PathId(id): PathId,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::TemplatesManage)?;
    let mut fields = payload.fields(&["default_locale", "texts", "activate"])?;
    let kept = one(&app, member.tenant, &id).await?;
    let number = kept.latest().saturating_add(1);
    let version = version(&member, &mut fields, number, kept.template.purpose)?;
    let activate = fields.boolean("activate")?.unwrap_or(false);
    put_version(&app, &member, kept.id, &version).await?;
    if activate {
        set_active(&app, &member, kept.id, &kept.template, number).await?;
    }
    let kept = one(&app, member.tenant, &id).await?;
    Ok(json(StatusCode::CREATED, &view(member.tenant, kept)))
}

pub(crate) async fn activate(
    State(app): State<App>,
    PathId(id): PathId,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    let member = caller.member(Scope::TemplatesManage)?;
    let mut fields = payload.fields(&["version"])?;
    let wanted = fields.integer("version", 1..=u64::from(u32::MAX))?;
    let kept = one(&app, member.tenant, &id).await?;
    let wanted = wanted.and_then(|number| u32::try_from(number).ok()).unwrap_or_else(|| kept.latest());
    if kept.version(wanted).is_none() {
        return Err(invalid("version", "must be the number of a version of this template"));
    }
    set_active(&app, &member, kept.id, &kept.template, wanted).await?;
    let kept = one(&app, member.tenant, &id).await?;
    Ok(json(StatusCode::OK, &view(member.tenant, kept)))
}

async fn set_active(
    app: &App,
    member: &Member,
    id: TemplateId,
    template: &Template,
    number: u32,
) -> Result<(), Problem> {
    let body = Template { active: Some(number), ..template.clone() }.to_bytes();
    put(app, member, row(member, SettingKind::Template, *id.as_bytes(), [0; 16], body), Put::Existing).await
}

/// Writes a version. Two that come at once get the same number, and only the first is written.
async fn put_version(app: &App, member: &Member, id: TemplateId, version: &Version) -> Result<(), Problem> {
    let body = version.to_bytes();
    if body.len() > MOST_BYTES {
        return Err(invalid("texts", &format!("may have {} KiB in all", MOST_BYTES / 1024)));
    }
    let key = Version::row(id, version.number);
    put(app, member, row(member, SettingKind::TemplateVersion, key, *id.as_bytes(), body), Put::New).await
}

fn row(member: &Member, kind: SettingKind, id: [u8; 16], under: [u8; 16], body: Vec<u8>) -> Setting {
    let key = SettingKey { tenant: member.tenant, kind, id };
    Setting { key, under, body, created_at: Timestamp::default(), updated_at: Timestamp::default() }
}

async fn put(app: &App, member: &Member, row: Setting, how: Put) -> Result<(), Problem> {
    let change = AdminChange::PutSetting(row, how);
    let answer = app.administer(member.actor(), member.context.request_id, change).await;
    app.settings.forget(member.tenant);
    match answer? {
        AdminAnswer::Setting(_) => Ok(()),
        AdminAnswer::NotFound => Err(Problem::plain(Code::ResourceNotFound)),
        AdminAnswer::Project(_) | AdminAnswer::Key(_) | AdminAnswer::Noted | AdminAnswer::Conflict => Err(
            Problem::new(Code::StateConflict, "Somebody wrote it at the same time, or there are too many."),
        ),
    }
}

/// The version a body describes, with every text checked.
pub(super) fn version(
    member: &Member,
    fields: &mut Fields,
    number: u32,
    purpose: Purpose,
) -> Result<Version, Problem> {
    let texts = texts(fields, purpose)?;
    let named = fields.text("default_locale", limits::MAX_LOCALE)?;
    let default_locale = named.clone().unwrap_or_else(|| member.project().locale.clone());
    let has = |tag: &str| texts.iter().find(|(known, _)| known.eq_ignore_ascii_case(tag));
    let default_locale = match (has(&default_locale), texts.first()) {
        (Some((tag, _)), _) => tag.clone(),
        (None, Some((first, _))) if named.is_none() => first.clone(),
        (None, _) => return Err(invalid("default_locale", "must be one of the languages in `texts`")),
    };
    Ok(Version { number, default_locale, texts })
}

fn texts(fields: &mut Fields, purpose: Purpose) -> Result<Vec<(String, Texts)>, Problem> {
    let languages = fields.free_object("texts")?.ok_or_else(|| missing("texts"))?.into_members();
    if !(1..=MOST_LANGUAGES).contains(&languages.len()) {
        return Err(invalid("texts", &format!("must have 1 to {MOST_LANGUAGES} languages")));
    }
    languages.into_iter().map(|(tag, value)| language(tag, value, purpose)).collect()
}

fn language(tag: String, value: Value, purpose: Purpose) -> Result<(String, Texts), Problem> {
    let part =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if tag.len() > limits::MAX_LOCALE || !tag.split('-').all(part) {
        return Err(invalid("texts", "must be named by language tags (BCP 47), such as `pl` or `pt-BR`"));
    }
    let names: Vec<_> = Part::ALL.iter().map(|part| part.as_str()).collect();
    let Value::Object(members) = value else {
        return Err(invalid(format!("texts.{tag}"), "must be an object"));
    };
    let mut own = Fields::of_body(Value::Object(members), &names)?;
    let [sms, subject, text, html] = MOST_CHARS;
    let texts = Texts {
        sms: own.text("sms", sms)?,
        subject: own.text("subject", subject)?,
        text: own.text("text", text)?,
        html: own.text("html", html)?,
    };
    if texts.parts().next().is_none() {
        return Err(invalid(format!("texts.{tag}"), "must have a text"));
    }
    let fault = texts.check(purpose);
    fault.map_err(|(part, fault)| invalid(format!("texts.{tag}.{}", part.as_str()), fault.as_str()))?;
    Ok((tag, texts))
}
