//! `countersign sandbox`: gateways that misbehave on purpose, for demonstrations and tests. What they do with a message is
//! drawn from a seed, so that the same messages in the same order meet the same fate again.

pub(crate) mod smpp;

/// How often each kind of misbehaviour happens, in percent of the messages, and how long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub(crate) struct Habits {
    /// What the misbehaviour is drawn from.
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Messages refused with "too fast".
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) throttle: u8,
    /// Messages refused because the number cannot be reached.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) refuse: u8,
    /// Messages on which the connection is cut instead of an answer.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) drop: u8,
    /// Messages that are never answered.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) hang: u8,
    /// Messages answered with garbage.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) garbage: u8,
    /// Receipts that say the message did not arrive.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) undelivered: u8,
    /// Receipts that never come.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) lost: u8,
    /// Receipts that come twice.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) duplicate: u8,
    /// Receipts that come before the answer to the message.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) early: u8,
    /// Receipts that come late.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=100))]
    pub(crate) late: u8,
    /// Time until a receipt that is not late, in milliseconds.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 500)]
    pub(crate) receipt_after: u64,
    /// Time until a receipt that is late, in milliseconds.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 30_000)]
    pub(crate) late_after: u64,
}
