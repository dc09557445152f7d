//! The real binary, from outside: over HTTP, with its files on disk, killed and started again.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bad_input;
mod canary;
mod chaos;
mod cluster;
mod cuts;
mod failover;
mod faults;
mod harness;
mod kill;
mod load;
mod main_job;
mod money;
mod node_clocks;
mod node_races;
mod node_rings;
mod nodes;
mod pages;
mod pools;
mod postgres_input;
mod quota;
mod races;
mod ring;
mod rolling;
mod routes;
mod routing;
mod sending_limits;
mod shutdown;
mod site;
mod slow_database;
mod store_choice;
mod store_copy;
mod takeover;
mod templates;
mod twilio;
