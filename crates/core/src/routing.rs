//! Which provider carries a message: routes in order, the first that matches serves.

use crate::recipient::{Country, RecipientKind};
use crate::tenant::Mode;
use crate::verification::Channel;

/// The provider of test mode: the outbox that is rendered on reading.
pub const TEST_OUTBOX: &str = "test_outbox";

/// One line of the routing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The channel it serves.
    pub channel: Channel,
    /// The countries it serves; empty serves all.
    pub countries: Vec<Country>,
    /// Providers, in the order they are tried.
    pub providers: Vec<String>,
}

/// The routing table of a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Routes {
    /// In order of preference; `auto` takes the channel of the first match.
    pub live: Vec<Route>,
}

impl Routes {
    /// The providers that may carry a message, in order.
    #[must_use]
    pub fn providers(&self, mode: Mode, channel: Channel, country: Option<Country>) -> Vec<&str> {
        if mode == Mode::Test {
            return vec![TEST_OUTBOX];
        }
        let serves = |route: &&Route| {
            let here = |country: Country| route.countries.contains(&country);
            route.channel == channel && (route.countries.is_empty() || country.is_some_and(here))
        };
        self.live.iter().filter(serves).flat_map(|route| route.providers.iter().map(String::as_str)).collect()
    }

    /// The channels that can reach a recipient, the preferred one first.
    #[must_use]
    pub fn channels(&self, mode: Mode, kind: RecipientKind, country: Option<Country>) -> Vec<Channel> {
        let candidates = match (mode, kind) {
            (Mode::Test, RecipientKind::Phone) => vec![Channel::Sms, Channel::Voice, Channel::Whatsapp],
            (Mode::Test, RecipientKind::Email) => vec![Channel::Email],
            (Mode::Live, _) => self.live.iter().map(|route| route.channel).collect(),
        };
        let mut channels = Vec::new();
        for channel in candidates {
            let usable = channel.reaches(kind) && !self.providers(mode, channel, country).is_empty();
            if usable && !channels.contains(&channel) {
                channels.push(channel);
            }
        }
        channels
    }
}
