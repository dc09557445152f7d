//! The message of a verification, in the project's name and the person's language.

use countersign_core::keys::Code;
use countersign_core::tenancy::Project;
use countersign_core::verification::{Channel, Private, Verification};

use crate::messages::{self, Medium, MessageInput, RenderError, RenderedMessage, TransactionText};

/// Renders the message that carries `code`.
///
/// # Errors
/// When a value cannot stand in a message, see [`messages::render`].
pub fn of(
    project: &Project,
    verification: &Verification,
    private: &Private,
    channel: Channel,
    code: &Code,
) -> Result<RenderedMessage, RenderError> {
    let lifetime = verification.expires_at.since(verification.created_at);
    messages::render(&MessageInput {
        locale: private.locale.as_deref().unwrap_or(&project.locale),
        medium: match channel {
            Channel::Email => Medium::Email,
            Channel::Voice => Medium::Voice,
            _ => Medium::Sms,
        },
        purpose: verification.purpose,
        brand: private.brand.as_deref().unwrap_or(&project.brand),
        code: code.reveal(),
        minutes: u32::try_from(lifetime.as_secs().div_ceil(60)).unwrap_or(u32::MAX),
        origin_host: project.origin_host.as_deref(),
        app_hash: private.app_hash.as_deref(),
        transaction: private.transaction.as_ref().map(|transaction| TransactionText {
            amount_minor: transaction.amount,
            written: transaction.written.as_deref(),
            currency: &transaction.currency,
            payee: &transaction.payee,
            reference: transaction.reference.as_deref(),
        }),
    })
}

/// The text message of each language with the vendors' placeholders for what differs from message to message.
#[must_use]
pub fn samples() -> Vec<(&'static str, String)> {
    let (code, brand) = ("0000000000", "{{friendly_name}}");
    let sample = |locale| {
        let rendered = messages::render(&MessageInput {
            locale,
            medium: Medium::Sms,
            purpose: messages::Purpose::Authentication,
            brand,
            code,
            minutes: 10,
            origin_host: None,
            app_hash: None,
            transaction: None,
        });
        let text = rendered.ok()?.text.replace(code, "{{code}}").replacen("10", "{{ttl}}", 1);
        Some((locale, text))
    };
    messages::languages().unwrap_or_default().into_iter().filter_map(sample).collect()
}
