//! For tests only: time and randomness that repeat, requests in one line, and a seeded simulator of the rules.
#![expect(clippy::expect_used, reason = "a broken fixture must end the test that uses it")]

pub mod clock;
pub mod entropy;
pub mod requests;
pub mod simulator;
pub mod subjects;

pub use clock::FakeClock;
pub use countersign_store::memory::MemoryStore;
pub use entropy::SeededEntropy;
pub use requests::{GATEWAY, Requests, test_keys, test_ring};
