//! How an SMSC behaves.

use std::time::Duration;

use rusmpp::CommandStatus;

use crate::delivery::State;
use crate::message_id::IdForm;

/// What is done with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Taken, and delivered.
    Delivered,
    /// Taken, and it fails in this way.
    Fails(State),
    /// Taken; no receipt follows.
    NoReceipt,
    /// Taken; the receipt follows after [`Behaviour::late_by`].
    LateReceipt,
    /// Taken; the receipt comes twice.
    DuplicateReceipt,
    /// Taken; the receipt comes before the answer.
    EarlyReceipt,
    /// Taken, answered, and the connection drops; the receipt comes after the next bind.
    DropsAfterAnswer,
    /// Taken; the connection drops before the answer. The receipt comes after the next bind.
    DropsBeforeAnswer,
    /// Taken, and never answered.
    NoAnswer,
    /// Answered with octets that are no PDU.
    Garbage,
    /// The SMSC unbinds instead of answering.
    Unbinds,
    /// `ESME_RTHROTTLED`
    Throttled,
    /// `ESME_RMSGQFUL`
    QueueFull,
    /// Refused with `ESME_RINVDSTADR`.
    BadNumber,
    /// Refused with `ESME_RSUBMITFAIL`.
    Refused,
}

impl Fate {
    /// The status of the answer.
    pub(super) const fn status(self) -> CommandStatus {
        match self {
            Self::Throttled => CommandStatus::EsmeRthrottled,
            Self::QueueFull => CommandStatus::EsmeRmsgqful,
            Self::BadNumber => CommandStatus::EsmeRinvdstadr,
            Self::Refused => CommandStatus::EsmeRsubmitfail,
            _ => CommandStatus::EsmeRok,
        }
    }

    /// Whether the message is the SMSC's now.
    #[must_use]
    pub fn is_taken(self) -> bool {
        self.status() == CommandStatus::EsmeRok && !matches!(self, Self::Garbage | Self::Unbinds)
    }

    /// What the receipt says; `None` when there is none.
    pub(super) const fn receipt(self) -> Option<State> {
        match self {
            Self::Fails(state) => Some(state),
            Self::Delivered
            | Self::LateReceipt
            | Self::DuplicateReceipt
            | Self::EarlyReceipt
            | Self::DropsAfterAnswer
            | Self::DropsBeforeAnswer
            | Self::NoAnswer => Some(State::Delivered),
            _ => None,
        }
    }
}

/// What always happens to numbers that end in these four digits.
pub const SPECIAL_NUMBERS: [(&str, Fate, &str); 14] = [
    ("0001", Fate::NoAnswer, "is never answered"),
    ("0002", Fate::DropsBeforeAnswer, "drops the connection before the answer"),
    ("0003", Fate::DropsAfterAnswer, "drops the connection after the answer"),
    ("0004", Fate::EarlyReceipt, "has its receipt before the answer"),
    ("0005", Fate::NoReceipt, "has no receipt"),
    ("0006", Fate::Fails(State::Undeliverable), "cannot be delivered"),
    ("0007", Fate::Fails(State::Expired), "expires"),
    ("0008", Fate::DuplicateReceipt, "has its receipt twice"),
    ("0009", Fate::Garbage, "is answered with garbage"),
    ("0010", Fate::Unbinds, "makes the SMSC unbind"),
    ("0011", Fate::BadNumber, "is refused, ESME_RINVDSTADR"),
    ("0020", Fate::QueueFull, "is refused, ESME_RMSGQFUL"),
    ("0069", Fate::Refused, "is refused, ESME_RSUBMITFAIL"),
    ("0088", Fate::Throttled, "is refused, ESME_RTHROTTLED"),
];

pub(super) fn special(destination: &str) -> Option<Fate> {
    SPECIAL_NUMBERS.iter().find(|(digits, ..)| destination.ends_with(digits)).map(|(_, fate, _)| *fate)
}

/// Shares of all messages, each from 0 to 1, that meet something else than delivery. Each has a draw of its own, so that
/// turning one up moves no other; of several that meet one message the first in this order happens.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rates {
    /// Refused with `ESME_RTHROTTLED`.
    pub throttled: f64,
    /// Refused with `ESME_RMSGQFUL`.
    pub queue_full: f64,
    /// Refused with `ESME_RSUBMITFAIL`.
    pub refused: f64,
    /// Never answered.
    pub unanswered: f64,
    /// The connection drops before the answer.
    pub dropped: f64,
    /// Answered with garbage.
    pub garbage: f64,
    /// Taken, and cannot be delivered.
    pub undelivered: f64,
    /// Taken, without a receipt.
    pub no_receipt: f64,
    /// The receipt is late.
    pub late: f64,
    /// The receipt comes twice.
    pub duplicate: f64,
    /// The receipt comes before the answer.
    pub early: f64,
}

impl Rates {
    pub(super) fn draw(&self, random: &mut fastrand::Rng) -> Fate {
        let shares = [
            (self.throttled, Fate::Throttled),
            (self.queue_full, Fate::QueueFull),
            (self.refused, Fate::Refused),
            (self.unanswered, Fate::NoAnswer),
            (self.dropped, Fate::DropsBeforeAnswer),
            (self.garbage, Fate::Garbage),
            (self.undelivered, Fate::Fails(State::Undeliverable)),
            (self.no_receipt, Fate::NoReceipt),
            (self.late, Fate::LateReceipt),
            (self.duplicate, Fate::DuplicateReceipt),
            (self.early, Fate::EarlyReceipt),
        ];
        let drawn = shares.map(|(share, fate)| (random.f64() < share).then_some(fate));
        drawn.into_iter().flatten().next().unwrap_or(Fate::Delivered)
    }
}

/// How an SMSC behaves.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// Where randomness begins.
    pub seed: u64,
    /// The one who may bind and the password; anybody when `None`.
    pub account: Option<(String, String)>,
    /// Refuses every bind with this.
    pub refuses_binds: Option<CommandStatus>,
    /// Takes everything and says nothing.
    pub silent: bool,
    /// How long an answer takes.
    pub answer_after: Duration,
    /// How long a receipt takes after the answer.
    pub receipt_after: Duration,
    /// How long a late receipt takes.
    pub late_by: Duration,
    /// How long until a receipt that was not taken is repeated.
    pub repeat_after: Duration,
    /// More than so many messages in a second are refused.
    pub messages_per_second: Option<u32>,
    /// How ids are written in answers and in receipts.
    pub id_forms: [IdForm; 2],
    /// Reads GSM-7 texts as packed.
    pub packed: bool,
    /// Receipts say what they are by TLVs, too.
    pub receipt_tlvs: bool,
    /// Shares that go wrong.
    pub rates: Rates,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            seed: 1,
            account: None,
            refuses_binds: None,
            silent: false,
            answer_after: Duration::ZERO,
            receipt_after: Duration::from_millis(200),
            late_by: Duration::from_secs(30),
            repeat_after: Duration::from_secs(1),
            messages_per_second: None,
            id_forms: [IdForm::Text; 2],
            packed: false,
            receipt_tlvs: true,
            rates: Rates::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_draws_the_same() {
        let rates = Rates { throttled: 0.1, late: 0.2, duplicate: 0.2, ..Rates::default() };
        let draw = |seed| {
            let mut random = fastrand::Rng::with_seed(seed);
            (0..200).map(|_| rates.draw(&mut random)).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        let late = draw(7).iter().filter(|fate| **fate == Fate::LateReceipt).count();
        assert!((20..=60).contains(&late), "{late}");
        assert!(draw(7).contains(&Fate::Delivered));
        // Who is throttled does not depend on how many receipts are late.
        let throttled = |rates: Rates| {
            let mut random = fastrand::Rng::with_seed(7);
            (0..200).map(|_| rates.draw(&mut random) == Fate::Throttled).collect::<Vec<_>>()
        };
        assert_eq!(throttled(rates), throttled(Rates { late: 0.0, ..rates }));
        let all = Rates { refused: 1.0, ..Rates::default() };
        assert_eq!(all.draw(&mut fastrand::Rng::with_seed(1)), Fate::Refused);
    }

    #[test]
    fn no_rates_deliver_everything() {
        let mut random = fastrand::Rng::with_seed(1);
        assert!((0..100).all(|_| Rates::default().draw(&mut random) == Fate::Delivered));
    }
}
