//! What a template may use: the values of one message, and those of its gateway.

use std::collections::BTreeMap;

use crate::config::Secret;
use crate::http_gateway::{HttpGatewayConfig, Scalar};
use crate::messages::Script;
use crate::provider::Outgoing;

/// What a template may use, besides `account.<name>` and `secrets.<name>`.
pub(super) const NAMES: [&str; 18] = [
    "to",
    "text",
    "code",
    "subject",
    "sender",
    "channel",
    "locale",
    "delivery_id",
    "challenge",
    "factor",
    "encoding",
    "segments",
    "ttl_seconds",
    "receipt_url",
    "voice.twiml",
    "voice.plivo",
    "voice.ssml",
    "voice.language",
];

/// What is the same for every message.
#[derive(Debug, Clone, Default)]
pub(super) struct FixedValues {
    account: minijinja::Value,
    secrets: minijinja::Value,
    receipt_url: Option<String>,
}

impl FixedValues {
    /// Secrets that are not given stand as a sample.
    pub(super) fn of(
        config: &HttpGatewayConfig,
        secrets: &BTreeMap<String, Secret>,
        receipt_url: Option<String>,
    ) -> Self {
        let value = |name: &String| secrets.get(name).map_or("sample", Secret::expose);
        let secrets: BTreeMap<_, _> =
            config.secrets.keys().map(|name| (name.clone(), value(name).to_owned())).collect();
        Self { account: account(config), secrets: minijinja::Value::from(secrets), receipt_url }
    }
}

/// The values under `account`.
pub(super) fn account(config: &HttpGatewayConfig) -> minijinja::Value {
    let values = config.account.iter().map(|(name, Scalar(value))| (name.clone(), value.clone()));
    minijinja::Value::from(values.collect::<BTreeMap<_, _>>())
}

/// The values of a message.
pub(super) fn values(outgoing: &Outgoing, fixed: &FixedValues) -> minijinja::Value {
    let Outgoing { to, channel, sender, code, message, asked, delivery_id, lifetime, .. } = outgoing;
    let size = message.sms;
    minijinja::context! {
        to => to.as_str(),
        text => message.text.as_str(),
        code => code.as_str(),
        subject => message.subject.as_deref().unwrap_or_default(),
        sender => sender.as_deref().unwrap_or_default(),
        channel => *channel,
        locale => message.locale,
        delivery_id => delivery_id.as_str(),
        challenge => asked.as_ref().map(|asked| asked.challenge.as_str()),
        factor => asked.as_ref().map(|asked| asked.factor.as_str()),
        encoding => size.map_or("", |size| size.encoding.as_str()),
        segments => size.map_or(0, |size| size.segments),
        ttl_seconds => lifetime.as_secs(),
        receipt_url => fixed.receipt_url.as_deref(),
        voice => (*channel == "voice").then(|| voice(&message.text, message.locale)),
        account => fixed.account.clone(),
        secrets => fixed.secrets.clone(),
    }
}

/// The documents that read a text out.
fn voice(text: &str, locale: &str) -> minijinja::Value {
    // The message was rendered from the same texts, so they are in order.
    Script::of(text, locale).map_or_else(
        |_| minijinja::Value::UNDEFINED,
        |script| {
            minijinja::context! {
                twiml => script.twiml(),
                plivo => script.plivo(),
                ssml => script.ssml(),
                language => script.language(),
            }
        },
    )
}

/// Values of every kind, to try a template with.
pub(super) fn sample(fixed: &FixedValues) -> minijinja::Value {
    minijinja::context! {
        to => "+15005550006",
        text => "123456 is your code.",
        code => "123456",
        subject => "Your code",
        sender => "ACME",
        channel => "sms",
        locale => "en",
        delivery_id => "dlv_00000000000000000000000000",
        challenge => "chl_00000000000000000000000000",
        factor => "fct_00000000000000000000000000",
        encoding => "gsm7",
        segments => 1,
        ttl_seconds => 600,
        receipt_url => "https://codes.example/receipts/x/y",
        voice => voice("one, two.", "en"),
        account => fixed.account.clone(),
        secrets => fixed.secrets.clone(),
    }
}
