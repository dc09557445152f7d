//! Invariants 1, 2, 3, 6 and 7 of the design, checked after every batch of every test, from the journal and the rows
//! alone. Number 4 needs to know what was typed: the model checks it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::world::Rows;
use crate::batch::Changes;
use crate::ids::{RecipientId, VerificationId};
use crate::journal::{Entry, Event};
use crate::limits;
use crate::policy::Policy;
use crate::time::Timestamp;
use crate::verification::{Lane, Purpose, Status};

/// 6: every change of a verification has exactly one entry, in the same commit; an entry comes with a change.
pub(super) fn of_a_batch(commands: usize, before: &Rows, changes: &Changes) {
    let about = |id: VerificationId| {
        let of_it = |entry: &&Entry| entry.verification == Some(id) && !of_a_delivery(&entry.event);
        changes.journal.iter().filter(of_it).count()
    };
    for (id, (row, _)) in &changes.verifications {
        if before.verifications.get(id) == Some(row) {
            continue;
        }
        let entries = about(*id);
        assert!(entries >= 1 && (commands > 1 || entries == 1), "{entries} entries for one change of {id}");
    }
    for entry in &changes.journal {
        let id = entry.verification.expect("an entry of a decision names its verification");
        let delivery = entry.delivery.is_some_and(|id| changes.deliveries.contains_key(&id));
        assert!(changes.verifications.contains_key(&id) || delivery, "an entry without a change: {entry:?}");
    }
    for (id, row) in &changes.recipients {
        assert!(row.recent.len() <= limits::MAX_RECENT, "{id} grows");
        assert!(row.failures.iter().all(|failures| failures.day.len() <= limits::MAX_FAILURES_PER_DAY));
    }
}

/// Whether it is about a message and leaves the verification as it is.
const fn of_a_delivery(event: &Event) -> bool {
    matches!(event, Event::DeliveryFailed(_) | Event::Receipt { .. })
}

/// What holds of the whole journal and the rows it led to.
pub(super) fn of_the_history(rows: &Rows, policy: &Policy) {
    let ids: BTreeSet<_> = rows.journal.iter().map(|entry| entry.id).collect();
    assert_eq!(ids.len(), rows.journal.len(), "ids of entries are unique");
    for (id, row) in &rows.verifications {
        let history: Vec<&Entry> =
            rows.journal.iter().filter(|entry| entry.verification == Some(*id)).collect();
        assert!(
            history.iter().all(|entry| entry.tenant == row.tenant && entry.recipient == Some(row.recipient))
        );
        approved_at_most_once(row.status, &history);
        assert!(
            guesses(&history) <= usize::from(row.checks_allowed),
            "{id}: too many guesses were evaluated"
        );
        nothing_after_the_end(row.status, &history);
    }
    for guesses in guesses_by_counter(rows).values() {
        pauses_hold(guesses, policy);
    }
    sends_stay_below_the_caps(rows, policy);
}

/// 1.
fn approved_at_most_once(status: Status, history: &[&Entry]) {
    let approvals =
        history.iter().filter(|entry| matches!(entry.event, Event::Approved | Event::Overridden)).count();
    assert_eq!(approvals, usize::from(status == Status::Approved));
}

fn guesses(history: &[&Entry]) -> usize {
    history.iter().filter(|entry| is_guess(&entry.event)).count()
}

fn is_guess(event: &Event) -> bool {
    matches!(event, Event::Approved | Event::CheckFailed { .. })
}

/// 3, as far as the journal tells: an end is final, and only reports may follow.
fn nothing_after_the_end(status: Status, history: &[&Entry]) {
    let end = |entry: &&&Entry| match &entry.event {
        Event::CheckFailed { status, .. } => *status != Status::Pending,
        Event::Approved | Event::Overridden | Event::Ended(_) | Event::Blocked(_) => true,
        _ => false,
    };
    let Some(at) = history.iter().position(|entry| end(&entry)) else { return };
    assert_ne!(status, Status::Pending, "an end was revived");
    let may_follow = |event: &Event| matches!(event, Event::Reported(_)) || of_a_delivery(event);
    assert!(history[at + 1..].iter().all(|entry| may_follow(&entry.event)), "after the end: {history:?}");
}

type Counter = (RecipientId, Purpose, Lane);

/// When a guess was evaluated, and whether it was right.
type Guess = (Timestamp, bool);

fn guesses_by_counter(rows: &Rows) -> BTreeMap<Counter, Vec<Guess>> {
    let mut counters: BTreeMap<Counter, Vec<Guess>> = BTreeMap::new();
    for entry in rows.journal.iter().filter(|entry| is_guess(&entry.event)) {
        let row = &rows.verifications[&entry.verification.unwrap()];
        let guess = (entry.at, entry.event == Event::Approved);
        counters.entry((row.recipient, row.purpose, row.lane)).or_default().push(guess);
    }
    counters
}

/// 2: after so many failures in a row each guess waits for its pause; so many a day and so many in a row, no more.
fn pauses_hold(guesses: &[Guess], policy: &Policy) {
    const DAY: Duration = Duration::from_secs(86_400);
    let mut failures: Vec<Timestamp> = Vec::new();
    let (mut in_a_row, mut last) = (0, None);
    for (at, right) in guesses {
        if let (Some(pause), Some(last)) = (policy.pause_after(in_a_row), last) {
            assert!(at.since(last) >= pause, "guess {in_a_row} came within its pause");
        }
        let today = failures.iter().filter(|failure| at.since(**failure) < DAY).count();
        assert!(today < limits::MAX_FAILURES_PER_DAY, "too many failures in a day");
        assert!(in_a_row < limits::MAX_CONSECUTIVE_FAILURES, "a blocked counter was evaluated");
        if *right {
            in_a_row = 0;
        } else {
            in_a_row += 1;
            failures.push(*at);
        }
        last = Some(*at);
    }
}

/// 7: for deliveries made while limits applied. Those of approved verifications were given back.
fn sends_stay_below_the_caps(rows: &Rows, policy: &Policy) {
    for id in rows.recipients.keys() {
        let counted = |delivery: &&crate::delivery::Delivery| {
            let approved = rows.verifications[&delivery.verification].status == Status::Approved;
            delivery.recipient == *id && delivery.tenant.mode.is_live() && !approved
        };
        let made: Vec<_> =
            rows.deliveries.values().filter(counted).map(|delivery| delivery.created_at).collect();
        for (most, span) in [(policy.sends.0, 600), (policy.sends.1, 86_400)] {
            for at in &made {
                let inside = made.iter().filter(|other| *other <= at && at.since(**other).as_secs() < span);
                assert!(inside.count() <= most, "more than {most} sends in {span} s");
            }
        }
    }
}
