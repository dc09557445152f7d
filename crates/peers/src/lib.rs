//! For tests and the bench only: real programs beside ours, and what can go wrong with them.
//!
//! Each program has a directory and a port of its own and ends with the process that started it, also when
//! that is killed (`directory.rs` says how). A program that is not installed ends the test with a message that says
//! how to get it; nothing is skipped. Broken fixtures panic: there is nothing a test could do about them.
//!
//! ```no_run
//! use countersign_peers::{Postgres, Proxy, shared};
//!
//! let database = shared().create_database(); // quick: the tests of a process share one server
//! let proxy = Proxy::to(shared().address());
//! proxy.cut_reply_to(b"COMMIT"); // the next commit through `proxy.through(&database)` has an unknown outcome
//!
//! let crashing = Postgres::durable(); // a server of its own, for tests that hurt it
//! let database = crashing.create_database();
//! crashing.kill_nine();
//! crashing.restart();
//! assert_eq!(crashing.psql(&database, "SELECT 1"), "1");
//! ```
#![expect(clippy::expect_used, reason = "a broken fixture must end the test that uses it")]

mod account;
mod directory;
mod pgbouncer;
mod port;
mod postgres;
mod process;
mod programs;
mod proxy;
mod url;
mod wait;

pub use pgbouncer::Pgbouncer;
pub use postgres::{Postgres, Settings, shared};
pub use programs::faketime;
pub use proxy::Proxy;
pub use wait::until;
