//! What a start asks for: every parameter honoured, or refused with the code the vendor documents for it.

use std::net::IpAddr;

use countersign_core::command::{Create, DialectStart, Entered, RecipientIndex};
use countersign_core::keys::{Alphabet, CodeFormat};
use countersign_core::recipient::{LineType, Recipient};
use countersign_core::verification::{Channel, Lane, Private, Purpose, Transaction};
use zeroize::Zeroizing;

use super::client::Account;
use super::error::TwilioError;
use super::form::Form;
use super::services::Service;
use super::templates;
use crate::app::App;
use crate::value::Value;

/// The parameters of a start.
pub(crate) const KNOWN: [&str; 20] = [
    "To",
    "Channel",
    "CustomFriendlyName",
    "CustomMessage",
    "SendDigits",
    "Locale",
    "CustomCode",
    "Amount",
    "Payee",
    "RateLimits",
    "ChannelConfiguration",
    "AppHash",
    "TemplateSid",
    "TemplateCustomSubstitutions",
    "DeviceIp",
    "EnableSnaClientToken",
    "RiskCheck",
    "Tags",
    "Templates",
    "Risk.TelemetryId",
];

/// Pairs of a JSON object of texts.
type Pairs = Vec<(String, String)>;

/// A start as it was asked for.
pub(crate) struct Start {
    pub(crate) create: Create,
    /// The person's address, as the caller saw it.
    pub(crate) address: Option<IpAddr>,
    /// Values to be counted by rate limits.
    pub(crate) limits: Pairs,
}

pub(crate) fn read(
    app: &App,
    account: &Account,
    service: &Service,
    form: &Form,
) -> Result<Start, TwilioError> {
    let to = recipient(form.required("To")?)?;
    let channel = channel(form.required("Channel")?)?;
    if !channel.reaches(to.kind()) {
        return Err(TwilioError::invalid("To", form.required("To")?));
    }
    let landline = to.line_type() == Some(LineType::FixedLine);
    if channel == Channel::Sms && landline && service.settings.skip_sms_to_landlines {
        return Err(TwilioError::new(403, 60205, "SMS is not supported by landline phone number"));
    }
    let transaction = transaction(service, form)?;
    if transaction.is_some() && matches!(channel, Channel::Voice | Channel::Whatsapp) {
        return Err(TwilioError::new(400, 60214, "This channel is not supported with PSD2"));
    }
    unsupported(form, channel)?;
    let address = address(form)?;
    let purpose = if transaction.is_some() { Purpose::Transaction } else { Purpose::Authentication };
    let (code, format) = code(service, form, transaction.is_some())?;
    let private = Private {
        transaction,
        metadata: tags(form)?,
        locale: locale(form)?,
        ip: address.map(|address| address.to_string()),
        brand: Some(brand(service, form)?),
        app_hash: app_hash(form, channel)?,
        ..Private::default()
    };
    let create = Create {
        index: RecipientIndex::of(&app.services.keys, &account.member.tenant, &to),
        channel: Some(channel),
        purpose,
        format,
        lifetime: account.member.policy().default_lifetime(purpose),
        lane: Lane::Open,
        private,
        dry_run: false,
        workflow: Vec::new(),
        dialect: Some(DialectStart { origin: service.origin(), code, answered: None }),
        to,
    };
    Ok(Start { create, address, limits: pairs(form, "RateLimits", usize::MAX, 500)? })
}

/// A recipient as a client writes it.
pub(crate) fn recipient(text: &str) -> Result<Recipient, TwilioError> {
    Recipient::parse(text).map_err(|_| TwilioError::invalid("To", text))
}

fn channel(name: &str) -> Result<Channel, TwilioError> {
    match name.to_ascii_lowercase().as_str() {
        "sms" => Ok(Channel::Sms),
        "call" => Ok(Channel::Voice),
        "email" => Ok(Channel::Email),
        "whatsapp" => Ok(Channel::Whatsapp),
        "sna" | "rcs" | "rbm" => {
            Err(TwilioError::new(400, 60223, format!("Delivery channel disabled: {name}")))
        }
        _ => Err(TwilioError::invalid("Channel", name)),
    }
}

/// Amount and payee of a service that wants them: both or neither, and only there.
pub(crate) fn transaction(service: &Service, form: &Form) -> Result<Option<Transaction>, TwilioError> {
    match (service.settings.psd2_enabled, form.one("Amount")?, form.one("Payee")?) {
        (false, None, None) => Ok(None),
        (false, _, _) => Err(TwilioError::lacking("Psd2Enabled")),
        (true, Some(amount), Some(payee)) => match Transaction::written(amount, payee) {
            Ok(transaction) => Ok(Some(transaction)),
            Err("payee") => Err(TwilioError::invalid("Payee", payee)),
            Err(_) => Err(TwilioError::invalid("Amount", amount)),
        },
        (true, _, _) => Err(TwilioError::payment_missing()),
    }
}

/// What this server cannot do, under the vendor's codes for that.
fn unsupported(form: &Form, channel: Channel) -> Result<(), TwilioError> {
    if form.one("CustomMessage")?.is_some() {
        return Err(TwilioError::new(400, 60243, "CustomMessage is not supported"));
    }
    if let Some(digits) = form.one("SendDigits")? {
        return Err(TwilioError::invalid("SendDigits", digits));
    }
    if form.boolean("EnableSnaClientToken")? == Some(true) {
        return Err(TwilioError::invalid("EnableSnaClientToken", "true"));
    }
    if form.object("ChannelConfiguration")?.is_some_and(|members| !members.is_empty()) {
        return Err(TwilioError::invalid(
            "ChannelConfiguration",
            "senders are chosen by the routes of this server",
        ));
    }
    // There is no fraud scoring to switch off; a wrong value is still a mistake.
    form.read_as("RiskCheck", |text| matches!(text, "enable" | "disable").then_some(()))?;
    templates::chosen(form, channel)
}

fn address(form: &Form) -> Result<Option<IpAddr>, TwilioError> {
    form.read_as("DeviceIp", |text| text.parse().ok())
}

/// The code of the customer, where the service allows it; else the form of a derived one.
fn code(service: &Service, form: &Form, bound: bool) -> Result<(Option<Entered>, CodeFormat), TwilioError> {
    let Some(code) = form.one("CustomCode")? else {
        return Ok((None, CodeFormat { length: service.settings.code_length, alphabet: Alphabet::Digits }));
    };
    if !service.settings.custom_code_enabled {
        return Err(TwilioError::lacking("CustomCodeEnabled"));
    }
    let length = u8::try_from(code.len()).ok().filter(|length| (4..=10).contains(length));
    let Some(length) = length.filter(|_| code.bytes().all(|byte| byte.is_ascii_alphanumeric())) else {
        return Err(TwilioError::new(
            400,
            60200,
            "Invalid parameter `CustomCode`: 4 to 10 letters and digits",
        ));
    };
    if bound {
        let why = "Invalid parameter `CustomCode`: a code of a transaction is derived from amount and payee";
        return Err(TwilioError::new(400, 60200, why));
    }
    let alphabet = if code.bytes().all(|byte| byte.is_ascii_digit()) {
        Alphabet::Digits
    } else {
        Alphabet::Alphanumeric
    };
    Ok((Some(Entered(Zeroizing::new(code.to_owned()))), CodeFormat { length, alphabet }))
}

fn tags(form: &Form) -> Result<Pairs, TwilioError> {
    pairs(form, "Tags", 10, 128)
}

/// A JSON object of texts and numbers.
fn pairs(form: &Form, name: &str, most: usize, length: usize) -> Result<Pairs, TwilioError> {
    let wrong = || TwilioError::invalid(name, form.one(name).ok().flatten().unwrap_or_default());
    let members = form.object(name)?.unwrap_or_default();
    let mut pairs: Pairs = Vec::new();
    for (key, value) in members {
        let value = match value {
            Value::Text(text) => text,
            Value::Integer(number) => number.to_string(),
            Value::Bool(value) => value.to_string(),
            _ => return Err(wrong()),
        };
        let long = key.chars().count() > length || value.chars().count() > length;
        if key.is_empty() || long || pairs.iter().any(|(known, _)| *known == key) {
            return Err(wrong());
        }
        pairs.push((key, value));
    }
    if pairs.len() > most { Err(wrong()) } else { Ok(pairs) }
}

/// A language tag by its shape; the nearest language there is will be used.
fn locale(form: &Form) -> Result<Option<String>, TwilioError> {
    let Some(tag) = form.one("Locale")? else { return Ok(None) };
    let tag = tag.replace('_', "-");
    let part =
        |part: &str| (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let fine = tag.len() <= crate::limits::MAX_LOCALE
        && tag.as_bytes().first().is_some_and(u8::is_ascii_alphabetic)
        && tag.split('-').all(part);
    if fine { Ok(Some(tag)) } else { Err(TwilioError::new(400, 60200, "Invalid parameter: Locale")) }
}

/// The name the message carries: the start's own, else the service's.
fn brand(service: &Service, form: &Form) -> Result<String, TwilioError> {
    let Some(name) = form.one("CustomFriendlyName")? else {
        return Ok(service.settings.friendly_name.clone());
    };
    super::rows::text("CustomFriendlyName", name, 40)
}

fn app_hash(form: &Form, channel: Channel) -> Result<Option<String>, TwilioError> {
    let Some(hash) = form.one("AppHash")? else { return Ok(None) };
    if channel != Channel::Sms {
        return Err(TwilioError::new(400, 60602, "AppHash is only supported by the SMS channel"));
    }
    let fine =
        hash.len() == 11 && hash.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(&byte));
    if fine { Ok(Some(hash.to_owned())) } else { Err(TwilioError::invalid("AppHash", hash)) }
}
