//! The client against an SMSC of our own in memory, against hand-written peers, and against SMSCs of others.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod close;
mod faults;
mod harness;
mod peers;
mod receipts;
mod reconnect;
mod throttling;
mod window;
