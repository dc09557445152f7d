//! `POST /v1/imports/twilio`, over the owner's socket only: services, rate limits, buckets and safe numbers as Twilio
//! shows them, kept under the SIDs they have there.
//!
//! All records are looked at before the first is written, by the same rules as if each were made here. What is kept
//! already as it should be is not written again, so an import that was broken off goes on when it is given again.

mod plan;
mod record;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::ids::ProjectId;
use countersign_core::setting::Put;
use countersign_core::tenancy::{AdminAnswer, Scope};
use countersign_core::tenant::{Mode, Tenant};

use super::rows;
use crate::answer;
use crate::app::App;
use crate::body;
use crate::caller::Caller;
use crate::error_code::ErrorCode;
use crate::fields::{Fields, invalid, missing};
use crate::limits;
use crate::openapi::{Method, Operation};
use crate::problem::Problem;
use crate::value::Value;
use plan::{Outcome, Plan};

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/imports/twilio",
    id: "importTwilio",
    tag: "Operation",
    summary: "Take over what a service at Twilio is set to",
    description: "Nothing is written when one record is refused.",
    scope: None,
    parameters: &[],
    body: None,
    success: (200, "What came of each record", "TwilioImport"),
    errors: &[ErrorCode::ResourceNotFound],
    idempotent: false,
};

/// What is to be imported, and where to.
struct Wanted {
    project: ProjectId,
    mode: Mode,
    dry_run: bool,
    records: Vec<Value>,
}

impl Wanted {
    async fn read(body: Body) -> Result<Self, Problem> {
        let bytes = body::collect_up_to(body, limits::MAX_IMPORT).await?;
        let value = Value::json(&bytes).map_err(|error| body::malformed(&error))?;
        let mut fields = Fields::of_body(value, &["project", "livemode", "dry_run", "records"])?;
        let project = fields.required_text("project", 64)?;
        let project = project.parse().map_err(|_| Problem::plain(ErrorCode::ResourceNotFound))?;
        let live = fields.boolean("livemode")?.unwrap_or(true);
        let dry_run = fields.boolean("dry_run")?.unwrap_or(false);
        let records = match fields.take("records") {
            Some(Value::Array(records)) => records,
            Some(_) => return Err(invalid("records", "must be a list")),
            None => return Err(missing("records")),
        };
        Ok(Self { project, mode: if live { Mode::Live } else { Mode::Test }, dry_run, records })
    }
}

pub(crate) async fn handle(State(app): State<App>, caller: Caller, body: Body) -> Result<Response, Problem> {
    caller.needs(Scope::ProjectsManage)?;
    let wanted = Wanted::read(body).await?;
    let mut projects = app.services.store.projects().await?.into_iter();
    let project = projects.find(|project| project.id == wanted.project);
    let project = project.ok_or_else(|| Problem::plain(ErrorCode::ResourceNotFound))?;
    let tenant = Tenant { project: project.id, mode: wanted.mode };
    let mut plan = Plan::of(&app, tenant, &project, &wanted.records).await?;
    let whole = plan.refused.is_empty();
    let report = plan.report(wanted.dry_run);
    if whole && !wanted.dry_run {
        let by = (caller.actor(), caller.context.request_id);
        // Whoever asked may go away; what is begun is brought to its end.
        let written = tokio::spawn(async move {
            for row in plan.rows.into_iter().filter(|row| row.outcome != Outcome::Unchanged) {
                let answer = rows::write(&app, by, row.setting, Put::Any).await?;
                if !matches!(answer, AdminAnswer::Setting(_)) {
                    return Err(Problem::plain(ErrorCode::StateConflict));
                }
            }
            Ok(())
        });
        written.await.map_err(|_| Problem::plain(ErrorCode::InternalError))??;
    }
    Ok(answer::json(StatusCode::OK, &report))
}
