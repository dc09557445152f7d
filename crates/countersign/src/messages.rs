//! The words of messages, for the outbox that the HTTP edge renders on reading.

use countersign_core::keys::Code;
use countersign_core::message_template::Version;
use countersign_core::tenancy::Project;
use countersign_core::verification::{Channel, Private, Verification};
use countersign_delivery::text;
use countersign_http::{Draft, Written};

/// The texts that the worker sends.
pub(crate) struct Texts;

impl countersign_http::Messages for Texts {
    fn render(
        &self,
        project: &Project,
        verification: &Verification,
        private: &Private,
        channel: Channel,
        code: &Code,
        template: Option<&Version>,
    ) -> String {
        match text::of(project, verification, private, channel, code, template) {
            Ok(message) => message.text,
            Err(error) => format!("This message cannot be written: {error}."),
        }
    }

    fn write(&self, project: &Project, draft: &Draft<'_>) -> Result<Written, String> {
        let Draft { private, purpose, channel, lifetime, code, template } = *draft;
        let draft = text::Draft { project, private, purpose, channel, lifetime, template };
        let message = draft.render(code).map_err(|error| error.to_string())?;
        let sms = message.sms.as_ref().filter(|_| channel == Channel::Sms);
        Ok(Written {
            locale: message.locale.to_owned(),
            encoding: sms.map(|sms| sms.encoding.as_str()),
            parts: text::parts(channel, &message),
            subject: message.subject,
            text: message.text,
            html: message.html,
        })
    }

    fn texts(&self) -> Vec<(&'static str, String)> {
        text::samples()
    }
}
