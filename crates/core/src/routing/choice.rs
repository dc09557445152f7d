//! The weighted draw among the providers of a tier: the same lot and weights always give the same order.

use crate::draws::Draws;

/// The randomness of one choice: eight unpredictable bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lot(pub u64);

impl Lot {
    /// The lot that lies in the random tail of an id.
    #[must_use]
    pub const fn of(random: &[u8; 10]) -> Self {
        let [_, _, a, b, c, d, e, f, g, h] = *random;
        Self(u64::from_be_bytes([a, b, c, d, e, f, g, h]))
    }

    /// A stream of draws: one lot decides a whole order.
    pub(super) const fn draws(self) -> Draws {
        Draws::of(self.0)
    }
}

/// Puts `items` in a drawn order: each place goes to one of those that are left, with a chance in proportion to its
/// weight. What weighs nothing comes last, in the order given.
pub(super) fn draw_order<T>(items: &mut [T], draws: &mut Draws, weight: impl Fn(&T) -> u64) {
    for place in 0..items.len() {
        let rest = &mut items[place..];
        let total: u64 = rest.iter().map(&weight).sum();
        if rest.len() < 2 || total == 0 {
            return;
        }
        let mut ticket = draws.below(total);
        let drawn = rest.iter().position(|item| {
            let weight = weight(item);
            let wins = ticket < weight;
            ticket = ticket.saturating_sub(weight);
            wins
        });
        if let Some(drawn) = drawn {
            // The others keep their order, so that ties do not depend on what was drawn before.
            rest[..=drawn].rotate_right(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(weights: &[(char, u64)], lot: u64) -> String {
        let mut items = weights.to_vec();
        draw_order(&mut items, &mut Lot(lot).draws(), |(_, weight)| *weight);
        items.into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn the_same_lot_gives_the_same_order() {
        let weights = [('a', 5), ('b', 3), ('c', 2)];
        for lot in [0, 1, u64::MAX, 0xdead_beef] {
            assert_eq!(order(&weights, lot), order(&weights, lot));
        }
        let all: std::collections::BTreeSet<_> = (0..1000).map(|lot| order(&weights, lot)).collect();
        assert_eq!(all.len(), 6, "every order occurs");
    }

    #[test]
    fn shares_follow_the_weights() {
        let first = (0..20_000).filter(|lot| order(&[('a', 700), ('b', 300)], *lot).starts_with('a')).count();
        assert!((13_700..14_300).contains(&first), "{first} of 20,000 at a weight of 70 %");
    }

    #[test]
    fn what_weighs_nothing_is_the_last_resort() {
        for lot in 0..200 {
            assert_eq!(order(&[('a', 0), ('b', 1), ('c', 0)], lot), "bac");
            assert_eq!(order(&[('a', 0), ('b', 0)], lot), "ab");
        }
        assert_eq!(order(&[], 1), "");
    }
}
