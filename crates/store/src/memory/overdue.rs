//! Verifications and challenges whose time ran out.

use countersign_core::command::Started;
use countersign_core::ids::VerificationId;
use countersign_core::limits::MAX_LIFETIME;
use countersign_core::store::Overdue;
use countersign_core::time::Timestamp;

use super::Tables;

impl Tables {
    pub(super) fn overdue(&self, after: VerificationId, most: usize, now: Timestamp) -> Overdue {
        let until = VerificationId::new(now.minus(MAX_LIFETIME), [0; 10]);
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
}
