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

/// Lays the variables over what the file says, one by one, so that the one that does not fit is named.
pub(super) fn apply(of_file: Config, text: &str, variables: &[Variable]) -> Outcome<Config> {
    let mut config = of_file;
    let mut table = toml::from_str::<toml::Table>(text).unwrap_or_default();
    for variable in variables {
        let text_form = toml::Value::String(variable.value.clone());
        let read = format!("value = {}", variable.value).parse::<toml::Table>();
        let other_form = read.ok().and_then(|mut table| table.remove("value"));
        let mut forms = std::iter::once(text_form).chain(other_form);
        let fits = forms.find_map(|form| {
            let mut changed = table.clone();
            set(&mut changed, &variable.key, form)?;
            Some((Config::deserialize_table(&changed).ok()?, changed))
        });
        let Some((next, changed)) = fits else { return Err(does_not_fit(variable)) };
        (config, table) = (next, changed);
    }
    Ok(config)
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

fn does_not_fit(variable: &Variable) -> Problem {
    Problem::usage(
        "the configuration cannot be used",
        format!(
            "{} (environment): there is no key {}, or it takes another type",
            variable.name,
            variable.key.join(".")
        ),
        format!("unset {}, or correct it; `countersign config sample` lists the keys", variable.name),
    )
}
