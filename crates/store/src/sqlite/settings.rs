//! The table `setting`.

use countersign_core::setting::{Setting, SettingKey, SettingKind};
use countersign_core::tenancy::AdminEffects;
use countersign_core::tenant::Tenant;
use rusqlite::{Connection, params};

use super::Failure;
use super::rows::{SqliteRows, encode};

/// The setting a change names, and how many of its kind its tenant has.
pub(super) fn found(
    connection: &Connection,
    key: Option<SettingKey>,
) -> Result<(Option<Setting>, usize), Failure> {
    let Some(SettingKey { tenant, kind, id }) = key else { return Ok((None, 0)) };
    let (tenant, kind) = (tenant.to_bytes(), kind.as_str());
    let sql = "SELECT body FROM setting WHERE tenant = ?1 AND kind = ?2 AND id = ?3";
    let setting = SqliteRows(connection).body(sql, params![tenant, kind, id])?;
    let sql = "SELECT count(*) FROM setting WHERE tenant = ?1 AND kind = ?2";
    let of_kind: i64 = connection.query_row(sql, params![tenant, kind], |row| row.get(0))?;
    Ok((setting, usize::try_from(of_kind).unwrap_or(usize::MAX)))
}

pub(super) fn write(connection: &Connection, effects: &AdminEffects) -> Result<(), Failure> {
    if let Some(row) = &effects.setting {
        let SettingKey { tenant, kind, id } = row.key;
        let sql = "INSERT OR REPLACE INTO setting (tenant, kind, id, body) VALUES (?1, ?2, ?3, ?4)";
        connection.execute(sql, params![tenant.to_bytes(), kind.as_str(), id, encode(row)?])?;
    }
    if let Some(SettingKey { tenant, kind, id }) = effects.removed {
        let sql = "DELETE FROM setting WHERE tenant = ?1 AND kind = ?2 AND id = ?3";
        connection.execute(sql, params![tenant.to_bytes(), kind.as_str(), id])?;
    }
    Ok(())
}

pub(super) fn all(rows: &SqliteRows<'_>, tenant: Tenant, kind: SettingKind) -> Result<Vec<Setting>, Failure> {
    let sql = "SELECT body FROM setting WHERE tenant = ?1 AND kind = ?2 ORDER BY id";
    rows.bodies(sql, params![tenant.to_bytes(), kind.as_str()])
}
