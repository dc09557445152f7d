//! Amounts as people read them: minor units → `1,250.00`, with the digits ISO 4217 gives the currency.

/// Where the thousands are parted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Grouping {
    /// 1,250,000
    #[default]
    Thousands,
    /// 12,50,000
    Indian,
}

/// Which side of the number the currency code stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CurrencyPosition {
    Before,
    After,
}

/// How one language writes an amount.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AmountStyle {
    currency: CurrencyPosition,
    decimal: char,
    group: char,
    #[serde(default)]
    grouping: Grouping,
}

impl AmountStyle {
    /// `125000`, `EUR` → `1,250.00`; `None` when the currency is not three capital letters.
    pub(crate) fn number(&self, minor_units: u64, currency: &str) -> Option<String> {
        let digits = minor_digits(currency)?;
        let scale = 10_u64.pow(digits);
        let whole = self.grouped(minor_units / scale);
        let fraction = minor_units % scale;
        Some(match digits {
            0 => whole,
            _ => format!("{whole}{}{fraction:0width$}", self.decimal, width = digits as usize),
        })
    }

    /// `125000`, `EUR` → `EUR 1,250.00`. The code and not the symbol: `$` names some twenty currencies.
    /// `None` when the currency is not three capital letters.
    pub(crate) fn format(&self, minor_units: u64, currency: &str) -> Option<String> {
        let number = self.number(minor_units, currency)?;
        Some(match self.currency {
            CurrencyPosition::Before => format!("{currency} {number}"),
            CurrencyPosition::After => format!("{number} {currency}"),
        })
    }

    fn grouped(&self, whole: u64) -> String {
        let digits = whole.to_string();
        let mut grouped = String::with_capacity(digits.len() * 2);
        for (index, digit) in digits.char_indices() {
            let remaining = digits.len() - index;
            if index > 0 && self.grouping.parts_before(remaining) {
                grouped.push(self.group);
            }
            grouped.push(digit);
        }
        grouped
    }
}

impl Grouping {
    /// Whether a separator stands before the last `remaining` digits.
    const fn parts_before(self, remaining: usize) -> bool {
        match self {
            Self::Thousands => remaining.is_multiple_of(3),
            Self::Indian => remaining == 3 || (remaining > 3 && remaining % 2 == 1),
        }
    }
}

/// Digits after the decimal sign (ISO 4217, list one, column "minor unit"); two unless listed here.
/// `None` when the text is not the shape of a currency code.
#[must_use]
pub fn minor_digits(currency: &str) -> Option<u32> {
    if currency.len() != 3 || !currency.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    Some(match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX" | "UYI"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        "CLF" | "UYW" => 4,
        _ => 2,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(currency: CurrencyPosition, decimal: char, group: char, grouping: Grouping) -> AmountStyle {
        AmountStyle { currency, decimal, group, grouping }
    }

    fn english(minor_units: u64, currency: &str) -> Option<String> {
        style(CurrencyPosition::Before, '.', ',', Grouping::Thousands).format(minor_units, currency)
    }

    #[test]
    fn an_amount_has_the_digits_of_its_currency() {
        assert_eq!(english(125_000, "EUR").as_deref(), Some("EUR 1,250.00"));
        assert_eq!(english(125_000, "JPY").as_deref(), Some("JPY 125,000"));
        assert_eq!(english(125_000, "KWD").as_deref(), Some("KWD 125.000"));
        assert_eq!(english(125_000, "CLF").as_deref(), Some("CLF 12.5000"));
    }

    #[test]
    fn small_and_huge_amounts_keep_every_digit() {
        assert_eq!(english(0, "EUR").as_deref(), Some("EUR 0.00"));
        assert_eq!(english(7, "EUR").as_deref(), Some("EUR 0.07"));
        assert_eq!(english(99_999, "USD").as_deref(), Some("USD 999.99"));
        assert_eq!(english(100_000, "USD").as_deref(), Some("USD 1,000.00"));
        assert_eq!(english(u64::MAX, "USD").as_deref(), Some("USD 184,467,440,737,095,516.15"));
    }

    #[test]
    fn languages_differ_in_signs_side_and_groups() {
        let german = style(CurrencyPosition::After, ',', '.', Grouping::Thousands);
        assert_eq!(german.format(123_456_789, "EUR").as_deref(), Some("1.234.567,89 EUR"));
        let hindi = style(CurrencyPosition::Before, '.', ',', Grouping::Indian);
        assert_eq!(hindi.format(1_234_567_890, "INR").as_deref(), Some("INR 1,23,45,678.90"));
        assert_eq!(hindi.format(99_900, "INR").as_deref(), Some("INR 999.00"));
    }

    #[test]
    fn what_is_not_a_currency_code_is_refused() {
        for wrong in ["", "EU", "EURO", "eur", "E R", "€€€"] {
            assert_eq!(english(1, wrong), None, "{wrong:?}");
        }
    }

    /// An independent copy of ISO 4217 has the last word on every currency in use.
    #[test]
    fn minor_digits_agree_with_an_independent_list() {
        let mut compared = 0;
        for letters in 0..26_u32.pow(3) {
            let code: String = [letters / 676, letters / 26 % 26, letters % 26]
                .map(|l| char::from(b'A' + l as u8))
                .iter()
                .collect();
            if let Some(exponent) = iso_currency::Currency::from_code(&code).and_then(|c| c.exponent()) {
                assert_eq!(minor_digits(&code), Some(u32::from(exponent)), "{code}");
                compared += 1;
            }
        }
        assert!(compared > 150, "only {compared} currencies were compared");
    }
}
