//! Limits that are kept in memory per node: starts per client address. Bounded, and closed when memory is short.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::time::Duration;

use crate::recipient::Country;
use crate::time::Timestamp;

/// Starts per address and hour.
pub const STARTS_PER_HOUR: usize = 20;
/// Countries per address and day.
pub const COUNTRIES_PER_DAY: usize = 3;
/// Addresses that are remembered at once, of each tenant: nobody's crowd takes another's room.
pub const MAX_ADDRESSES: usize = 100_000;

/// Between two sweeps of a memory that stayed full.
const SWEEP_PAUSE: Duration = Duration::from_secs(10);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A client network: an IPv4 address, or the /64 of an IPv6 one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// One address.
    V4([u8; 4]),
    /// The first 64 bits.
    V6([u8; 8]),
}

impl Network {
    /// The network of an address; an IPv4 address written as IPv6 is the IPv4 one.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let mut prefix = [0; 8];
                prefix.copy_from_slice(&address.octets()[..8]);
                Self::V6(prefix)
            }
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    starts: Vec<Timestamp>,
    countries: Vec<(Country, Timestamp)>,
}

/// Starts per network and tenant, of this node.
#[derive(Debug)]
pub struct Admission<K> {
    rooms: HashMap<K, Room>,
    most: usize,
}

/// The networks of one tenant.
#[derive(Debug, Default)]
struct Room {
    seen: HashMap<Network, Seen>,
    /// When a sweep left it full: another one soon after is not worth its cost.
    swept_in_vain: Option<Timestamp>,
}

impl<K: Copy + Eq + Hash> Admission<K> {
    /// Remembers at most `most` networks of each tenant.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { rooms: HashMap::new(), most }
    }

    /// Takes a start, or says from when on one may be taken. When the tenant's room is full, networks without a start
    /// in this hour are forgotten, their countries too; when all have one, an unknown network is refused rather than
    /// let through.
    pub fn take(
        &mut self,
        key: K,
        network: Network,
        country: Option<Country>,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let room = self.rooms.entry(key).or_default();
        if !room.seen.contains_key(&network) && room.seen.len() >= self.most {
            room.sweep(self.most, now);
            if room.seen.len() >= self.most {
                return Some(now.plus(HOUR));
            }
        }
        room.seen.entry(network).or_default().take(country, now)
    }

    /// Gives back a start that was taken `at` this instant and turned out to be none.
    pub fn give_back(&mut self, key: K, network: Network, at: Timestamp) {
        let Some(seen) = self.rooms.get_mut(&key).and_then(|room| room.seen.get_mut(&network)) else {
            return;
        };
        if let Some(nth) = seen.starts.iter().rposition(|start| *start == at) {
            seen.starts.remove(nth);
        }
    }
}

impl Room {
    /// Makes room, what counts least first. A flood of strangers pays for one pass in a while, not for one each.
    fn sweep(&mut self, most: usize, now: Timestamp) {
        if self.swept_in_vain.is_some_and(|at| at <= now && now.since(at) < SWEEP_PAUSE) {
            return;
        }
        self.seen.retain(|_, seen| !seen.forgettable(now));
        if self.seen.len() >= most {
            self.seen.retain(|_, seen| seen.counts(now));
        }
        self.swept_in_vain = (self.seen.len() >= most).then_some(now);
    }
}

impl Seen {
    /// Whether it had a start in this hour.
    fn counts(&self, now: Timestamp) -> bool {
        self.starts.iter().any(|at| now.since(*at) < HOUR)
    }

    fn forgettable(&self, now: Timestamp) -> bool {
        !self.counts(now) && self.countries.iter().all(|(_, at)| now.since(*at) >= DAY)
    }

    fn take(&mut self, country: Option<Country>, now: Timestamp) -> Option<Timestamp> {
        self.starts.retain(|at| now.since(*at) < HOUR);
        self.countries.retain(|(_, at)| now.since(*at) < DAY);
        if self.starts.len() >= STARTS_PER_HOUR {
            return self.starts.first().map(|at| at.plus(HOUR));
        }
        if let Some(country) = country {
            let known = self.countries.iter().position(|(known, _)| *known == country);
            match known {
                Some(known) => self.countries[known].1 = now,
                None if self.countries.len() >= COUNTRIES_PER_DAY => {
                    return self.countries.iter().map(|(_, at)| at.plus(DAY)).min();
                }
                None => self.countries.push((country, now)),
            }
        }
        self.starts.push(now);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn one_tenants_crowd_takes_no_room_of_another() {
        let mut admission = Admission::new(1);
        assert_eq!(admission.take("a", Network::of([10, 0, 0, 1].into()), None, at(0)), None);
        assert_eq!(admission.take("a", Network::of([10, 0, 0, 2].into()), None, at(0)), Some(at(3600)));
        assert_eq!(admission.take("b", Network::of([10, 0, 0, 2].into()), None, at(0)), None);
    }

    #[test]
    fn twenty_starts_an_hour_and_not_twenty_one() {
        let mut admission = Admission::new(10);
        let network = Network::of([203, 0, 113, 9].into());
        for n in 0..20 {
            assert_eq!(admission.take(0, network, None, at(n)), None);
        }
        assert_eq!(admission.take(0, network, None, at(20)), Some(at(3600)));
        assert_eq!(admission.take(1, network, None, at(20)), None, "another tenant");
        assert_eq!(admission.take(0, network, None, at(3600)), None);
    }

    #[test]
    fn three_countries_a_day_and_not_four() {
        let mut admission = Admission::new(10);
        let network = Network::of("2001:db8::1".parse().unwrap());
        for (n, country) in ["PL", "DE", "FR", "PL"].into_iter().enumerate() {
            assert_eq!(admission.take(0, network, country.parse().ok(), at(n as i64)), None);
        }
        let neighbour = Network::of("2001:db8::ffff".parse().unwrap());
        assert_eq!(admission.take(0, neighbour, "ES".parse().ok(), at(9)), Some(at(86_401)));
    }

    #[test]
    fn a_full_memory_refuses_strangers_until_something_is_forgettable() {
        let mut admission = Admission::new(2);
        let network = |n: u8| Network::of([10, 0, 0, n].into());
        assert_eq!(admission.take(0, network(1), None, at(0)), None);
        assert_eq!(admission.take(0, network(2), None, at(1)), None);
        assert_eq!(admission.take(0, network(3), None, at(2)), Some(at(3602)));
        assert_eq!(admission.take(0, network(1), None, at(2)), None, "a known one goes on");
        assert_eq!(admission.take(0, network(3), None, at(3601)), None);
    }

    #[test]
    fn a_full_memory_forgets_countries_before_it_refuses_strangers() {
        let mut admission = Admission::new(1);
        let network = |n: u8| Network::of([10, 0, 0, n].into());
        assert_eq!(admission.take(0, network(1), "PL".parse().ok(), at(0)), None);
        assert_eq!(admission.take(0, network(2), None, at(3590)), Some(at(7190)));
        assert_eq!(admission.take(0, network(2), None, at(3599)), Some(at(7199)));
        assert_eq!(admission.take(0, network(2), None, at(3600)), None, "no start of the other one counts");
    }

    #[test]
    fn a_start_given_back_may_be_taken_again() {
        let mut admission = Admission::new(10);
        let network = Network::of([203, 0, 113, 9].into());
        for _ in 0..40 {
            assert_eq!(admission.take(0, network, None, at(7)), None);
            admission.give_back(0, network, at(7));
        }
        for n in 0..20 {
            assert_eq!(admission.take(0, network, None, at(n)), None);
        }
        admission.give_back(0, network, at(99));
        admission.give_back(1, network, at(7));
        assert!(admission.take(0, network, None, at(30)).is_some(), "nothing was given back");
    }

    #[test]
    fn mapped_addresses_are_the_ipv4_ones() {
        assert_eq!(Network::of("::ffff:1.2.3.4".parse().unwrap()), Network::of([1, 2, 3, 4].into()));
    }
}
