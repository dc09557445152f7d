//! The engines behind the port of `countersign_core::store`.
//!
//! Both share the pure loop of the core ([`countersign_core::batch`]) and the way rows are gathered for it
//! ([`load`]); each has only its own reads and writes.

mod cbor;
pub mod copy;
mod load;
pub mod memory;
pub mod postgres;
mod queue;
pub mod sqlite;

use std::sync::Arc;

use countersign_core::command::Job;

/// Takes deliveries that were just committed, leased to this node. Must not block.
pub type HandOver = Arc<dyn Fn(Job) + Send + Sync>;
