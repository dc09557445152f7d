//! Which delivery a provider's id of a message leads to, and the receipts that came before anybody knew.

use countersign_core::batch::Changes;
use countersign_core::ids::DeliveryId;
use countersign_core::limits::{EARLY_RECEIPT_KEPT, MESSAGE_KEPT};
use countersign_core::receipt::{About, MessageKey};
use countersign_core::store::{EarlyReceipts, KnownReceipt};
use countersign_core::tenant::Tenant;
use countersign_core::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::Failure;
use super::housekeeping::tenants;
use super::rows::{SqliteRows, decode, encode};

/// Writes what a batch changes of both.
pub(super) fn write_receipts(connection: &Connection, changes: &Changes) -> Result<(), Failure> {
    for (key, message) in &changes.messages {
        let sql = "INSERT OR REPLACE INTO sent_message (provider, message, tenant, delivery, at)
                   VALUES (?1, ?2, ?3, ?4, ?5)";
        let (tenant, delivery) = (message.tenant.to_bytes(), message.delivery.as_bytes());
        let row = params![key.provider, key.message, tenant, delivery, message.at.millis()];
        connection.prepare_cached(sql)?.execute(row)?;
    }
    for (key, early) in &changes.early {
        let Some(early) = early else {
            let sql = "DELETE FROM early_receipt WHERE provider = ?1 AND message = ?2";
            connection.prepare_cached(sql)?.execute(params![key.provider, key.message])?;
            continue;
        };
        let sql = "INSERT OR REPLACE INTO early_receipt (provider, message, tenant, delivery, at, body)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let tenant = early.of.map(|(tenant, _)| tenant.to_bytes());
        let delivery = early.of.map(|(_, delivery)| *delivery.as_bytes());
        let body = encode(&early.receipt)?;
        let row = params![key.provider, key.message, tenant, delivery, early.at.millis(), body];
        connection.prepare_cached(sql)?.execute(row)?;
    }
    Ok(())
}

/// See [`countersign_core::store::Store::addressee`].
pub(super) fn addressee(
    rows: &SqliteRows<'_>,
    provider: &str,
    about: &About,
) -> Result<Option<(Tenant, DeliveryId)>, Failure> {
    match about {
        About::Message(message) => {
            let sql = "SELECT tenant, delivery FROM sent_message WHERE provider = ?1 AND message = ?2";
            let mut statement = rows.0.prepare_cached(sql)?;
            let found = statement.query_row(params![provider, message], |row| Ok((row.get(0)?, row.get(1)?)));
            found
                .optional()?
                .map(|(of, id): ([u8; 17], _)| Ok((tenant(&of)?, DeliveryId::from_bytes(id))))
                .transpose()
        }
        About::Delivery(id) => {
            let mut statement =
                rows.0.prepare_cached("SELECT 1 FROM delivery WHERE tenant = ?1 AND id = ?2")?;
            for tenant in tenants(rows.0)? {
                if statement.exists(params![tenant.to_bytes(), id.as_bytes()])? {
                    return Ok(Some((tenant, *id)));
                }
            }
            Ok(None)
        }
    }
}

/// See [`countersign_core::store::Store::early_receipts`].
pub(super) fn early(rows: &SqliteRows<'_>, most: usize) -> Result<EarlyReceipts, Failure> {
    let count = "SELECT count(*) FROM early_receipt";
    let waiting: i64 = rows.0.prepare_cached(count)?.query_row([], |row| row.get(0))?;
    let mut found = EarlyReceipts { known: Vec::new(), waiting: waiting.unsigned_abs() as usize };
    if waiting == 0 {
        return Ok(found);
    }
    let sql =
        "SELECT e.provider, e.message, coalesce(m.tenant, e.tenant), coalesce(m.delivery, e.delivery), e.body
               FROM early_receipt e
               LEFT JOIN sent_message m ON m.provider = e.provider AND m.message = e.message
               WHERE m.seq IS NOT NULL OR e.delivery IS NOT NULL ORDER BY e.seq LIMIT ?1";
    let mut statement = rows.0.prepare_cached(sql)?;
    let mut known = statement.query([most as i64])?;
    while let Some(row) = known.next()? {
        found.known.push(KnownReceipt {
            key: MessageKey { provider: row.get(0)?, message: row.get(1)? },
            tenant: tenant(&row.get(2)?)?,
            delivery: DeliveryId::from_bytes(row.get(3)?),
            receipt: decode(row.get_ref(4)?.as_blob()?)?,
        });
    }
    Ok(found)
}

/// Removes what nobody will ask for any more, at most `most` of each. Both are in the order of their time.
pub(super) fn retire(connection: &Connection, now: Timestamp, most: i64) -> Result<usize, Failure> {
    let mut gone = 0;
    for (table, kept) in [("sent_message", MESSAGE_KEPT), ("early_receipt", EARLY_RECEIPT_KEPT)] {
        let sql = format!(
            "DELETE FROM {table} WHERE seq IN
             (SELECT seq FROM (SELECT seq, at FROM {table} ORDER BY seq LIMIT ?2) WHERE at < ?1)"
        );
        gone += connection.prepare_cached(&sql)?.execute(params![now.minus(kept).millis(), most])?;
    }
    Ok(gone)
}

fn tenant(bytes: &[u8; 17]) -> Result<Tenant, Failure> {
    Tenant::from_bytes(bytes).ok_or_else(|| Failure::Corrupt("a tenant".to_owned()))
}
