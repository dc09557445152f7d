//! The providers against real peers: a Python mail relay, an SMSC on Node, and HTTP gateways that
//! misbehave.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod http_gateway;
mod outgoing;
mod relay;
mod smpp;
mod smtp;
