use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_core::health::Settings;
use countersign_core::routing::Routes;
use countersign_core::verification::Purpose;
use countersign_sim::FakeClock;

use super::*;
use crate::messages::RenderedMessage;
use crate::provider::{ErrorClass, ProviderFuture};

/// What a provider of these tests does with a message.
#[derive(Clone, Copy)]
enum Manner {
    Takes,
    Fails(ErrorClass),
    Hangs,
}

struct Fake {
    manner: Manner,
    asked: AtomicUsize,
}

impl Provider for Fake {
    fn name(&self) -> &str {
        "fake"
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> ProviderFuture<'a, Accepted> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move {
            match self.manner {
                Manner::Takes => Ok(Accepted { message_id: message.sender.clone() }),
                Manner::Fails(class) => Err(ProviderError::new(class, "as told")),
                Manner::Hangs => std::future::pending().await,
            }
        })
    }

    fn verify(&self) -> ProviderFuture<'_, String> {
        Box::pin(async { Ok(String::new()) })
    }
}

struct Bench {
    clock: Arc<FakeClock>,
    carriers: Carriers,
    fakes: BTreeMap<&'static str, Arc<Fake>>,
}

fn bench(manners: &[(&'static str, Manner)], most: usize) -> Bench {
    let clock = Arc::new(FakeClock::default());
    let fake = |(name, manner): &(&'static str, Manner)| {
        (*name, Arc::new(Fake { manner: *manner, asked: AtomicUsize::new(0) }))
    };
    let fakes: BTreeMap<_, _> = manners.iter().map(fake).collect();
    let names = fakes.keys().map(|name| (*name).to_owned());
    let board = Arc::new(Board::new(Routes::default(), Settings::default(), names));
    let providers =
        fakes.iter().map(|(name, fake)| ((*name).to_owned(), Arc::clone(fake) as Arc<dyn Provider>));
    let carriers = Carriers::new(providers.collect(), board, Arc::clone(&clock) as _, most);
    Bench { clock, carriers, fakes }
}

impl Bench {
    async fn attempt(&self, name: &str, lease: Duration) -> Option<Attempt> {
        let message = RenderedMessage {
            locale: "en",
            subject: None,
            text: "123456 is your code".to_owned(),
            html: None,
            sms: None,
        };
        let outgoing = Outgoing {
            to: "+48600100217".to_owned(),
            channel: "sms",
            sender: None,
            code: "123456".to_owned(),
            message,
            asked: None,
            delivery_id: "dlv_1".to_owned(),
            deadline: Duration::ZERO,
            purpose: Purpose::Authentication,
            lifetime: Duration::from_secs(600),
        };
        let now = self.clock.now();
        let send = Send {
            outgoing: &outgoing,
            sender: Some("ACME".to_owned()),
            country: "PL".parse().ok(),
            lease: now.plus(lease),
            expires_at: now.plus(Duration::from_secs(600)),
        };
        self.carriers.attempt(name, &send).await
    }

    async fn class(&self, name: &str) -> String {
        let attempt = self.attempt(name, LEASE).await.expect("time is left");
        attempt.error.map_or_else(|| "taken".to_owned(), |error| error.class)
    }

    fn asked(&self, name: &str) -> usize {
        self.fakes[name].asked.load(Ordering::SeqCst)
    }
}

const LEASE: Duration = countersign_core::limits::LEASE;

#[tokio::test]
async fn what_a_provider_takes_comes_from_the_sender_of_the_route() {
    let bench = bench(&[("a", Manner::Takes)], 10);
    let attempt = bench.attempt("a", LEASE).await.unwrap();
    assert_eq!((attempt.error, attempt.message_id.as_deref()), (None, Some("ACME")));
    assert_eq!(bench.class("nobody").await, "configuration");
}

#[tokio::test]
async fn a_provider_that_fails_is_left_alone_and_probed_later() {
    let bench = bench(&[("a", Manner::Fails(ErrorClass::Unavailable))], 10);
    for _ in 0..5 {
        assert_eq!(bench.class("a").await, "unavailable");
    }
    bench.clock.advance(Duration::from_millis(250));
    for _ in 0..20 {
        assert_eq!(bench.class("a").await, "circuit_open");
    }
    assert_eq!(bench.asked("a"), 5);
    bench.clock.advance(Duration::from_secs(10));
    assert_eq!(bench.class("a").await, "unavailable");
    assert_eq!(bench.class("a").await, "circuit_open", "the probe failed");
}

#[tokio::test]
async fn a_refused_recipient_says_nothing_against_the_provider() {
    let bench = bench(&[("a", Manner::Fails(ErrorClass::RecipientRejected))], 10);
    for _ in 0..50 {
        assert_eq!(bench.class("a").await, "recipient_rejected");
    }
    assert_eq!(bench.asked("a"), 50);
}

#[tokio::test(start_paused = true)]
async fn a_hanging_provider_fills_its_own_share_and_delays_nobody_else() {
    let bench = Arc::new(bench(&[("hangs", Manner::Hangs), ("quick", Manner::Takes)], 30));
    // Thirty jobs may be there at all: ten each, and ten that need neither.
    let stuck: Vec<_> = (0..25)
        .map(|_| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.class("hangs").await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!(bench.asked("hangs"), 10);
    let begun = tokio::time::Instant::now();
    for _ in 0..1000 {
        assert_eq!(bench.class("quick").await, "taken");
    }
    assert_eq!(begun.elapsed(), Duration::ZERO, "not one of a thousand waited");
    let mut classes = Vec::new();
    for task in stuck {
        classes.push(task.await.unwrap());
    }
    classes.sort();
    assert_eq!(classes[..15], vec!["busy"; 15]);
    assert_eq!(classes[15..], vec!["timeout"; 10], "given up on before the lease ends");
    assert!(begun.elapsed() < LEASE, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn no_try_begins_that_could_not_be_recorded() {
    let bench = bench(&[("a", Manner::Takes)], 10);
    assert!(bench.attempt("a", MARGIN).await.is_none());
    assert!(bench.attempt("a", MARGIN + Duration::from_millis(1)).await.is_some());
}

#[test]
fn the_next_round_begins_with_what_failed_least() {
    let providers = ["a", "b", "c"].map(str::to_owned);
    let at = Timestamp::default();
    let failed = |name| refused(at, name, Fault::Provider, true, class::TIMEOUT, "");
    assert_eq!(turns(&providers, &[]), ["a", "b", "c"]);
    assert_eq!(turns(&providers, &[failed("a")]), ["b", "c", "a"]);
    assert_eq!(turns(&providers, &[failed("a"), failed("b"), failed("a")]), ["c", "b", "a"]);
}
