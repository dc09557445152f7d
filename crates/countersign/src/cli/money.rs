//! Amounts as people write them at a command line: 125.00 EUR, and the minor units of the API.

use countersign_delivery::messages::minor_digits;

/// `12500`, `EUR` → `EUR 125.00`.
pub(super) fn written(minor_units: u64, currency: &str) -> String {
    let Some(digits) = minor_digits(currency) else { return format!("{minor_units} of {currency}") };
    let scale = 10_u64.pow(digits);
    let (whole, fraction) = (minor_units / scale, minor_units % scale);
    match digits {
        0 => format!("{currency} {whole}"),
        _ => format!("{currency} {whole}.{fraction:0width$}", width = digits as usize),
    }
}

/// `125.00`, `EUR` → `12500`. All digits of the currency or none: 125.5 may be a slip.
pub(super) fn minor_units(amount: &str, currency: &str) -> Result<u64, String> {
    let digits = minor_digits(currency).ok_or("a currency is three capital letters, like EUR")?;
    let example = written(12_500 * 10_u64.pow(digits) / 100, currency);
    let wrong = || format!("an amount looks like {}", example.trim_start_matches(currency).trim());
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let (whole, fraction) = amount.split_once('.').unwrap_or((amount, ""));
    let has_all = fraction.len() == digits as usize && plain(fraction);
    if !plain(whole) || (amount.contains('.') && !has_all) {
        return Err(wrong());
    }
    let whole = whole.parse::<u64>().ok().and_then(|whole| whole.checked_mul(10_u64.pow(digits)));
    let fraction = if fraction.is_empty() { Some(0) } else { fraction.parse::<u64>().ok() };
    whole.zip(fraction).and_then(|(whole, fraction)| whole.checked_add(fraction)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_digits_of_their_currency() {
        for (amount, currency, minor) in [
            ("125.00", "EUR", 12_500),
            ("125", "EUR", 12_500),
            ("0.07", "EUR", 7),
            ("125", "JPY", 125),
            ("1.250", "KWD", 1_250),
        ] {
            assert_eq!(minor_units(amount, currency), Ok(minor), "{amount} {currency}");
        }
        assert_eq!(written(7, "EUR"), "EUR 0.07");
        assert_eq!(written(125, "JPY"), "JPY 125");
        for (amount, currency) in [
            ("125.5", "EUR"),
            ("125.", "EUR"),
            (".50", "EUR"),
            ("1,250.00", "EUR"),
            ("-1", "EUR"),
            ("1.00", "JPY"),
            ("", "EUR"),
        ] {
            assert!(minor_units(amount, currency).is_err(), "{amount} {currency}");
        }
        assert!(minor_units("99999999999999999999", "EUR").is_err());
        assert!(minor_units("1", "eur").unwrap_err().contains("three capital letters"));
    }
}
