//! Subjects with their factors and challenges.

use std::collections::BTreeMap;

use countersign_core::batch::SubjectChanges;
use countersign_core::challenge::{Challenge, ChallengeStatus};
use countersign_core::command::Started;
use countersign_core::ids::{ChallengeId, FactorId, SubjectId};
use countersign_core::keys::Digest;
use countersign_core::store::{ChallengePage, SubjectPage, SubjectShown};
use countersign_core::subject::{Aim, SubjectRow};
use countersign_core::tenant::Tenant;
use countersign_core::time::Timestamp;

#[derive(Default)]
pub(super) struct Subjects {
    pub(super) rows: BTreeMap<(Tenant, SubjectId), SubjectRow>,
    pub(super) indexes: BTreeMap<(Tenant, Digest), SubjectId>,
    pub(super) factors: BTreeMap<FactorId, (Tenant, SubjectId)>,
    pub(super) challenges: BTreeMap<(Tenant, ChallengeId), Challenge>,
}

impl Subjects {
    pub(super) fn apply(&mut self, changes: SubjectChanges) {
        for (id, (row, _)) in changes.rows {
            if row.removed_at.is_some() {
                self.indexes.retain(|(tenant, _), known| (*tenant, *known) != (row.tenant, id));
            }
            self.rows.insert((row.tenant, id), row);
        }
        self.indexes.extend(changes.indexes);
        self.factors.extend(changes.factors);
        let challenges = changes.challenges.into_values();
        self.challenges.extend(challenges.map(|(row, _)| ((row.tenant, row.id), row)));
    }

    pub(super) fn shown(&self, tenant: Tenant, aim: &Aim) -> Option<SubjectShown> {
        let challenge = |id: &ChallengeId| self.challenges.get(&(tenant, *id)).cloned();
        let named = match aim {
            Aim::Challenge(id) => Some(challenge(id)?),
            _ => None,
        };
        let id = match aim {
            Aim::Name(name) => {
                name.index.iter().find_map(|digest| self.indexes.get(&(tenant, *digest))).copied()
            }
            Aim::Id(id) => Some(*id),
            Aim::Factor(id) => {
                self.factors.get(id).filter(|(of, _)| *of == tenant).map(|(_, subject)| *subject)
            }
            Aim::Challenge(_) => named.as_ref().map(|named| named.subject),
        };
        let subject = self.rows.get(&(tenant, id?))?.clone();
        let challenges = match named {
            Some(named) => vec![named],
            None => subject.open.iter().filter_map(challenge).collect(),
        };
        Some(SubjectShown { subject, challenges })
    }

    pub(super) fn page(&self, tenant: Tenant, before: Option<SubjectId>, limit: usize) -> SubjectPage {
        let wanted = |id: &SubjectId| before.is_none_or(|before| *id < before);
        let rows = self.rows.iter().rev().filter(|((of, id), _)| *of == tenant && wanted(id));
        let mut there = rows.map(|(_, row)| row).filter(|row| row.removed_at.is_none());
        let subjects: Vec<_> = there.by_ref().take(limit).cloned().collect();
        let more = there.next().is_some();
        let next = subjects.last().map(|row| row.id).filter(|_| more);
        SubjectPage { subjects, next }
    }

    pub(super) fn challenges(
        &self,
        tenant: Tenant,
        of: Option<SubjectId>,
        before: Option<ChallengeId>,
        limit: usize,
    ) -> ChallengePage {
        let wanted = |row: &Challenge| {
            before.is_none_or(|before| row.id < before) && of.is_none_or(|of| row.subject == of)
        };
        let rows = self.challenges.iter().rev().filter(|((owner, _), row)| *owner == tenant && wanted(row));
        let with_subject =
            |row: &Challenge| Some((row.clone(), self.rows.get(&(tenant, row.subject))?.clone()));
        let mut rows = rows.filter_map(|(_, row)| with_subject(row));
        let challenges: Vec<_> = rows.by_ref().take(limit).collect();
        let more = rows.next().is_some();
        let next = challenges.last().map(|(row, _)| row.id).filter(|_| more);
        ChallengePage { challenges, next }
    }

    /// Pending challenges whose ids are later than `clock`.
    pub(super) fn pending_after(&self, clock: Timestamp) -> Vec<(Tenant, Started)> {
        let later = |row: &&Challenge| row.status == ChallengeStatus::Pending && row.id.created_at() > clock;
        let later = self.challenges.values().filter(later);
        later.map(|row| (row.tenant, Started::Challenge(row.id))).collect()
    }

    /// Removes at most `most` challenges made before the first instant, and as many subjects removed before the second;
    /// how many rows went.
    pub(super) fn retire(&mut self, made: Timestamp, removed: Timestamp, most: usize) -> u64 {
        let old = |(_, id): &&(Tenant, ChallengeId)| id.created_at() < made;
        let old: Vec<_> = self.challenges.keys().filter(old).take(most).copied().collect();
        old.iter().for_each(|key| drop(self.challenges.remove(key)));
        let over = |row: &&SubjectRow| row.removed_at.is_some_and(|at| at < removed);
        let gone: Vec<_> =
            self.rows.values().filter(over).take(most).map(|row| (row.tenant, row.id)).collect();
        gone.iter().for_each(|key| drop(self.rows.remove(key)));
        self.factors.retain(|_, owner| !gone.contains(owner));
        (old.len() + gone.len()) as u64
    }
}
