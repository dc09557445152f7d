//! The words of messages, for the outbox that the HTTP edge renders on reading.

/// The texts of the delivery crate.
pub(crate) struct Texts;

impl countersign_http::Messages for Texts {}
