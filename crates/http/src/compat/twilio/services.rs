//! `/v2/Services`: what verifications look like. The first is the project itself; more are settings of their own.

use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::ids::ProjectId;
use countersign_core::setting::{Put, Setting, SettingKind};
use countersign_core::tenancy::{Project, Scope};
use countersign_core::time::Timestamp;
use countersign_core::verification::{Dialect, Origin};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::client::{Account, Client};
use super::error::TwilioError;
use super::form::Form;
use super::page::{PARAMETERS, Page};
use super::sid::Sid;
use super::{rows, totp, view};
use crate::answer;
use crate::app::App;

/// What a service says. What is not written has the vendor's default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ServiceSettings {
    pub(crate) friendly_name: String,
    pub(crate) code_length: u8,
    pub(crate) lookup_enabled: bool,
    pub(crate) skip_sms_to_landlines: bool,
    pub(crate) dtmf_input_required: bool,
    pub(crate) tts_name: Option<String>,
    pub(crate) psd2_enabled: bool,
    pub(crate) do_not_share_warning_enabled: bool,
    pub(crate) custom_code_enabled: bool,
    /// Ours: a read shows the end state instead of 20404.
    pub(crate) keep_final_state: bool,
    pub(crate) default_template_sid: Option<String>,
    pub(crate) verify_event_subscription_enabled: bool,
    /// What belongs to factors: `Totp.…` is what new ones are set to, the rest is kept and shown.
    pub(crate) others: Vec<(String, String)>,
}

impl Default for ServiceSettings {
    fn default() -> Self {
        Self {
            friendly_name: String::new(),
            code_length: 6,
            lookup_enabled: false,
            skip_sms_to_landlines: false,
            dtmf_input_required: true,
            tts_name: None,
            psd2_enabled: false,
            do_not_share_warning_enabled: false,
            custom_code_enabled: false,
            keep_final_state: false,
            default_template_sid: None,
            verify_event_subscription_enabled: false,
            others: Vec::new(),
        }
    }
}

/// A service with its id.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    pub(crate) id: [u8; 16],
    pub(crate) settings: ServiceSettings,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl Service {
    /// The one that stands for the project itself, as long as nothing was changed of it.
    pub(crate) fn own(project: &Project) -> Self {
        Self {
            id: *project.id.as_bytes(),
            settings: ServiceSettings { friendly_name: project.brand.clone(), ..ServiceSettings::default() },
            created_at: project.created_at,
            updated_at: project.created_at,
        }
    }

    /// The service of a row.
    pub(crate) fn of(row: &Setting) -> Self {
        let settings = serde_json::from_slice(&row.body).unwrap_or_default();
        Self { id: row.key.id, settings, created_at: row.created_at, updated_at: row.updated_at }
    }

    pub(crate) fn sid(&self) -> Sid {
        Sid("VA", self.id)
    }

    /// The mark of what is begun in it.
    pub(crate) fn origin(&self) -> Origin {
        Origin { dialect: Dialect::Twilio, service: self.id }
    }

    pub(crate) fn other(&self, name: &str) -> Option<&str> {
        self.settings.others.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        self.other(name)?.parse().ok()
    }

    fn view(&self, account: &Account) -> Value {
        let (settings, url) = (&self.settings, account.link(&format!("/v2/Services/{}", self.sid())));
        let link = |end: &str| format!("{url}/{end}");
        json!({
            "sid": self.sid(),
            "account_sid": account.sid(),
            "friendly_name": settings.friendly_name,
            "code_length": settings.code_length,
            "lookup_enabled": settings.lookup_enabled,
            "psd2_enabled": settings.psd2_enabled,
            "skip_sms_to_landlines": settings.skip_sms_to_landlines,
            "dtmf_input_required": settings.dtmf_input_required,
            "tts_name": settings.tts_name,
            "do_not_share_warning_enabled": settings.do_not_share_warning_enabled,
            "custom_code_enabled": settings.custom_code_enabled,
            "keep_final_state": settings.keep_final_state,
            "push": {
                "include_date": self.other("Push.IncludeDate") == Some("true"),
                "apn_credential_sid": self.other("Push.ApnCredentialSid"),
                "fcm_credential_sid": self.other("Push.FcmCredentialSid"),
            },
            "totp": {
                "issuer": self.other("Totp.Issuer"),
                "time_step": self.number("Totp.TimeStep"),
                "code_length": self.number("Totp.CodeLength"),
                "skew": self.number("Totp.Skew"),
            },
            "default_template_sid": settings.default_template_sid,
            "whatsapp": { "msg_service_sid": null, "from": null },
            "passkeys": {
                "relying_party": {
                    "id": self.other("Passkeys.RelyingParty.Id"),
                    "name": self.other("Passkeys.RelyingParty.Name"),
                    "origins": self.other("Passkeys.RelyingParty.Origins")
                        .map(|list| list.split(',').map(str::trim).collect::<Vec<_>>()),
                },
                "authenticator_attachment": self.other("Passkeys.AuthenticatorAttachment"),
                "discoverable_credentials": self.other("Passkeys.DiscoverableCredentials"),
                "user_verification": self.other("Passkeys.UserVerification"),
            },
            "verify_event_subscription_enabled": settings.verify_event_subscription_enabled,
            "date_created": view::instant(self.created_at),
            "date_updated": view::instant(self.updated_at),
            "url": url,
            "links": {
                "verification_checks": link("VerificationCheck"), "verifications": link("Verifications"),
                "rate_limits": link("RateLimits"), "messaging_configurations": link("MessagingConfigurations"),
                "entities": link("Entities"), "webhooks": link("Webhooks"), "access_tokens": link("AccessTokens"),
            },
        })
    }
}

/// All services of an account as they are now; the project's own first.
async fn all(app: &App, account: &Account) -> Result<Vec<Service>, TwilioError> {
    let mut services = vec![Service::own(account.member.project())];
    for row in app.settings.read(app, account.member.tenant, SettingKind::Service).await?.iter() {
        let service = Service::of(row);
        match services.iter_mut().find(|known| known.id == service.id) {
            Some(own) => *own = service,
            None => services.push(service),
        }
    }
    Ok(services)
}

fn not_found(sid: &str) -> TwilioError {
    TwilioError::not_found(&format!("/v2/Services/{}", rows::shown(sid)))
}

/// The service of a path as it is now, for whoever looks at it or changes it.
async fn read(app: &App, account: &Account, sid: &str) -> Result<Service, TwilioError> {
    let id = Sid::parse("VA", sid).ok_or_else(|| not_found(sid))?.1;
    all(app, account).await?.into_iter().find(|service| service.id == id).ok_or_else(|| not_found(sid))
}

/// The service of a path, as it was within the last second.
pub(crate) async fn find(app: &App, account: &Account, sid: &str) -> Result<Service, TwilioError> {
    let id = Sid::parse("VA", sid).ok_or_else(|| not_found(sid))?.1;
    let rows = app.settings.of(app, account.member.tenant, SettingKind::Service).await?;
    if let Some(row) = rows.iter().find(|row| row.key.id == id) {
        return Ok(Service::of(row));
    }
    let own = Service::own(account.member.project());
    if own.id == id { Ok(own) } else { read(app, account, sid).await }
}

/// Names of the settings that belong to factors.
const OTHERS: [&str; 13] = [
    "Push.IncludeDate",
    "Push.ApnCredentialSid",
    "Push.FcmCredentialSid",
    "Totp.Issuer",
    "Totp.TimeStep",
    "Totp.CodeLength",
    "Totp.Skew",
    "Passkeys.RelyingParty.Id",
    "Passkeys.RelyingParty.Name",
    "Passkeys.RelyingParty.Origins",
    "Passkeys.AuthenticatorAttachment",
    "Passkeys.DiscoverableCredentials",
    "Passkeys.UserVerification",
];
const OWN: [&str; 14] = [
    "FriendlyName",
    "CodeLength",
    "LookupEnabled",
    "SkipSmsToLandlines",
    "DtmfInputRequired",
    "TtsName",
    "Psd2Enabled",
    "DoNotShareWarningEnabled",
    "CustomCodeEnabled",
    "KeepFinalState",
    "DefaultTemplateSid",
    "VerifyEventSubscriptionEnabled",
    "Whatsapp.MsgServiceSid",
    "Whatsapp.From",
];

/// The settings after what a form changes.
pub(crate) fn changed(mut settings: ServiceSettings, form: &Form) -> Result<ServiceSettings, TwilioError> {
    if let Some(name) = form.one("FriendlyName")? {
        settings.friendly_name = friendly_name(name)?;
    }
    if let Some(length) = form.number("CodeLength", 4..=10)? {
        settings.code_length = u8::try_from(length).unwrap_or(6);
    }
    for (name, field) in [
        ("LookupEnabled", &mut settings.lookup_enabled),
        ("SkipSmsToLandlines", &mut settings.skip_sms_to_landlines),
        ("DtmfInputRequired", &mut settings.dtmf_input_required),
        ("Psd2Enabled", &mut settings.psd2_enabled),
        ("DoNotShareWarningEnabled", &mut settings.do_not_share_warning_enabled),
        ("CustomCodeEnabled", &mut settings.custom_code_enabled),
        ("KeepFinalState", &mut settings.keep_final_state),
    ] {
        *field = form.boolean(name)?.unwrap_or(*field);
    }
    if settings.skip_sms_to_landlines && !settings.lookup_enabled {
        return Err(TwilioError::invalid("SkipSmsToLandlines", "needs LookupEnabled"));
    }
    if form.boolean("VerifyEventSubscriptionEnabled")? == Some(true) {
        return Err(TwilioError::lacking("VerifyEventSubscriptionEnabled"));
    }
    for name in ["Whatsapp.MsgServiceSid", "Whatsapp.From"] {
        if form.one(name)?.is_some() {
            return Err(TwilioError::lacking(
                "senders are chosen by the routes of this server's configuration",
            ));
        }
    }
    if let Some(name) = form.one("TtsName")? {
        settings.tts_name = Some(rows::text("TtsName", name, 64)?);
    }
    if let Some(sid) = form.one("DefaultTemplateSid")? {
        super::templates::known(sid)?;
        settings.default_template_sid = Some(sid.to_owned());
    }
    totp::Config::read(form, "Totp")?;
    for name in OTHERS {
        if let Some(value) = form.one(name)? {
            let value = rows::text(name, value, 255)?;
            settings.others.retain(|(known, _)| known != name);
            settings.others.push((name.to_owned(), value));
        }
    }
    Ok(settings)
}

/// One to 32 letters, digits, spaces, `-` and `_`; not five digits, which looks like a number to call.
fn friendly_name(name: &str) -> Result<String, TwilioError> {
    let fine = |symbol: char| symbol.is_alphanumeric() || " -_".contains(symbol);
    let digits = name.chars().filter(char::is_ascii_digit).count();
    let length = name.chars().count();
    if (1..=32).contains(&length) && name.chars().all(fine) && digits < 5 && !name.trim().is_empty() {
        return Ok(name.to_owned());
    }
    Err(TwilioError::invalid("FriendlyName", name))
}

fn known() -> Vec<&'static str> {
    [OWN.as_slice(), OTHERS.as_slice()].concat()
}

pub(crate) async fn create(
    State(app): State<App>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let form = form.only(&known())?;
    form.required("FriendlyName")?;
    let settings = changed(ServiceSettings::default(), &form)?;
    let id = *ProjectId::new(app.services.clock.now(), app.id_tail()).as_bytes();
    let row = rows::put(&app, &account, SettingKind::Service, id, [0; 16], &settings, Put::New).await?;
    let service = Service { id, settings, created_at: row.created_at, updated_at: row.updated_at };
    Ok(answer::json(StatusCode::CREATED, &service.view(&account)))
}

pub(crate) async fn update(
    State(app): State<App>,
    Path(sid): Path<String>,
    client: Client,
    form: Form,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let form = form.only(&known())?;
    let service = read(&app, &account, &sid).await?;
    let settings = changed(service.settings.clone(), &form)?;
    let row =
        rows::put(&app, &account, SettingKind::Service, service.id, [0; 16], &settings, Put::Any).await?;
    let service = Service { settings, updated_at: row.updated_at, ..service };
    Ok(answer::json(StatusCode::OK, &service.view(&account)))
}

pub(crate) async fn fetch(
    State(app): State<App>,
    Path(sid): Path<String>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let service = read(&app, &account, &sid).await?;
    Ok(answer::json(StatusCode::OK, &service.view(&account)))
}

pub(crate) async fn list(State(app): State<App>, uri: Uri, client: Client) -> Result<Response, TwilioError> {
    let account = client.may(Scope::VerificationsRead)?;
    let form = Form::of_query(&uri).only(&PARAMETERS)?;
    let page = Page::of(&form, &uri, "/v2/Services".to_owned())?;
    let (services, next) = page.cut(all(&app, &account).await?)?;
    let records = services.iter().map(|service| service.view(&account)).collect();
    Ok(page.answer(&account, "services", records, next))
}

/// Removes a service with all that belongs to it. The project's own stays.
pub(crate) async fn delete(
    State(app): State<App>,
    Path(sid): Path<String>,
    client: Client,
) -> Result<Response, TwilioError> {
    let account = client.may(Scope::SettingsManage)?;
    let service = read(&app, &account, &sid).await?;
    if service.id == *account.member.tenant.project.as_bytes() {
        return Err(TwilioError::new(
            403,
            20403,
            "The service that stands for the project itself cannot be deleted",
        ));
    }
    for kind in [SettingKind::Bucket, SettingKind::RateLimit, SettingKind::Webhook] {
        for row in app.settings.read(&app, account.member.tenant, kind).await?.iter() {
            let of_limit = kind == SettingKind::Bucket && rows::service_of_bucket(row) == Some(service.id);
            if row.under == service.id || of_limit {
                rows::remove(&app, &account, kind, row.key.id).await?;
            }
        }
    }
    rows::remove(&app, &account, SettingKind::Service, service.id).await?;
    Ok(rows::gone())
}
