//! Permits out of the blocks this node holds, and blocks out of the durable counters of the store.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_core::budget::{Budget, Change, Day, Permit, Purse, Reservation, Standing, Taken};
use countersign_core::money::Currency;
use countersign_core::recipient::RecipientRef;
use countersign_core::store::{Pending, Store, Unavailable};
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::Clock;

/// The budgets of a node.
pub(crate) struct Treasury {
    purse: Mutex<Purse>,
    /// Held while counters are asked: whoever comes second finds what the first one got.
    asking: tokio::sync::Mutex<()>,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    currency: Currency,
}

impl Treasury {
    pub(crate) fn new(
        budgets: Vec<Budget>,
        currency: Currency,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let purse = Mutex::new(Purse::new(budgets));
        Self { purse, asking: tokio::sync::Mutex::default(), store, clock, currency }
    }

    /// Gives what this node holds back to the counters, so that a restart loses nothing.
    pub(crate) async fn close(&self) {
        let changes = self.purse().empty(self.clock.now());
        for change in changes {
            if let Err(error) = self.store.change_budget(change).await {
                tracing::warn!(%error, "a part of today's budget stays set aside and will not be spent");
            }
        }
    }

    fn purse(&self) -> MutexGuard<'_, Purse> {
        self.purse.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn try_take(&self, tenant: Tenant, to: RecipientRef<'_>, amount: u64) -> Taken {
        self.purse().take(tenant, to, amount, self.clock.now())
    }

    async fn ask(&self, change: Change) -> Result<(), Unavailable> {
        let granted = self.store.change_budget(change).await?;
        let mut purse = self.purse();
        if granted < change.wanted
            && let Some(budget) = purse.budgets().iter().find(|budget| budget.id == change.budget)
        {
            tracing::warn!(budget = %budget.name, "nothing is left of a budget for today");
        }
        purse.put(&change, granted, self.clock.now());
        Ok(())
    }
}

impl countersign_core::budget::Treasury for Treasury {
    fn is_metered(&self, tenant: Tenant) -> bool {
        tenant.mode == Mode::Live && !self.purse().budgets().is_empty()
    }

    fn take<'a>(&'a self, tenant: Tenant, to: RecipientRef<'a>, amount: u64) -> Pending<'a, Permit> {
        Box::pin(async move {
            if let Taken::Permit(permit) = self.try_take(tenant, to, amount) {
                return Ok(permit);
            }
            let _asking = self.asking.lock().await;
            loop {
                match self.try_take(tenant, to, amount) {
                    Taken::Permit(permit) => return Ok(permit),
                    Taken::Short(changes) => {
                        for change in changes {
                            self.ask(change).await?;
                        }
                    }
                }
            }
        })
    }

    fn give_back(&self, reservation: &Reservation, amount: u64) {
        self.purse().give_back(reservation, amount, self.clock.now());
    }

    fn standing(&self) -> Pending<'_, Vec<Standing>> {
        Box::pin(async move {
            let now = self.clock.now();
            let reserved = self.store.budgets(Day::of(now)).await?;
            let purse = self.purse();
            let standing = |budget: &Budget| Standing {
                reserved: reserved
                    .iter()
                    .find(|(id, _)| *id == budget.id)
                    .map_or(0, |(_, reserved)| *reserved),
                held: purse.held(budget.id, now),
                currency: self.currency,
                budget: budget.clone(),
            };
            Ok(purse.budgets().iter().map(standing).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use countersign_core::budget::{BudgetId, Treasury as _};
    use countersign_core::ids::ProjectId;
    use countersign_sim::{FakeClock, MemoryStore, test_keys};

    use super::*;
    use countersign_core::recipient::Recipient;

    const TENANT: Tenant = Tenant { project: ProjectId::from_bytes([1; 16]), mode: Mode::Live };

    fn to() -> Recipient {
        Recipient::parse("+48600100217").unwrap()
    }

    fn store() -> Arc<MemoryStore> {
        Arc::new(MemoryStore::new(Arc::new(FakeClock::default()), test_keys(), Arc::new(drop)))
    }

    fn node(store: &Arc<MemoryStore>, per_day: u64) -> Arc<Treasury> {
        let budget = Budget {
            id: BudgetId::named("all", "EUR"),
            name: "all".to_owned(),
            projects: Vec::new(),
            countries: Vec::new(),
            prefixes: Vec::new(),
            per_day,
        };
        let clock = Arc::new(FakeClock::default());
        Arc::new(Treasury::new(vec![budget], "EUR".parse().unwrap(), Arc::clone(store) as _, clock))
    }

    /// How many of so many sends at once get a permit.
    async fn granted(node: &Arc<Treasury>, sends: usize, amount: u64) -> usize {
        let takes: Vec<_> = (0..sends)
            .map(|_| {
                let node = Arc::clone(node);
                tokio::spawn(async move { node.take(TENANT, to().by_ref(), amount).await.unwrap() })
            })
            .collect();
        let mut granted = 0;
        for take in takes {
            granted += usize::from(matches!(take.await.unwrap(), Permit::Granted(_)));
        }
        granted
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_cap_is_exact_on_one_node_however_many_ask_at_once() {
        for (cap, fits) in [(999, 99), (1000, 100), (1001, 100)] {
            assert_eq!(granted(&node(&store(), cap), 300, 10).await, fits, "{cap}");
        }
    }

    #[tokio::test]
    async fn a_node_that_went_in_order_leaves_all_that_it_did_not_spend() {
        let store = store();
        for _ in 0..3 {
            let node = node(&store, 6000);
            assert_eq!(granted(&node, 200, 10).await, 200);
            node.close().await;
        }
        assert_eq!(granted(&node(&store, 6000), 1, 10).await, 0);
    }

    #[tokio::test]
    async fn a_node_that_died_costs_a_block_at_most_and_never_the_cap() {
        let store = store();
        let mut sends = 0;
        loop {
            let node = node(&store, 100_000);
            let fits = granted(&node, 77, 10).await;
            sends += fits;
            if fits < 77 {
                break;
            }
        }
        let deaths = sends / 77 + 1;
        assert!(
            sends * 10 <= 100_000 && (sends * 10 + deaths * 500) >= 100_000,
            "{sends} sends, {deaths} deaths"
        );
    }

    #[tokio::test]
    async fn the_standing_tells_what_is_reserved_and_what_of_it_is_held() {
        let node = node(&store(), 20_000);
        assert_eq!(granted(&node, 1, 10).await, 1);
        let standing = node.standing().await.unwrap();
        assert_eq!((standing[0].reserved, standing[0].held), (100, 90));
        assert!(node.is_metered(TENANT) && !node.is_metered(Tenant { mode: Mode::Test, ..TENANT }));
    }
}
