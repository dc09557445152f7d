//! What exists in test mode only: the outbox and the clock.

pub(crate) mod clock;
pub(crate) mod outbox;
