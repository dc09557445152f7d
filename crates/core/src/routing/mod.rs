//! Which provider carries a message: routes that match, the most specific first, and the order of their providers.

mod choice;
mod explain;
mod standing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::ids::ProjectId;
use crate::money::Tariff;
use crate::recipient::{Country, RecipientKind, RecipientRef};
use crate::tenant::{Mode, Tenant};
use crate::verification::{Channel, Purpose};

pub use choice::Lot;
pub use explain::{Considered, Explanation, Mismatch, Step};
pub use standing::{FULL, Rating, Standing};

/// The provider of test mode: the outbox that is rendered on reading.
pub const TEST_OUTBOX: &str = "test_outbox";

/// One line of the routing table. A list that is empty matches everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What people call it.
    pub name: String,
    /// The channel it serves.
    pub channel: Channel,
    /// The countries it serves.
    pub countries: Vec<Country>,
    /// Beginnings of phone numbers it serves, with the plus: a calling code, or more.
    pub prefixes: Vec<String>,
    /// The projects it serves.
    pub projects: Vec<ProjectId>,
    /// The purposes it serves.
    pub purposes: Vec<Purpose>,
    /// Its providers, in the order they are tried.
    pub tiers: Vec<Tier>,
    /// Whom its messages come from.
    pub senders: Senders,
}

/// Providers that share the messages by their weights; whichever is not first is what comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tier(pub Vec<Candidate>);

/// A provider of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// Its name in the configuration.
    pub provider: String,
    /// Its share among those of its tier.
    pub weight: u32,
    /// Whom its messages come from on this route, before what the route says.
    pub senders: Senders,
}

/// Whom messages come from: a number, a short code or a name, as agreed with the provider.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Senders {
    /// By country of the number.
    pub of_country: BTreeMap<Country, String>,
    /// Everywhere else.
    pub elsewhere: Option<String>,
}

impl Senders {
    fn to(&self, country: Option<Country>) -> Option<&str> {
        let of_country = country.and_then(|country| self.of_country.get(&country));
        of_country.or(self.elsewhere.as_ref()).map(String::as_str)
    }
}

/// What a message needs a route for.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Whose message it is.
    pub tenant: Tenant,
    /// What its code is for.
    pub purpose: Purpose,
    /// To whom.
    pub to: RecipientRef<'a>,
}

impl Wanted<'_> {
    fn country(&self) -> Option<Country> {
        self.to.country
    }
}

impl Route {
    /// A route for a whole channel, its providers in order.
    #[must_use]
    pub fn plain(channel: Channel, providers: &[&str]) -> Self {
        let alone = |name: &&str| {
            let senders = Senders::default();
            Tier(vec![Candidate { provider: (*name).to_owned(), weight: 1, senders }])
        };
        Self {
            name: channel.as_str().to_owned(),
            channel,
            countries: Vec::new(),
            prefixes: Vec::new(),
            projects: Vec::new(),
            purposes: Vec::new(),
            tiers: providers.iter().map(alone).collect(),
            senders: Senders::default(),
        }
    }

    /// Why it does not serve a message; empty when it does.
    #[must_use]
    pub fn mismatches(&self, wanted: &Wanted<'_>, channel: Option<Channel>) -> Vec<Mismatch> {
        let among = |country: Country| self.countries.contains(&country);
        let checks = [
            (channel.is_none_or(|channel| channel == self.channel), Mismatch::Channel),
            (self.channel.reaches(wanted.to.kind), Mismatch::RecipientKind),
            (self.countries.is_empty() || wanted.country().is_some_and(among), Mismatch::Country),
            (self.prefixes.is_empty() || self.prefix_length(wanted) > 0, Mismatch::Prefix),
            (self.projects.is_empty() || self.projects.contains(&wanted.tenant.project), Mismatch::Project),
            (self.purposes.is_empty() || self.purposes.contains(&wanted.purpose), Mismatch::Purpose),
        ];
        checks.into_iter().filter(|(fits, _)| !fits).map(|(_, mismatch)| mismatch).collect()
    }

    /// How much of the number its longest matching prefix covers; zero without one.
    fn prefix_length(&self, wanted: &Wanted<'_>) -> usize {
        let number = wanted.to.number();
        let covers = |prefix: &&String| number.starts_with(prefix.as_str());
        self.prefixes.iter().filter(covers).map(String::len).max().unwrap_or_default()
    }
}

/// The routing table of a node, with how its providers stand now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routes {
    /// The table, in the order of the configuration.
    pub live: Arc<[Route]>,
    /// Providers that are switched off.
    pub disabled: Arc<BTreeSet<String>>,
    /// How the providers stand, as this node sees it.
    pub standing: Arc<Standing>,
    /// What the providers ask.
    pub tariff: Arc<Tariff>,
}

impl Routes {
    /// A table whose providers are all well.
    #[must_use]
    pub fn of(live: Vec<Route>) -> Self {
        Self { live: live.into(), ..Self::default() }
    }

    /// The routes that serve a message over a channel, or over any: the longest prefix first, else in their order.
    fn matching(&self, wanted: &Wanted<'_>, channel: Option<Channel>) -> Vec<&Route> {
        let mut routes: Vec<_> =
            self.live.iter().filter(|route| route.mismatches(wanted, channel).is_empty()).collect();
        routes.sort_by_key(|route| std::cmp::Reverse(route.prefix_length(wanted)));
        routes
    }

    /// The candidates of a message in the order in which tiers are tried, each provider once.
    fn tiers<'a>(&'a self, wanted: &Wanted<'_>, channel: Channel) -> Vec<(&'a Route, Vec<&'a Candidate>)> {
        let mut seen = BTreeSet::new();
        let mut tiers = Vec::new();
        for route in self.matching(wanted, Some(channel)) {
            for Tier(candidates) in &route.tiers {
                let fresh: Vec<_> = candidates
                    .iter()
                    .filter(|candidate| !self.disabled.contains(&candidate.provider))
                    .filter(|candidate| seen.insert(candidate.provider.as_str()))
                    .collect();
                if !fresh.is_empty() {
                    tiers.push((route, fresh));
                }
            }
        }
        tiers
    }

    /// The providers that may carry a message, in the order they are tried. Those of one tier are drawn by weight with
    /// `lot`; those whose circuit is open come last.
    #[must_use]
    pub fn providers(&self, wanted: &Wanted<'_>, channel: Channel, lot: Lot) -> Vec<String> {
        if wanted.tenant.mode == Mode::Test {
            return vec![TEST_OUTBOX.to_owned()];
        }
        let country = wanted.country();
        let mut draws = lot.draws();
        let mut order = Vec::new();
        for (_, mut candidates) in self.tiers(wanted, channel) {
            choice::draw_order(&mut candidates, &mut draws, |candidate| {
                self.standing.effective(&candidate.provider, candidate.weight, country)
            });
            order.extend(candidates.into_iter().map(|candidate| candidate.provider.clone()));
        }
        order.sort_by_key(|provider| self.standing.is_open(provider));
        order
    }

    /// What one part of a message counts for budgets at most, whoever of its providers carries it.
    #[must_use]
    pub fn dearest(&self, wanted: &Wanted<'_>, channel: Channel) -> u64 {
        let tiers = self.tiers(wanted, channel).into_iter();
        let counted = tiers
            .flat_map(|(_, candidates)| candidates)
            .map(|candidate| self.tariff.counted(&candidate.provider, wanted.to));
        counted.max().unwrap_or_default()
    }

    /// The channels that can reach a recipient, the preferred one first.
    #[must_use]
    pub fn channels(&self, wanted: &Wanted<'_>) -> Vec<Channel> {
        match (wanted.tenant.mode, wanted.to.kind) {
            (Mode::Test, RecipientKind::Phone) => vec![Channel::Sms, Channel::Voice, Channel::Whatsapp],
            (Mode::Test, RecipientKind::Email) => vec![Channel::Email],
            (Mode::Live, _) => {
                let mut channels = Vec::new();
                for route in self.matching(wanted, None) {
                    let serves = || !self.tiers(wanted, route.channel).is_empty();
                    if !channels.contains(&route.channel) && serves() {
                        channels.push(route.channel);
                    }
                }
                channels
            }
        }
    }

    /// Whom a message comes from when this provider carries it; `None` leaves it to the provider's configuration.
    #[must_use]
    pub fn sender(&self, wanted: &Wanted<'_>, channel: Channel, provider: &str) -> Option<&str> {
        let country = wanted.country();
        let (route, candidates) = self
            .tiers(wanted, channel)
            .into_iter()
            .find(|(_, candidates)| candidates.iter().any(|candidate| candidate.provider == provider))?;
        let candidate = candidates.into_iter().find(|candidate| candidate.provider == provider)?;
        candidate.senders.to(country).or_else(|| route.senders.to(country))
    }
}
