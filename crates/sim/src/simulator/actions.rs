//! The steps the simulator picks from.

use std::time::Duration;

use countersign_core::command::{Answer, Check, Command, Target};
use countersign_core::refusal::Refusal;
use countersign_core::verification::{Channel, Lane, Purpose, Report as Said, Transaction};
use countersign_core::workflow::Step;

use super::World;
use super::model::Known;
use crate::Requests;

/// Three spellings of two people.
const PEOPLE: [(&str, &str); 3] = [
    ("+48600100217", "+48600100217"),
    ("ann@example.com", "ann@example.com"),
    ("Ann+news@example.com", "ann@example.com"),
];
/// A workflow that any of the clock's steps may lead on.
const STEPS: [Step; 3] = [
    Step { channel: Channel::Sms, wait: Some(60), receipt_within: Some(30) },
    Step { channel: Channel::Voice, wait: Some(30), receipt_within: None },
    Step { channel: Channel::Sms, wait: None, receipt_within: None },
];
/// Steps of the clock, in seconds; each just beyond or just short of a limit.
const FORWARD: [u64; 10] = [1, 29, 31, 59, 61, 299, 301, 901, 3_601, 90_000];
const BACK: [u64; 4] = [1, 60, 600, 90_000];

impl World {
    pub(super) fn step(&mut self) -> Result<(), String> {
        match self.random.below(125) {
            0..20 => self.create(),
            20..65 => self.check(),
            65..72 => self.messages(),
            72..75 => self.resend(),
            75..78 => self.end(false),
            78..80 => self.end(true),
            80..82 => self.report(),
            82..84 => self.check_as_stranger(),
            84..88 => self.ask_again(),
            88..96 => {
                let seconds = *self.random.pick(&FORWARD);
                self.trace.push(format!("clock +{seconds} s"));
                self.clock.advance(Duration::from_secs(seconds));
                Ok(())
            }
            100..125 => self.use_factor(),
            _ => {
                let seconds = *self.random.pick(&BACK);
                self.trace.push(format!("clock -{seconds} s"));
                self.clock.step_back(Duration::from_secs(seconds));
                Ok(())
            }
        }
    }

    fn create(&mut self) -> Result<(), String> {
        let tenant = usize::from(self.random.below(4) == 0);
        let (to, folded) = *self.random.pick(&PEOPLE);
        let purpose = *self.random.pick(Purpose::ALL);
        let lane = *self.random.pick(Lane::ALL);
        let session = (self.random.below(3) == 0).then(|| "session-1".to_owned());
        let transaction = (purpose == Purpose::Transaction)
            .then(|| Transaction::new(1_250, "EUR", "Acme", None))
            .transpose()
            .map_err(str::to_owned)?;
        let own = self.random.below(2) == 0;
        let request = self.tenants[tenant].create_with(to, |create| {
            create.purpose = purpose;
            create.lane = lane;
            create.channel = own.then_some(Channel::Own);
            if !own && to.starts_with('+') {
                create.workflow = STEPS.to_vec();
            }
            create.private.session.clone_from(&session);
            create.private.transaction.clone_from(&transaction);
        });
        let key = format!("create {}", self.tally.created);
        self.trace.push(format!("{key}: {to} {} {} tenant {tenant}", purpose.as_str(), lane.as_str()));
        let outcome = self.submit(Requests::once(request, &key, "body"))?;
        let Answer::Done(snapshot) = outcome.answer else { return Ok(()) };
        self.tally.created += 1;
        let (row, sent) = (snapshot.verification, snapshot.delivery.is_some());
        let code = self.tenants[tenant].code_of(&row);
        let (id, expires_at) = (row.id, row.expires_at);
        self.known.push(Known {
            id,
            tenant,
            folded,
            purpose,
            lane,
            session,
            transaction,
            expires_at,
            code,
            told_expired: false,
            approvals: 0,
            evaluated: 0,
        });
        if sent { self.note_send(self.known.len() - 1) } else { Ok(()) }
    }

    /// One of the latest verifications.
    pub(super) fn some_known(&self) -> Option<usize> {
        let count = self.known.len();
        let back = usize::try_from(self.random.below(count.min(4) as u64)).unwrap_or(0);
        count.checked_sub(1 + back)
    }

    fn check(&mut self) -> Result<(), String> {
        let Some(index) = self.some_known() else { return Ok(()) };
        let known = &self.known[index];
        let mut check = Requests::entry(Target::Id(known.id), &known.code);
        check.session.clone_from(&known.session);
        check.transaction.clone_from(&known.transaction);
        self.spoil(index, &mut check);
        let fits = known.fits(&check);
        let request = self.tenants[known.tenant].of(Command::Check(check));
        self.trace.push(format!("check {} ({})", known.id, if fits { "right" } else { "wrong" }));
        let request = match self.random.below(3) {
            0 => Requests::once(request, &format!("check {}", self.trace.len()), "body"),
            _ => request,
        };
        let pending = self.state(request.tenant, known.id).is_some_and(|state| state.0.as_str() == "pending");
        let allowed = self.may_guess(index);
        let outcome = self.submit(request)?;
        let approved = matches!(outcome.answer, Answer::Approved(..));
        self.judge(index, fits, &outcome.answer)?;
        let alive = pending && self.seen < self.known[index].expires_at;
        if fits && alive && allowed && !approved {
            return Err(format!("the right entry was refused: {:?}", outcome.answer));
        }
        Ok(())
    }

    fn may_guess(&self, index: usize) -> bool {
        use countersign_core::time::Clock as _;
        let now = self.seen.max(self.clock.now());
        self.guesses.get(&self.known[index].counter()).is_none_or(|guesses| guesses.allow(now))
    }

    /// Makes most entries wrong, each in one way.
    fn spoil(&self, index: usize, check: &mut Check) {
        let known = &self.known[index];
        match self.random.below(12) {
            0 => {}
            1 => check.purpose = Some(*self.random.pick(Purpose::ALL)),
            2 => check.session = Some("session-2".to_owned()),
            3 => check.session = None,
            4 => check.transaction = Transaction::new(1_251, "EUR", "Acme", None).ok(),
            5 => check.transaction = None,
            6 => *check.code.0 = "12".to_owned(),
            _ => {
                let last = if known.code.ends_with('7') { "8" } else { "7" };
                let end = known.code.len() - 1;
                check.code.0.replace_range(end.., last);
            }
        }
    }

    fn resend(&mut self) -> Result<(), String> {
        let Some(index) = self.some_known() else { return Ok(()) };
        let (id, tenant) = (self.known[index].id, self.known[index].tenant);
        self.trace.push(format!("resend {id}"));
        let outcome = self.submit(self.tenants[tenant].resend(id))?;
        if let Answer::Done(snapshot) = outcome.answer {
            self.known[index].code = self.tenants[tenant].code_of(&snapshot.verification);
            if snapshot.verification.expires_at != self.known[index].expires_at {
                return Err(format!("invariant 3: a resend moved the expiry of {id}"));
            }
            if snapshot.delivery.is_some() {
                self.note_send(index)?;
            }
        }
        Ok(())
    }

    fn end(&mut self, by_time: bool) -> Result<(), String> {
        let Some(index) = self.some_known() else { return Ok(()) };
        let (id, tenant) = (self.known[index].id, self.known[index].tenant);
        let command = if by_time { Command::Expire(id) } else { Command::Cancel(id) };
        self.trace.push(format!("{command:?}"));
        let outcome = self.submit(self.tenants[tenant].of(command))?;
        let ended = matches!(outcome.answer, Answer::Done(_));
        if by_time && ended && self.seen < self.known[index].expires_at {
            return Err(format!("{id} was expired before its time"));
        }
        Ok(())
    }

    fn report(&mut self) -> Result<(), String> {
        let Some(index) = self.some_known() else { return Ok(()) };
        let said = *self.random.pick(Said::ALL);
        let command = Command::Report(self.known[index].id, said);
        self.trace.push(format!("{command:?}"));
        self.submit(self.tenants[self.known[index].tenant].of(command)).map(|_| ())
    }

    /// The other tenant tries the right code, by id and by recipient.
    fn check_as_stranger(&mut self) -> Result<(), String> {
        let Some(index) = self.some_known() else { return Ok(()) };
        let known = &self.known[index];
        let stranger = &self.tenants[1 - known.tenant];
        self.trace.push(format!("a stranger checks {}", known.id));
        let request = stranger.check(known.id, &known.code);
        let outcome = self.submit(request)?;
        if outcome.answer != Answer::Refused(Refusal::NotFound, None) {
            return Err(format!("invariant 4: a stranger was told {:?}", outcome.answer));
        }
        Ok(())
    }

    /// The latest idempotent request once more.
    fn ask_again(&mut self) -> Result<(), String> {
        use countersign_core::time::Clock as _;
        let Some((request, at, first)) = self.told.clone() else { return Ok(()) };
        let now = self.seen.max(self.clock.now());
        if now.since(at) >= Duration::from_secs(86_400) {
            return Ok(());
        }
        self.trace.push("the latest idempotent request again".to_owned());
        let outcome = self.submit(request)?;
        self.tally.replayed += 1;
        let same = outcome.answer.snapshot().map(|told| &told.verification)
            == first.snapshot().map(|told| &told.verification);
        if !outcome.replayed || !same {
            return Err(format!("invariant 7: told {:?} the second time", outcome.answer));
        }
        Ok(())
    }
}
