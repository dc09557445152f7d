//! Fake providers that misbehave on purpose, for demonstrations and tests: one file per protocol.

pub(crate) mod smpp;

use serde_json::Value;

/// What goes wrong, and how often; shared by all fakes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Faults {
    /// Where randomness begins: the same seed and the same order of messages give the same faults.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Milliseconds until a message is answered.
    #[arg(long, value_name = "MS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(..=600_000))]
    pub(crate) answer_after: u64,
    /// Milliseconds from the answer to the receipt.
    #[arg(long, value_name = "MS", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(..=86_400_000))]
    pub(crate) receipt_after: u64,
    /// Milliseconds from the answer to a receipt that is late.
    #[arg(long, value_name = "MS", default_value_t = 30_000, value_parser = clap::value_parser!(u64).range(..=86_400_000))]
    pub(crate) late_by: u64,
    /// Messages in a second; more are refused as too fast.
    #[arg(long, value_name = "N")]
    pub(crate) per_second: Option<u32>,
    /// Share of messages refused as too fast, 0 to 1.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(crate) throttled: f64,
    /// Share of messages refused for good.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(crate) refused: f64,
    /// Share of messages that are never answered.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(crate) unanswered: f64,
    /// Share of messages whose connection drops before the answer; they are taken all the same.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(crate) dropped: f64,
    /// Share of messages answered with garbage.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(crate) garbage: f64,
    /// Share of messages that are taken and cannot be delivered.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(crate) undelivered: f64,
    /// Share of messages without a receipt.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(crate) no_receipt: f64,
    /// Share of messages whose receipt is late.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(crate) late: f64,
    /// Share of messages whose receipt comes twice.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(crate) duplicate: f64,
    /// Share of messages whose receipt comes before the answer.
    #[arg(long, value_name = "SHARE", default_value = "0", value_parser = share)]
    pub(crate) early: f64,
}

impl Faults {
    /// The shares together; more than 1 cannot be.
    pub(crate) fn shares(&self) -> f64 {
        let Self { throttled, refused, unanswered, dropped, garbage, undelivered, .. } = self;
        let Self { no_receipt, late, duplicate, early, .. } = self;
        throttled
            + refused
            + unanswered
            + dropped
            + garbage
            + undelivered
            + no_receipt
            + late
            + duplicate
            + early
    }
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.0..=1.0).contains(&share) { Ok(share) } else { Err("a share is 0 to 1".to_owned()) }
}

/// What a fake tells: a line for people, an object for programs.
pub(crate) type Teller = std::sync::Arc<dyn Fn(&str, &Value) + Send + Sync>;

/// A text of a peer on one line of a terminal.
pub(crate) fn on_a_line(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_a_part_of_the_whole() {
        for (text, good) in [
            ("0", true),
            ("0.05", true),
            ("1", true),
            ("1.01", false),
            ("-0.1", false),
            ("NaN", false),
            ("x", false),
        ] {
            assert_eq!(share(text).is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_peers_text_moves_no_cursor() {
        assert_eq!(on_a_line("482913\n\u{1b}[2Jx\u{9b}"), "482913  [2Jx ");
    }
}
