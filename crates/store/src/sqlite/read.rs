//! Reads beside the writer, each short, on connections of their own.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex};

use countersign_core::challenge::Challenge;
use countersign_core::command::{RecipientIndex, Started};
use countersign_core::ids::VerificationId;
use countersign_core::limits;
use countersign_core::store::{
    Filter, History, KeyRecord, Numbered, OutboxItem, Overdue, Page, Pending, Shown, Unavailable,
};
use countersign_core::tenancy::{ApiKey, Project};
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::{Clock, Timestamp};
use countersign_core::verification::Verification;
use rusqlite::{Connection, params};

use super::rows::{SqliteRows, decode};
use super::{Failure, connect};
use crate::load::Rows as _;

/// Rows a list may look at before it answers with what it has.
const BUDGET: usize = 20_000;

/// A few connections that read.
pub(super) struct Readers {
    idle: Mutex<Vec<Connection>>,
    returned: Condvar,
    clock: Arc<dyn Clock>,
}

impl Readers {
    pub(super) fn open(path: &Path, count: usize, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let idle = (0..count).map(|_| connect(path, 8)).collect::<Result<_, _>>()?;
        Ok(Self { idle: Mutex::new(idle), returned: Condvar::new(), clock })
    }

    /// Runs `read` on a thread that may wait, with one of the connections.
    pub(super) fn run<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&mut Reading<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> Pending<'static, T> {
        let readers = Arc::clone(self);
        Box::pin(async move {
            let read = tokio::task::spawn_blocking(move || readers.read(read)).await;
            read.unwrap_or(Err(Unavailable::Internal))
        })
    }

    fn read<T>(&self, read: impl FnOnce(&mut Reading<'_>) -> Result<T, Failure>) -> Result<T, Unavailable> {
        let connection = {
            let mut idle = self.idle.lock().map_err(|_| Unavailable::Internal)?;
            loop {
                match idle.pop() {
                    Some(connection) => break connection,
                    None => idle = self.returned.wait(idle).map_err(|_| Unavailable::Internal)?,
                }
            }
        };
        let mut reading = Reading { rows: SqliteRows(&connection), now: self.clock.now() };
        // A panic would lose the connection, and with the last one every later read would wait for ever.
        let value = catch_unwind(AssertUnwindSafe(|| read(&mut reading)));
        if let Ok(mut idle) = self.idle.lock() {
            idle.push(connection);
        }
        self.returned.notify_one();
        value.map_err(|_| Unavailable::Internal)?.map_err(|failure| {
            tracing::error!(%failure, "a read failed");
            Unavailable::from(failure)
        })
    }
}

/// One read, at one instant.
pub(super) struct Reading<'a> {
    pub(super) rows: SqliteRows<'a>,
    now: Timestamp,
}

impl Reading<'_> {
    pub(super) fn shown(&mut self, tenant: &Tenant, id: VerificationId) -> Result<Option<Shown>, Failure> {
        match self.rows.verification(tenant, id)? {
            Some(verification) => self.with_rows(verification),
            None => Ok(None),
        }
    }

    /// The present as the tenant sees it.
    fn now_of(&mut self, tenant: &Tenant) -> Result<Timestamp, Failure> {
        if tenant.mode == Mode::Live {
            return Ok(self.now);
        }
        let sql = "SELECT body FROM project WHERE id = ?1";
        let projects: Vec<Project> = self.rows.bodies(sql, [tenant.project.as_bytes()])?;
        let ahead = projects.first().map_or(0, |project| project.test_clock_ahead);
        Ok(self.now.plus(std::time::Duration::from_secs(ahead)))
    }

    fn with_rows(&mut self, verification: Verification) -> Result<Option<Shown>, Failure> {
        let Some(recipient) = self.rows.recipient(verification.recipient)? else { return Ok(None) };
        let deliveries = self.rows.deliveries_of(verification.id)?;
        Ok(Some(Shown { verification, recipient, deliveries }))
    }

    pub(super) fn page(
        &mut self,
        tenant: &Tenant,
        filter: &Filter,
        before: Option<VerificationId>,
        limit: usize,
    ) -> Result<Page, Failure> {
        let mut page = Page::default();
        let mut cursor = before.map_or([0xff; 16], |id| *id.as_bytes());
        let now = self.now_of(tenant)?;
        let mut seen = 0;
        while seen < BUDGET {
            let rows = self.candidates(tenant, filter, &cursor, 200)?;
            let Some(last) = rows.last() else { return Ok(page) };
            cursor = *last.id.as_bytes();
            for verification in rows {
                seen += 1;
                let id = verification.id;
                // Ids tell the engine's time; a test tenant's clock may be ahead of it, so there they bound nothing.
                let too_old = |after| id.created_at() < after;
                if tenant.mode == Mode::Live && filter.created_after.is_some_and(too_old) {
                    return Ok(page);
                }
                if filter.passes(&verification, now)
                    && let Some(shown) = self.with_rows(verification)?
                {
                    if page.verifications.len() == limit {
                        page.next = page.verifications.last().map(|shown| shown.verification.id);
                        return Ok(page);
                    }
                    page.verifications.push(shown);
                }
            }
        }
        page.next = Some(VerificationId::from_bytes(cursor));
        Ok(page)
    }

    /// The next rows below `cursor`, by the narrowest index the filter allows.
    fn candidates(
        &mut self,
        tenant: &Tenant,
        filter: &Filter,
        cursor: &[u8; 16],
        most: i64,
    ) -> Result<Vec<Verification>, Failure> {
        let tenant_bytes = tenant.to_bytes();
        if let Some(to) = &filter.to {
            let mut found = Vec::new();
            for digest in &to.folded {
                let Some(id) = self.rows.recipient_by_index(tenant, digest)? else { continue };
                let sql = "SELECT body FROM verification WHERE recipient = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
                found.extend(self.rows.bodies(sql, params![id.as_bytes(), cursor, most])?);
            }
            return Ok(found);
        }
        if let Some([digest]) = filter.subject.as_deref() {
            let sql = "SELECT body FROM verification WHERE tenant = ?1 AND subject = ?2 AND id < ?3
                       ORDER BY id DESC LIMIT ?4";
            return self.rows.bodies(sql, params![tenant_bytes, digest.0, cursor, most]);
        }
        let sql = "SELECT body FROM verification WHERE tenant = ?1 AND id < ?2 ORDER BY id DESC LIMIT ?3";
        self.rows.bodies(sql, params![tenant_bytes, cursor, most])
    }

    pub(super) fn history(
        &mut self,
        tenant: &Tenant,
        id: VerificationId,
    ) -> Result<Option<History>, Failure> {
        let Some(shown) = self.shown(tenant, id)? else { return Ok(None) };
        let sql = "SELECT body FROM journal WHERE verification = ?1 ORDER BY seq LIMIT 1000";
        let entries = self.rows.bodies(sql, [id.as_bytes()])?;
        Ok(Some(History { shown, entries }))
    }

    pub(super) fn outbox(
        &mut self,
        tenant: &Tenant,
        after: Option<Timestamp>,
        to: Option<&RecipientIndex>,
        limit: usize,
    ) -> Result<Vec<OutboxItem>, Failure> {
        let sql = "SELECT body FROM delivery WHERE tenant = ?1 ORDER BY id DESC LIMIT ?2";
        let recent = i64::try_from(BUDGET.min(2_000)).unwrap_or(i64::MAX);
        let deliveries: Vec<countersign_core::delivery::Delivery> =
            self.rows.bodies(sql, params![tenant.to_bytes(), recent])?;
        let mut items = Vec::new();
        for delivery in deliveries {
            if items.len() == limit || after.is_some_and(|after| delivery.id.created_at() <= after) {
                break;
            }
            let Some(shown) = self.rows.verification(tenant, delivery.verification)? else { continue };
            if to.is_some_and(|to| !to.exact.contains(&shown.address)) {
                continue;
            }
            if let Some(recipient) = self.rows.recipient(delivery.recipient)? {
                items.push(OutboxItem { delivery, shown, recipient });
            }
        }
        Ok(items)
    }

    pub(super) fn key(&mut self, prefix: &str) -> Result<Option<KeyRecord>, Failure> {
        let keys: Vec<ApiKey> = self.rows.bodies("SELECT body FROM api_key WHERE prefix = ?1", [prefix])?;
        let Some(key) = keys.into_iter().next() else { return Ok(None) };
        let sql = "SELECT body FROM project WHERE id = ?1";
        let projects: Vec<Project> = self.rows.bodies(sql, [key.tenant.project.as_bytes()])?;
        Ok(projects.into_iter().next().map(|project| KeyRecord { key, project }))
    }

    pub(super) fn journal(&mut self, after: u64, most: usize) -> Result<Vec<Numbered>, Failure> {
        let sql = "SELECT seq, body FROM journal WHERE seq > ?1 ORDER BY seq LIMIT ?2";
        let mut statement = self.rows.0.prepare_cached(sql)?;
        let mut rows = statement.query(params![after as i64, most as i64])?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            let number = row.get::<_, i64>(0)? as u64;
            entries.push(Numbered { number, entry: decode(row.get_ref(1)?.as_blob()?)? });
        }
        Ok(entries)
    }

    /// Pending verifications that were made long enough ago that an ordinary code has run out. Codes that live longer
    /// (by email, up to 24 h) are expired when they are next touched.
    pub(super) fn overdue(&mut self, after: VerificationId, most: usize) -> Result<Overdue, Failure> {
        let until = VerificationId::new(self.now.minus(limits::MAX_LIFETIME), [0; 10]);
        let projects: Vec<Project> = self.rows.bodies("SELECT body FROM project ORDER BY id", [])?;
        let mut overdue = Overdue::default();
        let mut furthest = None;
        for project in projects {
            for mode in [Mode::Test, Mode::Live] {
                let tenant = Tenant { project: project.id, mode };
                let sql = "SELECT body FROM verification WHERE tenant = ?1 AND id > ?2 AND id < ?3 ORDER BY id LIMIT ?4";
                let limit = i64::try_from(most).unwrap_or(i64::MAX);
                let range = params![tenant.to_bytes(), after.as_bytes(), until.as_bytes(), limit];
                let rows: Vec<Verification> = self.rows.bodies(sql, range)?;
                if rows.len() == most {
                    let last = rows.last().map(|verification| verification.id);
                    furthest = furthest.min(last).or(last);
                }
                let due = |row: &&Verification| row.status != row.status_at(self.now);
                overdue
                    .ids
                    .extend(rows.iter().filter(due).map(|row| (tenant, Started::Verification(row.id))));
                let sql = "SELECT body FROM challenge WHERE tenant = ?1 AND id > ?2 AND id < ?3 ORDER BY id LIMIT ?4";
                let range = params![tenant.to_bytes(), after.as_bytes(), until.as_bytes(), limit];
                let rows: Vec<Challenge> = self.rows.bodies(sql, range)?;
                if rows.len() == most {
                    let last = rows.last().map(|row| VerificationId::from_bytes(*row.id.as_bytes()));
                    furthest = furthest.min(last).or(last);
                }
                let due = rows.iter().filter(|row| row.is_overdue(self.now));
                overdue.ids.extend(due.map(|row| (tenant, Started::Challenge(row.id))));
            }
        }
        overdue.next = Some(furthest.unwrap_or(until));
        Ok(overdue)
    }
}
