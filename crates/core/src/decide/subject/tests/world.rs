//! A small engine for tests of subjects: rows in maps, `batch::run`, and what must always hold after every batch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use zeroize::Zeroizing;

use crate::batch::{Changes, Loaded, run};
use crate::binding::Transaction;
use crate::challenge::{Challenge, ChallengePrivate, ChallengeStatus, Method};
use crate::command::{Answer, Command, Entered, Once, Recorded, Request};
use crate::decide::tests::world::{Counted, ring};
use crate::factor::{Factor, FactorKind, Means, SecretBytes};
use crate::ids::{ChallengeId, FactorId, KeyId, ProjectId, SubjectId};
use crate::journal::{Actor, Entry, Event};
use crate::keys::{Digest, Keys, sha256};
use crate::oath::{Algorithm, hotp, time_step};
use crate::policy::{Policy, Profile};
use crate::refusal::Refusal;
use crate::subject::{
    Act, Aim, CheckChallenge, Enrol, FactorPlan, NewChallenge, SubjectCommand, SubjectEvent, SubjectName,
    SubjectRow, SubjectSnapshot, index_of,
};
use crate::tenant::{Mode, Tenant};
use crate::time::{Entropy, Timestamp};
use crate::verification::Purpose;

/// The secret every factor of these tests has.
pub(super) const SECRET: &[u8] = b"12345678901234567890";
const START: Timestamp = Timestamp::from_millis(1_700_000_010_000);

#[derive(Default, Clone)]
pub(super) struct Rows {
    pub(super) indexes: BTreeMap<(Tenant, Digest), SubjectId>,
    pub(super) subjects: BTreeMap<SubjectId, SubjectRow>,
    pub(super) factors: BTreeMap<FactorId, SubjectId>,
    pub(super) challenges: BTreeMap<ChallengeId, Challenge>,
    pub(super) replays: BTreeMap<Digest, Recorded>,
    pub(super) journal: Vec<Entry>,
}

pub(super) struct World {
    pub(super) now: Timestamp,
    pub(super) tenant: Tenant,
    pub(super) policy: Policy,
    pub(super) keys: Keys,
    pub(super) rows: Rows,
    drawn: u64,
}

pub(super) fn entered(code: &str) -> Entered {
    Entered(Zeroizing::new(code.to_owned()))
}

pub(super) fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(super) fn transfer(amount: u64, payee: &str) -> Transaction {
    Transaction::new(amount, "EUR", payee, Some("INV-77")).unwrap()
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            now: START,
            tenant: Tenant { project: ProjectId::from_bytes([1; 16]), mode: Mode::Live },
            policy: Policy::of(Profile::Standard),
            keys: ring(1, &[1]),
            rows: Rows::default(),
            drawn: 0,
        }
    }

    pub(super) fn pass(&mut self, span: Duration) {
        self.now = self.now.plus(span);
    }

    pub(super) fn named(&self, external_id: &str) -> Aim {
        let index = index_of(&self.keys, &self.tenant, external_id);
        Aim::Name(SubjectName { external_id: external_id.to_owned(), index })
    }

    pub(super) fn request(&mut self, aim: Aim, act: Act) -> Request {
        self.drawn += 1;
        let command = Command::Subject(Box::new(SubjectCommand { aim, act }));
        Request {
            actor: Actor::Key(KeyId::from_bytes([7; 16])),
            policy: Arc::new(self.policy.clone()),
            ..Request::of_system(self.tenant, Entropy::draw(&Counted(self.drawn)), command)
        }
    }

    pub(super) fn once(&mut self, key: &str, aim: Aim, act: Act) -> Request {
        let once = Once { key: sha256(key.as_bytes()), body: sha256(b"body") };
        Request { once: Some(once), ..self.request(aim, act) }
    }

    /// Decides a batch, writes it, and checks what must always hold.
    pub(super) fn batch(&mut self, requests: &[Request]) -> Vec<Answer> {
        let requests: Vec<&Request> = requests.iter().collect();
        let (outcomes, changes) = run(&requests, self.load(), &self.keys);
        let before = self.rows.clone();
        self.apply(changes);
        self.hold(&before);
        outcomes.into_iter().map(|outcome| outcome.unwrap().answer).collect()
    }

    pub(super) fn submit(&mut self, aim: Aim, act: Act) -> Answer {
        let request = self.request(aim, act);
        self.batch(&[request]).remove(0)
    }

    fn load(&self) -> Loaded {
        let mut loaded = Loaded { now: self.now, replays: self.rows.replays.clone(), ..Loaded::default() };
        loaded.subjects.indexes.clone_from(&self.rows.indexes);
        loaded.subjects.factors.clone_from(&self.rows.factors);
        for (id, row) in &self.rows.subjects {
            loaded.subjects.ledgers.entry(*id).or_default().subject = Some(row.clone());
        }
        for (id, challenge) in &self.rows.challenges {
            loaded.subjects.challenges.insert(*id, challenge.subject);
            let ledger = loaded.subjects.ledgers.entry(challenge.subject).or_default();
            ledger.challenges.insert(*id, challenge.clone());
        }
        loaded
    }

    fn apply(&mut self, changes: Changes) {
        for (id, (row, new)) in changes.subjects.rows {
            if row.removed_at.is_some() {
                self.rows.indexes.retain(|_, known| *known != id);
            }
            assert_eq!(self.rows.subjects.insert(id, row).is_none(), new, "an INSERT is not an UPDATE");
        }
        self.rows.indexes.extend(changes.subjects.indexes);
        self.rows
            .factors
            .extend(changes.subjects.factors.into_iter().map(|(id, (_, subject))| (id, subject)));
        for (id, (row, new)) in changes.subjects.challenges {
            assert_eq!(self.rows.challenges.insert(id, row).is_none(), new, "an INSERT is not an UPDATE");
        }
        self.rows.journal.extend(changes.journal);
        self.rows.replays.extend(changes.once);
    }

    /// One approval per challenge, nothing goes back, every change has an entry, rows stay bounded.
    fn hold(&self, before: &Rows) {
        let ids: BTreeSet<_> = self.rows.journal.iter().map(|entry| entry.id).collect();
        assert_eq!(ids.len(), self.rows.journal.len(), "ids of entries are unique");
        let fresh = &self.rows.journal[before.journal.len()..];
        for (id, row) in &self.rows.challenges {
            let of_it = |entry: &&Entry| entry.place.and_then(|place| place.challenge) == Some(*id);
            let approvals =
                self.rows.journal.iter().filter(of_it).filter(|entry| {
                    matches!(entry.event, Event::Subject(SubjectEvent::ChallengeApproved(_)))
                });
            let approved = row.status == ChallengeStatus::Approved;
            assert_eq!(approvals.count(), usize::from(approved), "{id} is approved once or never");
            assert!(
                row.checks_used <= row.checks_allowed && row.wrong_numbers <= 3,
                "{id}: too many guesses"
            );
            let old = before.challenges.get(id);
            if old.is_some_and(|old| old.status != ChallengeStatus::Pending) {
                assert_eq!(old.map(|old| old.status), Some(row.status), "an end is final");
            }
            if old != Some(row) && old.is_none_or(|old| old.spent == row.spent) {
                assert!(fresh.iter().any(|entry| of_it(&entry)), "a change of {id} without an entry");
            }
        }
        for (id, row) in &self.rows.subjects {
            assert!(row.open.len() <= 8 && row.factors.len() <= 32, "{id} grows");
            let of_it = |entry: &&Entry| entry.place.is_some_and(|place| place.subject == *id);
            if before.subjects.get(id) != Some(row) {
                assert!(fresh.iter().any(|entry| of_it(&entry)), "a change of {id} without an entry");
            }
            for factor in &row.factors {
                let old = before.subjects.get(id).and_then(|old| old.factor(factor.id));
                old.into_iter().for_each(|old| never_back(&old.means, &factor.means));
            }
        }
    }

    /// Enrols a factor that is usable at once.
    pub(super) fn has(&mut self, external_id: &str, plan: FactorPlan) -> FactorId {
        let enrol = Enrol { plan, name: None, account: None, serial: None, metadata: None, proven: true };
        let answer = self.submit(self.named(external_id), Act::Enrol(Box::new(enrol)));
        subject(&answer).factor.unwrap()
    }

    pub(super) fn has_totp(&mut self, external_id: &str) -> FactorId {
        self.has(external_id, totp())
    }

    pub(super) fn new_challenge(&self) -> NewChallenge {
        NewChallenge {
            methods: Vec::new(),
            factor: None,
            purpose: Purpose::Authentication,
            lifetime: seconds(300),
            private: ChallengePrivate::default(),
            code: None,
            origin: None,
        }
    }

    pub(super) fn begin(&mut self, external_id: &str, new: NewChallenge) -> ChallengeId {
        let answer = self.submit(self.named(external_id), Act::Challenge(Box::new(new)));
        match &answer {
            Answer::Subject(snapshot) => snapshot.challenge.as_ref().unwrap().id,
            other => panic!("not begun: {other:?}"),
        }
    }

    pub(super) fn ask(&mut self, external_id: &str) -> ChallengeId {
        let new = self.new_challenge();
        self.begin(external_id, new)
    }

    pub(super) fn check(&mut self, id: ChallengeId, code: &str) -> Answer {
        self.submit(Aim::Challenge(id), Act::Check(check(code)))
    }

    /// Asks and answers at once.
    pub(super) fn try_code(&mut self, external_id: &str, code: &str) -> Answer {
        let id = self.ask(external_id);
        self.check(id, code)
    }

    pub(super) fn factor(&self, id: FactorId) -> &Factor {
        self.rows.subjects[&self.rows.factors[&id]].factor(id).unwrap()
    }

    pub(super) fn status(&self, id: ChallengeId) -> ChallengeStatus {
        self.rows.challenges[&id].status_at(&self.keys, self.now)
    }

    /// The names of what the journal tells, oldest first.
    pub(super) fn told(&self) -> Vec<&'static str> {
        self.rows.journal.iter().map(|entry| entry.event.name()).collect()
    }
}

fn never_back(old: &Means, new: &Means) {
    match (old, new) {
        (Means::Totp { last_step: old, .. }, Means::Totp { last_step: new, .. }) => assert!(new >= old),
        (Means::Hotp { counter: old, .. }, Means::Hotp { counter: new, .. })
        | (Means::Ocra { counter: old, .. }, Means::Ocra { counter: new, .. }) => assert!(new >= old),
        _ => {}
    }
}

pub(super) fn totp() -> FactorPlan {
    let secret = SecretBytes(Zeroizing::new(SECRET.to_vec()));
    FactorPlan::Totp { algorithm: Algorithm::Sha1, digits: 6, period: 30, secret }
}

pub(super) fn hotp_from(counter: u64) -> FactorPlan {
    let secret = SecretBytes(Zeroizing::new(SECRET.to_vec()));
    FactorPlan::Hotp { algorithm: Algorithm::Sha1, digits: 6, counter, secret }
}

/// The code an app shows `steps` away from `at`.
pub(super) fn totp_at(at: Timestamp, steps: i64) -> String {
    let step = time_step(at, seconds(30)).checked_add_signed(steps).unwrap();
    hotp(Algorithm::Sha1, SECRET, step, 6).reveal().to_owned()
}

pub(super) fn hotp_of(counter: u64) -> String {
    hotp(Algorithm::Sha1, SECRET, counter, 6).reveal().to_owned()
}

pub(super) fn check(code: &str) -> CheckChallenge {
    CheckChallenge { code: entered(code), method: None, session: None, transaction: None, origin: None }
}

pub(super) fn by(method: Method, code: &str) -> CheckChallenge {
    CheckChallenge { method: Some(method), ..check(code) }
}

pub(super) fn subject(answer: &Answer) -> &SubjectSnapshot {
    answer.subject().unwrap_or_else(|| panic!("not about a subject: {answer:?}"))
}

pub(super) fn declined(answer: &Answer) -> Refusal {
    match answer {
        Answer::Declined(refusal, _) => *refusal,
        other => panic!("not declined: {other:?}"),
    }
}

pub(super) fn granted(answer: &Answer) -> bool {
    matches!(answer, Answer::Granted(..))
}

pub(super) fn kinds(row: &SubjectRow) -> Vec<FactorKind> {
    row.active().map(Factor::kind).collect()
}
