//! Deliveries that are due, codes whose time ran out, rows that retention no longer keeps, a clock that was set back.

use std::time::Duration;

use countersign_core::command::{Job, Recorded, Request, Started};
use countersign_core::delivery::Delivery;
use countersign_core::ids::VerificationId;
use countersign_core::journal::{Actor, Entry, Event};
use countersign_core::keys::Keys;
use countersign_core::limits;
use countersign_core::store::{Overdue, Retention};
use countersign_core::time::{ClockWentBack, Timestamp, next_instant};
use countersign_core::verification::{Status, Verification};

use super::Tables;
use crate::load::is_due;

impl Tables {
    pub(super) fn claim(&mut self, most: usize, now: Timestamp) -> Vec<Job> {
        let is_due = |row: &&Delivery| is_due(row, now, self.now_of(&row.tenant, now));
        let mut due: Vec<_> = self.deliveries.values().filter(is_due).cloned().collect();
        due.sort_by_key(|delivery| delivery.due);
        due.truncate(most);
        let mut jobs = Vec::new();
        for mut delivery in due {
            let verification = self.verifications.get(&(delivery.tenant, delivery.verification)).cloned();
            // One whose verification was retired can never be sent; it must not stand before the others for ever.
            delivery.due = verification.as_ref().map(|_| now.plus(limits::LEASE));
            self.deliveries.insert((delivery.tenant, delivery.id), delivery.clone());
            let data_key = self.recipients.get(&delivery.recipient).map(|row| row.data_key.clone());
            if let (Some(verification), Some(data_key)) = (verification, data_key) {
                jobs.push(Job { delivery, verification, data_key });
            }
        }
        jobs
    }

    pub(super) fn overdue(&self, after: VerificationId, most: usize, now: Timestamp) -> Overdue {
        let until = VerificationId::new(now.minus(limits::MAX_LIFETIME), [0; 10]);
        let verifications = self.verifications.iter().map(|((tenant, id), row)| {
            (*tenant, Started::Verification(*id), row.status != row.status_at(now))
        });
        let challenges = self.subjects.challenges.iter();
        let challenges =
            challenges.map(|((tenant, id), row)| (*tenant, Started::Challenge(*id), row.is_overdue(now)));
        let inside = |started: &Started| {
            started.as_bytes() > after.as_bytes() && started.as_bytes() < until.as_bytes()
        };
        let mut rows: Vec<_> =
            verifications.chain(challenges).filter(|(_, started, _)| inside(started)).collect();
        rows.sort_by_key(|(_, started, _)| *started.as_bytes());
        let more = rows.len() > most;
        rows.truncate(most);
        let last = rows.last().filter(|_| more);
        let next = last.map_or(until, |(_, started, _)| VerificationId::from_bytes(*started.as_bytes()));
        let due = rows.into_iter().filter(|(_, _, overdue)| *overdue);
        Overdue { ids: due.map(|(tenant, started, _)| (tenant, started)).collect(), next: Some(next) }
    }

    pub(super) fn retire(&mut self, keep: Retention, most: usize, now: Timestamp) -> u64 {
        let mut gone = 0;
        let mut goes = |old: bool, so_far: &mut usize| {
            let goes = old && *so_far < most;
            *so_far += usize::from(goes);
            gone += u64::from(goes);
            !goes
        };
        let [mut once, mut journal, mut verifications, mut deliveries] = [0; 4];
        let outlived = |recorded: &Recorded| now.since(recorded.at) > limits::IDEMPOTENCY_LIFETIME;
        self.once.retain(|_, recorded| goes(outlived(recorded), &mut once));
        self.journal.retain(|entry| goes(now.since(entry.at) > keep.journal, &mut journal));
        let bound = now.minus(keep.verifications);
        self.verifications.retain(|(_, id), _| goes(id.created_at() < bound, &mut verifications));
        self.deliveries.retain(|(_, id), _| goes(id.created_at() < bound, &mut deliveries));
        gone += self.subjects.retire(bound, now.minus(keep.journal), most);
        gone + self.receipts.retire(most, now)
    }

    pub(super) fn accept_clock(
        &mut self,
        clock: Timestamp,
        actor: Actor,
        random: [u8; 10],
        keys: &Keys,
    ) -> Option<Duration> {
        let ClockWentBack { by } = next_instant(self.last, clock).err()?;
        let later = |row: &&Verification| row.status == Status::Pending && row.id.created_at() > clock;
        let later = self.verifications.values().filter(later);
        let mut later: Vec<_> = later.map(|row| (row.tenant, Started::Verification(row.id))).collect();
        later.extend(self.subjects.pending_after(clock));
        for (tenant, started) in later {
            let _ = self.decide(&Request::ending_future(tenant, started, random), clock, keys);
        }
        let event = Event::ClockAccepted(u64::try_from(by.as_millis()).unwrap_or(u64::MAX));
        self.journal.push(Entry::of_store(event, actor, clock, random));
        self.last = clock;
        Some(by)
    }
}
