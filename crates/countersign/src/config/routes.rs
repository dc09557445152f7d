//! `[[routes]]`: which providers carry which messages.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr as _;

use countersign_core::ids::ProjectId;
use countersign_core::recipient::Country;
use countersign_core::routing::{self, Candidate, Senders, Tier};
use countersign_core::verification::{Channel, Purpose};
use serde::de::{Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};
use serde::{Deserialize, Serialize};

use super::error::Invalid;
use super::reference::{Field, Section};

/// The largest weight.
const MOST_WEIGHT: u32 = 1000;
/// Characters of a route's name, and of a sender.
const MOST_CHARS: usize = 40;
/// Digits of a phone number (ITU-T E.164).
const MOST_DIGITS: usize = 15;

/// One line of the routing table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Route {
    /// What people call it.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The channel.
    channel: String,
    /// Countries; none means all.
    #[serde(default)]
    countries: Vec<String>,
    /// Beginnings of numbers; none means all.
    #[serde(default)]
    prefixes: Vec<String>,
    /// Projects; none means all.
    #[serde(default)]
    projects: Vec<String>,
    /// Purposes; none means all.
    #[serde(default)]
    purposes: Vec<String>,
    /// Providers, in the order they are tried.
    providers: Vec<Carrier>,
    /// Whom messages come from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sender: Option<String>,
    /// The same by country.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    senders: BTreeMap<String, String>,
}

/// A provider of a route: its name, or a table with more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Carrier {
    Plain(String),
    Detailed(Detailed),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Detailed {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    weight: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sender: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    senders: BTreeMap<String, String>,
}

/// Written by hand, because the derived one would not say which key of the table is wrong.
impl<'de> Deserialize<'de> for Carrier {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Carrier;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the name of a provider, or { name = \"…\", weight = 70 }")
            }

            fn visit_str<E>(self, name: &str) -> Result<Carrier, E> {
                Ok(Carrier::Plain(name.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Carrier, A::Error> {
                Detailed::deserialize(MapAccessDeserializer::new(map)).map(Carrier::Detailed)
            }
        }
        deserializer.deserialize_any(Either)
    }
}

impl Carrier {
    fn name(&self) -> &str {
        match self {
            Self::Plain(name) => name,
            Self::Detailed(detailed) => &detailed.name,
        }
    }

    /// Its share, when it shares with its neighbours.
    const fn weight(&self) -> Option<u32> {
        match self {
            Self::Plain(_) => None,
            Self::Detailed(detailed) => detailed.weight,
        }
    }

    fn candidate(&self) -> Candidate {
        let senders = match self {
            Self::Plain(_) => Senders::default(),
            Self::Detailed(detailed) => senders(detailed.sender.as_ref(), &detailed.senders),
        };
        Candidate { provider: self.name().to_owned(), weight: self.weight().unwrap_or(1), senders }
    }
}

/// The table as the core takes it. Lines that do not pass [`validate`] are left out.
pub(super) fn table(routes: &[Route]) -> Vec<routing::Route> {
    let route = |(index, route): (usize, &Route)| {
        Some(routing::Route {
            name: route.name.clone().unwrap_or_else(|| format!("routes.{index}")),
            channel: Channel::named(&route.channel)?,
            countries: route.countries.iter().filter_map(|country| Country::from_str(country).ok()).collect(),
            prefixes: route.prefixes.clone(),
            projects: route.projects.iter().filter_map(|project| project.parse().ok()).collect(),
            purposes: route.purposes.iter().filter_map(|purpose| Purpose::named(purpose)).collect(),
            tiers: tiers(&route.providers),
            senders: senders(route.sender.as_ref(), &route.senders),
        })
    };
    routes.iter().enumerate().filter_map(route).collect()
}

/// Neighbours with a weight share; each one without stands for itself.
fn tiers(carriers: &[Carrier]) -> Vec<Tier> {
    carriers
        .chunk_by(|one, next| one.weight().is_some() && next.weight().is_some())
        .map(|tier| Tier(tier.iter().map(Carrier::candidate).collect()))
        .collect()
}

fn senders(elsewhere: Option<&String>, of_country: &BTreeMap<String, String>) -> Senders {
    let of_country = of_country
        .iter()
        .filter_map(|(country, sender)| Some((Country::from_str(country).ok()?, sender.clone())));
    Senders { of_country: of_country.collect(), elsewhere: elsewhere.cloned() }
}

/// What is wrong: at which key, what, and how to put it right.
pub(super) type Fault = (&'static str, String, String);

pub(super) fn validate(routes: &[Route], providers: &toml::Table) -> Result<(), Invalid> {
    for (index, route) in routes.iter().enumerate() {
        route
            .check(providers)
            .map_err(|(key, why, fix)| Invalid::new(&["routes", &index.to_string(), key], why, fix))?;
    }
    Ok(())
}

impl Route {
    fn check(&self, providers: &toml::Table) -> Result<(), Fault> {
        let routable: Vec<&str> = Channel::ALL
            .iter()
            .filter(|channel| **channel != Channel::Own)
            .map(|channel| channel.as_str())
            .collect();
        if !routable.contains(&self.channel.as_str()) {
            let fix = format!("write one of {}", routable.join(", "));
            return Err(("channel", format!("there is no channel {:?}", self.channel), fix));
        }
        if let Some(name) = self.name.as_ref().filter(|name| !is_line(name)) {
            let fix = format!("write 1 to {MOST_CHARS} characters on one line");
            return Err(("name", format!("{name:?} is no name"), fix));
        }
        self.check_matches()?;
        self.check_providers(providers)?;
        check_senders(self.sender.as_ref(), &self.senders)
    }

    fn check_matches(&self) -> Result<(), Fault> {
        check_countries("countries", self.countries.iter())?;
        check_prefixes(&self.prefixes)?;
        check_projects(&self.projects)?;
        if let Some(purpose) = self.purposes.iter().find(|purpose| Purpose::named(purpose).is_none()) {
            let known: Vec<_> = Purpose::ALL.iter().map(|purpose| purpose.as_str()).collect();
            let fix = format!("write some of {}", known.join(", "));
            return Err(("purposes", format!("there is no purpose {purpose:?}"), fix));
        }
        Ok(())
    }

    fn check_providers(&self, providers: &toml::Table) -> Result<(), Fault> {
        if self.providers.is_empty() {
            return Err(("providers", "empty".to_owned(), "name at least one provider".to_owned()));
        }
        let mut seen = BTreeSet::new();
        for carrier in &self.providers {
            let name = carrier.name();
            if !providers.contains_key(name) {
                let why = format!("there is no provider {name:?}");
                return Err((
                    "providers",
                    why,
                    format!("add a table [providers.{name}], or correct the name"),
                ));
            }
            if !seen.insert(name) {
                let fix = "name each provider once; a route tries it once".to_owned();
                return Err(("providers", format!("{name:?} stands there twice"), fix));
            }
            if carrier.weight().is_some_and(|weight| !(1..=MOST_WEIGHT).contains(&weight)) {
                let fix = format!("write 1 to {MOST_WEIGHT}");
                return Err(("providers", format!("the weight of {name:?} is out of range"), fix));
            }
            if let Carrier::Detailed(detailed) = carrier {
                check_senders(detailed.sender.as_ref(), &detailed.senders)
                    .map_err(|(_, why, fix)| ("providers", why, fix))?;
            }
        }
        Ok(())
    }
}

fn check_senders(elsewhere: Option<&String>, of_country: &BTreeMap<String, String>) -> Result<(), Fault> {
    check_countries("senders", of_country.keys())?;
    let mut all = elsewhere.map(|sender| ("sender", sender)).into_iter();
    let mut all = all.by_ref().chain(of_country.values().map(|sender| ("senders", sender)));
    match all.find(|(_, sender)| !is_line(sender)) {
        None => Ok(()),
        Some((key, sender)) => {
            let fix = format!("write a number, a short code or a name of 1 to {MOST_CHARS} characters");
            Err((key, format!("{sender:?} is no sender"), fix))
        }
    }
}

/// Countries as ISO 3166-1 has them.
pub(super) fn check_countries<'a>(
    key: &'static str,
    mut countries: impl Iterator<Item = &'a String>,
) -> Result<(), Fault> {
    match countries.find(|country| Country::from_str(country).is_err()) {
        None => Ok(()),
        Some(country) => {
            let fix = "write two capital letters (ISO 3166-1), like \"PL\"".to_owned();
            Err((key, format!("{country:?} is not a country"), fix))
        }
    }
}

/// Beginnings of numbers, with the plus.
pub(super) fn check_prefixes(prefixes: &[String]) -> Result<(), Fault> {
    let is_prefix = |prefix: &str| {
        prefix.strip_prefix('+').is_some_and(|digits| {
            (1..=MOST_DIGITS).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
        })
    };
    match prefixes.iter().find(|prefix| !is_prefix(prefix)) {
        None => Ok(()),
        Some(prefix) => {
            let fix = "write a plus and digits, like \"+48\" or \"+4860\"".to_owned();
            Err(("prefixes", format!("{prefix:?} is not the beginning of a number"), fix))
        }
    }
}

/// Ids of projects.
pub(super) fn check_projects(projects: &[String]) -> Result<(), Fault> {
    match projects.iter().find(|project| project.parse::<ProjectId>().is_err()) {
        None => Ok(()),
        Some(project) => {
            let fix = "write the id that `countersign projects list` shows, prj_…".to_owned();
            Err(("projects", format!("{project:?} is not the id of a project"), fix))
        }
    }
}

/// Whether a text is a name: one line, not empty, not too long.
pub(super) fn is_line(text: &str) -> bool {
    (1..=MOST_CHARS).contains(&text.chars().count())
        && !text.contains(char::is_control)
        && text.trim() == text
}

pub(super) const SECTION: Section = Section {
    header: "[[routes]]",
    about: "Which providers carry which messages. Of the lines that match, the one with the longest prefix is first, then \
            the order of the file decides; the others are what comes next when its providers fail. \
            A live start that no line matches answers `no_route`. Test keys use the outbox, whatever stands here. \
            `countersign routes explain +48600100217` says which line matches, and why the others do not.",
    optional: true,
    fields: &[
        Field {
            key: "name",
            value: "\"poland\"",
            optional: true,
            about: "What explanations call it; its place in the file when absent.",
        },
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
            key: "prefixes",
            value: "[\"+48\", \"+4930\"]",
            optional: true,
            about: "Beginnings of phone numbers: a calling code, or more of the number. The longest that matches wins.",
        },
        Field {
            key: "projects",
            value: "[\"prj_01m83n1fqkeat9ryjx42vfks43\"]",
            optional: true,
            about: "Projects it serves. Without it: all.",
        },
        Field {
            key: "purposes",
            value: "[\"authentication\", \"transaction\"]",
            optional: true,
            about: "Purposes it serves: `authentication`, `address_validation`, `recovery`, `transaction`. Without it: all.",
        },
        Field {
            key: "providers",
            value: "[\"gateway\"]",
            optional: true,
            about: "Names of providers, in the order they are tried. Neighbours with a weight share the messages: \
                    `[{ name = \"a\", weight = 70 }, { name = \"b\", weight = 30 }, \"c\"]` sends 70 of 100 by `a` first, \
                    the rest by `b`, and tries `c` last. Weights, 1 to 1000, fall with failures and slow answers and \
                    recover by themselves. `sender` and `senders` may stand here, too.",
        },
        Field {
            key: "sender",
            value: "\"ACME\"",
            optional: true,
            about: "Whom messages come from: a number, a short code or a name. Without it: as the provider is configured.",
        },
        Field {
            key: "senders",
            value: "{ US = \"+12025550100\", IN = \"ACMEIN\" }",
            optional: true,
            about: "The same by country, before `sender`.",
        },
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(text: &str) -> Vec<Route> {
        #[derive(Deserialize)]
        struct File {
            routes: Vec<Route>,
        }
        toml::from_str::<File>(text).unwrap().routes
    }

    #[test]
    fn neighbours_with_a_weight_share_and_names_stand_alone() {
        let text = "[[routes]]\nchannel = 'sms'\nproviders = ['a', { name = 'b', weight = 70 }, \
                    { name = 'c', weight = 30, sender = 'C' }, { name = 'd' }, 'e']";
        let table = table(&routes(text));
        let names = |Tier(tier): &Tier| {
            tier.iter()
                .map(|known| format!("{}:{}", known.provider, known.weight))
                .collect::<Vec<_>>()
                .join(" ")
        };
        let tiers: Vec<_> = table[0].tiers.iter().map(names).collect();
        assert_eq!(tiers, ["a:1", "b:70 c:30", "d:1", "e:1"]);
        assert_eq!(table[0].tiers[1].0[1].senders.elsewhere.as_deref(), Some("C"));
        assert_eq!(table[0].name, "routes.0");
    }

    #[test]
    fn what_was_read_is_written_the_same() {
        let text = "[[routes]]\nname = 'pl'\nchannel = 'sms'\nprefixes = ['+48']\nproviders = ['a', { name = 'b', weight = 3 }]\n\
                    senders = { PL = 'ACME' }";
        #[derive(Serialize)]
        struct File {
            routes: Vec<Route>,
        }
        let read = routes(text);
        let written = toml::to_string(&File { routes: read.clone() }).unwrap();
        assert_eq!(routes(&written), read);
    }
}
