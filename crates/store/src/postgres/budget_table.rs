//! The table `budget`. A counter is locked while the rule of the core says what it comes to.

use countersign_core::budget::{BudgetId, Change, DAYS_KEPT, Day};

use super::Failure;
use super::rows::{bytes, column};
use super::session::{BEGIN, Session};
use super::sql::Sql;

/// Changes a counter in a transaction of its own; what was granted.
pub(super) async fn change(session: &Session, change: &Change) -> Result<u64, Failure> {
    session.run(BEGIN).await?;
    let changed = change_in_transaction(session, change).await;
    session.run(if changed.is_ok() { "COMMIT" } else { "ROLLBACK" }).await?;
    changed
}

async fn change_in_transaction(session: &Session, change: &Change) -> Result<u64, Failure> {
    let (id, day) = (change.budget.as_bytes().as_slice(), i64::from(change.day.0));
    if session.execute(Sql::NewBudget, &[&id, &day]).await? > 0 {
        session.execute(Sql::RetireBudget, &[&id, &(day - i64::from(DAYS_KEPT))]).await?;
    }
    let row = session.query_opt(Sql::LockBudget, &[&id, &day]).await?.ok_or(Failure::Conflict)?;
    let known: i64 = column(&row, 0)?;
    let (reserved, granted) = change.apply(known.unsigned_abs());
    let reserved = i64::try_from(reserved).unwrap_or(i64::MAX);
    session.execute(Sql::SetBudget, &[&id, &day, &reserved]).await?;
    Ok(granted)
}

pub(super) async fn of_day(session: &Session, day: Day) -> Result<Vec<(BudgetId, u64)>, Failure> {
    let rows = session.query(Sql::Budgets, &[&i64::from(day.0)]).await?;
    let reserved = |row| {
        let reserved: i64 = column(row, 1)?;
        Ok((BudgetId::from_bytes(bytes(row, 0)?), reserved.unsigned_abs()))
    };
    rows.iter().map(reserved).collect()
}
