//! A message as a mail (RFC 5322, MIME). The library writes every header, so no value can become one.

use lettre::address::Address;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MultiPart, SinglePart};

use crate::limits;
use crate::messages::single_line;
use crate::provider::{ErrorClass, Outgoing, ProviderError};

/// Who our mails come from.
pub(super) struct Sender {
    pub(super) from: Mailbox,
    pub(super) reply_to: Option<Mailbox>,
}

/// A mail and its envelope.
pub(super) struct Mail {
    pub(super) to: Address,
    pub(super) bytes: Vec<u8>,
    /// Its Message-ID without the angle brackets.
    pub(super) message_id: String,
}

/// Writes the mail. The Message-ID comes from the delivery id, so a second attempt carries the same one and
/// a mail system that saw the first can drop it. The library sets `Date` from the system's clock.
pub(super) fn compose(sender: &Sender, outgoing: &Outgoing) -> Result<Mail, ProviderError> {
    let to = recipient(&outgoing.to)?;
    let message_id = message_id(&outgoing.delivery_id, sender.from.email.domain());
    let mut builder = Message::builder()
        .from(from(sender, outgoing.sender.as_deref()))
        .to(Mailbox::new(None, to.clone()))
        .subject(single_line(outgoing.message.subject.as_deref().unwrap_or_default(), limits::SUBJECT_CHARS))
        .message_id(Some(format!("<{message_id}>")))
        // RFC 3834: no vacation notices and no loops.
        .raw_header(header("Auto-Submitted", "auto-generated"))
        .raw_header(header("X-Auto-Response-Suppress", "All"));
    if let Some(reply_to) = &sender.reply_to {
        builder = builder.reply_to(reply_to.clone());
    }
    let text = outgoing.message.text.clone();
    let message = match &outgoing.message.html {
        Some(html) => builder.multipart(MultiPart::alternative_plain_html(text, html.clone())),
        None => builder.singlepart(SinglePart::plain(text)),
    };
    let message = message
        .map_err(|_| ProviderError::new(ErrorClass::Configuration, "the mail could not be written"))?;
    Ok(Mail { to, bytes: message.formatted(), message_id })
}

/// The address exactly as stored, or nothing: an address that needs mending is somebody else's.
fn recipient(address: &str) -> Result<Address, ProviderError> {
    let unusable = || ProviderError::new(ErrorClass::RecipientRejected, "not a mail address");
    if address.contains(|c: char| c.is_control() || c.is_whitespace() || "<>,;\"\\".contains(c)) {
        return Err(unusable());
    }
    address.parse().map_err(|_| unusable())
}

fn from(sender: &Sender, display_name: Option<&str>) -> Mailbox {
    let name =
        display_name.map(|name| single_line(name, limits::BRAND_CHARS)).filter(|name| !name.is_empty());
    match name {
        Some(name) => Mailbox::new(Some(name), sender.from.email.clone()),
        None => sender.from.clone(),
    }
}

fn message_id(delivery_id: &str, domain: &str) -> String {
    let word: String =
        delivery_id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_' || *c == '-').collect();
    format!("{word}@{domain}")
}

fn header(name: &'static str, value: &str) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned())
}
