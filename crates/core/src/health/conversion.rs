//! What a provider is worth in a country: how many of the messages it took ended in an approval, cautiously low.

/// Messages below which nothing is concluded.
pub const ENOUGH: u32 = 50;
/// Messages at which both numbers are halved, so that what was learned long ago fades.
pub const FADE_AT: u32 = 2_000;

/// Messages and approvals of one provider in one country.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conversion {
    /// Messages it took.
    pub sent: u32,
    /// Verifications approved whose latest message it took.
    pub approved: u32,
}

impl Conversion {
    pub(super) const fn sent(&mut self) {
        self.sent += 1;
        if self.sent >= FADE_AT {
            self.sent /= 2;
            self.approved /= 2;
        }
    }

    /// On several nodes an approval may be seen elsewhere than the message was sent: never more of them than messages.
    pub(super) const fn approved(&mut self) {
        if self.approved < self.sent {
            self.approved += 1;
        }
    }

    /// The lower end of the 95 % Wilson interval (Wilson 1927) of the share that was approved, in thousandths; `None`
    /// while there are too few messages.
    #[must_use]
    pub fn lower_bound(&self) -> Option<u16> {
        if self.sent < ENOUGH {
            return None;
        }
        let (n, z) = (f64::from(self.sent), 1.96_f64);
        let share = f64::from(self.approved) / n;
        let spread = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
        let lower = (share + z * z / (2.0 * n) - spread) / (1.0 + z * z / n);
        // Between 0 and 1 by construction; the cast drops the fraction.
        let thousandths = (lower.clamp(0.0, 1.0) * 1000.0) as u16;
        Some(thousandths)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_that_of_the_interval_and_needs_fifty_messages() {
        let bound = |sent, approved| Conversion { sent, approved }.lower_bound();
        assert_eq!(bound(ENOUGH - 1, 49), None);
        // Values of the closed form, computed apart: 40 of 50, 800 of 1000, none and all of 100.
        assert_eq!(bound(50, 40), Some(669));
        assert_eq!(bound(1000, 800), Some(774));
        assert_eq!(bound(100, 0), Some(0));
        assert_eq!(bound(100, 100), Some(963));
    }

    #[test]
    fn more_messages_of_the_same_share_give_a_higher_bound() {
        let bounds = [50, 100, 500, 1500].map(|sent| Conversion { sent, approved: sent / 2 }.lower_bound());
        assert!(bounds.is_sorted() && bounds.iter().all(Option::is_some), "{bounds:?}");
    }

    #[test]
    fn old_numbers_fade_and_approvals_never_exceed_messages() {
        let mut learned = Conversion::default();
        for _ in 0..FADE_AT {
            learned.sent();
            learned.approved();
            learned.approved();
        }
        assert_eq!(learned, Conversion { sent: FADE_AT / 2, approved: FADE_AT / 2 });
        for _ in 0..10 * FADE_AT {
            learned.sent();
        }
        assert!(learned.sent < FADE_AT && learned.approved < 2, "{learned:?}");
    }
}
