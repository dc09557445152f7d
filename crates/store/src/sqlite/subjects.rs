//! The tables `subject`, `subject_index`, `factor` and `challenge`.

use countersign_core::batch::SubjectChanges;
use countersign_core::challenge::Challenge;
use countersign_core::ids::{ChallengeId, FactorId, SubjectId};
use countersign_core::store::{ChallengePage, SubjectPage, SubjectShown};
use countersign_core::subject::{Aim, SubjectRow};
use countersign_core::tenant::Tenant;
use countersign_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::Failure;
use super::read::Reading;
use super::rows::encode;
use crate::load::Rows as _;

/// Writes the subjects of a batch. A removed one gives up its blind indexes before others may take them.
pub(super) fn write(connection: &Connection, changes: &SubjectChanges) -> Result<(), Failure> {
    for (row, new) in changes.rows.values() {
        write_row(connection, row, *new)?;
    }
    for ((tenant, digest), subject) in &changes.indexes {
        let sql = "INSERT INTO subject_index (tenant, digest, subject) VALUES (?1, ?2, ?3)";
        let values = params![tenant.to_bytes(), digest.0, subject.as_bytes()];
        connection.prepare_cached(sql)?.execute(values)?;
    }
    for (id, (tenant, subject)) in &changes.factors {
        let sql = "INSERT INTO factor (id, tenant, subject) VALUES (?1, ?2, ?3)";
        let values = params![id.as_bytes(), tenant.to_bytes(), subject.as_bytes()];
        connection.prepare_cached(sql)?.execute(values)?;
    }
    for (challenge, new) in changes.challenges.values() {
        write_challenge(connection, challenge, *new)?;
    }
    Ok(())
}

fn write_row(connection: &Connection, row: &SubjectRow, new: bool) -> Result<(), Failure> {
    let (tenant, body) = (row.tenant.to_bytes(), encode(row)?);
    let removed_at = row.removed_at.map(Timestamp::millis);
    let sql = match new {
        true => "INSERT INTO subject (tenant, id, removed_at, body) VALUES (?1, ?2, ?3, ?4)",
        false => "UPDATE subject SET removed_at = ?3, body = ?4 WHERE tenant = ?1 AND id = ?2",
    };
    connection.prepare_cached(sql)?.execute(params![tenant, row.id.as_bytes(), removed_at, body])?;
    if removed_at.is_some() {
        let sql = "DELETE FROM subject_index WHERE tenant = ?1 AND subject = ?2";
        connection.prepare_cached(sql)?.execute(params![tenant, row.id.as_bytes()])?;
    }
    Ok(())
}

fn write_challenge(connection: &Connection, row: &Challenge, new: bool) -> Result<(), Failure> {
    let (tenant, body) = (row.tenant.to_bytes(), encode(row)?);
    if new {
        let sql = "INSERT INTO challenge (tenant, id, subject, body) VALUES (?1, ?2, ?3, ?4)";
        let values = params![tenant, row.id.as_bytes(), row.subject.as_bytes(), body];
        connection.prepare_cached(sql)?.execute(values)?;
    } else {
        let sql = "UPDATE challenge SET body = ?3 WHERE tenant = ?1 AND id = ?2";
        connection.prepare_cached(sql)?.execute(params![tenant, row.id.as_bytes(), body])?;
    }
    Ok(())
}

/// Removes challenges of a tenant made before `made`.
pub(super) fn retire_challenges(
    connection: &Connection,
    tenant: [u8; 17],
    made: Timestamp,
    most: i64,
) -> Result<usize, Failure> {
    let bound = ChallengeId::new(made, [0; 10]);
    let sql = "DELETE FROM challenge WHERE (tenant, id) IN
               (SELECT tenant, id FROM challenge WHERE tenant = ?1 AND id < ?2 ORDER BY id LIMIT ?3)";
    Ok(connection.prepare_cached(sql)?.execute(params![tenant, bound.as_bytes(), most])?)
}

/// Forgets subjects that were removed before `removed`, with whose their factors were.
pub(super) fn retire_removed(
    connection: &Connection,
    removed: Timestamp,
    most: i64,
) -> Result<usize, Failure> {
    let sql = "SELECT tenant, id FROM subject WHERE removed_at < ?1 ORDER BY removed_at LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map(params![removed.millis(), most], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let found = found.collect::<Result<Vec<([u8; 17], [u8; 16])>, _>>()?;
    for (tenant, id) in &found {
        let sql = "DELETE FROM factor WHERE tenant = ?1 AND subject = ?2";
        connection.prepare_cached(sql)?.execute(params![tenant, id])?;
        let sql = "DELETE FROM subject WHERE tenant = ?1 AND id = ?2";
        connection.prepare_cached(sql)?.execute(params![tenant, id])?;
    }
    Ok(found.len())
}

impl Reading<'_> {
    pub(super) fn subject(&mut self, tenant: &Tenant, aim: &Aim) -> Result<Option<SubjectShown>, Failure> {
        let mut named = None;
        let id = match aim {
            Aim::Name(name) => {
                let mut id = None;
                for digest in &name.index {
                    id = self.rows.subject_by_index(tenant, digest)?;
                    if id.is_some() {
                        break;
                    }
                }
                id
            }
            Aim::Id(id) => Some(*id),
            Aim::Factor(id) => self.rows.subject_of_factor(tenant, *id)?,
            Aim::Challenge(id) => {
                named = self.rows.challenge(tenant, *id)?;
                named.as_ref().map(|named| named.subject)
            }
        };
        let Some(id) = id else { return Ok(None) };
        let Some(subject) = self.rows.subject(tenant, id)? else { return Ok(None) };
        let mut challenges = Vec::from_iter(named);
        if challenges.is_empty() {
            for open in &subject.open {
                challenges.extend(self.rows.challenge(tenant, *open)?);
            }
        }
        Ok(Some(SubjectShown { subject, challenges }))
    }

    pub(super) fn subjects(
        &mut self,
        tenant: &Tenant,
        before: Option<SubjectId>,
        limit: usize,
    ) -> Result<SubjectPage, Failure> {
        let cursor = before.map_or([0xff; 16], |id| *id.as_bytes());
        let sql = "SELECT body FROM subject WHERE tenant = ?1 AND id < ?2 AND removed_at IS NULL
                   ORDER BY id DESC LIMIT ?3";
        let values = params![tenant.to_bytes(), cursor, one_more(limit)];
        let mut subjects: Vec<SubjectRow> = self.rows.bodies(sql, values)?;
        let more = subjects.len() > limit;
        subjects.truncate(limit);
        let next = subjects.last().map(|row| row.id).filter(|_| more);
        Ok(SubjectPage { subjects, next })
    }

    pub(super) fn challenges(
        &mut self,
        tenant: &Tenant,
        of: Option<SubjectId>,
        before: Option<ChallengeId>,
        limit: usize,
    ) -> Result<ChallengePage, Failure> {
        let cursor = before.map_or([0xff; 16], |id| *id.as_bytes());
        let most = one_more(limit);
        let mut found: Vec<Challenge> = match of {
            Some(of) => {
                let sql = "SELECT body FROM challenge WHERE tenant = ?1 AND subject = ?2 AND id < ?3
                           ORDER BY id DESC LIMIT ?4";
                self.rows.bodies(sql, params![tenant.to_bytes(), of.as_bytes(), cursor, most])?
            }
            None => {
                let sql =
                    "SELECT body FROM challenge WHERE tenant = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
                self.rows.bodies(sql, params![tenant.to_bytes(), cursor, most])?
            }
        };
        let more = found.len() > limit;
        found.truncate(limit);
        let next = found.last().map(|row| row.id).filter(|_| more);
        let mut challenges = Vec::with_capacity(found.len());
        for challenge in found {
            if let Some(subject) = self.rows.subject(tenant, challenge.subject)? {
                challenges.push((challenge, subject));
            }
        }
        Ok(ChallengePage { challenges, next })
    }

    pub(super) fn tenant_of_factor(&mut self, id: FactorId) -> Result<Option<Tenant>, Failure> {
        let mut statement = self.rows.0.prepare_cached("SELECT tenant FROM factor WHERE id = ?1")?;
        let found: Option<[u8; 17]> = statement.query_row([id.as_bytes()], |row| row.get(0)).optional()?;
        Ok(found.and_then(|tenant| Tenant::from_bytes(&tenant)))
    }
}

fn one_more(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1)
}
