//! The reference engine: the rows in maps, one command a batch. For simulation and as the yardstick of the others.

mod budgets;
mod receipts;
mod rows;
mod subjects;
mod upkeep;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use countersign_core::batch::{Changes, Outcome, run};
use countersign_core::budget::{BudgetId, Change, Day};
use countersign_core::command::{Job, RecipientIndex, Recorded, Request};
use countersign_core::delivery::Delivery;
use countersign_core::ids::{
    ChallengeId, DeliveryId, FactorId, KeyId, ProjectId, RecipientId, SubjectId, VerificationId,
};
use countersign_core::journal::{Actor, Entry};
use countersign_core::keys::{Digest, Keys};
use countersign_core::ledger::RecipientRow;
use countersign_core::receipt::About;
use countersign_core::setting::{Setting, SettingKey, SettingKind};
use countersign_core::store::{
    ChallengePage, EarlyReceipts, Filter, History, KeyRecord, Numbered, OutboxItem, Overdue, Page, Pending,
    Retention, Shown, Store, SubjectPage, SubjectShown, Unavailable,
};
use countersign_core::subject::Aim;
use countersign_core::tenancy::{self, AdminAnswer, AdminChange, AdminRequest, ApiKey, Found, Project};
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::{Clock, Timestamp, next_instant};
use countersign_core::verification::Verification;

use crate::HandOver;
use crate::load::load;
use budgets::Budgets;
use receipts::Receipts;
use subjects::Subjects;

#[derive(Default)]
struct Tables {
    /// The latest instant anything here saw.
    last: Timestamp,
    projects: BTreeMap<ProjectId, Project>,
    keys: BTreeMap<KeyId, ApiKey>,
    indexes: BTreeMap<(Tenant, Digest), RecipientId>,
    recipients: BTreeMap<RecipientId, RecipientRow>,
    verifications: BTreeMap<(Tenant, VerificationId), Verification>,
    deliveries: BTreeMap<(Tenant, DeliveryId), Delivery>,
    journal: Vec<Entry>,
    once: BTreeMap<Digest, Recorded>,
    receipts: Receipts,
    settings: BTreeMap<SettingKey, Setting>,
    subjects: Subjects,
    budgets: Budgets,
}

/// The reference engine. Nothing survives it.
pub struct MemoryStore {
    tables: Mutex<Tables>,
    clock: Arc<dyn Clock>,
    keys: Arc<Keys>,
    hand_over: HandOver,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, keys: Arc<Keys>, hand_over: HandOver) -> Self {
        Self { tables: Mutex::new(Tables::default()), clock, keys, hand_over }
    }

    /// The whole journal, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.tables.lock().map(|tables| tables.journal.clone()).unwrap_or_default()
    }

    fn with<T: Send + 'static>(&self, act: impl FnOnce(&mut Tables, Timestamp) -> T) -> Pending<'static, T> {
        let done = self.tables.lock().map_err(|_| Unavailable::Internal).map(|mut tables| {
            let now = next_instant(tables.last, self.clock.now()).map_err(Unavailable::ClockWentBack)?;
            tables.last = now;
            Ok(act(&mut tables, now))
        });
        Box::pin(std::future::ready(done.flatten()))
    }

    /// Looks at the tables as they are, whatever the clock shows.
    fn look<T: Send + 'static>(&self, look: impl FnOnce(&mut Tables, Timestamp) -> T) -> Pending<'static, T> {
        let clock = self.clock.now();
        let seen = self.tables.lock().map_err(|_| Unavailable::Internal);
        Box::pin(std::future::ready(seen.map(|mut tables| look(&mut tables, clock))))
    }
}

impl Tables {
    fn decide(
        &mut self,
        request: &Request,
        now: Timestamp,
        keys: &Keys,
    ) -> (Result<Outcome, Unavailable>, Vec<Job>) {
        let Ok(loaded) = load(&mut &*self, &[request], now);
        let (mut outcomes, changes) = run(&[request], loaded, keys);
        let jobs = self.apply(changes);
        (outcomes.pop().unwrap_or(Err(Unavailable::Internal)), jobs)
    }

    fn apply(&mut self, changes: Changes) -> Vec<Job> {
        for (id, row) in changes.recipients {
            if changes.new_recipients.contains(&id) {
                self.indexes.insert((row.tenant, row.index), id);
            }
            self.recipients.insert(id, row);
        }
        for (id, (row, _)) in changes.verifications {
            self.verifications.insert((row.tenant, id), row);
        }
        for (id, (row, _)) in changes.deliveries {
            self.deliveries.insert((row.tenant, id), row);
        }
        self.subjects.apply(changes.subjects);
        self.journal.extend(changes.journal);
        self.once.extend(changes.once);
        self.receipts.apply(changes.messages, changes.early);
        changes.jobs
    }

    fn shown(&self, verification: &Verification) -> Option<Shown> {
        let recipient = self.recipients.get(&verification.recipient)?.clone();
        let of_it = self.deliveries.values().filter(|delivery| delivery.verification == verification.id);
        Some(Shown { verification: verification.clone(), recipient, deliveries: of_it.cloned().collect() })
    }

    fn administer(&mut self, request: &AdminRequest, now: Timestamp) -> AdminAnswer {
        let project = self.projects.get(&request.change.project()).cloned();
        let key = request.change.key().and_then(|id| self.keys.get(&id)).cloned();
        if let AdminChange::CreateKey(wanted) = &request.change
            && self.keys.values().any(|known| known.prefix == wanted.prefix)
        {
            return AdminAnswer::Conflict;
        }
        let setting = request.change.setting();
        let of_kind = |known: &&SettingKey| {
            setting.is_some_and(|wanted| (known.tenant, known.kind) == (wanted.tenant, wanted.kind))
        };
        let settings_of_kind = self.settings.keys().filter(of_kind).count();
        let setting = setting.and_then(|key| self.settings.get(&key)).cloned();
        let found = Found { project, key, setting, settings_of_kind };
        let (effects, answer) = tenancy::decide(request, found, now);
        self.projects.extend(effects.project.map(|project| (project.id, project)));
        self.keys.extend(effects.key.map(|key| (key.id, key)));
        self.settings.extend(effects.setting.map(|setting| (setting.key, setting)));
        if let Some(key) = effects.removed {
            self.settings.remove(&key);
        }
        self.journal.extend(effects.entry);
        answer
    }

    /// The present as the tenant sees it.
    fn now_of(&self, tenant: &Tenant, now: Timestamp) -> Timestamp {
        let project = self.projects.get(&tenant.project).filter(|_| tenant.mode == Mode::Test);
        now.plus(Duration::from_secs(project.map_or(0, |project| project.test_clock_ahead)))
    }
}

impl Store for MemoryStore {
    fn submit(&self, request: Request) -> Pending<'_, Outcome> {
        let decided = self.with(|tables, now| tables.decide(&request, now, &self.keys));
        Box::pin(async move {
            let (outcome, jobs) = decided.await?;
            jobs.into_iter().for_each(|job| (self.hand_over)(job));
            outcome
        })
    }

    fn administer(&self, request: AdminRequest) -> Pending<'_, AdminAnswer> {
        self.with(|tables, now| tables.administer(&request, now))
    }

    fn verification(&self, tenant: Tenant, id: VerificationId) -> Pending<'_, Option<Shown>> {
        self.with(|tables, _| tables.verifications.get(&(tenant, id)).and_then(|found| tables.shown(found)))
    }

    fn verifications(
        &self,
        tenant: Tenant,
        filter: Filter,
        before: Option<VerificationId>,
        limit: usize,
    ) -> Pending<'_, Page> {
        self.with(|tables, now| {
            let below = |id: &VerificationId| before.is_none_or(|before| *id < before);
            let rows = tables.verifications.iter().rev().filter(|((of, id), _)| *of == tenant && below(id));
            let now = tables.now_of(&tenant, now);
            let mut passing = rows.map(|(_, row)| row).filter(|row| filter.passes(row, now));
            let verifications: Vec<_> =
                passing.by_ref().take(limit).filter_map(|row| tables.shown(row)).collect();
            let more = passing.next().is_some();
            let next = verifications.last().map(|shown| shown.verification.id).filter(|_| more);
            Page { verifications, next }
        })
    }

    fn history(&self, tenant: Tenant, id: VerificationId) -> Pending<'_, Option<History>> {
        self.with(|tables, _| {
            let shown = tables.verifications.get(&(tenant, id)).and_then(|found| tables.shown(found))?;
            let of_it = tables.journal.iter().filter(|entry| entry.verification == Some(id));
            Some(History { shown, entries: of_it.cloned().collect() })
        })
    }

    fn outbox(
        &self,
        tenant: Tenant,
        after: Option<Timestamp>,
        to: Option<RecipientIndex>,
        limit: usize,
    ) -> Pending<'_, Vec<OutboxItem>> {
        self.with(|tables, _| {
            let newer = |id: &DeliveryId| after.is_none_or(|after| id.created_at() > after);
            let rows = tables.deliveries.iter().rev().filter(|((of, id), _)| *of == tenant && newer(id));
            let items = rows.filter_map(|(_, delivery)| {
                let shown = tables.verifications.get(&(tenant, delivery.verification))?.clone();
                let meant = to.as_ref().is_none_or(|to| to.exact.contains(&shown.address));
                let recipient = tables.recipients.get(&delivery.recipient)?.clone();
                meant.then(|| OutboxItem { delivery: delivery.clone(), shown, recipient })
            });
            items.take(limit).collect()
        })
    }

    fn key(&self, prefix: String) -> Pending<'_, Option<KeyRecord>> {
        self.with(|tables, _| {
            let key = tables.keys.values().find(|key| key.prefix == prefix)?.clone();
            let project = tables.projects.get(&key.tenant.project)?.clone();
            Some(KeyRecord { key, project })
        })
    }

    fn projects(&self) -> Pending<'_, Vec<Project>> {
        self.with(|tables, _| tables.projects.values().cloned().collect())
    }

    fn keys(&self, project: ProjectId) -> Pending<'_, Vec<ApiKey>> {
        self.with(|tables, _| {
            tables.keys.values().filter(|key| key.tenant.project == project).cloned().collect()
        })
    }

    fn settings(&self, tenant: Tenant, kind: SettingKind) -> Pending<'_, Vec<Setting>> {
        self.with(move |tables, _| {
            let of_kind =
                tables.settings.values().filter(|row| (row.key.tenant, row.key.kind) == (tenant, kind));
            of_kind.cloned().collect()
        })
    }

    fn subject(&self, tenant: Tenant, aim: Aim) -> Pending<'_, Option<SubjectShown>> {
        self.with(move |tables, _| tables.subjects.shown(tenant, &aim))
    }

    fn subjects(&self, tenant: Tenant, before: Option<SubjectId>, limit: usize) -> Pending<'_, SubjectPage> {
        self.with(move |tables, _| tables.subjects.page(tenant, before, limit))
    }

    fn challenges(
        &self,
        tenant: Tenant,
        of: Option<SubjectId>,
        before: Option<ChallengeId>,
        limit: usize,
    ) -> Pending<'_, ChallengePage> {
        self.with(move |tables, _| tables.subjects.challenges(tenant, of, before, limit))
    }

    fn tenant_of_factor(&self, id: FactorId) -> Pending<'_, Option<Tenant>> {
        self.with(move |tables, _| tables.subjects.factors.get(&id).map(|(tenant, _)| *tenant))
    }

    fn change_budget(&self, change: Change) -> Pending<'_, u64> {
        self.with(|tables, _| tables.budgets.change(&change))
    }

    fn budgets(&self, day: Day) -> Pending<'_, Vec<(BudgetId, u64)>> {
        self.with(|tables, _| tables.budgets.of_day(day))
    }

    fn claim(&self, most: usize) -> Pending<'_, Vec<Job>> {
        self.with(|tables, now| tables.claim(most, now))
    }

    fn addressee(&self, provider: String, about: About) -> Pending<'_, Option<(Tenant, DeliveryId)>> {
        self.with(move |tables, _| tables.receipts.addressee(provider, &about, tables.deliveries.keys()))
    }

    fn early_receipts(&self, most: usize) -> Pending<'_, EarlyReceipts> {
        self.with(move |tables, _| tables.receipts.early(most))
    }

    fn overdue(&self, after: VerificationId, most: usize) -> Pending<'_, Overdue> {
        self.with(|tables, now| tables.overdue(after, most, now))
    }

    fn retire(&self, keep: Retention, most: usize) -> Pending<'_, u64> {
        self.with(|tables, now| tables.retire(keep, most, now))
    }

    fn ready(&self) -> Pending<'_, ()> {
        self.with(|_, _| ())
    }

    fn journal(&self, after: u64, most: usize) -> Pending<'_, Vec<Numbered>> {
        self.look(move |tables, _| {
            let numbered = (1..).zip(&tables.journal).skip_while(|(number, _)| *number <= after).take(most);
            numbered.map(|(number, entry)| Numbered { number, entry: entry.clone() }).collect()
        })
    }

    fn leads(&self) -> bool {
        true
    }

    fn accept_clock(&self, actor: Actor, random: [u8; 10]) -> Pending<'_, Option<Duration>> {
        self.look(|tables, clock| tables.accept_clock(clock, actor, random, &self.keys))
    }

    fn close(&self) -> Pending<'_, ()> {
        self.look(|_, _| ())
    }
}
