//! How providers stand now, as far as choosing among them needs it: what health and conversion come to.

use std::collections::BTreeMap;

use crate::recipient::Country;
use crate::time::Timestamp;

/// The whole of a factor, in thousandths.
pub const FULL: u16 = 1000;

/// The standing of one provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rating {
    /// What its own results leave of its weight, in thousandths.
    pub health: u16,
    /// Until when its circuit is open; `None` while it is closed or being probed.
    pub open_until: Option<Timestamp>,
    /// The share of messages that ended in an approval, by country, in thousandths and cautiously low: the lower end of
    /// the Wilson interval. Only countries with enough of them; empty when conversion is not to count.
    pub conversion: BTreeMap<Country, u16>,
}

impl Default for Rating {
    fn default() -> Self {
        Self { health: FULL, open_until: None, conversion: BTreeMap::new() }
    }
}

/// The standing of all providers. One that is not listed is well.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing(pub BTreeMap<String, Rating>);

impl Standing {
    /// Whether messages should go to others first.
    #[must_use]
    pub fn is_open(&self, provider: &str) -> bool {
        self.0.get(provider).is_some_and(|rating| rating.open_until.is_some())
    }

    /// What a weight comes to: in millionths, and never nothing, so that a provider that recovered is found out.
    #[must_use]
    pub fn effective(&self, provider: &str, weight: u32, country: Option<Country>) -> u64 {
        let Some(rating) = self.0.get(provider) else {
            return u64::from(weight) * u64::from(FULL) * u64::from(FULL);
        };
        let learned = country.and_then(|country| rating.conversion.get(&country));
        // A country nobody learned anything about yet is tried like the best one.
        let conversion = learned.copied().unwrap_or(FULL).clamp(FULL / 10, FULL);
        (u64::from(weight) * u64::from(rating.health) * u64::from(conversion)).max(u64::from(weight.min(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_falls_with_health_and_conversion_and_never_to_nothing() {
        let poland: Country = "PL".parse().unwrap();
        let rated = |health, conversion: Option<u16>| {
            let conversion = conversion.map(|share| (poland, share)).into_iter().collect();
            let rating = Rating { health, conversion, ..Rating::default() };
            Standing([("a".to_owned(), rating)].into())
        };
        let effective = |standing: Standing| standing.effective("a", 10, Some(poland));
        assert_eq!(effective(Standing::default()), 10_000_000);
        assert_eq!(effective(rated(500, None)), 5_000_000);
        assert_eq!(effective(rated(500, Some(400))), 2_000_000);
        assert_eq!(
            effective(rated(FULL, Some(0))),
            1_000_000,
            "a tenth is left, so that it can be learned anew"
        );
        assert_eq!(effective(rated(0, Some(0))), 1);
        assert_eq!(rated(0, None).effective("a", 0, None), 0, "what has no weight gets none");
        assert_eq!(rated(FULL, Some(400)).effective("a", 10, "DE".parse().ok()), 10_000_000);
    }
}
