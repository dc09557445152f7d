//! The rules of Countersign: values in, (new state, effects, answer) out.
//!
//! Nothing here does I/O, waits, reads a clock, draws randomness or logs; time and entropy are arguments. The crate
//! declares the port ([`store::Store`]) that engines implement and the pure loop ([`batch::run`]) they share.

pub mod admission;
pub mod api_key;
pub mod batch;
pub mod binding;
pub mod buckets;
pub mod budget;
pub mod challenge;
pub mod command;
pub mod decide;
pub mod delivery;
pub mod factor;
#[cfg(test)]
mod factor_formats_tests;
#[cfg(test)]
mod formats_tests;
pub mod health;
pub mod ids;
pub mod journal;
pub mod keys;
pub mod ledger;
pub mod limits;
pub mod message_template;
pub mod money;
mod named;
pub mod oath;
pub mod origin;
pub mod policy;
pub mod quota;
pub mod receipt;
pub mod recipient;
pub mod refusal;
pub mod routing;
pub mod scenario;
pub mod setting;
pub mod store;
pub mod subject;
pub mod tenancy;
pub mod tenant;
mod throttle;
pub mod time;
pub mod verification;
pub mod workflow;
