//! Every statement of the write path: the look-ups of [`Rows`] and the writes of a batch.

use countersign_core::batch::Changes;
use countersign_core::challenge::Challenge;
use countersign_core::command::Recorded;
use countersign_core::delivery::Delivery;
use countersign_core::ids::{ChallengeId, DeliveryId, FactorId, RecipientId, SubjectId, VerificationId};
use countersign_core::journal::{Entry, leaf};
use countersign_core::keys::Digest;
use countersign_core::ledger::RecipientRow;
use countersign_core::subject::SubjectRow;
use countersign_core::tenant::Tenant;
use countersign_core::verification::Verification;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::receipts::write_receipts;
use super::{Failure, subjects};
use crate::cbor;
use crate::load::Rows;

/// Reads a CBOR body.
pub(super) fn decode<T: for<'b> minicbor::Decode<'b, ()>>(body: &[u8]) -> Result<T, Failure> {
    cbor::decode(body).map_err(Failure::Corrupt)
}

pub(super) fn encode<T: minicbor::Encode<()>>(value: &T) -> Result<Vec<u8>, Failure> {
    cbor::encode(value).map_err(Failure::Corrupt)
}

/// The rows of one connection.
pub(super) struct SqliteRows<'a>(pub(super) &'a Connection);

impl SqliteRows<'_> {
    pub(super) fn body<T: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<Option<T>, Failure> {
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        rows.next()?.map(|row| decode(row.get_ref(0)?.as_blob()?)).transpose()
    }

    pub(super) fn bodies<T: for<'b> minicbor::Decode<'b, ()>>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
    ) -> Result<Vec<T>, Failure> {
        let mut statement = self.0.prepare_cached(sql)?;
        let mut rows = statement.query(params)?;
        let mut bodies = Vec::new();
        while let Some(row) = rows.next()? {
            bodies.push(decode(row.get_ref(0)?.as_blob()?)?);
        }
        Ok(bodies)
    }

    pub(super) fn meta(&self, key: &str) -> Result<Option<Vec<u8>>, Failure> {
        let sql = "SELECT value FROM meta WHERE key = ?1";
        Ok(self.0.query_row(sql, [key], |row| row.get(0)).optional()?)
    }

    pub(super) fn set_meta(&self, key: &str, value: &[u8]) -> Result<(), Failure> {
        let sql = "INSERT INTO meta (key, value) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = ?2";
        self.0.execute(sql, params![key, value])?;
        Ok(())
    }
}

impl Rows for SqliteRows<'_> {
    type Error = Failure;

    fn replay(&mut self, key: &Digest) -> Result<Option<Recorded>, Failure> {
        self.body("SELECT body FROM once WHERE key = ?1", [&key.0])
    }

    fn recipient_by_index(
        &mut self,
        tenant: &Tenant,
        digest: &Digest,
    ) -> Result<Option<RecipientId>, Failure> {
        let sql = "SELECT recipient FROM recipient_index WHERE tenant = ?1 AND digest = ?2";
        let mut statement = self.0.prepare_cached(sql)?;
        let found = statement.query_row(params![tenant.to_bytes(), digest.0], |row| row.get(0)).optional()?;
        Ok(found.map(RecipientId::from_bytes))
    }

    fn recipient(&mut self, id: RecipientId) -> Result<Option<RecipientRow>, Failure> {
        self.body("SELECT body FROM recipient WHERE id = ?1", [id.as_bytes()])
    }

    fn verification(&mut self, tenant: &Tenant, id: VerificationId) -> Result<Option<Verification>, Failure> {
        let sql = "SELECT body FROM verification WHERE tenant = ?1 AND id = ?2";
        self.body(sql, params![tenant.to_bytes(), id.as_bytes()])
    }

    fn carried_by(&mut self, tenant: &Tenant, id: DeliveryId) -> Result<Option<VerificationId>, Failure> {
        let sql = "SELECT verification FROM delivery WHERE tenant = ?1 AND id = ?2";
        let mut statement = self.0.prepare_cached(sql)?;
        let key = params![tenant.to_bytes(), id.as_bytes()];
        let found = statement.query_row(key, |row| row.get(0)).optional()?;
        Ok(found.map(VerificationId::from_bytes))
    }

    fn deliveries_of(&mut self, id: VerificationId) -> Result<Vec<Delivery>, Failure> {
        self.bodies("SELECT body FROM delivery WHERE verification = ?1 ORDER BY id", [id.as_bytes()])
    }

    fn subject_by_index(&mut self, tenant: &Tenant, digest: &Digest) -> Result<Option<SubjectId>, Failure> {
        let sql = "SELECT subject FROM subject_index WHERE tenant = ?1 AND digest = ?2";
        let mut statement = self.0.prepare_cached(sql)?;
        let found = statement.query_row(params![tenant.to_bytes(), digest.0], |row| row.get(0)).optional()?;
        Ok(found.map(SubjectId::from_bytes))
    }

    fn subject_of_factor(&mut self, tenant: &Tenant, id: FactorId) -> Result<Option<SubjectId>, Failure> {
        let sql = "SELECT subject FROM factor WHERE id = ?1 AND tenant = ?2";
        let mut statement = self.0.prepare_cached(sql)?;
        let key = params![id.as_bytes(), tenant.to_bytes()];
        Ok(statement.query_row(key, |row| row.get(0)).optional()?.map(SubjectId::from_bytes))
    }

    fn subject(&mut self, tenant: &Tenant, id: SubjectId) -> Result<Option<SubjectRow>, Failure> {
        let sql = "SELECT body FROM subject WHERE tenant = ?1 AND id = ?2";
        self.body(sql, params![tenant.to_bytes(), id.as_bytes()])
    }

    fn challenge(&mut self, tenant: &Tenant, id: ChallengeId) -> Result<Option<Challenge>, Failure> {
        let sql = "SELECT body FROM challenge WHERE tenant = ?1 AND id = ?2";
        self.body(sql, params![tenant.to_bytes(), id.as_bytes()])
    }
}

/// Writes all of a batch, inside its transaction.
pub(super) fn write(connection: &Connection, changes: &Changes) -> Result<(), Failure> {
    for (id, row) in &changes.recipients {
        write_recipient(connection, row, changes.new_recipients.contains(id))?;
    }
    for (verification, new) in changes.verifications.values() {
        write_verification(connection, verification, *new)?;
    }
    for (delivery, new) in changes.deliveries.values() {
        write_delivery(connection, delivery, *new)?;
    }
    subjects::write(connection, &changes.subjects)?;
    for entry in &changes.journal {
        write_entry(connection, entry)?;
    }
    write_receipts(connection, changes)?;
    for (key, recorded) in &changes.once {
        let sql = "INSERT OR REPLACE INTO once (key, at, body) VALUES (?1, ?2, ?3)";
        let mut statement = connection.prepare_cached(sql)?;
        statement.execute(params![key.0, recorded.at.millis(), encode(recorded)?])?;
    }
    Ok(())
}

fn write_recipient(connection: &Connection, row: &RecipientRow, new: bool) -> Result<(), Failure> {
    let body = encode(row)?;
    if !new {
        let mut statement = connection.prepare_cached("UPDATE recipient SET body = ?2 WHERE id = ?1")?;
        statement.execute(params![row.id.as_bytes(), body])?;
        return Ok(());
    }
    let mut statement = connection.prepare_cached("INSERT INTO recipient (id, body) VALUES (?1, ?2)")?;
    statement.execute(params![row.id.as_bytes(), body])?;
    let sql = "INSERT INTO recipient_index (tenant, digest, recipient) VALUES (?1, ?2, ?3)";
    let mut statement = connection.prepare_cached(sql)?;
    statement.execute(params![row.tenant.to_bytes(), row.index.0, row.id.as_bytes()])?;
    Ok(())
}

fn write_verification(connection: &Connection, row: &Verification, new: bool) -> Result<(), Failure> {
    let (tenant, body) = (row.tenant.to_bytes(), encode(row)?);
    if !new {
        let sql = "UPDATE verification SET body = ?3 WHERE tenant = ?1 AND id = ?2";
        connection.prepare_cached(sql)?.execute(params![tenant, row.id.as_bytes(), body])?;
        return Ok(());
    }
    let sql = "INSERT INTO verification (tenant, id, recipient, subject, body) VALUES (?1, ?2, ?3, ?4, ?5)";
    let subject = row.binding.subject.map(|digest| digest.0);
    connection.prepare_cached(sql)?.execute(params![
        tenant,
        row.id.as_bytes(),
        row.recipient.as_bytes(),
        subject,
        body
    ])?;
    Ok(())
}

pub(super) fn write_delivery(connection: &Connection, row: &Delivery, new: bool) -> Result<(), Failure> {
    let (tenant, body) = (row.tenant.to_bytes(), encode(row)?);
    let due = row.due.map(|due| due.millis());
    if !new {
        let sql = "UPDATE delivery SET due = ?3, body = ?4 WHERE tenant = ?1 AND id = ?2";
        connection.prepare_cached(sql)?.execute(params![tenant, row.id.as_bytes(), due, body])?;
        return Ok(());
    }
    let sql = "INSERT INTO delivery (tenant, id, verification, due, body) VALUES (?1, ?2, ?3, ?4, ?5)";
    connection.prepare_cached(sql)?.execute(params![
        tenant,
        row.id.as_bytes(),
        row.verification.as_bytes(),
        due,
        body
    ])?;
    Ok(())
}

pub(super) fn write_entry(connection: &Connection, entry: &Entry) -> Result<(), Failure> {
    let sql = "INSERT INTO journal (at, verification, leaf, body) VALUES (?1, ?2, ?3, ?4)";
    let body = entry.to_bytes();
    let verification = entry.verification.as_ref().map(VerificationId::as_bytes);
    connection.prepare_cached(sql)?.execute(params![entry.at.millis(), verification, leaf(&body).0, body])?;
    Ok(())
}
