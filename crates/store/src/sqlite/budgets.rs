//! The table `budget`.

use countersign_core::budget::{BudgetId, Change, DAYS_KEPT, Day};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::Failure;

/// Changes a counter; what was granted.
pub(super) fn change(connection: &Connection, change: &Change) -> Result<u64, Failure> {
    let (id, day) = (change.budget.as_bytes(), i64::from(change.day.0));
    let sql = "SELECT reserved FROM budget WHERE id = ?1 AND day = ?2";
    let known: Option<i64> = connection.query_row(sql, params![id, day], |row| row.get(0)).optional()?;
    let (reserved, granted) = change.apply(known.unwrap_or_default().unsigned_abs());
    let reserved = i64::try_from(reserved).unwrap_or(i64::MAX);
    let sql = "INSERT OR REPLACE INTO budget (id, day, reserved) VALUES (?1, ?2, ?3)";
    connection.execute(sql, params![id, day, reserved])?;
    if known.is_none() {
        let oldest = day - i64::from(DAYS_KEPT);
        connection.execute("DELETE FROM budget WHERE id = ?1 AND day < ?2", params![id, oldest])?;
    }
    Ok(granted)
}

pub(super) fn of_day(connection: &Connection, day: Day) -> Result<Vec<(BudgetId, u64)>, Failure> {
    let mut statement =
        connection.prepare_cached("SELECT id, reserved FROM budget WHERE day = ?1 ORDER BY id")?;
    let rows = statement.query_map([i64::from(day.0)], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
    rows.map(|row| {
        row.map(|(id, reserved)| (BudgetId::from_bytes(id), reserved.unsigned_abs())).map_err(Failure::from)
    })
    .collect()
}
