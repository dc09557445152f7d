//! What an import comes to: a row for each record, or why there is none.

use std::collections::HashMap;

use countersign_core::setting::{MOST_OF_A_KIND, Setting, SettingKey, SettingKind};
use countersign_core::tenancy::Project;
use countersign_core::tenant::Tenant;
use serde::Serialize;
use serde_json::json;

use super::record::{Kind, Record};
use crate::app::App;
use crate::compat::twilio::buckets::Bucket;
use crate::compat::twilio::rate_limits::RateLimit;
use crate::compat::twilio::resource::Resource;
use crate::compat::twilio::rows::{self, Kept};
use crate::compat::twilio::safelist;
use crate::compat::twilio::services::{Service, ServiceSettings, changed};
use crate::problem::Problem;
use crate::value::Value;

/// What comes of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Made,
    Changed,
    /// It is kept already as it should be.
    Unchanged,
}

/// A row as it will be.
pub(super) struct Row {
    kind: Kind,
    pub(super) setting: Setting,
    pub(super) outcome: Outcome,
}

/// Why a record cannot be imported.
#[derive(Debug, Serialize)]
pub(super) struct Refused {
    /// Its place in the list, from zero.
    pub(super) record: usize,
    pub(super) why: String,
}

/// A member of a record that is not carried over.
#[derive(Debug, Serialize)]
struct Left {
    record: usize,
    member: String,
    why: &'static str,
}

/// How many of a kind became what.
#[derive(Debug, Serialize)]
struct Count {
    kind: &'static str,
    made: usize,
    changed: usize,
    unchanged: usize,
}

/// What is answered.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    dry_run: bool,
    counts: Vec<Count>,
    left: Vec<Left>,
    refused: Vec<Refused>,
}

/// The whole import.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) rows: Vec<Row>,
    left: Vec<Left>,
    pub(super) refused: Vec<Refused>,
}

impl Plan {
    /// Looks at all records; those a record belongs to may stand behind it.
    pub(super) async fn of(
        app: &App,
        tenant: Tenant,
        project: &Project,
        records: &[Value],
    ) -> Result<Self, Problem> {
        let (mut plan, mut tenancy) = (Self::default(), Tenancy::read(app, tenant, project).await?);
        let mut read = Vec::new();
        for (nth, value) in records.iter().enumerate() {
            match Record::read(value) {
                Ok(record) => read.push((nth, record)),
                Err(why) => plan.refused.push(Refused { record: nth, why }),
            }
        }
        read.sort_by_key(|(_, record)| record.kind);
        for (nth, record) in read {
            match tenancy.take(app, &record) {
                Ok(row) => plan.rows.push(row),
                Err(why) => plan.refused.push(Refused { record: nth, why }),
            }
            let left = record.left.into_iter();
            plan.left.extend(left.map(|(member, why)| Left { record: nth, member, why }));
        }
        plan.refused.sort_by_key(|refused| refused.record);
        Ok(plan)
    }

    /// What to answer, before the rows are written.
    pub(super) fn report(&mut self, dry_run: bool) -> Report {
        let count = |kind: Kind| {
            let of =
                |outcome| self.rows.iter().filter(|row| row.kind == kind && row.outcome == outcome).count();
            let [made, changed, unchanged] = [Outcome::Made, Outcome::Changed, Outcome::Unchanged].map(of);
            Count { kind: kind.name(), made, changed, unchanged }
        };
        let counts = Kind::ALL.map(count).into();
        let refused = std::mem::take(&mut self.refused);
        Report { dry_run, counts, left: std::mem::take(&mut self.left), refused }
    }
}

type Id = (SettingKind, [u8; 16]);

/// The settings of a tenant, and what the import made of them so far.
struct Tenancy {
    tenant: Tenant,
    own: Service,
    rows: HashMap<Id, Setting>,
    /// Those that a record was taken for.
    taken: HashMap<Id, Vec<u8>>,
}

impl Tenancy {
    async fn read(app: &App, tenant: Tenant, project: &Project) -> Result<Self, Problem> {
        let mut rows = HashMap::new();
        for kind in
            [SettingKind::Service, SettingKind::RateLimit, SettingKind::Bucket, SettingKind::SafelistEntry]
        {
            let read = app.services.store.settings(tenant, kind).await?;
            rows.extend(read.into_iter().map(|row| ((kind, row.key.id), row)));
        }
        Ok(Self { tenant, own: Service::own(project), rows, taken: HashMap::new() })
    }

    /// The row of a record.
    fn take(&mut self, app: &App, record: &Record) -> Result<Row, String> {
        let setting = match record.kind {
            Kind::Service => self.service(record)?,
            Kind::RateLimit => {
                let service = self.service_of(record)?;
                self.resource::<RateLimit>(record, &service, service.id)?
            }
            Kind::Bucket => {
                let (service, limit) = (self.service_of(record)?, record.limit()?);
                let owner = self.rows.get(&(SettingKind::RateLimit, limit));
                owner.filter(|owner| owner.under == service.id).ok_or(
                    "its rate limit is neither here nor in the import, or belongs to another service",
                )?;
                self.resource::<Bucket>(record, &service, limit)?
            }
            Kind::SafeNumber => self.safe_number(app, record)?,
        };
        self.put(record.kind, setting)
    }

    fn row<T: Serialize>(&self, (kind, id): Id, under: [u8; 16], body: &T) -> Setting {
        rows::row(SettingKey { tenant: self.tenant, kind, id }, under, body)
    }

    fn service(&self, record: &Record) -> Result<Setting, String> {
        let key = (SettingKind::Service, record.id);
        record.form.required("FriendlyName").map_err(|error| error.text())?;
        let mut settings = ServiceSettings::default();
        if let Some(known) = self.rows.get(&key).map(Service::of) {
            // Ours alone: an export knows nothing of them.
            settings.keep_final_state = known.settings.keep_final_state;
            settings.default_template_sid = known.settings.default_template_sid;
        }
        Ok(self.row(key, [0; 16], &changed(settings, &record.form).map_err(|error| error.text())?))
    }

    fn service_of(&self, record: &Record) -> Result<Service, String> {
        let id = record.service()?;
        let known = self.rows.get(&(SettingKind::Service, id)).map(Service::of);
        let known = known.or_else(|| (id == self.own.id).then(|| self.own.clone()));
        known.ok_or_else(|| "its service is neither here nor in the import".to_owned())
    }

    fn resource<T: Resource>(
        &self,
        record: &Record,
        service: &Service,
        owner: [u8; 16],
    ) -> Result<Setting, String> {
        let key = (T::KIND, record.id);
        if self.rows.get(&key).is_some_and(|known| known.under != owner) {
            return Err("its `sid` is in use here for something else".to_owned());
        }
        let rows = self.rows.values().filter(|row| row.key.kind == T::KIND && row.under == owner);
        let beside: Vec<Kept<T>> = rows.filter(|row| row.key.id != record.id).filter_map(Kept::of).collect();
        let body = T::made(&record.form, service, &beside).map_err(|error| error.text())?;
        Ok(self.row(key, owner, &body))
    }

    fn safe_number(&self, app: &App, record: &Record) -> Result<Setting, String> {
        let number =
            record.form.required("PhoneNumber").and_then(safelist::number).map_err(|error| error.text())?;
        let id = safelist::id(app, self.tenant, &number).map_err(|error| error.text())?;
        Ok(self.row((SettingKind::SafelistEntry, id), [0; 16], &json!({})))
    }

    fn put(&mut self, kind: Kind, setting: Setting) -> Result<Row, String> {
        let id = (setting.key.kind, setting.key.id);
        if self.taken.get(&id).is_some_and(|earlier| *earlier != setting.body) {
            return Err("an earlier record has the same `sid` and says something else".to_owned());
        }
        let of_kind = || self.rows.keys().filter(|(kind, _)| *kind == id.0).count();
        let outcome = match self.rows.get(&id) {
            Some(known) if known.body == setting.body => Outcome::Unchanged,
            Some(_) => Outcome::Changed,
            None if of_kind() >= MOST_OF_A_KIND => {
                return Err(format!("a project has at most {MOST_OF_A_KIND} of a kind"));
            }
            None => Outcome::Made,
        };
        self.taken.insert(id, setting.body.clone());
        self.rows.insert(id, setting.clone());
        Ok(Row { kind, setting, outcome })
    }
}
