//! Why a message goes where it goes: every route with what kept it from matching, and what is tried in which order.

use minicbor::{Decode, Encode};

use super::{Candidate, Rating, Route, Routes, Wanted};
use crate::money::Price;
use crate::named::named;
use crate::verification::Channel;

named!(
    /// Why a route does not serve a message.
    Mismatch {
        /// It is for another channel.
        0 Channel = "channel",
        /// Its channel does not reach this kind of recipient.
        1 RecipientKind = "recipient_kind",
        /// It is for other countries.
        2 Country = "country",
        /// It is for other numbers.
        3 Prefix = "prefix",
        /// It is for other projects.
        4 Project = "project",
        /// It is for other purposes.
        5 Purpose = "purpose",
    }
);

/// A route that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered<'a> {
    /// The route.
    pub route: &'a Route,
    /// Why not; empty when it serves.
    pub mismatches: Vec<Mismatch>,
    /// How much of the number its prefix covers, plus included.
    pub prefix_length: usize,
}

/// A provider that may carry the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step<'a> {
    /// The route that names it.
    pub route: &'a Route,
    /// Which tier, counted over all routes that serve; those of one tier share the messages.
    pub tier: usize,
    /// It, with its configured weight.
    pub candidate: &'a Candidate,
    /// The chance to come first in its tier, in thousandths.
    pub share: u16,
    /// How it stands; the default for one that nothing is known of.
    pub rating: Rating,
    /// Whom its messages come from.
    pub sender: Option<&'a str>,
    /// What it asks for one part of a message.
    pub price: Option<Price>,
}

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation<'a> {
    /// The channel the message takes; `None` when nothing serves.
    pub channel: Option<Channel>,
    /// All channels that reach the recipient.
    pub channels: Vec<Channel>,
    /// Every route: those that serve in the order they are used, then the others as configured.
    pub routes: Vec<Considered<'a>>,
    /// What is tried, in order; what comes next on failure stands behind. Providers whose circuit is open are last.
    pub steps: Vec<Step<'a>>,
}

impl Routes {
    /// Says what would happen to a live message, over a channel or over the preferred one.
    #[must_use]
    pub fn explain(&self, wanted: &Wanted<'_>, channel: Option<Channel>) -> Explanation<'_> {
        let channels = self.channels(wanted);
        let channel = channel.or_else(|| channels.first().copied());
        let mut routes: Vec<_> = self
            .live
            .iter()
            .map(|route| Considered {
                route,
                mismatches: route.mismatches(wanted, channel),
                prefix_length: route.prefix_length(wanted),
            })
            .collect();
        routes.sort_by_key(|considered| {
            (!considered.mismatches.is_empty(), std::cmp::Reverse(considered.prefix_length))
        });
        let steps = channel.map(|channel| self.steps(wanted, channel)).unwrap_or_default();
        Explanation { channel, channels, routes, steps }
    }

    fn steps(&self, wanted: &Wanted<'_>, channel: Channel) -> Vec<Step<'_>> {
        let country = wanted.to.country;
        let mut steps = Vec::new();
        for (tier, (route, candidates)) in self.tiers(wanted, channel).into_iter().enumerate() {
            let effective = |candidate: &Candidate| {
                self.standing.effective(&candidate.provider, candidate.weight, country)
            };
            let total: u64 = candidates.iter().map(|candidate| effective(candidate)).sum();
            for candidate in candidates {
                let share = effective(candidate).saturating_mul(1000).checked_div(total).unwrap_or_default();
                steps.push(Step {
                    route,
                    tier,
                    candidate,
                    share: u16::try_from(share).unwrap_or(1000),
                    rating: self.standing.0.get(&candidate.provider).cloned().unwrap_or_default(),
                    price: self.tariff.price(&candidate.provider, wanted.to),
                    sender: candidate.senders.to(country).or_else(|| route.senders.to(country)),
                });
            }
        }
        steps
            .sort_by_key(|step| (step.rating.open_until.is_some(), step.tier, std::cmp::Reverse(step.share)));
        steps
    }
}
