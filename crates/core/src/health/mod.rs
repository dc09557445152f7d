//! The health of providers, from their own results: a circuit, a weight that falls and recovers, and what they are worth
//! in each country. In memory per node; two nodes may judge a provider differently for a while.

mod board;
mod breaker;
mod conversion;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::delivery::Fault;
use crate::recipient::Country;
use crate::routing::{FULL, Rating, Standing};
use crate::time::Timestamp;

use breaker::Breaker;

pub use board::Board;
pub use breaker::{Circuit, FAILURES, OPEN, OPEN_MOST, PROBES, Pass, Verdict, WINDOW};
pub use conversion::{Conversion, ENOUGH, FADE_AT};

/// The least a weight falls to, in thousandths.
pub const LEAST: u16 = 50;
/// How much of a weight comes back per minute without trouble, in thousandths.
pub const RECOVERY_PER_MINUTE: u16 = 100;

/// What may be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// An answer that takes longer lowers the weight.
    pub slow: Duration,
    /// Whether conversion counts in choosing among providers that share messages.
    pub learn_conversion: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { slow: Duration::from_secs(5), learn_conversion: false }
    }
}

/// What came of one try at a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It took the message.
    Took,
    /// It did not, and whose fault that was.
    Refused(Fault),
    /// It was not asked in the end.
    NotAsked,
}

/// The health of one provider.
#[derive(Debug, Clone)]
struct Health {
    breaker: Breaker,
    /// In thousandths, as of `weighed_at`.
    weight: u16,
    weighed_at: Timestamp,
    /// A moving average of answers, an eighth of each new one.
    latency: Option<Duration>,
    delivered: u64,
    undelivered: u64,
    countries: BTreeMap<Country, Conversion>,
}

/// The numbers of one provider, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Numbers {
    /// Its circuit.
    pub circuit: Circuit,
    /// What is left of its weight, in thousandths.
    pub weight: u16,
    /// Tries within the last minute that say something about it.
    pub tries: u32,
    /// Those that failed.
    pub failures: u32,
    /// How long its answers take, lately.
    pub latency: Option<Duration>,
    /// Receipts that said the message arrived, since the node started.
    pub delivered: u64,
    /// Receipts that said it did not.
    pub undelivered: u64,
    /// What it is worth, by country.
    pub countries: BTreeMap<Country, Conversion>,
}

/// The health of all providers of a node. Holds the configured ones and no others, so it is bounded.
#[derive(Debug, Clone, Default)]
pub struct Providers {
    settings: Settings,
    known: BTreeMap<String, Health>,
}

impl Providers {
    /// All of them well, nothing learned.
    #[must_use]
    pub fn new(settings: Settings, names: impl IntoIterator<Item = String>) -> Self {
        let well = || Health {
            breaker: Breaker::new(),
            weight: FULL,
            weighed_at: Timestamp::default(),
            latency: None,
            delivered: 0,
            undelivered: 0,
            countries: BTreeMap::new(),
        };
        Self { settings, known: names.into_iter().map(|name| (name, well())).collect() }
    }

    /// Leave to send a message with this provider.
    ///
    /// # Errors
    /// From when on it may be asked again; `None` for a provider that is not known.
    pub fn pass(&mut self, provider: &str, now: Timestamp) -> Result<Pass, Option<Timestamp>> {
        self.known.get_mut(provider).ok_or(None)?.breaker.pass(now).map_err(Some)
    }

    /// Takes back a pass with what came of the message, and how long the answer took.
    pub fn note(
        &mut self,
        provider: &str,
        pass: Pass,
        outcome: Outcome,
        took: Duration,
        country: Option<Country>,
        now: Timestamp,
    ) {
        let slow = self.settings.slow;
        let Some(health) = self.known.get_mut(provider) else { return };
        let verdict = match outcome {
            Outcome::Took | Outcome::Refused(Fault::Recipient) => Verdict::Works,
            Outcome::Refused(Fault::Provider) => Verdict::Fails,
            Outcome::Refused(Fault::Us) | Outcome::NotAsked => Verdict::Unknown,
        };
        health.breaker.note(pass, verdict, now);
        if verdict != Verdict::Unknown {
            health.time(took);
            health.weigh(verdict == Verdict::Fails, took > slow, now);
        }
        if let (Outcome::Took, Some(country)) = (outcome, country) {
            health.countries.entry(country).or_default().sent();
        }
    }

    /// Notes a receipt. One that says "not delivered" for the provider's reasons lowers the weight, as a failure does.
    pub fn receipt(&mut self, provider: &str, fate: Result<(), Fault>, now: Timestamp) {
        let Some(health) = self.known.get_mut(provider) else { return };
        match fate {
            Ok(()) => health.delivered += 1,
            Err(fault) => {
                health.undelivered += 1;
                if fault == Fault::Provider {
                    health.weigh(true, false, now);
                }
            }
        }
    }

    /// Notes that a verification was approved whose latest message this provider took.
    pub fn approved(&mut self, provider: &str, country: Option<Country>) {
        let known = self.known.get_mut(provider);
        let conversion = known.zip(country).and_then(|(health, country)| health.countries.get_mut(&country));
        if let Some(conversion) = conversion {
            conversion.approved();
        }
    }

    /// How all of them stand.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        let rating = |health: &Health| Rating {
            health: health.weight_at(now),
            open_until: match health.breaker.circuit(now) {
                Circuit::Open(until) => Some(until),
                Circuit::Closed | Circuit::HalfOpen => None,
            },
            conversion: if self.settings.learn_conversion { health.bounds() } else { BTreeMap::new() },
        };
        Standing(self.known.iter().map(|(name, health)| (name.clone(), rating(health))).collect())
    }

    /// The numbers of all of them, by name.
    #[must_use]
    pub fn numbers(&self, now: Timestamp) -> BTreeMap<String, Numbers> {
        let numbers = |health: &Health| {
            let (works, failures) = health.breaker.recent(now);
            Numbers {
                circuit: health.breaker.circuit(now),
                weight: health.weight_at(now),
                tries: works.saturating_add(failures),
                failures,
                latency: health.latency,
                delivered: health.delivered,
                undelivered: health.undelivered,
                countries: health.countries.clone(),
            }
        };
        self.known.iter().map(|(name, health)| (name.clone(), numbers(health))).collect()
    }
}

impl Health {
    /// The weight with what came back since.
    fn weight_at(&self, now: Timestamp) -> u16 {
        let minutes = now.since(self.weighed_at).as_secs_f64() / 60.0;
        let back = (f64::from(RECOVERY_PER_MINUTE) * minutes).min(f64::from(FULL));
        // At most a thousand; the cast drops the fraction.
        let back = back as u16;
        self.weight.saturating_add(back).min(FULL)
    }

    /// A failure takes a fifth of the weight, a slow answer a tenth, a good one brings a hundredth back. (GOV.UK Notify
    /// moves its providers' shares the same way, by steps and back towards the middle.)
    fn weigh(&mut self, failed: bool, slow: bool, now: Timestamp) {
        let weight = self.weight_at(now);
        self.weight = match (failed, slow) {
            (true, _) => (weight - weight / 5).max(LEAST),
            (false, true) => (weight - weight / 10).max(LEAST),
            (false, false) => weight.saturating_add(FULL / 100).min(FULL),
        };
        self.weighed_at = now;
    }

    fn time(&mut self, took: Duration) {
        self.latency = Some(self.latency.map_or(took, |before| before - before / 8 + took / 8));
    }

    fn bounds(&self) -> BTreeMap<Country, u16> {
        let bound = |(country, learned): (&Country, &Conversion)| Some((*country, learned.lower_bound()?));
        self.countries.iter().filter_map(bound).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUICK: Duration = Duration::from_millis(80);

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(1_700_000_000_000 + seconds * 1000)
    }

    fn providers(learn_conversion: bool) -> Providers {
        let settings = Settings { learn_conversion, ..Settings::default() };
        Providers::new(settings, ["a".to_owned(), "b".to_owned()])
    }

    fn poland() -> Option<Country> {
        "PL".parse().ok()
    }

    fn send(providers: &mut Providers, outcome: Outcome, took: Duration, now: Timestamp) {
        let pass = providers.pass("a", now).unwrap();
        providers.note("a", pass, outcome, took, poland(), now);
    }

    fn weight(providers: &Providers, now: Timestamp) -> u16 {
        providers.standing(now).0["a"].health
    }

    #[test]
    fn a_weight_falls_by_a_fifth_and_comes_back_by_a_tenth_per_minute() {
        let mut providers = providers(false);
        send(&mut providers, Outcome::Refused(Fault::Provider), QUICK, at(0));
        assert_eq!(weight(&providers, at(0)), 800);
        send(&mut providers, Outcome::Refused(Fault::Provider), QUICK, at(0));
        assert_eq!([0, 60, 120, 500].map(|second| weight(&providers, at(second))), [640, 740, 840, FULL]);
        assert_eq!(providers.standing(at(0)).0["b"], Rating::default(), "the other one is not touched");
    }

    #[test]
    fn slow_answers_lower_it_and_good_ones_bring_it_back() {
        let mut providers = providers(false);
        let slow = Settings::default().slow;
        send(&mut providers, Outcome::Took, slow, at(0));
        assert_eq!(weight(&providers, at(0)), FULL, "just in time");
        send(&mut providers, Outcome::Took, slow + Duration::from_millis(1), at(0));
        assert_eq!(weight(&providers, at(0)), 900);
        for _ in 0..10 {
            send(&mut providers, Outcome::Took, QUICK, at(0));
        }
        assert_eq!(weight(&providers, at(0)), FULL);
    }

    #[test]
    fn it_never_falls_to_nothing() {
        let mut providers = providers(false);
        for _ in 0..1000 {
            providers.receipt("a", Err(Fault::Provider), at(0));
        }
        assert_eq!(weight(&providers, at(0)), LEAST);
        assert_eq!(providers.numbers(at(0))["a"].undelivered, 1000);
    }

    #[test]
    fn faults_of_recipients_and_of_ours_open_no_circuit() {
        let mut providers = providers(false);
        for _ in 0..50 {
            send(&mut providers, Outcome::Refused(Fault::Recipient), QUICK, at(0));
            send(&mut providers, Outcome::Refused(Fault::Us), QUICK, at(0));
        }
        let numbers = &providers.numbers(at(0))["a"];
        assert_eq!((numbers.circuit, numbers.weight, numbers.failures), (Circuit::Closed, FULL, 0));
        for _ in 0..50 {
            send(&mut providers, Outcome::Refused(Fault::Provider), QUICK, at(0));
            if providers.pass("a", at(0)).is_err() {
                break;
            }
        }
        assert!(providers.standing(at(0)).is_open("a") && !providers.standing(at(0)).is_open("b"));
        assert!(!providers.standing(at(10)).is_open("a"), "then it is probed");
    }

    #[test]
    fn conversion_is_learned_always_and_counts_when_switched_on() {
        for learn in [false, true] {
            let mut providers = providers(learn);
            for nth in 0..100 {
                send(&mut providers, Outcome::Took, QUICK, at(0));
                if nth % 2 == 0 {
                    providers.approved("a", poland());
                }
            }
            providers.approved("a", None);
            providers.approved("nobody", poland());
            let learned = providers.numbers(at(0))["a"].countries[&poland().unwrap()];
            assert_eq!(learned, Conversion { sent: 100, approved: 50 });
            let counts = providers.standing(at(0)).0["a"].conversion.get(&poland().unwrap()).copied();
            assert_eq!(counts, learn.then_some(403));
        }
    }

    #[test]
    fn nothing_is_remembered_of_a_provider_that_is_not_configured() {
        let mut providers = providers(false);
        assert_eq!(providers.pass("nobody", at(0)), Err(None));
        providers.receipt("nobody", Ok(()), at(0));
        assert_eq!(providers.numbers(at(0)).len(), 2);
    }

    #[test]
    fn latency_follows_what_answers_take() {
        let mut providers = providers(false);
        for _ in 0..100 {
            send(&mut providers, Outcome::Took, Duration::from_millis(800), at(0));
        }
        let latency = providers.numbers(at(0))["a"].latency.unwrap();
        assert!((790..=800).contains(&latency.as_millis()), "{latency:?}");
    }
}
