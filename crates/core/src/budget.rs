//! Budgets: how much may be spent per day, on all or on some projects, countries and prefixes.
//!
//! A send takes a permit before it is decided. A node takes blocks from the durable counters and gives permits out of
//! them, so that no row is shared by all requests; the nearer the cap, the smaller the blocks, and on one node the cap is
//! exact. Blocks that other nodes hold make a refusal come early, never late.

use std::collections::BTreeMap;
use std::time::Duration;

use minicbor::{Decode, Encode};

use crate::ids::ProjectId;
use crate::keys::sha256;
use crate::money::Currency;
use crate::recipient::{Country, RecipientRef};
use crate::store::Pending;
use crate::tenant::{Mode, Tenant};
use crate::time::Timestamp;

/// A block is this part of what a budget allows per day, or what is needed at once if that is more.
pub const BLOCKS_PER_DAY: u64 = 200;
/// How long a node does not ask again after the counter had nothing left.
pub const DRY: Duration = Duration::from_secs(1);
/// Days a counter is kept.
pub const DAYS_KEPT: u32 = 400;

const DAY_MILLIS: i64 = 24 * 60 * 60 * 1000;

/// Which budget: a digest of its name and currency, so that a counter goes on when the configuration is only rearranged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct BudgetId(#[cbor(n(0), with = "minicbor::bytes")] [u8; 16]);

impl BudgetId {
    /// The id of the budget of this name, counted in this currency.
    #[must_use]
    pub fn named(name: &str, currency: &str) -> Self {
        let digest = sha256(format!("budget/v1\n{currency}\n{name}").as_bytes());
        let mut id = [0; 16];
        id.copy_from_slice(&digest.0[..16]);
        Self(id)
    }

    /// The id with these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

/// A day in UTC: days since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Day(#[n(0)] pub u32);

impl Day {
    /// The day of an instant.
    #[must_use]
    pub fn of(now: Timestamp) -> Self {
        Self(u32::try_from(now.millis().div_euclid(DAY_MILLIS)).unwrap_or_default())
    }
}

/// A budget. A list that is empty covers everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// Which.
    pub id: BudgetId,
    /// What people call it.
    pub name: String,
    /// The projects it covers, together.
    pub projects: Vec<ProjectId>,
    /// The countries it covers, together.
    pub countries: Vec<Country>,
    /// The beginnings of numbers it covers, together.
    pub prefixes: Vec<String>,
    /// What may be spent per day, in hundred-thousandths of the unit of the budgets' currency.
    pub per_day: u64,
}

impl Budget {
    /// Whether a message to somebody is paid out of it.
    #[must_use]
    pub fn covers(&self, tenant: Tenant, to: RecipientRef<'_>) -> bool {
        let begins = |prefix: &String| !to.number().is_empty() && to.number().starts_with(prefix.as_str());
        tenant.mode == Mode::Live
            && (self.projects.is_empty() || self.projects.contains(&tenant.project))
            && (self.countries.is_empty()
                || to.country.is_some_and(|country| self.countries.contains(&country)))
            && (self.prefixes.is_empty() || self.prefixes.iter().any(begins))
    }
}

/// What was set aside for a send. Kept with its delivery until it is known what that cost.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Reservation {
    /// In hundred-thousandths of the unit of the budgets' currency.
    #[n(0)]
    pub amount: u64,
    /// Of which day.
    #[n(1)]
    pub day: Day,
    /// Out of which budgets.
    #[n(2)]
    pub budgets: Vec<BudgetId>,
}

/// Whether a send may be paid.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Permit {
    /// No budget covers it, or it costs nothing.
    #[default]
    Unmetered,
    /// It may, out of what was set aside.
    Granted(Reservation),
    /// A budget has nothing left for it today.
    Exceeded,
}

/// A change of a durable counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// Of which budget.
    pub budget: BudgetId,
    /// Of which day.
    pub day: Day,
    /// What may be reserved in all.
    pub cap: u64,
    /// What is wanted; less may be granted.
    pub wanted: u64,
    /// What is given back.
    pub returned: u64,
}

impl Change {
    /// What the counter comes to, and how much of what was wanted is granted.
    #[must_use]
    pub fn apply(&self, reserved: u64) -> (u64, u64) {
        let reserved = reserved.saturating_sub(self.returned);
        let granted = self.wanted.min(self.cap.saturating_sub(reserved));
        (reserved.saturating_add(granted), granted)
    }
}

/// How a budget stands today.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The budget.
    pub budget: Budget,
    /// Reserved by all nodes.
    pub reserved: u64,
    /// Of that, what this node has not spent.
    pub held: u64,
    /// The currency budgets are counted in.
    pub currency: Currency,
}

/// Where permits come from. Implemented in the binary, over the store.
pub trait Treasury: Send + Sync + 'static {
    /// Whether anything of this tenant is paid out of a budget; when not, nobody needs to work out what it costs.
    fn is_metered(&self, tenant: Tenant) -> bool;
    /// A permit for a send that costs at most `amount`.
    fn take<'a>(&'a self, tenant: Tenant, to: RecipientRef<'a>, amount: u64) -> Pending<'a, Permit>;
    /// Gives back what a send did not cost in the end.
    fn give_back(&self, reservation: &Reservation, amount: u64);
    /// How all budgets stand today.
    fn standing(&self) -> Pending<'_, Vec<Standing>>;
}

/// Pays for nothing, because no budget covers anything.
#[derive(Debug, Clone, Copy)]
pub struct NoBudgets;

impl Treasury for NoBudgets {
    fn is_metered(&self, _: Tenant) -> bool {
        false
    }

    fn take<'a>(&'a self, _: Tenant, _: RecipientRef<'a>, _: u64) -> Pending<'a, Permit> {
        Box::pin(std::future::ready(Ok(Permit::Unmetered)))
    }

    fn give_back(&self, _: &Reservation, _: u64) {}

    fn standing(&self) -> Pending<'_, Vec<Standing>> {
        Box::pin(std::future::ready(Ok(Vec::new())))
    }
}

/// What came of asking a purse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// The answer.
    Permit(Permit),
    /// These counters have to be asked first; then again.
    Short(Vec<Change>),
}

/// The blocks a node holds.
#[derive(Debug, Clone, Default)]
pub struct Purse {
    budgets: Vec<Budget>,
    held: BTreeMap<BudgetId, Held>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    day: Day,
    available: u64,
    /// Until when the counter is known to have nothing left.
    dry_until: Option<Timestamp>,
}

impl Purse {
    /// An empty purse for these budgets.
    #[must_use]
    pub const fn new(budgets: Vec<Budget>) -> Self {
        Self { budgets, held: BTreeMap::new() }
    }

    /// The budgets.
    #[must_use]
    pub fn budgets(&self) -> &[Budget] {
        &self.budgets
    }

    /// Takes `amount` out of every budget that covers the message, or out of none.
    pub fn take(&mut self, tenant: Tenant, to: RecipientRef<'_>, amount: u64, now: Timestamp) -> Taken {
        let covering: Vec<_> =
            self.budgets.iter().filter(|budget| budget.covers(tenant, to)).cloned().collect();
        if covering.is_empty() || amount == 0 {
            return Taken::Permit(Permit::Unmetered);
        }
        let day = Day::of(now);
        let mut short = Vec::new();
        for budget in &covering {
            let held = self.held_on(budget.id, day);
            if held.available >= amount {
                continue;
            }
            if held.dry_until.is_some_and(|until| now < until) {
                return Taken::Permit(Permit::Exceeded);
            }
            let wanted = (amount - held.available).max(budget.per_day / BLOCKS_PER_DAY);
            short.push(Change { budget: budget.id, day, cap: budget.per_day, wanted, returned: 0 });
        }
        if !short.is_empty() {
            return Taken::Short(short);
        }
        let budgets: Vec<_> = covering.iter().map(|budget| budget.id).collect();
        for id in &budgets {
            self.held_on(*id, day).available -= amount;
        }
        Taken::Permit(Permit::Granted(Reservation { amount, day, budgets }))
    }

    /// Puts in what a counter granted. Less than was wanted means that it has nothing left.
    pub fn put(&mut self, change: &Change, granted: u64, now: Timestamp) {
        if change.day != Day::of(now) {
            return;
        }
        let held = self.held_on(change.budget, change.day);
        held.available = held.available.saturating_add(granted);
        held.dry_until = (granted < change.wanted).then(|| now.plus(DRY));
    }

    /// Puts back `amount` of what was set aside. What is of another day stays spent.
    pub fn give_back(&mut self, reservation: &Reservation, amount: u64, now: Timestamp) {
        let (day, amount) = (Day::of(now), amount.min(reservation.amount));
        if reservation.day != day {
            return;
        }
        for id in &reservation.budgets {
            if self.budgets.iter().any(|budget| budget.id == *id) {
                let held = self.held_on(*id, day);
                held.available = held.available.saturating_add(amount);
            }
        }
    }

    /// Empties the purse: what it holds of today goes back to the counters.
    pub fn empty(&mut self, now: Timestamp) -> Vec<Change> {
        let day = Day::of(now);
        let held = std::mem::take(&mut self.held).into_iter();
        held.filter(|(_, held)| held.day == day && held.available > 0)
            .map(|(budget, held)| Change { budget, day, cap: 0, wanted: 0, returned: held.available })
            .collect()
    }

    /// What it holds of a budget today.
    #[must_use]
    pub fn held(&self, id: BudgetId, now: Timestamp) -> u64 {
        self.held.get(&id).filter(|held| held.day == Day::of(now)).map_or(0, |held| held.available)
    }

    fn held_on(&mut self, id: BudgetId, day: Day) -> &mut Held {
        let empty = Held { day, available: 0, dry_until: None };
        let held = self.held.entry(id).or_insert(empty);
        if held.day != day {
            *held = empty;
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipient::Recipient;

    const TENANT: Tenant = Tenant { project: ProjectId::from_bytes([1; 16]), mode: Mode::Live };
    const DAY: i64 = DAY_MILLIS;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(20_000 * DAY + millis)
    }

    fn to(text: &str) -> Recipient {
        Recipient::parse(text).unwrap()
    }

    fn budget(name: &str, per_day: u64) -> Budget {
        Budget {
            id: BudgetId::named(name, "EUR"),
            name: name.to_owned(),
            projects: Vec::new(),
            countries: Vec::new(),
            prefixes: Vec::new(),
            per_day,
        }
    }

    /// Counters and the purses of some nodes.
    struct World {
        counters: BTreeMap<(BudgetId, Day), u64>,
        nodes: Vec<Purse>,
        asked: usize,
    }

    impl World {
        fn new(budgets: &[Budget], nodes: usize) -> Self {
            Self { counters: BTreeMap::new(), nodes: vec![Purse::new(budgets.to_vec()); nodes], asked: 0 }
        }

        fn apply(&mut self, change: &Change) -> u64 {
            self.asked += 1;
            let counter = self.counters.entry((change.budget, change.day)).or_default();
            let (reserved, granted) = change.apply(*counter);
            *counter = reserved;
            granted
        }

        fn take(&mut self, node: usize, number: &str, amount: u64, now: Timestamp) -> Permit {
            loop {
                match self.nodes[node].take(TENANT, to(number).by_ref(), amount, now) {
                    Taken::Permit(permit) => return permit,
                    Taken::Short(changes) => {
                        for change in changes {
                            let granted = self.apply(&change);
                            self.nodes[node].put(&change, granted, now);
                        }
                    }
                }
            }
        }

        fn sends(&mut self, node: usize, amount: u64, now: Timestamp) -> u64 {
            (0..).take_while(|_| matches!(self.take(node, POLAND, amount, now), Permit::Granted(_))).count()
                as u64
        }
    }

    const POLAND: &str = "+48600100217";

    #[test]
    fn a_cap_is_exact_on_one_node() {
        for (cap, amount, fits) in
            [(99, 10, 9), (100, 10, 10), (101, 10, 10), (9, 10, 0), (10, 10, 1), (0, 1, 0)]
        {
            let mut world = World::new(&[budget("all", cap)], 1);
            assert_eq!(world.sends(0, amount, at(0)), fits, "{cap}");
        }
        let mut large = World::new(&[budget("all", 20_000)], 1);
        assert_eq!(large.sends(0, 7, at(0)), 20_000 / 7);
        assert!(large.asked < 2 * BLOCKS_PER_DAY as usize, "{} questions for 2,857 sends", large.asked);
        assert_eq!(
            large.take(0, POLAND, 1, at(0)),
            Permit::Granted(Reservation {
                amount: 1,
                day: Day(20_000),
                budgets: vec![BudgetId::named("all", "EUR")],
            }),
            "the rest is left for what is cheaper"
        );
    }

    #[test]
    fn many_nodes_never_exceed_the_cap_and_stop_a_block_each_too_early_at_most() {
        let (cap, amount, nodes) = (100_000, 10, 5);
        let mut world = World::new(&[budget("all", cap)], nodes);
        let mut spent = 0;
        let mut node = 0;
        while let Permit::Granted(_) = world.take(node, POLAND, amount, at(0)) {
            spent += amount;
            node = (node + 1) % nodes;
        }
        let slack = cap / BLOCKS_PER_DAY * nodes as u64;
        assert!(spent <= cap && spent + slack >= cap, "{spent}");
    }

    #[test]
    fn a_dry_counter_is_not_asked_again_for_a_second() {
        let mut world = World::new(&[budget("all", 10)], 1);
        assert_eq!(world.sends(0, 10, at(0)), 1);
        let asked = world.asked;
        assert_eq!(world.take(0, POLAND, 10, at(999)), Permit::Exceeded);
        assert_eq!(world.asked, asked);
        assert_eq!(world.take(0, POLAND, 10, at(1000)), Permit::Exceeded);
        assert_eq!(world.asked, asked + 1);
    }

    #[test]
    fn every_day_begins_with_the_whole_budget() {
        let mut world = World::new(&[budget("all", 30)], 1);
        assert_eq!(world.sends(0, 10, at(DAY - 1)), 3);
        assert_eq!(world.sends(0, 10, at(DAY)), 3);
    }

    #[test]
    fn what_a_send_did_not_cost_may_be_spent_again_on_the_same_day() {
        let mut world = World::new(&[budget("all", 20)], 1);
        let Permit::Granted(first) = world.take(0, POLAND, 20, at(0)) else { panic!("it fits") };
        assert_eq!(world.take(0, POLAND, 5, at(0)), Permit::Exceeded);
        world.nodes[0].give_back(&first, 5, at(1));
        assert_eq!(world.sends(0, 5, at(1)), 1);
        world.nodes[0].give_back(&first, 20, at(DAY));
        assert_eq!(world.sends(0, 20, at(DAY)), 1, "what is of yesterday stays spent");
    }

    #[test]
    fn a_message_is_paid_out_of_all_budgets_that_cover_it_or_out_of_none() {
        let poland = Budget { countries: vec!["PL".parse().unwrap()], ..budget("poland", 15) };
        let mut world = World::new(&[budget("all", 100), poland.clone()], 1);
        assert!(matches!(world.take(0, POLAND, 10, at(0)), Permit::Granted(_)));
        assert_eq!(world.take(0, POLAND, 10, at(0)), Permit::Exceeded);
        let spent = 100
            - (0..)
                .take_while(|_| matches!(world.take(0, "+33612345678", 10, at(0)), Permit::Granted(_)))
                .count()
                * 10;
        assert_eq!(spent, 10, "the refused one took nothing from the other budget");
    }

    #[test]
    fn a_budget_covers_what_it_names() {
        let covers = |budget: &Budget, tenant, number| budget.covers(tenant, to(number).by_ref());
        let of_prefix = Budget { prefixes: vec!["+4860".to_owned()], ..budget("p", 1) };
        assert!(covers(&of_prefix, TENANT, POLAND) && !covers(&of_prefix, TENANT, "+48221234567"));
        assert!(!covers(&of_prefix, TENANT, "a@example.com"));
        let of_project = Budget { projects: vec![ProjectId::from_bytes([2; 16])], ..budget("q", 1) };
        assert!(!covers(&of_project, TENANT, POLAND));
        let test = Tenant { mode: Mode::Test, ..TENANT };
        assert!(!covers(&budget("all", 1), test, POLAND), "test messages cost nothing");
    }

    #[test]
    fn what_is_free_needs_no_budget() {
        let mut world = World::new(&[budget("all", 0)], 1);
        assert_eq!(world.take(0, POLAND, 0, at(0)), Permit::Unmetered);
        assert_eq!(World::new(&[], 1).take(0, POLAND, 9, at(0)), Permit::Unmetered);
    }

    #[test]
    fn an_emptied_purse_leaves_the_counter_at_what_was_spent() {
        let mut world = World::new(&[budget("all", 10_000)], 1);
        assert!(matches!(world.take(0, POLAND, 10, at(0)), Permit::Granted(_)));
        for change in world.nodes[0].empty(at(0)) {
            world.apply(&change);
        }
        assert_eq!(world.counters.values().copied().collect::<Vec<_>>(), [10]);
        assert_eq!(world.nodes[0].held(BudgetId::named("all", "EUR"), at(0)), 0);
    }

    #[test]
    fn a_counter_above_a_lowered_cap_grants_nothing() {
        let change = |wanted, returned| Change {
            budget: BudgetId::named("a", "EUR"),
            day: Day(1),
            cap: 50,
            wanted,
            returned,
        };
        assert_eq!(change(10, 0).apply(80), (80, 0));
        assert_eq!(change(10, 40).apply(80), (50, 10));
        assert_eq!(change(0, 90).apply(80), (0, 0));
    }
}
