//! Message templates: a project's own words, in versions. Test and live mode each have their own.

pub(crate) mod preview;
pub(crate) mod read;
pub(crate) mod write;

use countersign_core::ids::TemplateId;
use countersign_core::message_template::{Template, Texts, Version};
use countersign_core::setting::{Setting, SettingKind};
use countersign_core::store::Unavailable;
use countersign_core::tenant::Tenant;
use countersign_core::time::Timestamp;
use countersign_core::verification::{Private, Purpose, TemplateUse};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::answer::Text;
use crate::app::App;
use crate::error_code::ErrorCode as Code;
use crate::fields::invalid;
use crate::problem::Problem;

/// A template with its row and its versions, the latest first.
struct Kept {
    id: TemplateId,
    template: Template,
    created_at: Timestamp,
    updated_at: Timestamp,
    versions: Vec<(Version, Timestamp)>,
}

impl Kept {
    fn latest(&self) -> u32 {
        self.versions.first().map_or(0, |(version, _)| version.number)
    }

    fn version(&self, number: u32) -> Option<&Version> {
        self.versions.iter().map(|(version, _)| version).find(|version| version.number == number)
    }
}

/// All templates of a tenant, the latest first.
async fn all(app: &App, tenant: Tenant) -> Result<Vec<Kept>, Unavailable> {
    let heads = app.settings.of(app, tenant, SettingKind::Template).await?;
    let versions = app.settings.of(app, tenant, SettingKind::TemplateVersion).await?;
    let kept = |head: &Setting| {
        let of_it = versions.iter().filter(|row| row.under == head.key.id);
        let mut of_it: Vec<_> =
            of_it.filter_map(|row| Some((Version::from_bytes(&row.body)?, row.created_at))).collect();
        of_it.sort_by_key(|(version, _)| std::cmp::Reverse(version.number));
        Some(Kept {
            id: TemplateId::from_bytes(head.key.id),
            template: Template::from_bytes(&head.body)?,
            created_at: head.created_at,
            updated_at: head.updated_at,
            versions: of_it,
        })
    };
    let mut all: Vec<_> = heads.iter().filter_map(kept).collect();
    all.sort_by_key(|kept| std::cmp::Reverse(kept.id));
    Ok(all)
}

/// The template of an id.
async fn one(app: &App, tenant: Tenant, id: &str) -> Result<Kept, Problem> {
    let not_found = || Problem::plain(Code::ResourceNotFound);
    let id: TemplateId = id.parse().map_err(|_| not_found())?;
    all(app, tenant).await?.into_iter().find(|kept| kept.id == id).ok_or_else(not_found)
}

/// The version that a start means by `template`, an id or a name.
pub(crate) async fn meant(
    app: &App,
    tenant: Tenant,
    named: &str,
    purpose: Purpose,
) -> Result<TemplateUse, Problem> {
    let all = all(app, tenant).await?;
    // Names are looked for oldest first: a second template of a name never takes over what is sent.
    let found = all.iter().rev().find(|kept| kept.template.name == named || kept.id.to_string() == named);
    let found = found.ok_or_else(|| {
        invalid("template", "must be the id or name of a template of this project and mode")
    })?;
    if found.template.purpose != purpose {
        let why = format!("is for the purpose `{}`", found.template.purpose.as_str());
        return Err(invalid("template", &why));
    }
    let version = found.template.active.ok_or_else(|| invalid("template", "has no active version yet"))?;
    Ok(TemplateUse { template: found.id, version })
}

/// The words of a verification's messages; `None` for those that ship.
pub(crate) async fn version(
    app: &App,
    tenant: Tenant,
    private: &Private,
) -> Result<Option<Version>, Unavailable> {
    let Some(wanted) = private.template else { return Ok(None) };
    let rows = app.settings.of(app, tenant, SettingKind::TemplateVersion).await?;
    Ok(Version::find(wanted, rows.iter()))
}

#[derive(Serialize)]
struct TemplateView {
    id: Text<TemplateId>,
    object: &'static str,
    livemode: bool,
    name: String,
    purpose: &'static str,
    active_version: Option<u32>,
    versions: Vec<VersionView>,
    created_at: Text<Timestamp>,
    updated_at: Text<Timestamp>,
}

#[derive(Serialize)]
struct VersionView {
    version: u32,
    default_locale: String,
    texts: Map<String, Value>,
    created_at: Text<Timestamp>,
}

fn view(tenant: Tenant, kept: Kept) -> TemplateView {
    let of_version = |(version, created_at): (Version, Timestamp)| VersionView {
        version: version.number,
        default_locale: version.default_locale,
        texts: version.texts.into_iter().map(|(locale, texts)| (locale, texts_view(&texts))).collect(),
        created_at: Text(created_at),
    };
    TemplateView {
        id: Text(kept.id),
        object: "template",
        livemode: tenant.mode.is_live(),
        name: kept.template.name,
        purpose: kept.template.purpose.as_str(),
        active_version: kept.template.active,
        versions: kept.versions.into_iter().map(of_version).collect(),
        created_at: Text(kept.created_at),
        updated_at: Text(kept.updated_at),
    }
}

fn texts_view(texts: &Texts) -> Value {
    json!({ "sms": texts.sms, "subject": texts.subject, "text": texts.text, "html": texts.html })
}
