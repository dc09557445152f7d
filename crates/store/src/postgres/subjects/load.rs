//! Locks the subjects of a batch and reads them, in the round trip of the others; in a second one, where a decision must
//! see challenges that only a subject's row names.

use std::collections::{BTreeMap, BTreeSet};

use countersign_core::challenge::Challenge;
use countersign_core::command::{Recorded, Request, Root};
use countersign_core::ids::{ChallengeId, FactorId, SubjectId};
use countersign_core::keys::Digest;
use countersign_core::subject::{Aim, SubjectCommand, SubjectRow};
use countersign_core::tenant::Tenant;
use tokio_postgres::Row;

use super::super::Failure;
use super::super::load::{Key, columns};
use super::super::rows::{body, bytes};
use super::super::session::Session;
use super::super::sql::Sql;
use super::tenant;

/// The subjects a batch names, by what it names them.
#[derive(Default)]
pub(in super::super) struct Wanted {
    names: BTreeSet<Key<32>>,
    ids: BTreeSet<Key<16>>,
    factors: BTreeSet<Key<16>>,
    challenges: BTreeSet<Key<16>>,
}

impl Wanted {
    pub(in super::super) fn add(&mut self, tenant: [u8; 17], command: &SubjectCommand) {
        match &command.aim {
            Aim::Name(name) => self.names.extend(name.index.iter().map(|digest| (tenant, digest.0))),
            Aim::Id(id) => drop(self.ids.insert((tenant, *id.as_bytes()))),
            Aim::Factor(id) => drop(self.factors.insert((tenant, *id.as_bytes()))),
            Aim::Challenge(id) => drop(self.challenges.insert((tenant, *id.as_bytes()))),
        }
        self.challenges.extend(command.also().map(|id| (tenant, *id.as_bytes())));
    }

    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.ids.is_empty() && self.factors.is_empty() && self.challenges.is_empty()
    }

    /// Locks their rows; answers their ids.
    pub(in super::super) async fn lock(&self, session: &Session) -> Result<BTreeSet<SubjectId>, Failure> {
        if self.is_empty() {
            return Ok(BTreeSet::new());
        }
        let (names_of, names) = columns(&self.names);
        let (ids_of, ids) = columns(&self.ids);
        let (factors_of, factors) = columns(&self.factors);
        let (challenges_of, challenges) = columns(&self.challenges);
        let rows = session
            .query(
                Sql::LockSubjects,
                &[&names_of, &names, &ids_of, &ids, &factors_of, &factors, &challenges_of, &challenges],
            )
            .await?;
        rows.iter().map(|row| bytes(row, 0).map(SubjectId::from_bytes)).collect()
    }

    /// Reads everything by what the batch names, in statements that begin after the locks are held.
    pub(in super::super) async fn read(&self, session: &Session) -> Result<Found, Failure> {
        let (by_name, by_id, by_factor, challenges) = futures_util::join!(
            query(session, Sql::SubjectsByName, &self.names),
            query(session, Sql::SubjectsById, &self.ids),
            query(session, Sql::SubjectsByFactor, &self.factors),
            query(session, Sql::Challenges, &self.challenges),
        );
        Ok(Found { by_name: by_name?, by_id: by_id?, by_factor: by_factor?, challenges: challenges? })
    }
}

async fn query<const N: usize>(
    session: &Session,
    sql: Sql,
    keys: &BTreeSet<Key<N>>,
) -> Result<Vec<Row>, Failure> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let (tenants, keys) = columns(keys);
    session.query(sql, &[&tenants, &keys]).await
}

/// Rows as the server sent them.
pub(in super::super) struct Found {
    by_name: Vec<Row>,
    by_id: Vec<Row>,
    by_factor: Vec<Row>,
    challenges: Vec<Row>,
}

/// The rows of a batch.
#[derive(Default)]
pub(in super::super) struct Fetched {
    pub(in super::super) indexes: BTreeMap<(Tenant, Digest), SubjectId>,
    pub(in super::super) factors: BTreeMap<(Tenant, FactorId), SubjectId>,
    pub(in super::super) rows: BTreeMap<(Tenant, SubjectId), SubjectRow>,
    pub(in super::super) challenges: BTreeMap<(Tenant, ChallengeId), Challenge>,
}

impl Fetched {
    /// Reads the rows.
    ///
    /// # Errors
    /// [`Failure::Conflict`] when a subject came to be after the locks were taken.
    pub(in super::super) fn of(found: &Found, locked: &BTreeSet<SubjectId>) -> Result<Self, Failure> {
        let mut fetched = Self::default();
        for row in &found.by_name {
            let (tenant, digest) = (tenant(row, 0)?, Digest(bytes(row, 1)?));
            let id = fetched.take(row, 2, Some(locked))?;
            fetched.indexes.insert((tenant, digest), id);
        }
        for row in &found.by_id {
            fetched.take(row, 0, Some(locked))?;
        }
        for row in &found.by_factor {
            let (tenant, factor) = (tenant(row, 0)?, FactorId::from_bytes(bytes(row, 1)?));
            let id = fetched.take(row, 2, Some(locked))?;
            fetched.factors.insert((tenant, factor), id);
        }
        for row in &found.challenges {
            let challenge: Challenge = body(row, 0)?;
            fetched.take(row, 1, Some(locked))?;
            fetched.challenges.insert((challenge.tenant, challenge.id), challenge);
        }
        Ok(fetched)
    }

    /// Takes the subject whose row stands in column `at`.
    fn take(
        &mut self,
        row: &Row,
        at: usize,
        locked: Option<&BTreeSet<SubjectId>>,
    ) -> Result<SubjectId, Failure> {
        let subject: SubjectRow = body(row, at)?;
        let id = subject.id;
        if locked.is_some_and(|locked| !locked.contains(&id)) {
            return Err(Failure::Conflict);
        }
        self.rows.entry((subject.tenant, id)).or_insert(subject);
        Ok(id)
    }

    /// Reads what can only be asked for now: challenges that may be open, and the subjects of idempotent requests.
    pub(in super::super) async fn complete<'a>(
        &mut self,
        session: &Session,
        batch: &[&Request],
        replays: impl Iterator<Item = (Tenant, &'a Recorded)>,
    ) -> Result<(), Failure> {
        let mut open = BTreeSet::new();
        for request in batch {
            let Root::Subject(command) = request.root() else { continue };
            if !command.needs_open() {
                continue;
            }
            let Some(row) = self.aimed(&request.tenant, &command.aim) else { continue };
            let unread = |id: &&ChallengeId| !self.challenges.contains_key(&(request.tenant, **id));
            open.extend(row.open.iter().filter(unread).map(|id| (request.tenant.to_bytes(), *id.as_bytes())));
        }
        for row in query(session, Sql::Challenges, &open).await? {
            let challenge: Challenge = body(&row, 0)?;
            self.challenges.insert((challenge.tenant, challenge.id), challenge);
        }
        let told = replays.filter_map(|(tenant, recorded)| Some((tenant, recorded.subject?)));
        let told = told.filter(|key| !self.rows.contains_key(key));
        let told: BTreeSet<_> = told.map(|(tenant, id)| (tenant.to_bytes(), *id.as_bytes())).collect();
        for row in query(session, Sql::SubjectsById, &told).await? {
            self.take(&row, 0, None)?;
        }
        Ok(())
    }

    /// The subject that is meant, as far as it was read.
    fn aimed(&self, tenant: &Tenant, aim: &Aim) -> Option<&SubjectRow> {
        let id = match aim {
            Aim::Name(name) => *name.index.iter().find_map(|digest| self.indexes.get(&(*tenant, *digest)))?,
            Aim::Id(id) => *id,
            Aim::Factor(id) => *self.factors.get(&(*tenant, *id))?,
            Aim::Challenge(id) => self.challenges.get(&(*tenant, *id))?.subject,
        };
        self.rows.get(&(*tenant, id))
    }
}
