//! The decisions as claims. [`world::World`] plays the engine and checks the invariants after every batch.

mod batches;
mod budgets;
mod check;
mod create;
mod dialect;
mod ends;
mod invariants;
mod model;
mod receipts;
mod resend;
mod workflow;
pub(crate) mod world;
