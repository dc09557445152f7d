//! Clients under load, and what they know for certain afterwards: only what they were answered.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use countersign_core::draws::Draws;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, Interval, interval};

use crate::cluster::until;
use crate::harness::{Answer, Server, wrong};

/// The edge's limit on a request, with a second for a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(11);
/// Wrong codes a verification takes.
const TRIES: u64 = 5;

/// A small generator, so that a run can be repeated from its seed.
pub(crate) struct Dice(Draws);

impl Dice {
    /// Seeded by `COUNTERSIGN_TEST_SEED`, else by chance; says so, for a test that fails.
    pub(crate) fn new() -> Self {
        let given = std::env::var("COUNTERSIGN_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let seed = given.unwrap_or_else(|| RandomState::new().build_hasher().finish());
        println!("COUNTERSIGN_TEST_SEED={seed}");
        Self(Draws::of(seed))
    }

    /// A generator of its own for somebody who rolls at the same time.
    pub(crate) fn fork(&mut self) -> Self {
        Self(Draws::of(self.0.draw()))
    }

    /// Less than `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0.below(sides)
    }
}

/// What a client knows of one verification.
#[derive(Debug)]
struct Known {
    id: String,
    code: String,
    /// Wrong codes that were answered as such.
    wrong: u64,
    /// Wrong codes that got no answer, or a 503.
    wrong_unsure: u64,
    /// Answers 200 to a right code.
    approved: usize,
    /// Whether a right code got no answer, or a 503.
    right_unsure: bool,
    /// Whether it was answered that it is approved.
    told_approved: bool,
}

/// What clients know.
#[derive(Debug, Default)]
pub(crate) struct History {
    known: Vec<Known>,
    /// Starts that got no answer until the end.
    abandoned: usize,
    /// How many answers of each kind there were; `0` for none.
    pub(crate) answers: BTreeMap<u16, usize>,
    /// The answer that took longest.
    pub(crate) slowest: Duration,
}

/// Where clients send their requests: any of the nodes that stand here.
#[derive(Clone)]
pub(crate) struct Balancer(Arc<RwLock<Vec<Arc<Server>>>>);

impl Balancer {
    pub(crate) fn over(nodes: &[Arc<Server>]) -> Self {
        Self(Arc::new(RwLock::new(nodes.to_vec())))
    }

    /// Sends there from now on.
    pub(crate) fn add(&self, node: &Arc<Server>) {
        self.0.write().expect("no client panicked").push(Arc::clone(node));
    }

    /// Sends there no more.
    pub(crate) fn remove(&self, node: &Arc<Server>) {
        self.0.write().expect("no client panicked").retain(|other| !Arc::ptr_eq(other, node));
    }

    fn pick(&self, dice: &mut Dice) -> Arc<Server> {
        let nodes = self.0.read().expect("no client panicked");
        Arc::clone(&nodes[dice.roll(nodes.len() as u64) as usize])
    }
}

/// Clients at work.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    /// Verifications that were approved so far.
    done: Arc<AtomicUsize>,
    clients: Vec<JoinHandle<History>>,
}

impl Load {
    /// Starts clients that begin and approve verifications, each request on any of the nodes.
    pub(crate) fn start(nodes: &Balancer, clients: u64, dice: &mut Dice) -> Self {
        let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let start = |number| {
            let client = Client {
                number,
                nodes: nodes.clone(),
                dice: dice.fork(),
                pace: interval(Duration::from_millis(20)),
                history: History::default(),
                stop: Arc::clone(&stop),
                done: Arc::clone(&done),
            };
            tokio::spawn(client.work())
        };
        Self { clients: (0..clients).map(start).collect(), stop, done }
    }

    /// Waits until so many more are approved.
    pub(crate) async fn more(&self, count: usize) {
        let goal = self.done.load(Ordering::Relaxed) + count;
        until("the clients to go on", async || {
            (self.done.load(Ordering::Relaxed) >= goal || self.clients.iter().any(JoinHandle::is_finished))
                .then_some(())
        })
        .await;
    }

    /// Ends the load; what all clients know.
    pub(crate) async fn stop(self) -> History {
        self.stop.store(true, Ordering::Relaxed);
        let mut history = History::default();
        for client in self.clients {
            let one = client.await.expect("no client met an answer it must never get");
            history.known.extend(one.known);
            history.abandoned += one.abandoned;
            one.answers
                .into_iter()
                .for_each(|(kind, count)| *history.answers.entry(kind).or_default() += count);
            history.slowest = history.slowest.max(one.slowest);
        }
        history
    }
}

struct Client {
    number: u64,
    nodes: Balancer,
    dice: Dice,
    /// Of a client that was refused, before it asks again.
    pace: Interval,
    history: History,
    stop: Arc<AtomicBool>,
    done: Arc<AtomicUsize>,
}

impl Client {
    async fn work(mut self) -> History {
        let mut turn = 0;
        while !self.stop.load(Ordering::Relaxed) {
            let to = format!("+48{:09}", 600_000_000 + self.number * 1_000_000 + turn);
            turn += 1;
            self.verification(&to).await;
        }
        self.history
    }

    async fn verification(&mut self, to: &str) {
        let Some(created) = self.start(to).await else {
            self.history.abandoned += 1;
            return;
        };
        assert_eq!(created.status, 201, "{}", created.body);
        let (id, code) = (created.text("id"), created.text("code"));
        let path = format!("/v1/verifications/{id}/check");
        let mut known = Known {
            id,
            code,
            wrong: 0,
            wrong_unsure: 0,
            approved: 0,
            right_unsure: false,
            told_approved: false,
        };
        if self.dice.roll(4) == 0 {
            match self.ask(&path, json!({ "code": wrong(&known.code) }), &[]).await {
                Some(answer) => {
                    assert_eq!(answer.code(), "code_incorrect", "{}", answer.body);
                    known.wrong += 1;
                }
                None => known.wrong_unsure += 1,
            }
        }
        // Some stay open.
        if self.dice.roll(8) > 0 {
            self.approve(&path, &mut known).await;
        }
        self.history.known.push(known);
    }

    /// Asks until there is an answer; the idempotency key sees to it that only one of them is a start.
    async fn start(&mut self, to: &str) -> Option<Answer> {
        let body = json!({ "to": to, "channel": "self" });
        loop {
            let answer = self.ask("/v1/verifications", body.clone(), &[("idempotency-key", to)]).await;
            if answer.is_some() || self.stop.load(Ordering::Relaxed) {
                return answer;
            }
        }
    }

    async fn approve(&mut self, path: &str, known: &mut Known) {
        loop {
            match self.ask(path, json!({ "code": known.code }), &[]).await {
                Some(answer) if answer.status == 200 => known.approved += 1,
                Some(answer) => {
                    assert_eq!(answer.code(), "verification_already_approved", "{}", answer.body);
                    assert!(known.right_unsure, "{} was refused to its rightful owner", known.id);
                }
                None => {
                    known.right_unsure = true;
                    if self.stop.load(Ordering::Relaxed) {
                        return;
                    }
                    continue;
                }
            }
            known.told_approved = true;
            self.done.fetch_add(1, Ordering::Relaxed);
            return;
        }
    }

    /// `None` when it is not known what came of it.
    async fn ask(&mut self, path: &str, body: Value, headers: &[(&str, &str)]) -> Option<Answer> {
        let node = self.nodes.pick(&mut self.dice);
        let asked = Instant::now();
        let answer = node.try_call(Some(&node.key), Method::POST, path, Some(body), headers).await;
        self.history.slowest = self.history.slowest.max(asked.elapsed());
        let status = answer.as_ref().map_or(0, |answer| answer.status.as_u16());
        *self.history.answers.entry(status).or_default() += 1;
        let answer = answer.ok().filter(|answer| answer.status != 503);
        if answer.is_none() {
            self.pace.tick().await;
        }
        answer
    }
}

impl History {
    /// Answers other than these.
    pub(crate) fn others_than(&self, kinds: &[u16]) -> BTreeMap<u16, usize> {
        let answers = self.answers.iter().filter(|(kind, _)| !kinds.contains(kind));
        answers.map(|(kind, count)| (*kind, *count)).collect()
    }

    /// How many starts there may be in the database: one of each that was answered, at most one of each other.
    pub(crate) fn starts(&self) -> RangeInclusive<usize> {
        let ids: BTreeSet<_> = self.known.iter().map(|known| &known.id).collect();
        ids.len()..=self.known.len() + self.abandoned
    }

    /// Nothing acknowledged is lost, nothing was or can be approved twice, no wrong code was forgotten or counted twice.
    pub(crate) async fn holds(self, node: &Arc<Server>) {
        assert!(!self.known.is_empty());
        let (mut checks, mut rest) = (JoinSet::new(), self.known.into_iter());
        for known in rest.by_ref().take(16) {
            checks.spawn(known.holds(Arc::clone(node)));
        }
        while let Some(checked) = checks.join_next().await {
            checked.expect("the history holds");
            if let Some(known) = rest.next() {
                checks.spawn(known.holds(Arc::clone(node)));
            }
        }
    }
}

impl Known {
    async fn holds(self, node: Arc<Server>) {
        let shown = node.get(&format!("/v1/verifications/{}", self.id)).await;
        assert_eq!(shown.status, 200, "{} was acknowledged", self.id);
        assert!(self.approved <= 1, "{self:?}");
        if self.told_approved {
            assert_eq!(shown.body["status"], "approved", "{self:?}");
            self.is_told_once(&node).await;
            let again = node.check(&self.id, &self.code).await;
            assert_eq!(again.code(), "verification_already_approved", "{self:?} is {}", again.body);
        } else if shown.body["status"] == "pending" {
            let left = shown.body["attempts_remaining"].as_u64().expect("a number");
            let most = TRIES - self.wrong;
            assert!((most - self.wrong_unsure..=most).contains(&left), "{self:?} has {left} left");
        } else {
            assert!(self.right_unsure && shown.body["status"] == "approved", "{self:?} is {}", shown.body);
        }
    }
    /// Its timeline has every fact, and each once.
    async fn is_told_once(&self, node: &Server) {
        let timeline = node.get(&format!("/v1/verifications/{}/timeline", self.id)).await;
        let facts = timeline.body["data"].as_array().expect("facts");
        let count = |fact: &str| facts.iter().filter(|known| known["type"] == fact).count() as u64;
        assert_eq!(
            (count("verification.created"), count("verification.approved")),
            (1, 1),
            "{self:?}: {facts:?}"
        );
        let wrong = self.wrong..=self.wrong + self.wrong_unsure;
        assert!(wrong.contains(&count("check.rejected")), "{self:?}: {facts:?}");
    }
}
