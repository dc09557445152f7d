//! The tables `subject`, `subject_index`, `factor` and `challenge`. A batch without commands about subjects sends no
//! statement of these.

mod load;
mod read;
mod write;

pub(super) use load::{Fetched, Found, Wanted};
pub(super) use read::{challenges, shown, subjects, tenant_of_factor};
pub(super) use write::Writes;

use super::Failure;
use super::rows::{bytes, column};
use super::session::Session;
use super::sql::Sql;
use countersign_core::tenant::Tenant;
use countersign_core::time::Timestamp;

/// Forgets subjects that were removed before `removed`, with whose their factors were.
pub(super) async fn retire_removed(session: &Session, removed: Timestamp, most: i64) -> Result<u64, Failure> {
    let rows = session.query(Sql::RetireSubjects, &[&removed.millis(), &most]).await?;
    let tenants = rows.iter().map(|row| column(row, 0)).collect::<Result<Vec<&[u8]>, _>>()?;
    let ids = rows.iter().map(|row| column(row, 1)).collect::<Result<Vec<&[u8]>, _>>()?;
    if !rows.is_empty() {
        session.execute(Sql::RetireFactors, &[&tenants, &ids]).await?;
    }
    Ok(rows.len() as u64)
}

fn tenant(row: &tokio_postgres::Row, at: usize) -> Result<Tenant, Failure> {
    Tenant::from_bytes(&bytes(row, at)?).ok_or_else(|| Failure::Corrupt("a tenant".to_owned()))
}
