//! The words that carry a code: one data file per language, checked when it is loaded.
//!
//! Every message starts with the code, names the brand and the purpose, says how long the code works and
//! has exactly one sentence that says never to share it. An SMS ends with the origin-bound line
//! `@host #code` that browsers bind to the site (WICG "Origin-bound one-time codes delivered via SMS").
//! A message holds no link and no image: people should learn to distrust codes that come with one.

mod amount;
mod catalog;
mod clean;
mod custom;
mod negotiate;
mod sms;
mod template;
mod voice;

use minijinja::{HtmlEscape, Value};

pub use amount::minor_digits;
pub use clean::single_line;
pub use countersign_core::verification::Purpose;
pub use custom::render_with;
pub use sms::{SmsEncoding, SmsSize, measure};
pub use voice::Script;

use crate::limits;
use catalog::{Language, SmsAlphabet, catalog};
use template::{Part, Slot};

/// How the message travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Medium {
    /// A short message.
    Sms,
    /// A mail with a text and an HTML part.
    Email,
    /// A call that reads the code out.
    Voice,
}

/// The transaction that the code approves.
#[derive(Clone, Copy)]
pub struct TransactionText<'a> {
    /// Amount in minor units (cents, for EUR).
    pub amount_minor: u64,
    /// The amount as the customer wrote it, printed instead.
    pub written: Option<&'a str>,
    /// ISO 4217 code, three capital letters.
    pub currency: &'a str,
    /// Who gets the money.
    pub payee: &'a str,
    /// Shown in mails only; an SMS has no room for it.
    pub reference: Option<&'a str>,
}

/// Everything a message is made of.
#[derive(Clone, Copy)]
pub struct MessageInput<'a> {
    /// BCP 47 tag the caller wishes for; the nearest language we have is used, English in the end.
    pub locale: &'a str,
    /// How it travels.
    pub medium: Medium,
    /// What the code is for.
    pub purpose: Purpose,
    /// Name of the service, as its people know it.
    pub brand: &'a str,
    /// The code.
    pub code: &'a str,
    /// Minutes that the code still works, rounded down, at least 1.
    pub minutes: u32,
    /// Host that an SMS binds the code to: lower case, no port (punycode where it is international).
    pub origin_host: Option<&'a str>,
    /// Hash of the Android app that reads an SMS by itself (SMS Retriever): the message ends with it, and has no
    /// origin-bound line, for only one of them can be the last.
    pub app_hash: Option<&'a str>,
    /// Required for [`Purpose::Transaction`], not printed otherwise.
    pub transaction: Option<TransactionText<'a>>,
}

/// A message ready for a provider. Holds the code, so it prints as `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct RenderedMessage {
    /// Tag of the language used.
    pub locale: &'static str,
    /// Subject of a mail, without the code: subjects show on locked screens.
    pub subject: Option<String>,
    /// The text; of a mail, its plain part; of a call, one utterance per line, see [`Script`].
    pub text: String,
    /// The HTML part of a mail.
    pub html: Option<String>,
    /// What it costs as a short message; `None` for anything else.
    pub sms: Option<SmsSize>,
}

impl std::fmt::Debug for RenderedMessage {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { locale, sms, .. } = self;
        formatter
            .debug_struct("RenderedMessage")
            .field("locale", locale)
            .field("sms", sms)
            .finish_non_exhaustive()
    }
}

/// Why a message could not be written. None of them says anything about the code or the recipient.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The code is not 4 to 10 ASCII letters and digits.
    #[error("the code is not 4 to 10 ASCII letters and digits")]
    CodeMalformed,
    /// Nothing printable is left of the brand.
    #[error("the brand has no printable character")]
    BrandMissing,
    /// The lifetime is zero or above a day.
    #[error("the lifetime must be 1 to 1440 minutes")]
    MinutesOutOfRange,
    /// The host is not a plain lower-case host name.
    #[error("the origin host is not a lower-case host name without port")]
    HostMalformed,
    /// A transaction code without its transaction: the reader could not see what is approved.
    #[error("a transaction message needs its transaction")]
    TransactionMissing,
    /// Nothing printable is left of the payee.
    #[error("the payee has no printable character")]
    PayeeMissing,
    /// Not an ISO 4217 code.
    #[error("the currency is not three capital letters")]
    CurrencyMalformed,
    /// A text of a template does not compile; none that does not is ever kept.
    #[error("a text of the template {0}")]
    Template(&'static str),
    /// The built-in texts are broken; a test holds that they are not.
    #[error("message catalogue: {0}")]
    Catalog(String),
}

/// Tags of the languages there are, English first.
///
/// # Errors
/// When a built-in text does not pass its checks; call this at start to learn it early.
pub fn languages() -> Result<Vec<&'static str>, RenderError> {
    Ok(catalog()?.languages().iter().map(|language| language.tag.as_str()).collect())
}

/// Tag of the language that a wish for `locale` gets (`pt-AO` → `pt`, unknown → `en`).
///
/// # Errors
/// When a built-in text does not pass its checks.
pub fn negotiate(locale: &str) -> Result<&'static str, RenderError> {
    Ok(catalog()?.negotiate(locale).tag.as_str())
}

/// Writes the message.
///
/// # Errors
/// When a part the message cannot do without is missing or malformed.
pub fn render(input: &MessageInput<'_>) -> Result<RenderedMessage, RenderError> {
    check(input)?;
    let catalog = catalog()?;
    let language = catalog.negotiate(input.locale);
    let words = Words::of(input, language)?;
    match input.medium {
        Medium::Sms => short_message(input, language, &words),
        Medium::Email => mail(input, language, &words),
        Medium::Voice => spoken(input, language, &words),
    }
}

/// Writes the message that wakes a device up: whose request waits, and nothing about it (NIST SP 800-63B-4, 3.1.3.1: a
/// locked screen shows no secret).
///
/// # Errors
/// When nothing printable is left of the brand.
pub fn wake_up(locale: &str, brand: &str) -> Result<RenderedMessage, RenderError> {
    let language = catalog()?.negotiate(locale);
    let brand = single_line(brand, limits::BRAND_CHARS);
    if brand.is_empty() {
        return Err(RenderError::BrandMissing);
    }
    let text = language.open_app.clone();
    Ok(RenderedMessage { locale: &language.tag, subject: Some(brand), text, html: None, sms: None })
}

fn check(input: &MessageInput<'_>) -> Result<(), RenderError> {
    if !is_code(input.code) {
        return Err(RenderError::CodeMalformed);
    }
    if (1..=limits::MAX_MINUTES).contains(&input.minutes) {
        Ok(())
    } else {
        Err(RenderError::MinutesOutOfRange)
    }
}

/// The values that stand in a message, made safe to print.
struct Words {
    brand: String,
    minutes: String,
    amount: String,
    payee: String,
    reference: String,
}

impl Words {
    fn of(input: &MessageInput<'_>, language: &Language) -> Result<Self, RenderError> {
        let brand = single_line(input.brand, limits::BRAND_CHARS);
        if brand.is_empty() {
            return Err(RenderError::BrandMissing);
        }
        let minutes = language.minutes(input.minutes);
        let mut words =
            Self { brand, minutes, amount: String::new(), payee: String::new(), reference: String::new() };
        if input.purpose == Purpose::Transaction {
            words.take(&input.transaction.ok_or(RenderError::TransactionMissing)?, language)?;
        }
        Ok(words)
    }

    fn take(&mut self, transaction: &TransactionText<'_>, language: &Language) -> Result<(), RenderError> {
        let style = &language.amount;
        self.amount = match transaction.written {
            Some(written) => single_line(written, limits::PAYEE_CHARS),
            None => style
                .format(transaction.amount_minor, transaction.currency)
                .ok_or(RenderError::CurrencyMalformed)?,
        };
        self.payee = single_line(transaction.payee, limits::PAYEE_CHARS);
        if self.payee.is_empty() {
            return Err(RenderError::PayeeMissing);
        }
        self.reference = single_line(transaction.reference.unwrap_or_default(), limits::REFERENCE_CHARS);
        Ok(())
    }

    fn plain(&self, code: &str) -> Value {
        minijinja::context! {
            code,
            brand => self.brand.as_str(),
            minutes => self.minutes.as_str(),
            amount => self.amount.as_str(),
            payee => self.payee.as_str(),
            reference => self.reference.as_str(),
        }
    }

    /// Each value escaped and isolated, so that a Latin brand in an Arabic sentence (or the reverse) moves
    /// nothing around it, and the code always reads left to right.
    fn html(&self, code: &str) -> Value {
        let isolated = |text: &str| Value::from_safe_string(format!("<bdi>{}</bdi>", HtmlEscape(text)));
        let code = format!("<bdi dir=\"ltr\"><strong>{}</strong></bdi>", HtmlEscape(code));
        let reference = if self.reference.is_empty() { Value::from("") } else { isolated(&self.reference) };
        minijinja::context! {
            code => Value::from_safe_string(code),
            brand => isolated(&self.brand),
            minutes => self.minutes.as_str(),
            amount => isolated(&self.amount),
            payee => isolated(&self.payee),
            reference,
        }
    }
}

fn short_message(
    input: &MessageInput<'_>,
    language: &'static Language,
    words: &Words,
) -> Result<RenderedMessage, RenderError> {
    let slot = Slot { part: Part::Sms, purpose: input.purpose };
    let mut text = catalog()?.fill(language, slot, words.plain(input.code))?;
    if language.sms == SmsAlphabet::Gsm7
        && !sms::is_gsm7(&text)
        && let Some(folded) = sms::fold_to_gsm7(&text)
    {
        text = folded;
    }
    end_line(&mut text, input)?;
    let size = measure(&text);
    Ok(RenderedMessage { locale: &language.tag, subject: None, text, html: None, sms: Some(size) })
}

/// The last line of a short message: what binds its code to an app or a site.
fn end_line(text: &mut String, input: &MessageInput<'_>) -> Result<(), RenderError> {
    if let Some(hash) = input.app_hash {
        text.push('\n');
        text.push_str(&single_line(hash, limits::APP_HASH_CHARS));
    } else if let Some(host) = input.origin_host {
        if !is_host(host) {
            return Err(RenderError::HostMalformed);
        }
        text.push_str("\n\n@");
        text.push_str(host);
        text.push_str(" #");
        text.push_str(input.code);
    }
    Ok(())
}

fn mail(
    input: &MessageInput<'_>,
    language: &'static Language,
    words: &Words,
) -> Result<RenderedMessage, RenderError> {
    let (catalog, purpose) = (catalog()?, input.purpose);
    let plain = words.plain(input.code);
    let subject = catalog.fill(language, Slot { part: Part::Subject, purpose }, plain.clone())?;
    let text = catalog.fill(language, Slot { part: Part::MailText, purpose }, plain)?;
    let html = catalog.fill(language, Slot { part: Part::MailHtml, purpose }, words.html(input.code))?;
    Ok(RenderedMessage { locale: &language.tag, subject: Some(subject), text, html: Some(html), sms: None })
}

fn spoken(
    input: &MessageInput<'_>,
    language: &'static Language,
    words: &Words,
) -> Result<RenderedMessage, RenderError> {
    let slot = Slot { part: Part::Voice, purpose: input.purpose };
    let text = catalog()?.fill(language, slot, words.plain(&language.voice.spell(input.code)))?;
    Ok(RenderedMessage { locale: &language.tag, subject: None, text, html: None, sms: None })
}

fn is_code(code: &str) -> bool {
    limits::CODE_CHARS.contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// A host as the origin-bound line wants it: lower-case labels of letters, digits and hyphens.
///
/// User agents compare it with an `https` origin, so a port, a scheme or a capital letter would only make
/// the line useless.
#[must_use]
pub fn is_host(host: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    host.len() <= limits::HOST_CHARS && host.split('.').all(label)
}

#[cfg(test)]
mod tests;
