//! The message of a verification, in the project's name and the person's language.

use std::time::Duration;

use countersign_core::keys::Code;
use countersign_core::message_template::Version;
use countersign_core::tenancy::Project;
use countersign_core::verification::{Channel, Private, Purpose, Verification};

use crate::messages::{self, Medium, MessageInput, RenderError, RenderedMessage, TransactionText};

/// What a message is made from.
#[derive(Clone, Copy)]
pub struct Draft<'a> {
    /// Whose message it is.
    pub project: &'a Project,
    /// What is known of the person.
    pub private: &'a Private,
    /// What the code is for.
    pub purpose: Purpose,
    /// How it travels.
    pub channel: Channel,
    /// How long the code lives.
    pub lifetime: Duration,
    /// Whose words it has; `None` has those that ship.
    pub template: Option<&'a Version>,
}

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
    template: Option<&Version>,
) -> Result<RenderedMessage, RenderError> {
    let lifetime = verification.expires_at.since(verification.created_at);
    let draft = Draft { project, private, purpose: verification.purpose, channel, lifetime, template };
    draft.render(code.reveal())
}

/// The parts a message is charged by: the segments of a text message, one of everything else.
#[must_use]
pub fn parts(channel: Channel, message: &RenderedMessage) -> u32 {
    let segments = message.sms.as_ref().filter(|_| channel == Channel::Sms).map(|sms| sms.segments);
    u32::from(segments.unwrap_or(1))
}

impl Draft<'_> {
    /// The message with this code in it.
    ///
    /// # Errors
    /// When a value cannot stand in a message, see [`messages::render`].
    pub fn render(&self, code: &str) -> Result<RenderedMessage, RenderError> {
        let Self { project, private, purpose, channel, lifetime, template } = *self;
        let input = MessageInput {
            locale: private.locale.as_deref().unwrap_or(&project.locale),
            medium: match channel {
                Channel::Email => Medium::Email,
                Channel::Voice => Medium::Voice,
                _ => Medium::Sms,
            },
            purpose,
            brand: private.brand.as_deref().unwrap_or(&project.brand),
            code,
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
        };
        messages::render_with(&input, template)
    }
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
