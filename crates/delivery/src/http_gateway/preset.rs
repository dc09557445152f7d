//! Presets: what is the same for every account of a vendor, as data. A file of `presets/` is a provider's table with the
//! vendor's request, its answers and its receipts; an account adds its own values and may override every key.

mod page;

use std::collections::BTreeMap;

pub use page::page;
use serde::Deserialize;
use toml::{Table, Value};

use crate::config::ConfigProblem;

/// Adding a vendor is adding `presets/<name>.toml` and its line here.
const FILES: [(&str, &str); 13] = [
    ("amazon_sns", include_str!("../../presets/amazon_sns.toml")),
    ("fcm", include_str!("../../presets/fcm.toml")),
    ("infobip", include_str!("../../presets/infobip.toml")),
    ("messagebird", include_str!("../../presets/messagebird.toml")),
    ("plivo", include_str!("../../presets/plivo.toml")),
    ("plivo_voice", include_str!("../../presets/plivo_voice.toml")),
    ("sinch", include_str!("../../presets/sinch.toml")),
    ("telnyx", include_str!("../../presets/telnyx.toml")),
    ("twilio", include_str!("../../presets/twilio.toml")),
    ("twilio_voice", include_str!("../../presets/twilio_voice.toml")),
    ("vonage", include_str!("../../presets/vonage.toml")),
    ("vonage_voice", include_str!("../../presets/vonage_voice.toml")),
    ("whatsapp", include_str!("../../presets/whatsapp.toml")),
];

/// Tables that hold one of several alternatives: a member of another name replaces what is there.
const ALTERNATIVES: [&str; 5] = ["body", "auth", "message_id", "sign", "signature"];
/// Lists of rules of which the first that matches decides: the account's stand before the preset's.
const RULES: [&str; 2] = ["errors", "states"];

/// What a preset says of itself; the rest of its file is a provider's table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The vendor and its product.
    pub vendor: String,
    /// The channels it serves.
    pub channels: Vec<String>,
    /// Values of the account it cannot do without, and those it can use: what they are.
    #[serde(default)]
    pub account: BTreeMap<String, String>,
    /// Secrets that must be given.
    #[serde(default)]
    pub secrets: BTreeMap<String, String>,
    /// Secrets that may be given.
    #[serde(default)]
    pub optional_secrets: BTreeMap<String, String>,
    /// Values of the account of which one must be given.
    #[serde(default)]
    pub one_of: Vec<String>,
    /// How receipts are switched on, and what guards them.
    pub receipts: String,
    /// What an operator must know besides.
    #[serde(default)]
    pub notes: Vec<String>,
    /// What the vendor can do and this cannot.
    #[serde(default)]
    pub not_supported: Vec<String>,
}

/// A preset.
#[derive(Debug)]
pub struct Preset {
    /// What it says of itself.
    pub about: About,
    /// The table that lies under an account's.
    pub table: Table,
}

/// The names of all presets.
pub fn names() -> impl Iterator<Item = &'static str> {
    FILES.iter().map(|(name, _)| *name)
}

/// The preset of that name.
///
/// # Errors
/// When there is none. A test holds that the files can be read.
pub fn named(name: &str) -> Result<Preset, ConfigProblem> {
    let Some((_, text)) = FILES.iter().find(|(known, _)| *known == name) else {
        let fix = format!("write one of {}, or leave it out", names().collect::<Vec<_>>().join(", "));
        return Err(ConfigProblem::new("preset", format!("names {name:?}, which does not exist"), fix));
    };
    read(text).map_err(|problem| {
        ConfigProblem::new("preset", format!("{name:?} is broken: {problem}"), "report this as a bug")
    })
}

fn read(text: &str) -> Result<Preset, String> {
    let mut table: Table = text.parse().map_err(|problem: toml::de::Error| problem.to_string())?;
    let about = table.remove("about").ok_or("it says nothing about itself")?;
    let about = about.try_into().map_err(|problem: toml::de::Error| problem.to_string())?;
    Ok(Preset { about, table })
}

/// The table of an account with its preset, if it names one, laid under it.
///
/// # Errors
/// When there is no such preset, or the account lacks what the preset needs.
pub fn complete(account: Table) -> Result<Table, ConfigProblem> {
    let name = match account.get("preset") {
        None => return Ok(account),
        Some(Value::String(name)) => name.clone(),
        Some(_) => {
            return Err(ConfigProblem::new("preset", "is no text", "write the name of a preset"));
        }
    };
    let Preset { about, mut table } = named(&name)?;
    check(&name, &about, &table, &account)?;
    if account.contains_key("auth")
        && let Some(Value::Table(headers)) = table.get_mut("headers")
    {
        headers.retain(|header, _| !header.eq_ignore_ascii_case("authorization"));
    }
    lay(&mut table, account);
    Ok(table)
}

fn check(name: &str, about: &About, preset: &Table, account: &Table) -> Result<(), ConfigProblem> {
    let has = |table: &Table, section: &str, key: &str| {
        table.get(section).and_then(Value::as_table).is_some_and(|section| section.contains_key(key))
    };
    let missing = |section: &str, key: &str, what: &str| {
        let fix = match section {
            "secrets" => format!("add secrets = {{ {key} = {{ file = … }} }}: {what}"),
            _ => format!("add account = {{ {key} = … }}: {what}"),
        };
        ConfigProblem::new(format!("{section}.{key}"), format!("is missing; the preset {name} needs it"), fix)
    };
    for (key, what) in &about.account {
        if !has(account, "account", key) && !has(preset, "account", key) {
            return Err(missing("account", key, what));
        }
    }
    for (key, what) in &about.secrets {
        if !has(account, "secrets", key) {
            return Err(missing("secrets", key, what));
        }
    }
    if !about.one_of.is_empty() && !about.one_of.iter().any(|key| has(account, "account", key)) {
        let why = format!("has none of {}; the preset {name} needs one", about.one_of.join(", "));
        return Err(ConfigProblem::new("account", why, "add one of them"));
    }
    // A slip of the pen would go unnoticed: nothing reads it.
    let own = account.get("account").and_then(Value::as_table).into_iter().flat_map(Table::keys);
    let overrides = ["url", "headers", "body", "sign", "auth"].iter().any(|key| account.contains_key(*key));
    match own.into_iter().find(|key| !about.account.contains_key(*key)) {
        Some(unknown) if !overrides => {
            let known = about.account.keys().cloned().collect::<Vec<_>>().join(", ");
            let problem = format!("is nothing that the preset {name} uses");
            Err(ConfigProblem::new(format!("account.{unknown}"), problem, format!("it uses {known}")))
        }
        _ => Ok(()),
    }
}

/// Puts one table over another: tables member by member, everything else as a whole.
fn lay(under: &mut Table, over: Table) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(own)) if !is_another(&key, below, &own) => {
                lay(below, own);
            }
            (Some(Value::Array(below)), Value::Array(mut own)) if RULES.contains(&key.as_str()) => {
                own.append(below);
                *below = own;
            }
            (_, value) => drop(under.insert(key, value)),
        }
    }
}

fn is_another(key: &str, below: &Table, own: &Table) -> bool {
    ALTERNATIVES.contains(&key) && !own.keys().any(|key| below.contains_key(key))
}

#[cfg(test)]
mod tests;
