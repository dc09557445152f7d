//! The price table: a CSV file (RFC 4180) with one line per provider and destination.

use std::path::Path;
use std::str::FromStr as _;

use countersign_core::money::{Currency, Destination, Money, Price, SCALE, Tariff, read_decimal};
use countersign_core::recipient::Country;
use csv::StringRecord;

use crate::problem::{Outcome, Problem};

const COLUMNS: [&str; 5] = ["provider", "country", "prefix", "price", "currency"];
/// Stands for every country that has no line of its own, and for mail.
const ELSEWHERE: &str = "*";
/// Lines a table may have.
const MOST_LINES: usize = 200_000;

/// What is wrong with a line, and how to put it right.
type Fault = (String, String);

/// Reads the table in `path`. `known` says whether a provider is configured, `rate` what a currency is worth in that of
/// the budgets.
///
/// # Errors
/// The first line that is wrong, with its number.
pub(crate) fn read(
    path: &Path,
    known: impl Fn(&str) -> bool,
    rate: impl Fn(Currency) -> Option<u64>,
) -> Outcome<Tariff> {
    let problem = |at: String, (why, fix): Fault| {
        Problem::usage("the price table cannot be used", format!("{}{at}: {why}", path.display()), fix)
    };
    let whole = |why: String, fix: &str| problem(String::new(), (why, fix.to_owned()));
    let unreadable = |error: csv::Error| {
        let at = error.position().map(|position| format!(":{}", position.line())).unwrap_or_default();
        problem(at, (error.to_string(), "make it a CSV file in UTF-8 that this process may read".to_owned()))
    };
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(unreadable)?;
    if reader.headers().map_err(unreadable)? != COLUMNS.as_slice() {
        let fix = format!("begin with the line {}", COLUMNS.join(","));
        return Err(problem(":1".to_owned(), ("the columns are others".to_owned(), fix)));
    }
    let mut tariff = Tariff::default();
    for (count, record) in reader.records().enumerate() {
        let record = record.map_err(unreadable)?;
        let at = record.position().map(|position| format!(":{}", position.line())).unwrap_or_default();
        if count >= MOST_LINES {
            return Err(whole(
                format!("it has more than {MOST_LINES} lines"),
                "shorten it: prefixes may be joined",
            ));
        }
        let (provider, to, price) =
            line(&record, &known, &rate).map_err(|fault| problem(at.clone(), fault))?;
        if !tariff.add(provider, to, price) {
            let why = format!("{provider:?} has a price for this destination already");
            return Err(problem(at, (why, "keep one of the two lines".to_owned())));
        }
    }
    Ok(tariff)
}

fn line(
    record: &StringRecord,
    known: impl Fn(&str) -> bool,
    rate: impl Fn(Currency) -> Option<u64>,
) -> Result<(&str, Destination, Price), Fault> {
    let fault = |why: String, fix: &str| Err((why, fix.to_owned()));
    let column = |at| record.get(at).unwrap_or_default();
    let (provider, country, prefix, amount, currency) =
        (column(0), column(1), column(2), column(3), column(4));
    if !known(provider) {
        return fault(format!("there is no provider {provider:?}"), "correct the name, or remove the line");
    }
    let country = match (country, Country::from_str(country)) {
        (ELSEWHERE, _) => None,
        (_, Ok(country)) => Some(country),
        (text, Err(_)) => {
            return fault(
                format!("{text:?} is not a country"),
                "write two capitals, like PL, or * for all others",
            );
        }
    };
    let digits = prefix.strip_prefix('+').unwrap_or_default();
    let fine = prefix.is_empty()
        || ((1..=15).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit()));
    if !fine {
        return fault(
            format!("{prefix:?} is not the beginning of a number"),
            "write a plus and digits, or nothing",
        );
    }
    let Some(amount) = read_decimal(amount, SCALE) else {
        return fault(format!("{amount:?} is no price"), "write like 0.00645, with at most 5 decimals");
    };
    let Ok(currency) = Currency::from_str(currency) else {
        return fault(format!("{currency:?} is no currency"), "write three capitals, like EUR");
    };
    let Some(rate) = rate(currency) else {
        let fix = format!("add {currency} to money.rates: what one {currency} is worth in money.currency");
        return Err((format!("{currency} has no rate"), fix));
    };
    let to = Destination { country, prefix: prefix.to_owned() };
    Ok((provider, to, Price::at_rate(Money { amount, currency }, rate)))
}

#[cfg(test)]
mod tests {
    use countersign_core::recipient::Recipient;

    use super::*;

    fn table(text: &str) -> Outcome<Tariff> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("prices.csv");
        std::fs::write(&path, text).unwrap();
        let rate = |currency: Currency| match currency.as_str() {
            "EUR" => Some(100_000_000),
            "USD" => Some(92_000_000),
            _ => None,
        };
        read(&path, |name| name == "a" || name == "b", rate)
    }

    const HEAD: &str = "provider,country,prefix,price,currency\n";

    #[test]
    fn a_table_is_read_as_it_is_written() {
        let text = "\u{feff}provider, country ,prefix,price,currency\r\na,PL,,0.01,EUR\r\n\r\n\"a\",PL,+4860,0.02,EUR\r\nb,*,,0.00645,USD\r\n";
        let tariff = table(text).unwrap();
        let to = Recipient::parse("+48600100217").unwrap();
        let price = tariff.price("a", to.by_ref()).unwrap();
        assert_eq!((price.price.to_string(), price.counted), ("0.02 EUR".to_owned(), 2_000));
        let price = tariff.price("b", to.by_ref()).unwrap();
        assert_eq!((price.price.to_string(), price.counted), ("0.00645 USD".to_owned(), 594));
        assert_eq!(tariff.providers().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn the_first_wrong_line_is_named_by_its_number() {
        for (line, number, words) in [
            ("c,PL,,0.01,EUR", 3, "no provider"),
            ("a,Poland,,0.01,EUR", 3, "not a country"),
            ("a,,,0.01,EUR", 3, "not a country"),
            ("a,DE,49,0.01,EUR", 3, "beginning of a number"),
            ("a,DE,,-0.01,EUR", 3, "no price"),
            ("a,DE,,0.000001,EUR", 3, "no price"),
            ("a,DE,,\"0,01\",EUR", 3, "no price"),
            ("a,DE,,0.01,euro", 3, "no currency"),
            ("a,DE,,0.01,GBP", 3, "no rate"),
            ("a,PL,,0.02,EUR", 3, "already"),
            ("a,DE,,0.01", 3, "found record with 4 fields"),
        ] {
            let problem = table(&format!("{HEAD}a,PL,,0.01,EUR\n{line}\n")).unwrap_err();
            let place = format!("prices.csv:{number}: ");
            assert!(problem.why.contains(&place) && problem.why.contains(words), "{line}: {problem}");
        }
        let columns = table("provider,price\na,1\n").unwrap_err();
        assert!(columns.why.contains("prices.csv:1: ") && columns.fix.contains(HEAD.trim()), "{columns}");
        let missing = read(Path::new("/nowhere/prices.csv"), |_| true, |_| None).unwrap_err();
        assert!(missing.why.starts_with("/nowhere/prices.csv"), "{missing}");
    }
}
