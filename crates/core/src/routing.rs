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

#[cfg(test)]
mod tests {
    use super::*;

    fn route(channel: Channel, countries: &[&str], providers: &[&str]) -> Route {
        Route {
            channel,
            countries: countries.iter().map(|country| country.parse().unwrap()).collect(),
            providers: providers.iter().map(|provider| (*provider).to_owned()).collect(),
        }
    }

    fn routes() -> Routes {
        Routes {
            live: vec![
                route(Channel::Voice, &["DE"], &["caller"]),
                route(Channel::Sms, &["PL", "DE"], &["local"]),
                route(Channel::Sms, &[], &["world", "spare"]),
                route(Channel::Email, &[], &["relay"]),
            ],
        }
    }

    fn country(code: &str) -> Option<Country> {
        Some(code.parse().unwrap())
    }

    #[test]
    fn routes_that_match_serve_in_their_order() {
        let routes = routes();
        let sms = |to| routes.providers(Mode::Live, Channel::Sms, to);
        assert_eq!(sms(country("PL")), ["local", "world", "spare"]);
        assert_eq!(sms(country("FR")), ["world", "spare"]);
        assert_eq!(sms(None), ["world", "spare"], "a number of no country");
        assert!(routes.providers(Mode::Live, Channel::Voice, country("PL")).is_empty());
        assert!(routes.providers(Mode::Live, Channel::Whatsapp, country("PL")).is_empty());
    }

    #[test]
    fn auto_prefers_the_first_route_that_reaches() {
        let routes = routes();
        let channels = |kind, to| routes.channels(Mode::Live, kind, to);
        assert_eq!(channels(RecipientKind::Phone, country("DE")), [Channel::Voice, Channel::Sms]);
        assert_eq!(channels(RecipientKind::Phone, country("PL")), [Channel::Sms]);
        assert_eq!(channels(RecipientKind::Email, None), [Channel::Email]);
        assert!(Routes::default().channels(Mode::Live, RecipientKind::Phone, country("PL")).is_empty());
    }

    #[test]
    fn test_mode_reaches_the_outbox_and_nothing_else() {
        for routes in [routes(), Routes::default()] {
            for kind in [RecipientKind::Phone, RecipientKind::Email] {
                let channels = routes.channels(Mode::Test, kind, None);
                assert!(!channels.is_empty() && channels.iter().all(|channel| channel.reaches(kind)));
                for channel in channels {
                    assert_eq!(routes.providers(Mode::Test, channel, None), [TEST_OUTBOX]);
                }
            }
        }
    }
}
