//! Delivery: the words of a message, and the providers that carry it.
//!
//! [`messages`] turns a code and its purpose into text; [`provider`] is the port that every gateway
//! implements; [`smtp`] and [`http_gateway`] are the two that ship. Nothing here decides whether a message
//! may be sent: that was decided, and reserved, in the core.

pub mod limits;
pub mod messages;
