//! Delivery: the words of a message, the providers that carry it, and the worker between them.
//!
//! [`messages`] turns a code and its purpose into text; [`provider`] is the port that every gateway
//! implements; [`smtp`], [`smpp`] and [`http_gateway`] are those that ship; [`worker`] hands messages over. Nothing here
//! decides whether a message may be sent: that was decided, and reserved, in the core.

mod carriers;
pub mod config;
pub mod http_gateway;
pub mod limits;
pub mod messages;
mod pointer;
pub mod provider;
pub mod receipts;
pub mod smpp;
pub mod smtp;
mod steps;
pub mod text;
mod tls;
pub mod wake;
mod wording;
pub mod worker;
