//! The programs do what the tests of other crates count on.
#![expect(clippy::unwrap_used, reason = "a broken fixture must end the test that uses it")]

mod leftovers;
mod pgbouncer;
mod postgres;
mod proxy;
mod standby;
