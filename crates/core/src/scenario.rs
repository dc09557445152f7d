//! The scenario numbers of test mode: each provokes one outcome, so that every branch of an app can be tested.

use crate::recipient::Recipient;
use crate::routing::TEST_OUTBOX;

/// What a scenario number provokes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// `…0001`: refused as invalid.
    RecipientInvalid,
    /// `…0002`: no route.
    NoRoute,
    /// `…0003`: the country is not allowed.
    CountryNotAllowed,
    /// `…0004`: on a block list.
    BlockedByList,
    /// `…0006`: delivered, and the network says so.
    Delivered,
    /// `…0009`: cannot receive text messages; voice can.
    NoSms,
    /// `…0010`: taken, never delivered.
    NeverDelivered,
    /// `…0011`: delivered 20 seconds late.
    Late,
    /// `…0012`: the first provider fails, the second delivers.
    FailsOver,
    /// `…0013`: the fraud guard asks for a challenge.
    Challenged,
    /// `…0014`: ends at once with too many tries.
    MaxAttemptsAtOnce,
    /// `…0015`: expires at once.
    ExpiresAtOnce,
    /// `…0016`: taken, then reported undelivered.
    Undelivered,
}

/// The providers that exist only in scenarios: what the delivery worker does with each is in its name.
pub mod providers {
    /// Takes the message and loses it.
    pub const LOSES: &str = "test_loses";
    /// Delivers 20 seconds late.
    pub const LATE: &str = "test_late";
    /// Fails with a provider's fault.
    pub const FAILS: &str = "test_fails";
    /// Takes the message, then reports that it did not arrive.
    pub const UNDELIVERED: &str = "test_undelivered";
    /// Delivers, then reports that it arrived.
    pub const DELIVERS: &str = "test_delivers";
}

/// Whether what this provider takes stands in the test outbox.
#[must_use]
pub fn reaches_outbox(provider: &str) -> bool {
    [TEST_OUTBOX, providers::DELIVERS].contains(&provider)
}

impl Scenario {
    /// All of them with the last four digits of their number.
    pub const ALL: [(u16, Self); 13] = [
        (1, Self::RecipientInvalid),
        (2, Self::NoRoute),
        (3, Self::CountryNotAllowed),
        (4, Self::BlockedByList),
        (6, Self::Delivered),
        (9, Self::NoSms),
        (10, Self::NeverDelivered),
        (11, Self::Late),
        (12, Self::FailsOver),
        (13, Self::Challenged),
        (14, Self::MaxAttemptsAtOnce),
        (15, Self::ExpiresAtOnce),
        (16, Self::Undelivered),
    ];

    /// The scenario of a recipient: `+1500555` and four digits.
    #[must_use]
    pub fn of(recipient: &Recipient) -> Option<Self> {
        let number: u16 = recipient.canonical().strip_prefix("+1500555")?.parse().ok()?;
        Self::ALL.iter().find(|(known, _)| *known == number).map(|(_, scenario)| *scenario)
    }

    /// The providers a message of this scenario is handed to, in order.
    #[must_use]
    pub fn providers(self) -> Vec<String> {
        let names: &[&str] = match self {
            Self::Delivered => &[providers::DELIVERS],
            Self::NeverDelivered => &[providers::LOSES],
            Self::Late => &[providers::LATE],
            Self::FailsOver => &[providers::FAILS, TEST_OUTBOX],
            Self::Undelivered => &[providers::UNDELIVERED],
            _ => &[TEST_OUTBOX],
        };
        names.iter().map(|name| (*name).to_owned()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(number: &str) -> Option<Scenario> {
        Scenario::of(&Recipient::parse(number).unwrap())
    }

    #[test]
    fn each_number_has_its_scenario_however_it_is_spelled() {
        for (number, scenario) in Scenario::ALL {
            assert_eq!(of(&format!("+1500555{number:04}")), Some(scenario));
        }
        assert_eq!(of("+1 (500) 555-0012"), Some(Scenario::FailsOver));
    }

    #[test]
    fn other_numbers_and_addresses_have_none() {
        for other in ["+48600100217", "+12125550001", "+15005550000@example.com", "a@example.com"] {
            assert_eq!(of(other), None, "{other}");
        }
        let unused = Recipient::parse("+15005550005").map(|to| Scenario::of(&to));
        assert!(matches!(unused, Ok(None) | Err(_)));
    }

    #[test]
    fn providers_of_scenarios_exist_in_test_mode_only_by_name() {
        for (_, scenario) in Scenario::ALL {
            let providers = scenario.providers();
            assert!(!providers.is_empty());
            assert!(providers.iter().all(|name| name.starts_with("test_")), "{scenario:?}");
        }
    }
}
