//! `[[routes]]`: which providers carry which messages.

use std::str::FromStr as _;

use countersign_core::recipient::Country;
use countersign_core::routing;
use countersign_core::verification::Channel;
use serde::{Deserialize, Serialize};

use super::error::Invalid;
use super::reference::{Field, Section};

/// One line of the routing table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// The channel.
    channel: String,
    /// Countries; none means all.
    #[serde(default)]
    countries: Vec<String>,
    /// Names of providers, in the order they are tried.
    providers: Vec<String>,
}

/// The table as the core takes it. Lines that do not pass [`validate`] are left out.
pub(super) fn table(routes: &[Route]) -> routing::Routes {
    let route = |route: &Route| {
        Some(routing::Route {
            channel: Channel::named(&route.channel)?,
            countries: route.countries.iter().filter_map(|country| Country::from_str(country).ok()).collect(),
            providers: route.providers.clone(),
        })
    };
    routing::Routes { live: routes.iter().filter_map(route).collect() }
}

pub(super) fn validate(routes: &[Route], providers: &toml::Table) -> Result<(), Invalid> {
    for (index, route) in routes.iter().enumerate() {
        let invalid = |key, why, fix| Err(Invalid::new(&["routes", &index.to_string(), key], why, fix));
        let routable: Vec<&str> = Channel::ALL
            .iter()
            .filter(|channel| **channel != Channel::Own)
            .map(|channel| channel.as_str())
            .collect();
        if !routable.contains(&route.channel.as_str()) {
            let fix = format!("write one of {}", routable.join(", "));
            return invalid("channel", format!("there is no channel {:?}", route.channel), fix);
        }
        if let Some(country) = route.countries.iter().find(|country| Country::from_str(country).is_err()) {
            let why = format!("{country:?} is not a country");
            return invalid(
                "countries",
                why,
                "write two capital letters (ISO 3166-1), like \"PL\"".to_owned(),
            );
        }
        if route.providers.is_empty() {
            return invalid("providers", "empty".to_owned(), "name at least one provider".to_owned());
        }
        if let Some(name) = route.providers.iter().find(|name| !providers.contains_key(*name)) {
            let why = format!("there is no provider {name:?}");
            let fix = format!("add a table [providers.{name}], or correct the name");
            return invalid("providers", why, fix);
        }
    }
    Ok(())
}

pub(super) const SECTION: Section = Section {
    header: "[[routes]]",
    about: "Which providers carry which messages: the first lines that match, in order. \
            A live start that no line matches answers `no_route`. Test keys use the outbox, whatever stands here.",
    optional: true,
    fields: &[
        Field {
            key: "channel",
            value: "\"sms\"",
            optional: true,
            about: "`sms`, `voice`, `whatsapp` or `email`. With channel `auto` the first line that matches decides.",
        },
        Field {
            key: "countries",
            value: "[\"PL\", \"DE\"]",
            optional: true,
            about: "Countries of the phone numbers, ISO 3166-1. Without it: all, and mail addresses.",
        },
        Field {
            key: "providers",
            value: "[\"gateway\"]",
            optional: true,
            about: "Names of providers, in the order they are tried.",
        },
    ],
};
