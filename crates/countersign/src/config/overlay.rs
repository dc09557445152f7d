//! The environment over the file: `COUNTERSIGN_SERVER__LISTEN=…` is `listen` of `[server]`.

use std::ffi::OsString;

use super::Config;
use crate::problem::{Outcome, Problem};

const PREFIX: &str = "COUNTERSIGN_";

/// A variable that sets a key. Those without `__` (`COUNTERSIGN_API_KEY`) are not configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Variable {
    /// Its name.
    pub(super) name: String,
    /// The key, from the top.
    pub(super) key: Vec<String>,
    value: String,
}

/// The variables among these that set keys, in the order of their names.
pub(super) fn variables(all: impl Iterator<Item = (OsString, OsString)>) -> Vec<Variable> {
    let variable = |(name, value): (OsString, OsString)| {
        let (name, value) = (name.into_string().ok()?, value.into_string().ok()?);
        let key = name.strip_prefix(PREFIX).filter(|key| key.contains("__"))?;
        let key = key.split("__").map(str::to_ascii_lowercase).collect();
        Some(Variable { key, name, value })
    };
    let mut variables: Vec<Variable> = all.filter_map(variable).collect();
    variables.sort_by(|a, b| a.name.cmp(&b.name));
    variables
}

/// Variables whose value may be read in two ways, at most.
const MOST_AMBIGUOUS: usize = 8;

/// Lays the variables over what the file says. All go in together, since keys may need each other; when they do not fit,
/// the one without which the others do is named.
pub(super) fn apply(of_file: Config, text: &str, variables: &[Variable]) -> Outcome<Config> {
    if variables.is_empty() {
        return Ok(of_file);
    }
    let table = toml::from_str::<toml::Table>(text).unwrap_or_default();
    fitted(&table, &variables.iter().collect::<Vec<_>>()).ok_or_else(|| {
        let others =
            |culprit: &Variable| variables.iter().filter(|other| *other != culprit).collect::<Vec<_>>();
        let culprit = variables.iter().find(|variable| fitted(&table, &others(variable)).is_some());
        does_not_fit(culprit.map_or(variables, std::slice::from_ref))
    })
}

/// The configuration with these variables, each read as the text it is or as the TOML value it looks like.
fn fitted(table: &toml::Table, variables: &[&Variable]) -> Option<Config> {
    let values: Vec<_> = variables.iter().map(|variable| (variable, variable.as_toml())).collect();
    let ambiguous = values.iter().filter(|(_, value)| value.is_some()).count().min(MOST_AMBIGUOUS);
    (0..1_u32 << ambiguous).find_map(|choice| {
        let mut changed = table.clone();
        let mut choices = choice;
        for (variable, value) in &values {
            let text = || toml::Value::String(variable.value.clone());
            let value = value.as_ref().map_or_else(text, |value| {
                let as_text = choices & 1 == 1;
                choices >>= 1;
                if as_text { text() } else { value.clone() }
            });
            set(&mut changed, &variable.key, value)?;
        }
        Config::deserialize_table(&changed).ok()
    })
}

impl Variable {
    fn as_toml(&self) -> Option<toml::Value> {
        format!("value = {}", self.value).parse::<toml::Table>().ok()?.remove("value")
    }
}

impl Config {
    fn deserialize_table(table: &toml::Table) -> Result<Self, toml::de::Error> {
        table.clone().try_into()
    }
}

fn set(table: &mut toml::Table, key: &[String], value: toml::Value) -> Option<()> {
    match key {
        [] => None,
        [last] => {
            table.insert(last.clone(), value);
            Some(())
        }
        [first, rest @ ..] => {
            let inner = table.entry(first.clone()).or_insert_with(|| toml::Table::new().into());
            set(inner.as_table_mut()?, rest, value)
        }
    }
}

fn does_not_fit(culprits: &[Variable]) -> Problem {
    let names: Vec<&str> = culprits.iter().map(|variable| variable.name.as_str()).collect();
    let keys: Vec<String> = culprits.iter().map(|variable| variable.key.join(".")).collect();
    let (names, keys) = (names.join(", "), keys.join(", "));
    Problem::usage(
        "the configuration cannot be used",
        format!(
            "{names} (environment): there is no key {keys}, or it takes another type, or another key with it"
        ),
        format!("unset {names}, or correct it; `countersign config sample` lists the keys"),
    )
}
