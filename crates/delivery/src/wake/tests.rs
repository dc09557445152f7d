use countersign_core::factor::wake::PushToken;
use countersign_core::health::Settings;
use countersign_core::ids::ChallengeId;
use countersign_core::routing::Routes;
use countersign_sim::FakeClock;
use tokio::sync::mpsc::UnboundedSender;
use zeroize::Zeroizing;

use super::*;
use crate::provider::{Accepted, ProviderError, ProviderFuture};

/// A push provider that tells what it got, and does with it what the token says.
struct Fake(UnboundedSender<Outgoing>);

impl Provider for Fake {
    fn name(&self) -> &str {
        "phone"
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> ProviderFuture<'a, Accepted> {
        self.0.send(message.clone()).expect("the test listens");
        Box::pin(async move {
            match message.to.as_str() {
                "hangs" => std::future::pending().await,
                "gone" => Err(ProviderError::new(ErrorClass::RecipientRejected, "UNREGISTERED")),
                _ => Ok(Accepted::default()),
            }
        })
    }

    fn verify(&self) -> ProviderFuture<'_, String> {
        Box::pin(async { Ok(String::new()) })
    }
}

struct Bench {
    waker: PushWaker,
    got: mpsc::UnboundedReceiver<Outgoing>,
    clock: Arc<FakeClock>,
}

fn bench() -> Bench {
    let (sender, got) = mpsc::unbounded_channel();
    let clock = Arc::new(FakeClock::default());
    let board = Arc::new(Board::new(Routes::default(), Settings::default(), ["phone".to_owned()]));
    let waker = PushWaker::start(Arc::new(Fake(sender)), board, Arc::clone(&clock) as _);
    Bench { waker, got, clock }
}

impl Bench {
    fn wake(&self, token: &str) -> Wake {
        Wake {
            factor: FactorId::from_bytes([1; 16]),
            challenge: ChallengeId::from_bytes([2; 16]),
            token: PushToken::parse(Zeroizing::new(token.to_owned())).expect("a token"),
            brand: "Acme".to_owned(),
            locale: "pl-PL".to_owned(),
            expires_at: self.clock.now().plus(Duration::from_secs(300)),
        }
    }
}

#[tokio::test]
async fn a_device_is_told_who_asks_and_nothing_more() {
    let mut bench = bench();
    bench.waker.wake(bench.wake("token"));
    let got = bench.got.recv().await.expect("a message");
    assert_eq!((got.to.as_str(), got.channel, got.code.as_str()), ("token", "push", ""));
    assert_eq!(got.message.subject.as_deref(), Some("Acme"));
    assert_eq!(got.message.text, "Czeka na Ciebie prośba. Otwórz aplikację, aby odpowiedzieć.");
    let asked = got.asked.expect("ids");
    assert_eq!(asked.factor, FactorId::from_bytes([1; 16]).to_string());
    assert_eq!(asked.challenge, ChallengeId::from_bytes([2; 16]).to_string());
    assert_eq!((got.lifetime, got.deadline), (Duration::from_secs(300), TIME));
}

#[tokio::test]
async fn what_finds_no_room_is_dropped_and_the_caller_never_waits() {
    for (more, dropped) in [(0, 0), (1, 1)] {
        let mut bench = bench();
        // Nothing is awaited in between, so the other end of the queue does not run yet.
        for _ in 0..WAITING + more {
            bench.waker.wake(bench.wake("token"));
        }
        assert_eq!(bench.waker.dropped.load(Ordering::Relaxed), dropped);
        for _ in 0..WAITING {
            bench.got.recv().await.expect("a message");
        }
        assert_eq!(bench.waker.dropped.load(Ordering::Relaxed), 0, "it was told");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_holds_so_many_wake_ups_for_so_long() {
    let mut bench = bench();
    for _ in 0..=AT_ONCE {
        bench.waker.wake(bench.wake("hangs"));
    }
    let begun = tokio::time::Instant::now();
    for _ in 0..AT_ONCE {
        bench.got.recv().await.expect("a message");
    }
    assert_eq!(begun.elapsed(), Duration::ZERO);
    // The one more waits until the others are given up, and finds the circuit open.
    let more = tokio::time::timeout(2 * TIME, bench.got.recv()).await;
    assert!(more.is_err(), "a provider that hangs is left alone");
    bench.clock.advance(TIME);
    bench.waker.wake(bench.wake("token"));
    assert_eq!(bench.got.recv().await.expect("a probe").to, "token");
}

#[tokio::test]
async fn what_ended_meanwhile_wakes_nobody() {
    let mut bench = bench();
    let over = Wake { expires_at: bench.clock.now(), ..bench.wake("late") };
    bench.waker.wake(over);
    bench.waker.wake(bench.wake("token"));
    assert_eq!(bench.got.recv().await.expect("a message").to, "token");
}

#[tokio::test]
async fn a_dead_token_is_news_once() {
    let bench = bench();
    let (name, clock) = ("phone".to_owned(), Arc::clone(&bench.clock) as Arc<dyn Clock>);
    let carriers = Carriers::new(BTreeMap::new(), Arc::default(), Arc::clone(&clock), 1);
    let post = Post { name, carriers, clock, gone: Mutex::default() };
    assert!(post.is_news(&bench.wake("gone")) && !post.is_news(&bench.wake("gone")));
    assert!(post.is_news(&bench.wake("another")), "the app told another, and that is dead as well");
    let other = Wake { factor: FactorId::from_bytes([3; 16]), ..bench.wake("another") };
    assert!(post.is_news(&other));
    for nth in 0..u128::try_from(TOLD).expect("a number") {
        post.is_news(&Wake { factor: FactorId::from_bytes(nth.to_be_bytes()), ..bench.wake("x") });
        assert!(post.gone.lock().expect("unpoisoned").len() <= TOLD);
    }
}
