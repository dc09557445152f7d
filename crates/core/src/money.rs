//! What messages cost. Amounts are whole numbers of hundred-thousandths of a currency unit: carriers price below the
//! smallest coin, and sums must not drift.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};

use crate::recipient::{Country, RecipientRef};
use std::collections::BTreeMap;

/// Decimal places of an amount: 645 is 0.00645.
pub const SCALE: u32 = 5;
/// Decimal places of a rate between currencies.
pub const RATE_SCALE: u32 = 8;
/// Digits before the decimal point of an amount or rate.
const WHOLE_DIGITS: usize = 9;

/// A currency as its ISO 4217 code. Only the shape is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Currency(#[cbor(n(0), with = "minicbor::bytes")] [u8; 3]);

/// A text that is not three capital ASCII letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidCurrency;

impl Currency {
    /// The three letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        // Only ASCII letters get in, so the fallback is never taken.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = InvalidCurrency;

    fn from_str(text: &str) -> Result<Self, InvalidCurrency> {
        let letters = <[u8; 3]>::try_from(text.as_bytes()).map_err(|_| InvalidCurrency)?;
        if letters.iter().all(u8::is_ascii_uppercase) { Ok(Self(letters)) } else { Err(InvalidCurrency) }
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// An amount of a currency.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Encode, Decode)]
pub struct Money {
    /// In hundred-thousandths of a unit.
    #[n(0)]
    pub amount: u64,
    /// The currency.
    #[n(1)]
    pub currency: Currency,
}

impl Money {
    /// The same so many times.
    #[must_use]
    pub const fn times(self, count: u32) -> Self {
        Self { amount: self.amount.saturating_mul(count as u64), ..self }
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Decimal(self.amount), self.currency)
    }
}

/// Prints an amount with the decimals it has, two at least.
pub struct Decimal(pub u64);

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = 10_u64.pow(SCALE);
        let fraction = format!("{:0width$}", self.0 % unit, width = SCALE as usize);
        let kept = fraction.trim_end_matches('0').len().max(2);
        write!(f, "{}.{}", self.0 / unit, fraction.get(..kept).unwrap_or(&fraction))
    }
}

/// Reads a decimal number with at most `places` decimals as a whole number of the smallest of them.
///
/// `None` for anything but digits with at most one point between them: no sign, no exponent, no grouping.
#[must_use]
pub fn read_decimal(text: &str, places: u32) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str, most: usize| {
        (1..=most).contains(&part.len()) && part.bytes().all(|digit| digit.is_ascii_digit())
    };
    let places = places as usize;
    if !digits(whole, WHOLE_DIGITS) || !digits(fraction, places) {
        return None;
    }
    format!("{whole}{fraction:0<places$}").parse().ok()
}

/// What a provider asks for one part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Price {
    /// In the currency of the price table.
    pub price: Money,
    /// What it counts in the currency of the budgets, rounded up.
    pub counted: u64,
}

impl Price {
    /// A price whose currency is worth `rate` (see [`RATE_SCALE`]) of the one budgets are counted in.
    #[must_use]
    pub fn at_rate(price: Money, rate: u64) -> Self {
        let product = u128::from(price.amount) * u128::from(rate);
        let counted = product.div_ceil(10_u128.pow(RATE_SCALE));
        Self { price, counted: u64::try_from(counted).unwrap_or(u64::MAX) }
    }
}

/// A destination in the price table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// The country; `None` is every other one, and mail.
    pub country: Option<Country>,
    /// The beginning of the number, with the plus; empty for all.
    pub prefix: String,
}

/// The price table.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tariff(BTreeMap<String, Prices>);

#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Prices {
    lines: BTreeMap<Destination, Price>,
    dearest: u64,
}

impl Tariff {
    /// Adds a line. `false` when the destination has a price with this provider already.
    pub fn add(&mut self, provider: &str, to: Destination, price: Price) -> bool {
        let prices = self.0.entry(provider.to_owned()).or_default();
        prices.dearest = prices.dearest.max(price.counted);
        prices.lines.insert(to, price).is_none()
    }

    /// What a provider asks for one part: of the lines of the country, else of those of every other one, that with the
    /// longest prefix. `None` when no line fits.
    #[must_use]
    pub fn price(&self, provider: &str, to: RecipientRef<'_>) -> Option<Price> {
        let prices = self.0.get(provider)?;
        let (number, country) = (to.number(), to.country);
        let scopes = country.map(Some).into_iter().chain([None]);
        let mut destinations = scopes.flat_map(|country| {
            (0..=number.len()).rev().filter_map(move |length| {
                let prefix = number.get(..length)?.to_owned();
                Some(Destination { country, prefix })
            })
        });
        destinations.find_map(|destination| prices.lines.get(&destination).copied())
    }

    /// What one part counts for budgets. A provider that has prices, but none for this destination, counts its dearest:
    /// fraud goes where nobody wrote down a price. One without any is free.
    #[must_use]
    pub fn counted(&self, provider: &str, to: RecipientRef<'_>) -> u64 {
        let dearest = self.0.get(provider).map_or(0, |prices| prices.dearest);
        self.price(provider, to).map_or(dearest, |price| price.counted)
    }

    /// The names of the providers it has prices of.
    pub fn providers(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipient::Recipient;

    fn money(amount: u64) -> Money {
        Money { amount, currency: "EUR".parse().unwrap() }
    }

    #[test]
    fn decimals_are_read_exactly_or_not_at_all() {
        for (text, amount) in [
            ("0.00645", Some(645)),
            ("1", Some(100_000)),
            ("12.5", Some(1_250_000)),
            ("999999999.99999", Some(99_999_999_999_999)),
            ("1000000000", None),
            ("0.000001", None),
            ("", None),
            (".5", None),
            ("5.", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1,5", None),
            ("1.2.3", None),
            ("١", None),
        ] {
            assert_eq!(read_decimal(text, SCALE), amount, "{text}");
        }
        assert_eq!(read_decimal("0.00067", RATE_SCALE), Some(67_000));
    }

    #[test]
    fn amounts_are_printed_as_they_were_read() {
        for text in ["0.00645", "1.00", "12.50", "0.001", "250.00"] {
            assert_eq!(Decimal(read_decimal(text, SCALE).unwrap()).to_string(), text);
        }
        assert_eq!(money(645).times(2).to_string(), "0.0129 EUR");
    }

    #[test]
    fn a_rate_counts_up_never_down() {
        let counted = |amount, rate: &str| {
            Price::at_rate(money(amount), read_decimal(rate, RATE_SCALE).unwrap()).counted
        };
        assert_eq!(counted(1000, "1"), 1000);
        assert_eq!(counted(1000, "0.92"), 920);
        assert_eq!(counted(1, "0.00000001"), 1);
        assert_eq!(counted(0, "0.92"), 0);
    }

    fn destination(country: &str, prefix: &str) -> Destination {
        Destination { country: country.parse().ok(), prefix: prefix.to_owned() }
    }

    #[test]
    fn the_longest_prefix_of_the_country_decides() {
        let mut tariff = Tariff::default();
        for (country, prefix, amount) in
            [("PL", "", 10), ("PL", "+4860", 20), ("PL", "+48600", 30), ("*", "", 40), ("*", "+8816", 50)]
        {
            let price = Price::at_rate(money(amount), 100_000_000);
            assert!(tariff.add("a", destination(country, prefix), price));
            assert!(!tariff.add("a", destination(country, prefix), price), "a second price is none");
        }
        let price =
            |to| tariff.price("a", Recipient::parse(to).unwrap().by_ref()).map(|price| price.price.amount);
        assert_eq!(price("+48600100217"), Some(30));
        assert_eq!(price("+48601100217"), Some(20));
        assert_eq!(price("+48221234567"), Some(10));
        assert_eq!(price("+33612345678"), Some(40));
        assert_eq!(price("+881612345678"), Some(50));
        assert_eq!(price("a@example.com"), Some(40));
        assert_eq!(tariff.price("b", Recipient::parse("+48600100217").unwrap().by_ref()), None);
    }

    #[test]
    fn a_destination_without_a_price_counts_the_dearest_and_a_provider_without_prices_is_free() {
        let mut tariff = Tariff::default();
        tariff.add("a", destination("PL", ""), Price::at_rate(money(10), 100_000_000));
        tariff.add("a", destination("DE", ""), Price::at_rate(money(70), 100_000_000));
        let counted = |provider, to| tariff.counted(provider, Recipient::parse(to).unwrap().by_ref());
        assert_eq!(counted("a", "+48600100217"), 10);
        assert_eq!(counted("a", "+33612345678"), 70);
        assert_eq!(counted("relay", "a@example.com"), 0);
    }
}
