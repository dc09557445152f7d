//! What an authenticator app is set to: by a service for all its factors, or by a factor for itself.

use std::ops::RangeInclusive;

use countersign_core::limits;

use super::error::TwilioError;
use super::form::Form;

/// Steps around the present one whose codes are accepted. It is the rules' own, and not to be changed.
pub(crate) const SKEW: u64 = 1;
/// Seconds of a step when nobody says.
pub(crate) const TIME_STEP: u64 = 30;
/// Digits of a code when nobody says.
pub(crate) const CODE_LENGTH: u64 = 6;

/// The vendor's bounds, which lie inside those of the rules.
const TIME_STEPS: RangeInclusive<u64> = 20..=60;

/// What was asked for, each within what is served.
#[derive(Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) time_step: Option<u64>,
    pub(crate) code_length: Option<u64>,
    pub(crate) skew: Option<u64>,
}

impl Config {
    /// Reads `Totp.…` of a service or `Config.…` of a factor.
    pub(crate) fn read(form: &Form, of: &str) -> Result<Self, TwilioError> {
        Ok(Self {
            time_step: form.number(&format!("{of}.TimeStep"), TIME_STEPS)?,
            code_length: form.number(&format!("{of}.CodeLength"), code_lengths())?,
            skew: form.number(&format!("{of}.Skew"), SKEW..=SKEW)?,
        })
    }
}

fn code_lengths() -> RangeInclusive<u64> {
    u64::from(*limits::FACTOR_DIGITS.start())..=u64::from(*limits::FACTOR_DIGITS.end())
}

/// Whether the vendor serves this value of a service's parameter and this server does not.
pub(crate) fn is_not_served(parameter: &str, value: &str) -> bool {
    let Ok(value) = value.parse::<u64>() else { return false };
    match parameter {
        "Totp.CodeLength" => (3..=8).contains(&value) && !code_lengths().contains(&value),
        "Totp.Skew" => (0..=2).contains(&value) && value != SKEW,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine(name: &str, value: u64) -> bool {
        let pairs = vec![(format!("Config.{name}"), value.to_string())];
        Config::read(&Form::of_pairs(pairs), "Config").is_ok()
    }

    #[test]
    fn what_is_served_is_bounded() {
        for (name, values, expected) in [
            ("TimeStep", vec![19, 20, 60, 61], vec![false, true, true, false]),
            ("CodeLength", vec![5, 6, 8, 9], vec![false, true, true, false]),
            ("Skew", vec![0, 1, 2], vec![false, true, false]),
        ] {
            let fine: Vec<_> = values.into_iter().map(|value| fine(name, value)).collect();
            assert_eq!(fine, expected, "{name}");
        }
    }

    #[test]
    fn an_import_leaves_out_what_only_the_vendor_serves() {
        for (parameter, values, expected) in [
            ("Totp.CodeLength", ["2", "3", "5", "6", "8", "9"], [false, true, true, false, false, false]),
            ("Totp.Skew", ["0", "1", "2", "3", "x", ""], [true, false, true, false, false, false]),
        ] {
            assert_eq!(values.map(|value| is_not_served(parameter, value)), expected, "{parameter}");
        }
    }
}
