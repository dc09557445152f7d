//! Writes no messages: for edges whose messages nobody reads.

use countersign_core::keys::Code;
use countersign_core::message_template::Version;
use countersign_core::tenancy::Project;
use countersign_core::verification::{Channel, Private, Verification};
use countersign_http::{Draft, Messages, Written};

pub(crate) struct Silent;

impl Messages for Silent {
    fn render(
        &self,
        _: &Project,
        _: &Verification,
        _: &Private,
        _: Channel,
        _: &Code,
        _: Option<&Version>,
    ) -> String {
        String::new()
    }

    fn write(&self, _: &Project, _: &Draft<'_>) -> Result<Written, String> {
        Err("is not written here".to_owned())
    }

    fn texts(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }
}
