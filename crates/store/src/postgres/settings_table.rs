//! The table `setting`. Its writers hold the project's lock, so what is counted stays true until the commit.

use countersign_core::setting::{Setting, SettingKey, SettingKind};
use countersign_core::tenancy::AdminEffects;
use countersign_core::tenant::Tenant;

use super::Failure;
use super::rows::{bodies, body, column, encode};
use super::session::Session;
use super::sql::Sql;

/// The setting a change names, and how many of its kind its tenant has.
pub(super) async fn found(
    session: &Session,
    key: Option<SettingKey>,
) -> Result<(Option<Setting>, usize), Failure> {
    let Some(SettingKey { tenant, kind, id }) = key else { return Ok((None, 0)) };
    let (tenant, kind) = (tenant.to_bytes(), kind.as_str());
    let row = session.query_opt(Sql::Setting, &[&tenant.as_slice(), &kind, &id.as_slice()]).await?;
    let setting = row.map(|row| body(&row, 0)).transpose()?;
    let of_kind = session.query_opt(Sql::CountSettings, &[&tenant.as_slice(), &kind]).await?;
    let of_kind: i64 = of_kind.map(|row| column(&row, 0)).transpose()?.unwrap_or_default();
    Ok((setting, usize::try_from(of_kind).unwrap_or(usize::MAX)))
}

pub(super) async fn write(session: &Session, effects: &AdminEffects) -> Result<(), Failure> {
    if let Some(row) = &effects.setting {
        let (tenant, kind) = (row.key.tenant.to_bytes(), row.key.kind.as_str());
        let (id, encoded) = (row.key.id.as_slice(), encode(row)?);
        session.execute(Sql::PutSetting, &[&tenant.as_slice(), &kind, &id, &encoded]).await?;
    }
    if let Some(SettingKey { tenant, kind, id }) = effects.removed {
        let (tenant, kind) = (tenant.to_bytes(), kind.as_str());
        session.execute(Sql::RemoveSetting, &[&tenant.as_slice(), &kind, &id.as_slice()]).await?;
    }
    Ok(())
}

pub(super) async fn all(
    session: &Session,
    tenant: Tenant,
    kind: SettingKind,
) -> Result<Vec<Setting>, Failure> {
    bodies(&session.query(Sql::Settings, &[&tenant.to_bytes().as_slice(), &kind.as_str()]).await?)
}
