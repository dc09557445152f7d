//! The words of messages, for the outbox that the HTTP edge renders on reading.

use countersign_core::keys::Code;
use countersign_core::tenancy::Project;
use countersign_core::verification::{Channel, Private, Verification};
use countersign_delivery::text;
use countersign_http::Draft;

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
    ) -> String {
        match text::of(project, verification, private, channel, code) {
            Ok(message) => message.text,
            Err(error) => format!("This message cannot be written: {error}."),
        }
    }

    fn parts(&self, project: &Project, draft: &Draft<'_>) -> u32 {
        let Draft { private, purpose, channel, lifetime, code_length } = *draft;
        let draft = text::Draft { project, private, purpose, channel, lifetime };
        // What cannot be written is not sent, and costs nothing.
        let message = draft.render(&"0".repeat(usize::from(code_length)));
        message.map_or(0, |message| text::parts(channel, &message))
    }

    fn texts(&self) -> Vec<(&'static str, String)> {
        text::samples()
    }
}
