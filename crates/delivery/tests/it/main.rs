//! The providers against real peers: a Python mail relay, an SMSC on Node, and HTTP gateways that misbehave; and the
//! worker above them.

#![expect(clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod google;
mod http_gateway;
mod outgoing;
mod presets;
mod receipts;
mod relay;
mod service_account;
mod smpp;
mod smtp;
mod worker;
