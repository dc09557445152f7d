//! Writes the subjects of a batch: one statement per table, none where there is nothing.

use countersign_core::batch::SubjectChanges;
use countersign_core::time::Timestamp;

use super::super::Failure;
use super::super::rows::encode;
use super::super::session::{Param, Session};
use super::super::sql::Sql;
use super::super::write::{Table, insert, push};

/// The columns of what a batch writes.
#[derive(Default)]
pub(in super::super) struct Writes {
    new_rows: Rows,
    rows: Rows,
    /// Removed ones: they give up their blind indexes before others may take them.
    removed: Table<2>,
    indexes: Table<3>,
    factors: Table<3>,
    new_challenges: Table<4>,
    challenges: Table<3>,
}

/// Tenant, id, body; and when they were removed.
#[derive(Default)]
struct Rows {
    columns: Table<3>,
    removed_at: Vec<Option<i64>>,
}

impl Writes {
    pub(in super::super) fn of(changes: &SubjectChanges) -> Result<Self, Failure> {
        let mut writes = Self::default();
        for (row, new) in changes.rows.values() {
            let (tenant, id) = (row.tenant.to_bytes(), row.id.as_bytes());
            let into = if *new { &mut writes.new_rows } else { &mut writes.rows };
            push(&mut into.columns, [&tenant, id, &encode(row)?]);
            into.removed_at.push(row.removed_at.map(Timestamp::millis));
            if row.removed_at.is_some() {
                push(&mut writes.removed, [&tenant, id]);
            }
        }
        for ((tenant, digest), subject) in &changes.indexes {
            push(&mut writes.indexes, [&tenant.to_bytes(), &digest.0, subject.as_bytes()]);
        }
        for (id, (tenant, subject)) in &changes.factors {
            push(&mut writes.factors, [id.as_bytes(), &tenant.to_bytes(), subject.as_bytes()]);
        }
        for (row, new) in changes.challenges.values() {
            let (tenant, id, body) = (row.tenant.to_bytes(), row.id.as_bytes(), encode(row)?);
            if *new {
                push(&mut writes.new_challenges, [&tenant, id, row.subject.as_bytes(), &body]);
            } else {
                push(&mut writes.challenges, [&tenant, id, &body]);
            }
        }
        Ok(writes)
    }

    /// Sends everything that is there.
    pub(in super::super) async fn send(&self, session: &Session) -> Result<(), Failure> {
        let results = futures_util::join!(
            insert(session, Sql::DropSubjectIndexes, &self.removed),
            self.new_rows.send(session, Sql::InsertSubjects),
            self.rows.send(session, Sql::UpdateSubjects),
            insert(session, Sql::InsertSubjectIndexes, &self.indexes),
            insert(session, Sql::InsertFactors, &self.factors),
            insert(session, Sql::InsertChallenges, &self.new_challenges),
            insert(session, Sql::UpdateChallenges, &self.challenges),
        );
        let results: [Result<(), Failure>; 7] = results.into();
        results.into_iter().collect()
    }
}

impl Rows {
    async fn send(&self, session: &Session, sql: Sql) -> Result<(), Failure> {
        if self.removed_at.is_empty() {
            return Ok(());
        }
        let [tenants, ids, bodies] = &self.columns;
        let params: [Param<'_>; 4] = [tenants, ids, &self.removed_at, bodies];
        session.execute(sql, &params).await.map(drop)
    }
}
