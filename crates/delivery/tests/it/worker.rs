//! The worker over the reference engine, with providers that take, refuse or hang.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::budget::{Day, Permit, Reservation, Standing, Treasury};
use countersign_core::command::Answer;
use countersign_core::delivery::DeliveryState;
use countersign_core::health::{Board, Settings};
use countersign_core::recipient::RecipientRef;
use countersign_core::routing::{Route, Routes};
use countersign_core::store::{Pending, Shown, Store as _};
use countersign_core::tenancy::AdminChange;
use countersign_core::tenant::Tenant;
use countersign_core::verification::Channel;
use countersign_core::workflow::Step;
use countersign_delivery::provider::{
    Accepted, ErrorClass, Outgoing, Provider, ProviderError, ProviderFuture,
};
use countersign_delivery::receipts::ReceiptSink;
use countersign_delivery::worker::{self, WorkerOptions};
use countersign_sim::{FakeClock, MemoryStore, Requests, SeededEntropy, test_keys};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

#[derive(Clone, Copy)]
enum Manner {
    Takes,
    Refuses,
    BreaksOff,
    Hangs,
}

/// A provider that tells its name whenever it is asked.
struct Fake(&'static str, Manner, mpsc::UnboundedSender<&'static str>);

impl Provider for Fake {
    fn name(&self) -> &str {
        self.0
    }

    fn send<'a>(&'a self, _: &'a Outgoing) -> ProviderFuture<'a, Accepted> {
        let _ = self.2.send(self.0);
        Box::pin(async move {
            match self.1 {
                Manner::Takes => Ok(Accepted::default()),
                Manner::Refuses => Err(ProviderError::new(ErrorClass::Unavailable, "as told")),
                Manner::BreaksOff => Err(ProviderError::new(ErrorClass::ConnectionLost, "as told")),
                Manner::Hangs => std::future::pending().await,
            }
        })
    }

    fn verify(&self) -> ProviderFuture<'_, String> {
        Box::pin(async { Ok(String::new()) })
    }
}

/// Grants nothing, and tells what it is given back.
struct Till(mpsc::UnboundedSender<u64>);

impl Treasury for Till {
    fn is_metered(&self, _: Tenant) -> bool {
        false
    }

    fn take<'a>(&'a self, _: Tenant, _: RecipientRef<'a>, _: u64) -> Pending<'a, Permit> {
        Box::pin(std::future::ready(Ok(Permit::Unmetered)))
    }

    fn give_back(&self, _: &Reservation, amount: u64) {
        let _ = self.0.send(amount);
    }

    fn standing(&self) -> Pending<'_, Vec<Standing>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

struct World {
    store: Arc<MemoryStore>,
    requests: Requests,
    asked: mpsc::UnboundedReceiver<&'static str>,
    given_back: mpsc::UnboundedReceiver<u64>,
    _stop: watch::Sender<bool>,
}

/// A worker at work, with providers for SMS in order and one for calls.
async fn world(sms: &[(&'static str, Manner)], voice: (&'static str, Manner)) -> World {
    let world = projectless(sms, voice).await;
    let project = world.requests.project();
    let made = world.requests.admin(AdminChange::CreateProject(project));
    world.store.administer(made).await.expect("a project");
    world
}

/// The same without the project that all of it belongs to.
async fn projectless(sms: &[(&'static str, Manner)], voice: (&'static str, Manner)) -> World {
    let clock = Arc::new(FakeClock::default());
    let (inbox, jobs) = worker::queue();
    let keys = test_keys();
    let store = Arc::new(MemoryStore::new(
        Arc::clone(&clock) as _,
        Arc::clone(&keys),
        Arc::new(move |job| inbox.take(job)),
    ));
    let (returns, given_back) = mpsc::unbounded_channel();
    let (told, asked) = mpsc::unbounded_channel();
    let all = sms.iter().copied().chain([voice]);
    let providers: BTreeMap<_, _> = all
        .map(|(name, manner)| {
            (name.to_owned(), Arc::new(Fake(name, manner, told.clone())) as Arc<dyn Provider>)
        })
        .collect();
    let names: Vec<_> = sms.iter().map(|(name, _)| *name).collect();
    let routes =
        Routes::of(vec![Route::plain(Channel::Sms, &names), Route::plain(Channel::Voice, &[voice.0])]);
    let mut requests = Requests::new(Arc::clone(&keys), 7);
    requests.routes = Arc::new(routes.clone());
    let entropy = Arc::new(SeededEntropy::new(9));
    let board = Arc::new(Board::new(routes, Settings::default(), providers.keys().cloned()));
    let receipts =
        ReceiptSink::new(Arc::clone(&store) as _, entropy.clone(), Arc::clone(&board), clock.clone());
    let options = WorkerOptions {
        store: Arc::clone(&store) as _,
        keys,
        clock,
        entropy,
        board,
        providers,
        treasury: Arc::new(Till(returns)),
        arrivals: Arc::default(),
        receipts,
    };
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(worker::work(options, jobs, stopped));
    World { store, requests, asked, given_back, _stop: stop }
}

impl World {
    async fn start(&self, n: usize, channel: Channel) -> Answer {
        let to = format!("+486001{n:05}");
        let request = self.requests.create_with(&to, |start| start.channel = Some(channel));
        self.store.submit(request).await.expect("an answer").answer
    }

    /// The verification of an answer, once its delivery is in this state.
    async fn until(&self, answer: &Answer, state: DeliveryState) -> Shown {
        let row = &answer.snapshot().expect("a verification").verification;
        loop {
            let shown = self.store.verification(row.tenant, row.id).await.expect("read").expect("kept");
            if shown.deliveries[0].state == state {
                return shown;
            }
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_delays_no_message_of_another() {
    let mut world = world(&[("quick", Manner::Takes)], ("hangs", Manner::Hangs)).await;
    let begun = Instant::now();
    for n in 0..600 {
        world.start(n, Channel::Voice).await;
    }
    for n in 600..800 {
        let answer = world.start(n, Channel::Sms).await;
        world.until(&answer, DeliveryState::Sent).await;
    }
    assert!(begun.elapsed() < Duration::from_millis(10), "none of two hundred waited: {:?}", begun.elapsed());
    let mut asked = BTreeMap::new();
    while let Ok(name) = world.asked.try_recv() {
        *asked.entry(name).or_insert(0) += 1;
    }
    assert_eq!(asked, BTreeMap::from([("hangs", 512), ("quick", 200)]), "the hanging one holds its share");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_is_given_up_on_and_the_next_one_sends() {
    let world = world(&[("hangs", Manner::Hangs), ("quick", Manner::Takes)], ("none", Manner::Refuses)).await;
    let answer = world.start(1, Channel::Sms).await;
    let begun = Instant::now();
    let sent = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            tokio::time::advance(Duration::from_secs(1)).await;
            let row = &answer.snapshot().expect("a verification").verification;
            let shown = world.store.verification(row.tenant, row.id).await.expect("read").expect("kept");
            if shown.deliveries[0].state == DeliveryState::Sent {
                return shown;
            }
        }
    });
    let sent = sent.await.expect("it is sent");
    let attempts: Vec<_> = sent.deliveries[0]
        .attempts
        .iter()
        .map(|attempt| (attempt.provider.as_str(), attempt.error.as_ref().map(|error| error.class.as_str())))
        .collect();
    assert_eq!(attempts, [("hangs", Some("timeout")), ("quick", None)]);
    assert!(begun.elapsed() < countersign_core::limits::LEASE, "within one lease: {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_message_that_one_provider_refuses_is_sent_by_the_next() {
    let world = world(&[("bad", Manner::Refuses), ("good", Manner::Takes)], ("none", Manner::Refuses)).await;
    let answer = world.start(1, Channel::Sms).await;
    let sent = world.until(&answer, DeliveryState::Sent).await;
    let tried: Vec<_> = sent.deliveries[0].attempts.iter().map(|attempt| attempt.provider.as_str()).collect();
    assert_eq!(tried, ["bad", "good"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_is_not_taken_without_the_rules_and_budgets_of_its_project() {
    let world = projectless(&[("sms", Manner::Takes)], ("voice", Manner::Takes)).await;
    let step = |channel| Step { channel, wait: None, receipt_within: None };
    let request = world.requests.create_with("+48600100217", |start| {
        start.channel = None;
        start.workflow = vec![step(Channel::Sms), step(Channel::Voice)];
    });
    let answer = world.store.submit(request).await.expect("an answer").answer;
    let failed = world.until(&answer, DeliveryState::Failed).await;
    assert!(failed.deliveries[0].due.is_some(), "the next step is due");
    for _ in 0..5 {
        tokio::time::advance(Duration::from_secs(1)).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    let row = &failed.verification;
    let shown = world.store.verification(row.tenant, row.id).await.expect("read").expect("kept");
    assert_eq!(shown.deliveries.len(), 1, "{:?}", shown.deliveries);
}

#[tokio::test]
async fn what_a_provider_may_have_taken_is_not_given_back_to_the_budget() {
    for (manner, given_back) in [(Manner::Refuses, 10), (Manner::BreaksOff, 0)] {
        let mut world = world(&[("first", manner), ("good", Manner::Takes)], ("none", Manner::Takes)).await;
        let mut request = world.requests.create_with("+48600100217", |_| ());
        let reservation = Reservation { amount: 10, day: Day(20_000), budgets: Vec::new() };
        request.permit = Permit::Granted(reservation);
        let answer = world.store.submit(request).await.expect("an answer").answer;
        world.until(&answer, DeliveryState::Sent).await;
        assert_eq!(world.given_back.recv().await, Some(given_back), "the good one is free");
    }
}
