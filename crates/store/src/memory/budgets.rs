//! The counters of budgets.

use std::collections::BTreeMap;

use countersign_core::budget::{BudgetId, Change, DAYS_KEPT, Day};

#[derive(Default)]
pub(super) struct Budgets(BTreeMap<(Day, BudgetId), u64>);

impl Budgets {
    /// Changes a counter; what was granted.
    pub(super) fn change(&mut self, change: &Change) -> u64 {
        let oldest = Day(change.day.0.saturating_sub(DAYS_KEPT));
        self.0.retain(|(day, id), _| *id != change.budget || *day >= oldest);
        let counter = self.0.entry((change.day, change.budget)).or_default();
        let (reserved, granted) = change.apply(*counter);
        *counter = reserved;
        granted
    }

    pub(super) fn of_day(&self, day: Day) -> Vec<(BudgetId, u64)> {
        let of_day = self.0.iter().filter(|((of, _), _)| *of == day);
        of_day.map(|((_, id), reserved)| (*id, *reserved)).collect()
    }
}
