//! Reads beside the lanes, each short, at one instant.

use countersign_core::command::RecipientIndex;
use countersign_core::delivery::Delivery;
use countersign_core::ids::{RecipientId, VerificationId};
use countersign_core::keys::Digest;
use countersign_core::ledger::RecipientRow;
use countersign_core::store::{Filter, History, KeyRecord, Numbered, OutboxItem, Page, Shown};
use countersign_core::tenancy::Project;
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::Timestamp;
use countersign_core::verification::Verification;
use std::collections::BTreeMap;

use super::Failure;
use super::rows::{bodies, body, bytes, column};
use super::session::{Param, Session};
use super::sql::Sql;

/// Rows a list may look at before it answers with what it has.
const BUDGET: usize = 20_000;
/// The latest deliveries the outbox looks at.
const OUTBOX_BUDGET: i64 = 2_000;

/// One read, at one instant.
pub(super) struct Reading<'a> {
    pub(super) session: &'a Session,
    pub(super) now: Timestamp,
}

impl Reading<'_> {
    pub(super) async fn shown(&self, tenant: Tenant, id: VerificationId) -> Result<Option<Shown>, Failure> {
        Ok(self.all_shown(tenant, &[id]).await?.into_iter().next())
    }

    /// Verifications of one tenant with what their answers need, in the order of `ids`.
    async fn all_shown(&self, tenant: Tenant, ids: &[VerificationId]) -> Result<Vec<Shown>, Failure> {
        let tenant = tenant.to_bytes();
        let tenants = vec![tenant.as_slice(); ids.len()];
        let keys: Vec<&[u8]> = ids.iter().map(|id| id.as_bytes().as_slice()).collect();
        let none: Vec<&[u8]> = Vec::new();
        let (rows, deliveries) = futures_util::join!(
            async { self.session.query(Sql::Verifications, &[&tenants, &keys, &none, &none]).await },
            async { self.session.query(Sql::Deliveries, &[&keys, &none, &none]).await },
        );
        let mut of: BTreeMap<VerificationId, Vec<Delivery>> = BTreeMap::new();
        for delivery in bodies::<Delivery>(&deliveries?)? {
            of.entry(delivery.verification).or_default().push(delivery);
        }
        let mut shown = BTreeMap::new();
        for row in &rows? {
            let verification: Verification = body(row, 0)?;
            let recipient: RecipientRow = body(row, 1)?;
            let mut deliveries = of.remove(&verification.id).unwrap_or_default();
            deliveries.sort_by_key(|delivery| delivery.id);
            shown.insert(verification.id, Shown { verification, recipient, deliveries });
        }
        Ok(ids.iter().filter_map(|id| shown.remove(id)).collect())
    }

    /// The present as the tenant sees it.
    async fn now_of(&self, tenant: Tenant) -> Result<Timestamp, Failure> {
        if tenant.mode == Mode::Live {
            return Ok(self.now);
        }
        let id = tenant.project.as_bytes().as_slice();
        let project = self.session.query_opt(Sql::Project, &[&id]).await?;
        let project: Option<Project> = project.map(|row| body(&row, 0)).transpose()?;
        let ahead = project.map_or(0, |project| project.test_clock_ahead);
        Ok(self.now.plus(std::time::Duration::from_secs(ahead)))
    }

    pub(super) async fn page(
        &self,
        tenant: Tenant,
        filter: &Filter,
        before: Option<VerificationId>,
        limit: usize,
    ) -> Result<Page, Failure> {
        let mut found = Vec::new();
        let mut cursor = before.map_or([0xff; 16], |id| *id.as_bytes());
        let now = self.now_of(tenant).await?;
        let mut seen = 0;
        let mut next = None;
        'rows: loop {
            if seen >= BUDGET {
                next = Some(VerificationId::from_bytes(cursor));
                break;
            }
            let rows = self.candidates(tenant, filter, &cursor, 200).await?;
            let Some(last) = rows.last() else { break };
            cursor = *last.id.as_bytes();
            for verification in rows {
                seen += 1;
                let id = verification.id;
                // Ids tell the engine's time; a test tenant's clock may be ahead of it, so there they bound nothing.
                let too_old = |after| id.created_at() < after;
                if tenant.mode == Mode::Live && filter.created_after.is_some_and(too_old) {
                    break 'rows;
                }
                if filter.passes(&verification, now) {
                    if found.len() == limit {
                        next = found.last().copied();
                        break 'rows;
                    }
                    found.push(id);
                }
            }
        }
        Ok(Page { verifications: self.all_shown(tenant, &found).await?, next })
    }

    /// The next rows below `cursor`, by the narrowest index the filter allows.
    async fn candidates(
        &self,
        tenant: Tenant,
        filter: &Filter,
        cursor: &[u8; 16],
        most: i64,
    ) -> Result<Vec<Verification>, Failure> {
        let (of, cursor) = (tenant.to_bytes().to_vec(), cursor.as_slice());
        if let Some(to) = &filter.to {
            let mut found: Vec<Verification> = Vec::new();
            for id in self.recipients(tenant, &to.folded).await? {
                let params: [Param<'_>; 3] = [&id.as_bytes().as_slice(), &cursor, &most];
                found.extend(bodies::<Verification>(
                    &self.session.query(Sql::VerificationsOfRecipient, &params).await?,
                )?);
            }
            return Ok(found);
        }
        if let Some([digest]) = filter.subject.as_deref() {
            let params: [Param<'_>; 4] = [&of, &digest.0.as_slice(), &cursor, &most];
            return bodies(&self.session.query(Sql::VerificationsOfSubject, &params).await?);
        }
        bodies(&self.session.query(Sql::VerificationsBefore, &[&of, &cursor, &most]).await?)
    }

    /// The ledgers that blind indexes lead to, each once.
    async fn recipients(&self, tenant: Tenant, digests: &[Digest]) -> Result<Vec<RecipientId>, Failure> {
        let tenant = tenant.to_bytes();
        let tenants = vec![tenant.as_slice(); digests.len()];
        let digests: Vec<&[u8]> = digests.iter().map(|digest| digest.0.as_slice()).collect();
        let rows = self.session.query(Sql::Recipients, &[&tenants, &digests]).await?;
        let mut ids = rows
            .iter()
            .map(|row| bytes(row, 2).map(RecipientId::from_bytes))
            .collect::<Result<Vec<_>, _>>()?;
        ids.sort();
        ids.dedup();
        Ok(ids)
    }

    pub(super) async fn history(
        &self,
        tenant: Tenant,
        id: VerificationId,
    ) -> Result<Option<History>, Failure> {
        let Some(shown) = self.shown(tenant, id).await? else { return Ok(None) };
        let id = id.as_bytes().as_slice();
        let entries = bodies(&self.session.query(Sql::History, &[&id]).await?)?;
        Ok(Some(History { shown, entries }))
    }

    pub(super) async fn outbox(
        &self,
        tenant: Tenant,
        after: Option<Timestamp>,
        to: Option<&RecipientIndex>,
        limit: usize,
    ) -> Result<Vec<OutboxItem>, Failure> {
        let of = tenant.to_bytes().to_vec();
        let rows = self.session.query(Sql::DeliveriesLatest, &[&of, &OUTBOX_BUDGET]).await?;
        let newer = |delivery: &Delivery| after.is_none_or(|after| delivery.id.created_at() > after);
        let latest: Vec<Delivery> = bodies(&rows)?;
        let latest: Vec<_> = latest.into_iter().take_while(newer).collect();
        let mut items = Vec::new();
        for chunk in latest.chunks(limit.max(1)) {
            let ids: Vec<_> = chunk.iter().map(|delivery| delivery.verification).collect();
            let shown = self.all_shown(tenant, &ids).await?;
            let shown: BTreeMap<_, _> =
                shown.into_iter().map(|shown| (shown.verification.id, shown)).collect();
            for delivery in chunk {
                let Some(found) = shown.get(&delivery.verification) else { continue };
                let meant = to.is_none_or(|to| to.exact.contains(&found.verification.address));
                if meant && items.len() < limit {
                    items.push(OutboxItem {
                        delivery: delivery.clone(),
                        shown: found.verification.clone(),
                        recipient: found.recipient.clone(),
                    });
                }
            }
            if items.len() >= limit {
                break;
            }
        }
        Ok(items)
    }

    pub(super) async fn key(&self, prefix: &str) -> Result<Option<KeyRecord>, Failure> {
        let row = self.session.query_opt(Sql::KeyByPrefix, &[&prefix]).await?;
        row.map(|row| Ok(KeyRecord { key: body(&row, 0)?, project: body(&row, 1)? })).transpose()
    }

    pub(super) async fn journal(&self, after: u64, most: usize) -> Result<Vec<Numbered>, Failure> {
        let (after, most) =
            (i64::try_from(after).unwrap_or(i64::MAX), i64::try_from(most).unwrap_or(i64::MAX));
        let rows = self.session.query(Sql::Journal, &[&after, &most]).await?;
        let numbered = |row: &tokio_postgres::Row| {
            let number: i64 = column(row, 0)?;
            Ok(Numbered { number: number.unsigned_abs(), entry: body(row, 1)? })
        };
        rows.iter().map(numbered).collect()
    }
}
