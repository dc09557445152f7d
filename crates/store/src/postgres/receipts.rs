//! Which delivery a provider's id of a message leads to, and the receipts that came before anybody knew.

use countersign_core::batch::Changes;
use countersign_core::ids::DeliveryId;
use countersign_core::limits::{EARLY_RECEIPT_KEPT, MESSAGE_KEPT};
use countersign_core::receipt::{About, EarlyReceipt, MessageKey, SentMessage};
use countersign_core::store::{EarlyReceipts, KnownReceipt};
use countersign_core::tenant::Tenant;
use countersign_core::time::Timestamp;
use tokio_postgres::Row;

use super::Failure;
use super::rows::{body, bytes, column, encode};
use super::session::{Param, Session};
use super::sql::Sql;
use super::upkeep::tenants;

/// What a batch writes of both.
#[derive(Default)]
pub(super) struct Receipts {
    messages: Keyed,
    early: Keyed,
    bodies: Vec<Vec<u8>>,
    struck: Keyed,
}

/// The columns that both tables have.
#[derive(Default)]
struct Keyed {
    providers: Vec<String>,
    messages: Vec<String>,
    tenants: Vec<Option<Vec<u8>>>,
    deliveries: Vec<Option<Vec<u8>>>,
    at: Vec<i64>,
}

impl Keyed {
    fn push(&mut self, key: &MessageKey, of: Option<(Tenant, DeliveryId)>, at: Timestamp) {
        self.providers.push(key.provider.clone());
        self.messages.push(key.message.clone());
        self.tenants.push(of.map(|(tenant, _)| tenant.to_bytes().to_vec()));
        self.deliveries.push(of.map(|(_, delivery)| delivery.as_bytes().to_vec()));
        self.at.push(at.millis());
    }
}

impl Receipts {
    pub(super) fn of(changes: &Changes) -> Result<Self, Failure> {
        let mut columns = Self::default();
        for (key, SentMessage { tenant, delivery, at }) in &changes.messages {
            columns.messages.push(key, Some((*tenant, *delivery)), *at);
        }
        for (key, early) in &changes.early {
            let Some(EarlyReceipt { receipt, of, at }) = early else {
                columns.struck.push(key, None, Timestamp::default());
                continue;
            };
            columns.early.push(key, *of, *at);
            columns.bodies.push(encode(receipt)?);
        }
        Ok(columns)
    }

    pub(super) async fn write(&self, session: &Session) -> Result<(), Failure> {
        let (put, kept, struck) =
            futures_util::join!(self.put(session), self.keep(session), self.strike(session));
        put.and(kept).and(struck)
    }

    async fn put(&self, session: &Session) -> Result<(), Failure> {
        let Keyed { providers, messages, tenants, deliveries, at } = &self.messages;
        if at.is_empty() {
            return Ok(());
        }
        let params: [Param<'_>; 5] = [providers, messages, tenants, deliveries, at];
        session.execute(Sql::PutMessages, &params).await.map(drop)
    }

    async fn keep(&self, session: &Session) -> Result<(), Failure> {
        let Keyed { providers, messages, tenants, deliveries, at } = &self.early;
        if at.is_empty() {
            return Ok(());
        }
        let params: [Param<'_>; 6] = [providers, messages, tenants, deliveries, at, &self.bodies];
        session.execute(Sql::PutEarly, &params).await.map(drop)
    }

    async fn strike(&self, session: &Session) -> Result<(), Failure> {
        let Keyed { providers, messages, at, .. } = &self.struck;
        if at.is_empty() {
            return Ok(());
        }
        session.execute(Sql::StrikeEarly, &[providers, messages]).await.map(drop)
    }
}

/// See [`countersign_core::store::Store::addressee`].
pub(super) async fn addressee(
    session: &Session,
    provider: &str,
    about: &About,
) -> Result<Option<(Tenant, DeliveryId)>, Failure> {
    let found = match about {
        About::Message(message) => session.query_opt(Sql::Message, &[&provider, message]).await?,
        About::Delivery(id) => {
            let tenants: Vec<_> = tenants(session).await?.into_iter().map(Tenant::to_bytes).collect();
            let tenants: Vec<&[u8]> = tenants.iter().map(<[u8; 17]>::as_slice).collect();
            session.query_opt(Sql::DeliveryOfAny, &[&tenants, &id.as_bytes().as_slice()]).await?
        }
    };
    found.map(|row| place(&row, 0)).transpose()
}

/// See [`countersign_core::store::Store::early_receipts`].
pub(super) async fn early(session: &Session, most: usize) -> Result<EarlyReceipts, Failure> {
    let waiting = session.query_opt(Sql::EarlyWaiting, &[]).await?;
    let waiting: i64 = waiting.map_or(Ok(0), |row| column(&row, 0))?;
    let mut found = EarlyReceipts { known: Vec::new(), waiting: waiting.unsigned_abs() as usize };
    if waiting == 0 {
        return Ok(found);
    }
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    for row in session.query(Sql::EarlyKnown, &[&most]).await? {
        let key = MessageKey { provider: column(&row, 0)?, message: column(&row, 1)? };
        let (tenant, delivery) = place(&row, 2)?;
        found.known.push(KnownReceipt { key, receipt: body(&row, 4)?, tenant, delivery });
    }
    Ok(found)
}

/// Removes what nobody will ask for any more, at most `most` of each.
pub(super) async fn retire(session: &Session, now: Timestamp, most: i64) -> Result<u64, Failure> {
    let mut gone = session.execute(Sql::RetireMessages, &[&now.minus(MESSAGE_KEPT).millis(), &most]).await?;
    gone += session.execute(Sql::RetireEarly, &[&now.minus(EARLY_RECEIPT_KEPT).millis(), &most]).await?;
    Ok(gone)
}

/// A tenant and a delivery of it, in two columns.
fn place(row: &Row, at: usize) -> Result<(Tenant, DeliveryId), Failure> {
    let tenant: [u8; 17] = bytes(row, at)?;
    let tenant = Tenant::from_bytes(&tenant).ok_or_else(|| Failure::Corrupt("a tenant".to_owned()))?;
    Ok((tenant, DeliveryId::from_bytes(bytes(row, at + 1)?)))
}
