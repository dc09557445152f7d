//! Counters of budgets: never more than the cap, whoever asks and how often.

use countersign_core::budget::{BudgetId, Change, DAYS_KEPT, Day};

use crate::bench::Bench;

const TODAY: Day = Day(20_000);

fn change(wanted: u64, returned: u64) -> Change {
    Change { budget: BudgetId::named("all", "EUR"), day: TODAY, cap: 100, wanted, returned }
}

async fn reserved(bench: &Bench, day: Day) -> Vec<u64> {
    bench.store.budgets(day).await.unwrap().into_iter().map(|(_, reserved)| reserved).collect()
}

pub(crate) async fn a_counter_grants_its_cap_and_not_one_more(bench: &Bench) {
    let ask = |wanted| bench.store.change_budget(change(wanted, 0));
    assert_eq!(ask(99).await.unwrap(), 99);
    assert_eq!(ask(1).await.unwrap(), 1);
    assert_eq!(ask(1).await.unwrap(), 0);
    assert_eq!(reserved(bench, TODAY).await, [100]);
}

pub(crate) async fn what_is_given_back_is_granted_again(bench: &Bench) {
    assert_eq!(bench.store.change_budget(change(150, 0)).await.unwrap(), 100);
    assert_eq!(bench.store.change_budget(change(0, 30)).await.unwrap(), 0);
    assert_eq!(bench.store.change_budget(change(40, 0)).await.unwrap(), 30);
    assert_eq!(bench.store.change_budget(change(40, 10)).await.unwrap(), 10, "both at once");
    assert_eq!(reserved(bench, TODAY).await, [100]);
}

pub(crate) async fn days_and_budgets_are_counted_apart(bench: &Bench) {
    let (tomorrow, other) = (Day(TODAY.0 + 1), BudgetId::named("all", "USD"));
    assert_eq!(bench.store.change_budget(change(100, 0)).await.unwrap(), 100);
    assert_eq!(bench.store.change_budget(Change { day: tomorrow, ..change(7, 0) }).await.unwrap(), 7);
    assert_eq!(bench.store.change_budget(Change { budget: other, ..change(8, 0) }).await.unwrap(), 8);
    let mut today = bench.store.budgets(TODAY).await.unwrap();
    today.sort_by_key(|(_, reserved)| *reserved);
    assert_eq!(today, [(other, 8), (BudgetId::named("all", "EUR"), 100)]);
    assert_eq!(reserved(bench, tomorrow).await, [7]);
}

pub(crate) async fn old_days_go_when_a_new_one_begins(bench: &Bench) {
    assert_eq!(bench.store.change_budget(change(1, 0)).await.unwrap(), 1);
    for (later, kept) in [(DAYS_KEPT, 1), (DAYS_KEPT + 1, 0)] {
        let day = Day(TODAY.0 + later);
        assert_eq!(bench.store.change_budget(Change { day, ..change(2, 0) }).await.unwrap(), 2);
        assert_eq!(reserved(bench, TODAY).await.len(), kept, "{later} days later");
    }
}

pub(crate) async fn parallel_changes_never_grant_more_than_the_cap(bench: &Bench) {
    let asked: Vec<_> = (0..40).map(|_| bench.store.change_budget(change(7, 0))).collect();
    let mut granted = 0;
    for answer in asked {
        granted += answer.await.unwrap();
    }
    assert_eq!((granted, reserved(bench, TODAY).await), (100, vec![100]));
}
