//! `[money]` and `[[budgets]]`: what messages cost, and how much of it per day.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::str::FromStr as _;

use countersign_core::budget::{Budget as CoreBudget, BudgetId};
use countersign_core::money::{Currency, RATE_SCALE, SCALE, read_decimal};
use countersign_core::recipient::Country;
use serde::{Deserialize, Serialize};

use super::error::Invalid;
use super::reference::{Field, Section};
use super::routes::{Fault, check_countries, check_prefixes, check_projects, is_line};

/// What messages cost.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Money {
    /// The price table.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prices: Option<PathBuf>,
    /// What budgets are counted in.
    #[serde(skip_serializing_if = "Option::is_none")]
    currency: Option<String>,
    /// What one unit of another currency is worth in it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    rates: BTreeMap<String, String>,
}

/// One budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Budget {
    name: String,
    per_day: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    projects: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    countries: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    prefixes: Vec<String>,
}

impl Money {
    /// The currency budgets are counted in; the one of ISO 4217 that means none where there is nothing to count.
    pub(crate) fn currency(&self) -> Currency {
        let named = self.currency.as_deref().and_then(|text| text.parse().ok());
        named.or_else(|| "XXX".parse().ok()).unwrap_or_else(|| unreachable!("three capitals"))
    }

    /// What one unit of a currency is worth in that of the budgets; `None` when nobody said.
    pub(crate) fn rate(&self, of: Currency) -> Option<u64> {
        if of == self.currency() {
            return Some(10_u64.pow(RATE_SCALE));
        }
        read_decimal(self.rates.get(of.as_str())?, RATE_SCALE)
    }

    pub(super) fn validate(&self, budgets: &[Budget]) -> Result<(), Invalid> {
        let invalid = |key, why: String, fix: &str| Err(Invalid::new(&["money", key], why, fix));
        let wanted = self.prices.is_some() || !budgets.is_empty();
        match &self.currency {
            None if wanted => return invalid("currency", "missing".to_owned(), "write one, like \"EUR\""),
            Some(text) if Currency::from_str(text).is_err() => {
                return invalid(
                    "currency",
                    format!("{text:?} is no currency"),
                    "write three capitals, like \"EUR\"",
                );
            }
            _ => {}
        }
        for (currency, rate) in &self.rates {
            let fine = Currency::from_str(currency).is_ok()
                && read_decimal(rate, RATE_SCALE).is_some_and(|rate| rate > 0);
            if !fine {
                let fix = format!("write like USD = \"0.92\", with at most {RATE_SCALE} decimals");
                return invalid("rates", format!("{currency} = {rate:?} is no rate"), &fix);
            }
        }
        if self.prices.is_none() && !budgets.is_empty() {
            let why = "missing, so no budget would count anything".to_owned();
            return invalid("prices", why, "name a price table; docs/money.md says how one looks");
        }
        Ok(())
    }
}

/// The budgets as the core takes them. Those that do not pass [`validate`] are left out.
pub(super) fn budgets(budgets: &[Budget], currency: Currency) -> Vec<CoreBudget> {
    let budget = |budget: &Budget| {
        let countries = budget.countries.iter().filter_map(|country| Country::from_str(country).ok());
        Some(CoreBudget {
            id: BudgetId::named(&budget.name, currency.as_str()),
            name: budget.name.clone(),
            projects: budget.projects.iter().filter_map(|project| project.parse().ok()).collect(),
            countries: countries.collect(),
            prefixes: budget.prefixes.clone(),
            per_day: read_decimal(&budget.per_day, SCALE)?,
        })
    };
    budgets.iter().filter_map(budget).collect()
}

pub(super) fn validate(budgets: &[Budget]) -> Result<(), Invalid> {
    let mut names = BTreeSet::new();
    for (index, budget) in budgets.iter().enumerate() {
        budget
            .check(&mut names)
            .map_err(|(key, why, fix)| Invalid::new(&["budgets", &index.to_string(), key], why, fix))?;
    }
    Ok(())
}

impl Budget {
    fn check<'a>(&'a self, names: &mut BTreeSet<&'a str>) -> Result<(), Fault> {
        if !is_line(&self.name) {
            let fix = "write 1 to 40 characters on one line".to_owned();
            return Err(("name", format!("{:?} is no name", self.name), fix));
        }
        if !names.insert(&self.name) {
            let fix = "give each budget a name of its own: its counter is kept under it".to_owned();
            return Err(("name", format!("{:?} is the name of two budgets", self.name), fix));
        }
        if read_decimal(&self.per_day, SCALE).is_none() {
            let fix = format!("write like \"250.00\", with at most {SCALE} decimals");
            return Err(("per_day", format!("{:?} is no amount", self.per_day), fix));
        }
        check_projects(&self.projects)?;
        check_countries("countries", self.countries.iter())?;
        check_prefixes(&self.prefixes)
    }
}

pub(super) const SECTION: Section = Section {
    header: "[money]",
    about: "What messages cost. `docs/money.md` says how the price table looks and what is counted when.",
    optional: false,
    fields: &[
        Field {
            key: "prices",
            value: "\"prices.csv\"",
            optional: true,
            about: "The price table: a CSV file with the columns provider, country, prefix, price, currency.",
        },
        Field {
            key: "currency",
            value: "\"EUR\"",
            optional: true,
            about: "The currency budgets are counted in (ISO 4217). Needed with prices.",
        },
        Field {
            key: "rates",
            value: "{ USD = \"0.92\" }",
            optional: true,
            about: "What one unit of another currency of the price table is worth in it.",
        },
    ],
};

pub(super) const BUDGETS_SECTION: Section = Section {
    header: "[[budgets]]",
    about: "How much may be spent on a day in UTC. A message is paid out of every budget that covers it; when one has nothing \
            left, starts and resends are refused with `budget_exceeded` until midnight. A list that is absent covers all, \
            together.",
    optional: true,
    fields: &[
        Field {
            key: "name",
            value: "\"poland\"",
            optional: true,
            about: "Its name, under which its counter is kept.",
        },
        Field {
            key: "per_day",
            value: "\"250.00\"",
            optional: true,
            about: "What may be spent per day, in `money.currency`, with at most 5 decimals.",
        },
        Field {
            key: "projects",
            value: "[\"prj_01m83n1fqkeat9ryjx42vfks43\"]",
            optional: true,
            about: "The projects it covers.",
        },
        Field { key: "countries", value: "[\"PL\"]", optional: true, about: "The countries it covers." },
        Field {
            key: "prefixes",
            value: "[\"+4860\"]",
            optional: true,
            about: "The beginnings of phone numbers it covers.",
        },
    ],
};
