//! Random histories against a model that knows only tries, pauses, expiry, status and sends. The invariants are
//! checked after every step, number 4 here: what is accepted is what was begun.
//!
//! A failing history prints its seed, and `proptest-regressions/` keeps it.

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use super::world::{OTHER_PHONE, PHONE, World, approved, check, seconds, transfer, undelivered};
use crate::command::{Answer, Check, Command, Create};
use crate::delivery::{Delivery, Fault};
use crate::ids::VerificationId;
use crate::receipt::{About, Fate};
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::verification::{Channel, Lane, Private, Purpose, Status};
use crate::workflow::Step;

const LIFE: Duration = Duration::from_secs(600);
const DAY: Duration = Duration::from_secs(86_400);
const AMOUNT: u64 = 125_000;
const STEPS: [Step; 3] = [
    Step { channel: Channel::Sms, wait: Some(60), receipt_within: Some(20) },
    Step { channel: Channel::Voice, wait: Some(30), receipt_within: None },
    Step { channel: Channel::Sms, wait: None, receipt_within: None },
];

#[derive(Debug, Clone)]
enum Op {
    Create {
        to: &'static str,
        purpose: Purpose,
        subject: Option<&'static str>,
        lane: Lane,
    },
    Check(usize, Guess),
    Resend(usize),
    /// Something becomes of the latest message.
    Message(usize, Turn),
    Cancel(usize),
    Expire(usize),
    /// Milliseconds the machine's clock moves, also backwards.
    Clock(i64),
    /// To an instant at which something changes for a verification, or a millisecond beside it.
    Until(usize, Boundary, i64),
}

/// What becomes of a message. None of it may approve, end or revive anything, or send more than the caps allow.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Taken,
    Refused,
    Delivered,
    Undelivered,
    /// A receipt of a provider that never had the message.
    Foreign,
    Step,
}

#[derive(Debug, Clone, Copy)]
enum Boundary {
    Expiry,
    Pause,
    /// Pauses that end when the code does.
    PauseEndsWithLife,
    Spacing,
    Window,
    /// When the next step of the workflow is due.
    Step,
}

#[derive(Debug, Clone, Copy)]
enum Guess {
    Right,
    Wrong,
    Malformed,
    /// The code as it was before any resend.
    First,
    OtherSubject,
    OtherAmount,
    OtherPurpose,
    NoTransaction,
}

fn op() -> impl Strategy<Value = Op> {
    let nth = 0_usize..6;
    let create = (
        select(vec![PHONE, PHONE, PHONE, OTHER_PHONE]),
        select(vec![
            Purpose::Authentication,
            Purpose::Authentication,
            Purpose::Recovery,
            Purpose::Transaction,
        ]),
        select(vec![None, None, None, Some("user-1"), Some("user-2")]),
        select(vec![Lane::Open, Lane::Known, Lane::Known, Lane::Known]),
    );
    let guess = select(vec![
        Guess::Right,
        Guess::Wrong,
        Guess::Wrong,
        Guess::Wrong,
        Guess::Wrong,
        Guess::Malformed,
        Guess::First,
        Guess::OtherSubject,
        Guess::OtherAmount,
        Guess::OtherPurpose,
        Guess::NoTransaction,
    ]);
    let jump = select(vec![-86_400_000, -60_000, 1, 30_000, 3_600_000]);
    let boundary = select(vec![
        Boundary::Expiry,
        Boundary::Pause,
        Boundary::Pause,
        Boundary::PauseEndsWithLife,
        Boundary::Spacing,
        Boundary::Spacing,
        Boundary::Window,
        Boundary::Step,
    ]);
    let turn = select(vec![
        Turn::Taken,
        Turn::Taken,
        Turn::Refused,
        Turn::Delivered,
        Turn::Undelivered,
        Turn::Foreign,
        Turn::Step,
        Turn::Step,
    ]);
    let beside = select(vec![-1, 0, 0, 0]);
    prop_oneof![
        4 => create.prop_map(|(to, purpose, subject, lane)| Op::Create { to, purpose, subject, lane }),
        10 => (nth.clone(), guess).prop_map(|(nth, guess)| Op::Check(nth, guess)),
        3 => nth.clone().prop_map(Op::Resend),
        6 => (nth.clone(), turn).prop_map(|(nth, turn)| Op::Message(nth, turn)),
        1 => nth.clone().prop_map(Op::Cancel),
        1 => nth.clone().prop_map(Op::Expire),
        1 => jump.prop_map(Op::Clock),
        5 => (nth, boundary, beside).prop_map(|(nth, boundary, beside)| Op::Until(nth, boundary, beside)),
    ]
}

/// Mostly one operation; sometimes a few that belong together, so that late pauses and spacings are reached too.
fn ops() -> impl Strategy<Value = Vec<Op>> {
    let beside = || select(vec![-1, 0, 0, 0, 0]);
    let stubborn = |to| Op::Create { to, purpose: Purpose::Recovery, subject: None, lane: Lane::Known };
    let guess = select(vec![Guess::Wrong, Guess::Wrong, Guess::Wrong, Guess::Wrong, Guess::Right]);
    let waits_for_the_pause = (beside(), guess)
        .prop_map(|(beside, guess)| vec![Op::Until(0, Boundary::Pause, beside), Op::Check(0, guess)]);
    let waits_to_begin = (select(vec![Boundary::PauseEndsWithLife, Boundary::Window]), beside())
        .prop_map(move |(boundary, beside)| vec![Op::Until(0, boundary, beside), stubborn(PHONE)]);
    let waits_to_resend =
        beside().prop_map(|beside| vec![Op::Until(0, Boundary::Spacing, beside), Op::Resend(0)]);
    let texted =
        Op::Create { to: OTHER_PHONE, purpose: Purpose::Authentication, subject: None, lane: Lane::Known };
    let turn = select(vec![Turn::Taken, Turn::Refused, Turn::Undelivered, Turn::Delivered]);
    let led_on = (turn, beside(), any::<bool>()).prop_map(move |(turn, beside, begins)| {
        let due = [Op::Until(0, Boundary::Step, beside), Op::Message(0, Turn::Step)];
        let begun = [texted.clone(), Op::Message(0, Turn::Taken)];
        let begun = begun.into_iter().filter(|_| begins);
        begun.chain([Op::Message(0, turn)]).chain(due).collect()
    });
    prop_oneof![
        10 => op().prop_map(|op| vec![op]),
        3 => led_on,
        1 => Just(vec![Op::Check(0, Guess::Wrong); 5]),
        3 => waits_for_the_pause,
        2 => waits_to_begin,
        2 => waits_to_resend,
    ]
}

/// What the model remembers of a verification.
#[derive(Debug)]
struct Known {
    id: VerificationId,
    first_code: String,
    to: &'static str,
    purpose: Purpose,
    subject: Option<&'static str>,
    lane: Lane,
    status: Status,
    tries: u8,
    sends: Vec<Timestamp>,
    expires_at: Timestamp,
    rotated: bool,
    /// Steps of the workflow that were taken by themselves.
    steps: usize,
}

/// Wrong codes of one counter.
#[derive(Debug, Default)]
struct Failed {
    in_a_row: usize,
    all: Vec<Timestamp>,
    last: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Model {
    rotates: bool,
    now: Timestamp,
    known: Vec<Known>,
    failed: BTreeMap<(&'static str, Purpose, Lane), Failed>,
}

impl Known {
    fn spaced_until(&self) -> Timestamp {
        let spacing = [30, 60, 120, 300][(self.sends.len() - 1).min(3)];
        self.sends.last().unwrap().plus(seconds(spacing))
    }
}

impl Failed {
    /// The instant from which on a code is looked at again.
    fn until(&self, now: Timestamp) -> Option<Timestamp> {
        let pause = [60, 300, 900, 3600].get(self.in_a_row.checked_sub(5).unwrap_or(9).min(3));
        let paused =
            pause.filter(|_| self.in_a_row >= 5).and_then(|pause| Some(self.last?.plus(seconds(*pause))));
        let day = self.all.len().checked_sub(30).map(|nth| self.all[nth].plus(DAY));
        paused.max(day).filter(|until| *until > now)
    }
}

impl Model {
    fn status(&self, nth: usize) -> Status {
        let known = &self.known[nth];
        let over = known.status == Status::Pending && self.now >= known.expires_at;
        if over { Status::Expired } else { known.status }
    }

    fn ended(&self, nth: usize) -> Result<(), Refusal> {
        match self.status(nth) {
            Status::Pending => Ok(()),
            Status::Approved => Err(Refusal::AlreadyApproved),
            Status::MaxAttempts => Err(Refusal::MaxAttempts),
            Status::Expired => Err(Refusal::Expired),
            _ => Err(Refusal::Canceled),
        }
    }

    /// The sends of a recipient that count, oldest first.
    fn sends(&self, to: &str, only_open: bool) -> Vec<Timestamp> {
        let counts = |known: &&Known| {
            known.to == to && known.status != Status::Approved && (!only_open || known.lane == Lane::Open)
        };
        let mut sends: Vec<_> =
            self.known.iter().filter(counts).flat_map(|known| known.sends.clone()).collect();
        sends.sort();
        sends
    }

    fn may_send(&self, to: &str, lane: Lane) -> Result<(), Refusal> {
        let full = |sends: Vec<Timestamp>, most: usize, span: Duration| {
            let nth = sends.len().checked_sub(most)?;
            Some(sends[nth].plus(span)).filter(|at| *at > self.now)
        };
        let mut at = full(self.sends(to, false), 5, seconds(600)).max(full(self.sends(to, false), 10, DAY));
        if lane == Lane::Open {
            at = at.max(full(self.sends(to, true), 6, DAY));
        }
        at.map_or(Ok(()), |at| Err(Refusal::RecipientRateLimited(at)))
    }

    fn until(&self, to: &'static str, purpose: Purpose, lane: Lane) -> Option<Timestamp> {
        self.failed.get(&(to, purpose, lane))?.until(self.now)
    }

    fn create(
        &mut self,
        to: &'static str,
        purpose: Purpose,
        subject: Option<&str>,
        lane: Lane,
    ) -> Result<(), Refusal> {
        if let Some(until) = self.until(to, purpose, lane).filter(|until| *until >= self.now.plus(LIFE)) {
            return Err(Refusal::RecipientPaused(until));
        }
        self.may_send(to, lane)?;
        let now = self.now;
        for old in self.known.iter_mut().filter(|old| old.to == to && old.status == Status::Pending) {
            if now >= old.expires_at {
                old.status = Status::Expired;
            } else if old.purpose == purpose && subject.is_some() && old.subject == subject {
                old.status = Status::Superseded;
            }
        }
        Ok(())
    }

    fn boundary(&self, nth: usize, boundary: Boundary) -> Option<Timestamp> {
        let known = &self.known[nth];
        let pause = self.until(known.to, known.purpose, known.lane);
        match boundary {
            Boundary::Expiry => Some(known.expires_at),
            Boundary::Pause => pause,
            Boundary::PauseEndsWithLife => Some(pause?.minus(LIFE)),
            Boundary::Spacing => Some(known.spaced_until()),
            Boundary::Window => match self.may_send(known.to, known.lane) {
                Err(Refusal::RecipientRateLimited(at)) => Some(at),
                _ => None,
            },
            // The model does not know what messages lead to.
            Boundary::Step => None,
        }
    }

    fn resend(&mut self, nth: usize) -> Result<(), Refusal> {
        self.ended(nth)?;
        let known = &self.known[nth];
        let at = known.spaced_until();
        if self.now < at {
            return Err(Refusal::ResendTooSoon(at));
        }
        self.may_send(known.to, known.lane)?;
        self.known[nth].sends.push(self.now);
        self.known[nth].rotated |= self.rotates;
        Ok(())
    }

    fn check(&mut self, nth: usize, guess: Guess) -> Result<(), Refusal> {
        self.ended(nth)?;
        let known = &self.known[nth];
        let bound = known.purpose == Purpose::Transaction;
        match guess {
            Guess::Malformed => return Err(Refusal::CodeMalformed),
            Guess::NoTransaction if bound => return Err(Refusal::TransactionMissing),
            _ => {}
        }
        if let Some(until) = self.until(known.to, known.purpose, known.lane) {
            return Err(Refusal::RecipientPaused(until));
        }
        let refusal = match guess {
            Guess::Wrong => Some(Refusal::CodeIncorrect),
            Guess::First if known.rotated => Some(Refusal::CodeIncorrect),
            Guess::OtherSubject | Guess::OtherAmount | Guess::OtherPurpose => Some(Refusal::BindingMismatch),
            _ => None,
        };
        let counter = self.failed.entry((known.to, known.purpose, known.lane)).or_default();
        let known = &mut self.known[nth];
        known.tries += 1;
        let Some(refusal) = refusal else {
            known.status = Status::Approved;
            counter.in_a_row = 0;
            return Ok(());
        };
        counter.in_a_row += 1;
        counter.all.push(self.now);
        counter.last = Some(self.now);
        if matches!(guess, Guess::OtherAmount) {
            known.status = Status::BindingChanged;
        } else if known.tries == 5 {
            known.status = Status::MaxAttempts;
        }
        Err(refusal)
    }

    fn cancel(&mut self, nth: usize) -> Result<(), Refusal> {
        self.ended(nth)?;
        self.known[nth].status = Status::CanceledByCustomer;
        Ok(())
    }

    fn expire(&mut self, nth: usize) -> Result<(), Refusal> {
        let over = self.known[nth].status == Status::Pending && self.now >= self.known[nth].expires_at;
        if !over {
            return Err(Refusal::StateConflict);
        }
        self.known[nth].status = Status::Expired;
        Ok(())
    }
}

/// The product and the model, side by side.
struct Pair {
    world: World,
    model: Model,
    clock: Timestamp,
}

impl Pair {
    fn new(rotates: bool) -> Self {
        let mut world = World::new();
        world.policy.rotate_on_resend = rotates;
        let model = Model { rotates, now: world.now, ..Model::default() };
        Self { clock: world.now, world, model }
    }

    /// One of the latest verifications; `None` while there is none.
    fn nth(&self, back: usize) -> Option<usize> {
        let last = self.model.known.len().checked_sub(1)?;
        Some(last.saturating_sub(back))
    }

    fn step(&mut self, op: &Op) {
        let before = self.world.rows.clone();
        let (command, expected) = match op {
            Op::Clock(millis) => return self.tick(*millis),
            Op::Until(back, boundary, beside) => {
                let at = self.nth(*back).and_then(|nth| match boundary {
                    Boundary::Step => self.latest(nth)?.step_at,
                    _ => self.model.boundary(nth, *boundary),
                });
                let Some(at) = at else { return };
                return self.tick(at.millis() - self.clock.millis() + beside);
            }
            Op::Message(back, turn) => return self.message(*back, *turn),
            Op::Create { to, purpose, subject, lane } => return self.create(to, *purpose, *subject, *lane),
            Op::Check(back, guess) => {
                let Some(nth) = self.nth(*back) else { return };
                let command = Command::Check(self.guess(nth, *guess));
                (command, self.model.check(nth, *guess))
            }
            Op::Resend(back) => {
                let Some(nth) = self.nth(*back) else { return };
                (Command::Resend(self.model.known[nth].id, None), self.model.resend(nth))
            }
            Op::Cancel(back) => {
                let Some(nth) = self.nth(*back) else { return };
                (Command::Cancel(self.model.known[nth].id), self.model.cancel(nth))
            }
            Op::Expire(back) => {
                let Some(nth) = self.nth(*back) else { return };
                (Command::Expire(self.model.known[nth].id), self.model.expire(nth))
            }
        };
        let answer = self.world.submit(command);
        assert_eq!(outcome(&answer), expected);
        let evaluated = matches!(expected, Err(Refusal::CodeIncorrect | Refusal::BindingMismatch));
        assert!(expected.is_ok() || evaluated || self.world.rows == before, "a refusal changed something");
        assert_eq!(approved(&answer), matches!((op, expected), (Op::Check(..), Ok(()))));
    }

    /// The message that was sent last for a verification.
    fn latest(&self, nth: usize) -> Option<&Delivery> {
        let row = self.world.row(self.model.known[nth].id);
        let in_workflow = row.workflow.as_ref().and_then(|workflow| workflow.delivery);
        let of_it = self.world.rows.deliveries.values().filter(|delivery| delivery.verification == row.id);
        of_it.max_by_key(|delivery| (in_workflow == Some(delivery.id), delivery.created_at))
    }

    /// Whatever becomes of a message, the model learns of nothing but a send that a step of the workflow made: it counts
    /// like any other.
    fn message(&mut self, back: usize, turn: Turn) {
        let Some(nth) = self.nth(back) else { return };
        let Some(delivery) = self.latest(nth).cloned() else { return };
        let message = delivery.id.to_string();
        let (status, sends) = (self.model.status(nth), self.world.row(self.model.known[nth].id).sends);
        let answer = match turn {
            Turn::Taken => self.world.taken(delivery.id, &message),
            Turn::Refused => self.world.failed(delivery.id, Fault::Provider),
            Turn::Delivered => self.world.receipt(&message, Fate::Delivered),
            Turn::Undelivered => self.world.receipt(&message, undelivered()),
            Turn::Foreign => self.world.receipt_of("other", About::Delivery(delivery.id), undelivered()),
            Turn::Step => self.world.submit(Command::Step(delivery.id)),
        };
        assert!(!approved(&answer));
        let row = self.world.row(self.model.known[nth].id);
        if row.sends == sends {
            return;
        }
        assert!(matches!(turn, Turn::Step), "only a step sends");
        assert_eq!((row.sends, status), (sends + 1, Status::Pending));
        assert_eq!(self.model.may_send(self.model.known[nth].to, self.model.known[nth].lane), Ok(()));
        assert_eq!(self.world.code(row.id), self.code_before(nth), "always the same code");
        let known = &mut self.model.known[nth];
        known.sends.push(self.model.now);
        known.steps += 1;
        assert!(known.steps < STEPS.len(), "each step once");
    }

    /// The code as it is in the generation of the first message, or after the latest wish for another one.
    fn code_before(&self, nth: usize) -> String {
        let known = &self.model.known[nth];
        if known.rotated { self.world.code(known.id) } else { known.first_code.clone() }
    }

    /// The machine's clock jumps; the engine's time never goes back.
    fn tick(&mut self, millis: i64) {
        self.clock = Timestamp::from_millis(self.clock.millis() + millis);
        self.model.now = self.model.now.max(self.clock);
        self.clock = self.clock.max(self.model.now.minus(seconds(60)));
        self.world.now = self.model.now;
    }

    fn create(&mut self, to: &'static str, purpose: Purpose, subject: Option<&'static str>, lane: Lane) {
        let transaction = (purpose == Purpose::Transaction).then(|| transfer(AMOUNT));
        let private = Private { subject: subject.map(str::to_owned), transaction, ..Private::default() };
        let workflow = if purpose == Purpose::Recovery { Vec::new() } else { STEPS.to_vec() };
        let start = Create { purpose, lane, private, lifetime: LIFE, workflow, ..self.world.start(to) };
        let expected = self.model.create(to, purpose, subject, lane);
        let answer = self.world.submit(Command::Create(Box::new(start)));
        assert_eq!(outcome(&answer), expected);
        if expected.is_err() {
            return;
        }
        let id = answer.snapshot().unwrap().verification.id;
        self.model.known.push(Known {
            id,
            first_code: self.world.code(id),
            to,
            purpose,
            subject,
            lane,
            status: Status::Pending,
            tries: 0,
            sends: vec![self.model.now],
            expires_at: self.model.now.plus(LIFE),
            rotated: false,
            steps: 0,
        });
    }

    fn guess(&self, nth: usize, guess: Guess) -> Check {
        let known = &self.model.known[nth];
        let code = match guess {
            Guess::Wrong => self.world.wrong_code(known.id, 0),
            Guess::Malformed => "12345".to_owned(),
            Guess::First => known.first_code.clone(),
            _ => self.world.code(known.id),
        };
        let amount = |amount| (known.purpose == Purpose::Transaction).then(|| transfer(amount));
        let fitting = Check {
            purpose: Some(known.purpose),
            subject: known.subject.map(str::to_owned),
            transaction: amount(AMOUNT),
            ..check(known.id, &code)
        };
        match guess {
            Guess::OtherSubject => Check { subject: Some("somebody else".to_owned()), ..fitting },
            Guess::OtherPurpose => Check { purpose: Some(Purpose::AddressValidation), ..fitting },
            Guess::OtherAmount => Check { transaction: Some(transfer(AMOUNT + 1)), ..fitting },
            Guess::NoTransaction => Check { transaction: None, ..fitting },
            _ => fitting,
        }
    }

    fn agree(&self) {
        for (nth, known) in self.model.known.iter().enumerate() {
            let row = self.world.row(known.id);
            assert_eq!(row.status, known.status, "{known:?}");
            assert_eq!(row.status_at(self.world.now), self.model.status(nth));
            assert_eq!(
                (row.checks_used, usize::from(row.sends)),
                (known.tries, known.sends.len()),
                "{known:?}"
            );
            assert_eq!(row.expires_at, known.expires_at, "nothing extends a life");
        }
    }
}

fn outcome(answer: &Answer) -> Result<(), Refusal> {
    match answer {
        Answer::Refused(refusal, _) => Err(*refusal),
        Answer::Done(_) | Answer::Approved(..) => Ok(()),
        other => panic!("not about a verification: {other:?}"),
    }
}

proptest! {
    #[test]
    fn every_history_goes_as_the_model_says(rotates: bool, ops in prop::collection::vec(ops(), 1..120)) {
        let mut pair = Pair::new(rotates);
        for op in ops.iter().flatten() {
            pair.step(op);
            pair.agree();
        }
    }
}
