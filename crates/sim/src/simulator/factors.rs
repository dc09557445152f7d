//! The steps at factors: fresh codes, used ones and wrong ones, judged by what the person remembers.

use std::collections::BTreeSet;
use std::time::Duration;

use countersign_core::command::{Answer, Request};
use countersign_core::ids::FactorId;
use countersign_core::limits::{BACKUP_CODES, HOTP_LOOK_AHEAD};
use countersign_core::oath::time_step;
use countersign_core::refusal::Refusal;
use countersign_core::store::Store as _;
use countersign_core::subject::{Act, Aim};
use countersign_core::time::{Clock as _, Timestamp};

use super::model::Guesses;
use super::{World, now};
use crate::subjects::{backup_list, hotp_of, hotp_token, listed_code, totp, totp_of};

/// What a person holds in the hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Thing {
    App,
    Token,
    List,
}

const THINGS: [Thing; 3] = [Thing::App, Thing::Token, Thing::List];

/// A thing as its owner remembers it.
#[derive(Debug)]
pub(super) struct Owned {
    factor: FactorId,
    /// The moving factors of accepted codes: steps, counters, places in the list.
    accepted: BTreeSet<u64>,
    guesses: Guesses,
}

impl Thing {
    const fn owner(self) -> &'static str {
        match self {
            Self::App => "ann",
            Self::Token => "ben",
            Self::List => "eve",
        }
    }

    /// The code of a moving factor.
    fn code(self, at: u64) -> String {
        match self {
            Self::App => totp_of(at),
            Self::Token => hotp_of(at),
            Self::List => listed_code(u8::try_from(at).unwrap_or(u8::MAX - 1)),
        }
    }

    /// The moving factors whose codes are good.
    fn good(self, accepted: &BTreeSet<u64>, now: Timestamp) -> Vec<u64> {
        let next = accepted.last().map_or(0, |last| last + 1);
        match self {
            Self::App => {
                let step = time_step(now, Duration::from_secs(30));
                (step - 1..=step).filter(|step| *step >= next).collect()
            }
            Self::Token => (next..=next + HOTP_LOOK_AHEAD).collect(),
            Self::List => (0..BACKUP_CODES as u64).filter(|place| !accepted.contains(place)).collect(),
        }
    }
}

impl World {
    /// One entry of a code at a factor, or what comes before it.
    pub(super) fn use_factor(&mut self) -> Result<(), String> {
        let tenant = usize::from(self.random.below(4) == 0);
        let thing = *self.random.pick(&THINGS);
        let Some(owned) = self.owned.get(&(tenant, thing)) else { return self.enrol(tenant, thing) };
        if self.random.below(40) == 0 {
            return self.unlock(tenant, thing, owned.factor);
        }
        let at = self.seen.max(self.clock.now());
        let good = thing.good(&owned.accepted, at);
        let used: Vec<_> = owned.accepted.iter().copied().collect();
        let picked = match self.random.below(14) {
            0..3 if !good.is_empty() => Some(*self.random.pick(&good)),
            3 if !used.is_empty() => Some(*self.random.pick(&used)),
            // Just beyond what is good.
            4 if thing == Thing::Token => good.last().map(|last| last + 1),
            _ => None,
        };
        let code = match picked {
            Some(place) => thing.code(place),
            None if thing == Thing::List => listed_code(200),
            None => self.wrong_code(thing, &good, at),
        };
        let fits = picked.filter(|place| good.contains(place));
        self.trace.push(format!("{thing:?} of tenant {tenant}: {picked:?} of {good:?}"));
        self.enter(tenant, thing, &code, fits, at)
    }

    fn enrol(&mut self, tenant: usize, thing: Thing) -> Result<(), String> {
        let plan = match thing {
            Thing::App => totp(),
            Thing::Token => hotp_token(),
            Thing::List => backup_list(),
        };
        self.trace.push(format!("{thing:?} of tenant {tenant} is enrolled"));
        let request = self.tenants[tenant].enrol(thing.owner(), plan);
        let answer = self.ask_subject(request)?;
        let factor = answer.subject().and_then(|shown| shown.factor).ok_or("nothing was enrolled")?;
        let owned = Owned { factor, accepted: BTreeSet::new(), guesses: Guesses::default() };
        self.owned.insert((tenant, thing), owned);
        Ok(())
    }

    fn unlock(&mut self, tenant: usize, thing: Thing, factor: FactorId) -> Result<(), String> {
        self.trace.push(format!("{thing:?} of tenant {tenant} is unlocked"));
        let request = self.tenants[tenant].subject(Aim::Factor(factor), Act::Unlock);
        self.ask_subject(request)?;
        if let Some(owned) = self.owned.get_mut(&(tenant, thing)) {
            owned.guesses = Guesses::default();
        }
        Ok(())
    }

    /// Six digits that are no good code, nor that of the next step.
    fn wrong_code(&self, thing: Thing, good: &[u64], at: Timestamp) -> String {
        let ahead = time_step(at, Duration::from_secs(30)) + 1;
        let right: BTreeSet<_> = good.iter().chain([&ahead]).map(|place| thing.code(*place)).collect();
        let first = self.random.below(900_000);
        let wrong = (first..).map(|code| format!("{code:06}")).find(|code| !right.contains(code));
        wrong.unwrap_or_default()
    }

    fn enter(
        &mut self,
        tenant: usize,
        thing: Thing,
        code: &str,
        fits: Option<u64>,
        at: Timestamp,
    ) -> Result<(), String> {
        let requests = &self.tenants[tenant];
        let request = if self.random.below(2) == 0 {
            requests.try_code(thing.owner(), code)
        } else {
            let ask = requests.ask(thing.owner(), &[]);
            let begun = self.ask_subject(ask)?;
            let id = begun.subject().and_then(|shown| shown.challenge.as_ref()).ok_or("no challenge")?.id;
            self.tenants[tenant].respond(id, code)
        };
        let before = self.store.entries().len() as u64;
        let answer = self.ask_subject(request)?;
        let granted = matches!(answer, Answer::Granted(..));
        if self.approvals_after(before)? != usize::from(granted) {
            return Err("invariant 6: an approval has an entry, and nothing else has".to_owned());
        }
        let owned = self.owned.get_mut(&(tenant, thing)).ok_or("not enrolled")?;
        let allowed = owned.guesses.allow(at);
        match (&answer, fits) {
            (Answer::Granted(..) | Answer::Declined(Refusal::CodeIncorrect, _), _) if !allowed => {
                Err(format!("invariant 2: an entry at a locked factor was evaluated: {answer:?}"))
            }
            (Answer::Granted(..), Some(place)) => {
                owned.guesses.note_right();
                self.tally.granted += 1;
                owned.accepted.insert(place).then_some(()).ok_or("invariant 1: used twice".to_owned())
            }
            (Answer::Granted(..), None) => Err("invariant 11: a used or wrong code was granted".to_owned()),
            (Answer::Declined(Refusal::CodeIncorrect, _), None) => {
                owned.guesses.note_wrong(at);
                self.tally.declined += 1;
                Ok(())
            }
            (Answer::Declined(Refusal::FactorLocked(_), _), _) if !allowed => {
                self.tally.locked += 1;
                Ok(())
            }
            _ => Err(format!("{fits:?} was answered without a reason: {answer:?}")),
        }
    }

    /// Approvals in the journal behind its first so many entries.
    fn approvals_after(&self, entries: u64) -> Result<usize, String> {
        let fresh = now(self.store.journal(entries, usize::MAX)).map_err(|error| error.to_string())?;
        Ok(fresh.iter().filter(|one| one.entry.event.name() == "challenge.approved").count())
    }

    fn ask_subject(&mut self, request: Request) -> Result<Answer, String> {
        self.catch_up(&request)?;
        let outcome = now(self.store.submit(request)).map_err(|error| error.to_string())?;
        Ok(outcome.answer)
    }
}
