//! `countersign sandbox`: gateways that misbehave on purpose, for demonstrations and tests. What they do with a message is
//! drawn from a seed, so that the same messages in the same order meet the same fate again.

pub(crate) mod http;
pub(crate) mod smpp;

use countersign_core::draws::Draws;

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

/// What becomes of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    Throttled,
    Refused,
    Dropped,
    Hung,
    Garbage,
    Taken(Receipts),
}

/// What is reported of a message that was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipts {
    pub(crate) arrived: bool,
    /// 0, 1 or 2.
    pub(crate) count: u8,
    pub(crate) early: bool,
    pub(crate) late: bool,
}

impl Habits {
    /// The fate of the `n`-th message. Each habit has a draw of its own, so turning one up moves no other.
    pub(crate) fn fate(&self, n: u64) -> Fate {
        let mut draws = Draws::of(self.seed.wrapping_add(n.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
        let mut happens = |percent: u8| draws.draw() % 100 < u64::from(percent);
        let (throttled, refused, dropped) =
            (happens(self.throttle), happens(self.refuse), happens(self.drop));
        let (hung, garbage) = (happens(self.hang), happens(self.garbage));
        let (undelivered, lost, duplicate) =
            (happens(self.undelivered), happens(self.lost), happens(self.duplicate));
        let (early, late) = (happens(self.early), happens(self.late));
        if throttled {
            Fate::Throttled
        } else if refused {
            Fate::Refused
        } else if dropped {
            Fate::Dropped
        } else if hung {
            Fate::Hung
        } else if garbage {
            Fate::Garbage
        } else {
            let count = if lost { 0 } else { 1 + u8::from(duplicate) };
            Fate::Taken(Receipts { arrived: !undelivered, count, early, late })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A gateway without a fault.
    pub(super) const GOOD: Habits = Habits {
        seed: 1,
        throttle: 0,
        refuse: 0,
        drop: 0,
        hang: 0,
        garbage: 0,
        undelivered: 0,
        lost: 0,
        duplicate: 0,
        early: 0,
        late: 0,
        receipt_after: 0,
        late_after: 0,
    };

    #[test]
    fn the_same_seed_gives_the_same_fates_and_rates_hold() {
        let habits = Habits { throttle: 30, duplicate: 50, ..GOOD };
        let fates = |habits: Habits| (0..10_000).map(|n| habits.fate(n)).collect::<Vec<_>>();
        let first = fates(habits);
        assert_eq!(first, fates(habits));
        assert_ne!(first, fates(Habits { seed: 2, ..habits }));
        let throttled = first.iter().filter(|fate| **fate == Fate::Throttled).count();
        assert!((2_850..3_150).contains(&throttled), "{throttled}");
        let doubled = first.iter().filter(|fate| matches!(fate, Fate::Taken(r) if r.count == 2)).count();
        assert!((3_300..3_700).contains(&doubled), "{doubled}");
        // Who is throttled does not depend on how often receipts are doubled.
        let calmer = fates(Habits { duplicate: 0, ..habits });
        let positions =
            |fates: &[Fate]| fates.iter().map(|fate| *fate == Fate::Throttled).collect::<Vec<_>>();
        assert_eq!(positions(&first), positions(&calmer));
    }

    #[test]
    fn never_is_never_and_always_is_always() {
        for n in 0..1000 {
            let good = Receipts { arrived: true, count: 1, early: false, late: false };
            assert_eq!(GOOD.fate(n), Fate::Taken(good));
            assert_eq!(Habits { drop: 100, ..GOOD }.fate(n), Fate::Dropped);
            let lost = Habits { lost: 100, duplicate: 100, ..GOOD };
            assert!(matches!(lost.fate(n), Fate::Taken(receipts) if receipts.count == 0));
        }
    }
}
