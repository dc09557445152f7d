//! The providers against real peers: a Python mail relay, and HTTP gateways that misbehave; and the worker above them.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod http_gateway;
mod outgoing;
mod relay;
mod smtp;
mod worker;
