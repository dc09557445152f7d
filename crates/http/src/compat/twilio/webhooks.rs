//! `…/Webhooks`: where events of factors and challenges are wanted. Kept and shown, but never called: so each is
//! `disabled`, says so, and cannot be enabled.

use axum::http::Uri;
use countersign_core::setting::SettingKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::TwilioError;
use super::form::Form;
use super::resource::Resource;
use super::rows::{self, Kept};
use super::services::Service;

const PARAMETERS: &[&str] = &["FriendlyName", "EventTypes", "WebhookUrl", "Status", "Version"];
const EVENTS: [&str; 6] =
    ["*", "factor.created", "factor.verified", "factor.deleted", "challenge.approved", "challenge.denied"];

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Webhook {
    friendly_name: String,
    event_types: Vec<String>,
    webhook_url: String,
    version: String,
}

/// The addressee of events.
fn url(text: &str) -> Result<String, TwilioError> {
    let fine = text.starts_with("https://") && text.len() <= 2048 && text.parse::<Uri>().is_ok();
    if fine { Ok(text.to_owned()) } else { Err(TwilioError::invalid("WebhookUrl", text)) }
}

fn events(form: &Form) -> Result<Option<Vec<String>>, TwilioError> {
    let events: Vec<_> = form.all("EventTypes").map(str::to_owned).collect();
    if let Some(wrong) = events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
        let message = format!("Invalid parameter `EventTypes`: {}", rows::shown(wrong));
        return Err(TwilioError::new(400, 60306, message));
    }
    Ok(Some(events).filter(|events| !events.is_empty()))
}

impl Resource for Webhook {
    const KIND: SettingKind = SettingKind::Webhook;
    const SID: &'static str = "YW";
    const PATH: &'static str = "Webhooks";
    const KEY: &'static str = "webhooks";
    const MAKING: &'static [&'static str] = PARAMETERS;
    const CHANGING: &'static [&'static str] = PARAMETERS;

    fn made(form: &Form, _: &Service, beside: &[Kept<Self>]) -> Result<Self, TwilioError> {
        form.required("FriendlyName")?;
        form.required("WebhookUrl")?;
        form.all("EventTypes").next().ok_or_else(|| TwilioError::missing("EventTypes"))?;
        let empty = Self {
            friendly_name: String::new(),
            event_types: Vec::new(),
            webhook_url: String::new(),
            version: "v2".to_owned(),
        };
        empty.changed(form, beside)
    }

    fn changed(mut self, form: &Form, _: &[Kept<Self>]) -> Result<Self, TwilioError> {
        if let Some(name) = form.one("FriendlyName")? {
            self.friendly_name = rows::text("FriendlyName", name, 64)?;
        }
        if let Some(text) = form.one("WebhookUrl")? {
            self.webhook_url = url(text)?;
        }
        self.event_types = events(form)?.unwrap_or(self.event_types);
        let version = form.read_as("Version", |text| matches!(text, "v1" | "v2").then(|| text.to_owned()))?;
        self.version = version.unwrap_or(self.version);
        match form.one("Status")? {
            Some("enabled") => Err(TwilioError::lacking("Webhooks are not called yet, so none is enabled")),
            None | Some("disabled") => Ok(self),
            Some(other) => Err(TwilioError::invalid("Status", other)),
        }
    }

    fn shown(&self, _: &str) -> Value {
        json!({
            "friendly_name": self.friendly_name, "event_types": self.event_types, "status": "disabled",
            "version": self.version, "webhook_url": self.webhook_url, "webhook_method": "POST",
        })
    }
}
