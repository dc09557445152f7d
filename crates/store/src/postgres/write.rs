//! Writes a batch: one statement per table, the lane's row last, then the commit, all in one round trip.

use countersign_core::batch::Changes;
use countersign_core::delivery::Delivery;
use countersign_core::ids::{RecipientId, VerificationId};
use countersign_core::journal::Entry;
use countersign_core::verification::Verification;

use super::receipts::Receipts;
use super::rows::encode;
use super::session::Session;
use super::sql::Sql;
use super::turn::Stand;
use super::{Failure, subjects};

/// How a commit ended.
pub(super) enum Ended {
    /// It is durable.
    Committed,
    /// The server refused a statement; nothing of it happened.
    RolledBack(Failure),
    /// The connection broke: the lane's row tells.
    Unknown(Failure),
}

/// The columns of what a batch writes.
pub(super) struct Writes {
    new_recipients: Pairs,
    recipients: Pairs,
    released: Pairs,
    new_verifications: Table<5>,
    verifications: Table<3>,
    new_deliveries: Deliveries,
    deliveries: Deliveries,
    journal: Table<2>,
    forgotten: Vec<Vec<u8>>,
    once: Pairs,
    once_at: Vec<i64>,
    subjects: subjects::Writes,
    receipts: Receipts,
}

type Column = Vec<Option<Vec<u8>>>;
pub(super) type Table<const N: usize> = [Column; N];
type Pairs = Table<2>;

/// Tenant, id, verification, recipient, body; and the time they are due.
#[derive(Default)]
struct Deliveries {
    columns: Table<5>,
    due: Vec<Option<i64>>,
}

impl Writes {
    /// The columns of `changes`. Blind indexes in `released` were reserved for nothing; keys in `forgotten` have an
    /// idempotency record that outlived its day.
    pub(super) fn of(
        changes: &Changes,
        released: Vec<([u8; 17], [u8; 32])>,
        forgotten: Vec<Vec<u8>>,
    ) -> Result<Self, Failure> {
        let mut writes = Self {
            new_recipients: Pairs::default(),
            recipients: Pairs::default(),
            released: Pairs::default(),
            new_verifications: Table::default(),
            verifications: Table::default(),
            new_deliveries: Deliveries::default(),
            deliveries: Deliveries::default(),
            journal: Table::default(),
            forgotten,
            once: Pairs::default(),
            once_at: Vec::new(),
            subjects: subjects::Writes::of(&changes.subjects)?,
            receipts: Receipts::of(changes)?,
        };
        for (id, row) in &changes.recipients {
            let new = changes.new_recipients.contains(id);
            let into = if new { &mut writes.new_recipients } else { &mut writes.recipients };
            push(into, [id.as_bytes(), &encode(row)?]);
        }
        for (tenant, digest) in released {
            push(&mut writes.released, [&tenant, &digest]);
        }
        for (verification, new) in changes.verifications.values() {
            writes.verification(verification, *new)?;
        }
        for (delivery, new) in changes.deliveries.values() {
            let into = if *new { &mut writes.new_deliveries } else { &mut writes.deliveries };
            into.push(delivery)?;
        }
        for entry in &changes.journal {
            writes.entry(entry);
        }
        for (key, recorded) in &changes.once {
            push(&mut writes.once, [&key.0, &encode(recorded)?]);
            writes.once_at.push(recorded.at.millis());
        }
        Ok(writes)
    }

    /// The columns of a single journal entry.
    pub(super) fn of_entry(entry: &Entry) -> Result<Self, Failure> {
        let changes = Changes { journal: vec![entry.clone()], ..Changes::default() };
        Self::of(&changes, Vec::new(), Vec::new())
    }

    fn verification(&mut self, row: &Verification, new: bool) -> Result<(), Failure> {
        let (tenant, id, body) = (row.tenant.to_bytes(), row.id.as_bytes(), encode(row)?);
        if !new {
            push(&mut self.verifications, [&tenant, id, &body]);
            return Ok(());
        }
        push_nullable(
            &mut self.new_verifications,
            [
                Some(&tenant),
                Some(id),
                Some(row.recipient.as_bytes()),
                row.binding.subject.as_ref().map(|digest| digest.0.as_slice()),
                Some(&body),
            ],
        );
        Ok(())
    }

    fn entry(&mut self, entry: &Entry) {
        let verification = entry.verification.as_ref().map(|id| VerificationId::as_bytes(id).as_slice());
        push_nullable(&mut self.journal, [verification, Some(&entry.to_bytes())]);
    }

    fn entries(&self) -> i64 {
        self.journal[0].len() as i64
    }

    /// Sends everything and the commit behind it, and waits for all answers.
    pub(super) async fn commit(self, session: &Session, stand: &Stand) -> Ended {
        let entries = stand.entries + self.entries();
        let lane: [i64; 5] = [stand.lane, stand.batch, entries, stand.last.millis(), stand.stamp];
        let results = futures_util::join!(
            insert(session, Sql::InsertRecipients, &self.new_recipients),
            insert(session, Sql::UpdateRecipients, &self.recipients),
            insert(session, Sql::ReleaseReserved, &self.released),
            insert(session, Sql::InsertVerifications, &self.new_verifications),
            insert(session, Sql::UpdateVerifications, &self.verifications),
            self.new_deliveries.insert(session),
            self.deliveries.update(session),
            self.write_beside(session),
            self.write_journal(session, stand),
            self.write_once(session),
            // One row, certainly: this transaction holds its lock.
            async { session.execute(Sql::AdvanceLane, &lane.each_ref().map(|of| of as _)).await.map(drop) },
            session.run("COMMIT"),
        );
        let results: [Result<(), Failure>; 12] = results.into();
        let mut failures: Vec<Failure> = results.into_iter().filter_map(Result::err).collect();
        // A refusal of the server means that the transaction had failed, so its COMMIT was a ROLLBACK.
        match failures.iter().position(Failure::is_refusal) {
            Some(refused) => Ended::RolledBack(failures.swap_remove(refused)),
            None => failures.pop().map_or(Ended::Committed, Ended::Unknown),
        }
    }

    async fn write_journal(&self, session: &Session, stand: &Stand) -> Result<(), Failure> {
        if self.entries() == 0 {
            return Ok(());
        }
        let places: Vec<i64> = (stand.entries + 1..=stand.entries + self.entries()).collect();
        let [verifications, bodies] = &self.journal;
        let params: [super::session::Param<'_>; 5] =
            [&stand.lane, &stand.stamp, &places, verifications, bodies];
        session.execute(Sql::InsertJournal, &params).await.map(drop)
    }

    /// What most batches have nothing of: rows of subjects, and messages by their providers' names.
    async fn write_beside(&self, session: &Session) -> Result<(), Failure> {
        let (subjects, receipts) =
            futures_util::join!(self.subjects.send(session), self.receipts.write(session));
        subjects.and(receipts)
    }

    async fn write_once(&self, session: &Session) -> Result<(), Failure> {
        if self.once_at.is_empty() {
            return Ok(());
        }
        let [keys, bodies] = &self.once;
        let (forgotten, written) = futures_util::join!(
            async {
                if self.forgotten.is_empty() {
                    return Ok(0);
                }
                session.execute(Sql::ForgetOnce, &[&self.forgotten]).await
            },
            async { session.execute(Sql::InsertOnce, &[keys, &self.once_at, bodies]).await },
        );
        forgotten.and(written).map(drop)
    }
}

impl Deliveries {
    fn push(&mut self, row: &Delivery) -> Result<(), Failure> {
        let body = encode(row)?;
        let recipient: &RecipientId = &row.recipient;
        push(
            &mut self.columns,
            [
                &row.tenant.to_bytes(),
                row.id.as_bytes(),
                row.verification.as_bytes(),
                recipient.as_bytes(),
                &body,
            ],
        );
        self.due.push(row.due.map(|due| due.millis()));
        Ok(())
    }

    async fn insert(&self, session: &Session) -> Result<(), Failure> {
        if self.due.is_empty() {
            return Ok(());
        }
        let [tenants, ids, verifications, recipients, bodies] = &self.columns;
        let params: [super::session::Param<'_>; 6] =
            [tenants, ids, verifications, recipients, &self.due, bodies];
        session.execute(Sql::InsertDeliveries, &params).await.map(drop)
    }

    async fn update(&self, session: &Session) -> Result<(), Failure> {
        if self.due.is_empty() {
            return Ok(());
        }
        let [tenants, ids, _, _, bodies] = &self.columns;
        session.execute(Sql::UpdateDeliveries, &[tenants, ids, &self.due, bodies]).await.map(drop)
    }
}

/// Deliveries alone, for those that were claimed.
pub(super) async fn write_deliveries(session: &Session, rows: &[Delivery]) -> Result<(), Failure> {
    let mut deliveries = Deliveries::default();
    for row in rows {
        deliveries.push(row)?;
    }
    deliveries.update(session).await
}

/// Runs a statement whose parameters are the columns of `table`, unless there are no rows.
pub(super) async fn insert<const N: usize>(
    session: &Session,
    sql: Sql,
    table: &Table<N>,
) -> Result<(), Failure> {
    if table[0].is_empty() {
        return Ok(());
    }
    let params = table.each_ref().map(|column| column as super::session::Param<'_>);
    session.execute(sql, &params).await.map(drop)
}

pub(super) fn push<const N: usize>(table: &mut Table<N>, row: [&[u8]; N]) {
    push_nullable(table, row.map(Some));
}

fn push_nullable<const N: usize>(table: &mut Table<N>, row: [Option<&[u8]>; N]) {
    for (column, value) in table.iter_mut().zip(row) {
        column.push(value.map(<[u8]>::to_vec));
    }
}
