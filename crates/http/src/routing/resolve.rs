//! `POST /v1/routes/resolve`: where a message would go, why, and what comes next.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use countersign_core::ids::ProjectId;
use countersign_core::recipient::{Country, Recipient};
use countersign_core::routing::{Considered, Explanation, Step, Wanted};
use countersign_core::tenancy::Scope;
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::Timestamp;
use countersign_core::verification::{Channel, Purpose};
use serde::Serialize;

use super::may_see;
use crate::answer::{Text, json};
use crate::app::App;
use crate::body::Payload;
use crate::caller::Caller;
use crate::error_code::ErrorCode as Code;
use crate::fields::{Fields, invalid};
use crate::limits;
use crate::openapi::{Method, Operation};
use crate::problem::Problem;
use crate::verifications::{channel, purpose, recipient};

pub(crate) const DOC: Operation = Operation {
    method: Method::Post,
    path: "/v1/routes/resolve",
    id: "resolveRoute",
    tag: "Routing",
    summary: "Where a message would go, and why",
    description: "Looks at every route a live message of this project could take: which match, what keeps the others from it, \
                  the providers in the order they are tried with what is left of their weights, and what comes next when \
                  one fails. Sends nothing and counts nothing. With a test key it tells what a live one would get; test \
                  messages themselves go to the outbox. `project` is for operators, who belong to none.",
    scope: Some("routes:read"),
    parameters: &[],
    body: Some(("RouteResolve", r#"{"to":"+48600100217","channel":"sms"}"#)),
    success: (200, "The decision, laid open", "RouteResolution"),
    errors: &[Code::RecipientInvalid, Code::RecipientCannotReceive],
    idempotent: false,
};

#[derive(Serialize)]
struct ResolutionView {
    object: &'static str,
    to: ToView,
    purpose: &'static str,
    channel: Option<&'static str>,
    channels_available: Vec<&'static str>,
    routes: Vec<ConsideredView>,
    steps: Vec<StepView>,
}

#[derive(Serialize)]
struct ToView {
    r#type: &'static str,
    masked: String,
    country: Option<Text<Country>>,
}

#[derive(Serialize)]
struct ConsideredView {
    name: String,
    channel: &'static str,
    matches: bool,
    /// Why not.
    mismatches: Vec<&'static str>,
    /// The characters of the number its prefix covers.
    prefix_length: usize,
}

#[derive(Serialize)]
struct StepView {
    provider: String,
    route: String,
    tier: usize,
    weight: u32,
    /// What is left of the weight, in thousandths.
    health: u16,
    /// The cautious share of approvals in this country, in thousandths, where it counts.
    conversion: Option<u16>,
    /// The chance to be first in its tier, in thousandths.
    share: u16,
    open_until: Option<Text<Timestamp>>,
    sender: Option<String>,
    /// For one part of a message.
    price: Option<serde_json::Value>,
    /// The provider that is asked when this one fails.
    on_failure: Option<String>,
}

pub(crate) async fn resolve(
    State(app): State<App>,
    caller: Caller,
    payload: Payload,
) -> Result<Response, Problem> {
    caller.needs(Scope::RoutesRead)?;
    let mut fields = payload.fields(&["to", "channel", "purpose", "project"])?;
    let to = recipient(&fields.required_text("to", limits::MAX_TO)?)?;
    let wished = channel(&mut fields)?;
    let purpose = purpose(&mut fields)?.unwrap_or(Purpose::Authentication);
    let bound_to = caller.bound_to();
    let project = project(bound_to, &mut fields)?;
    if wished.is_some_and(|channel| channel == Channel::Own || !channel.reaches(to.kind())) {
        return Err(Problem::plain(Code::RecipientCannotReceive).param("channel"));
    }
    let routes = app.services.board.routes_now(app.services.clock.now());
    let wanted = Wanted { tenant: Tenant { project, mode: Mode::Live }, purpose, to: to.by_ref() };
    let explained = routes.explain(&wanted, wished);
    Ok(json(StatusCode::OK, &view(explained, &to, purpose, bound_to)))
}

/// Whose message: the caller's project, or the one an operator names. Routes of a project serve nobody else.
fn project(bound_to: Option<Tenant>, fields: &mut Fields) -> Result<ProjectId, Problem> {
    let named = fields.text("project", 64)?;
    let named: Option<ProjectId> = match named.as_deref() {
        Some(text) => Some(text.parse().map_err(|_| invalid("project", "must be the id of a project"))?),
        None => None,
    };
    match (bound_to, named) {
        (Some(tenant), Some(project)) if project != tenant.project => {
            Err(Problem::plain(Code::ResourceNotFound).param("project"))
        }
        (Some(tenant), _) => Ok(tenant.project),
        (None, Some(project)) => Ok(project),
        (None, None) => Ok(Tenant::STORE.project),
    }
}

fn view(
    explained: Explanation<'_>,
    to: &Recipient,
    purpose: Purpose,
    bound_to: Option<Tenant>,
) -> ResolutionView {
    let Explanation { channel, channels, routes, steps } = explained;
    let seen = routes.iter().filter(|considered| may_see(bound_to, considered.route));
    let next = steps.iter().skip(1).map(|step| Some(step.candidate.provider.clone())).chain([None]);
    ResolutionView {
        object: "route_resolution",
        to: ToView { r#type: to.kind().as_str(), masked: to.masked(), country: to.country().map(Text) },
        purpose: purpose.as_str(),
        channel: channel.map(Channel::as_str),
        channels_available: channels.into_iter().map(Channel::as_str).collect(),
        routes: seen.map(considered).collect(),
        steps: steps.iter().zip(next).map(|(taken, next)| step(taken, to.country(), next)).collect(),
    }
}

fn considered(considered: &Considered<'_>) -> ConsideredView {
    ConsideredView {
        name: considered.route.name.clone(),
        channel: considered.route.channel.as_str(),
        matches: considered.mismatches.is_empty(),
        mismatches: considered.mismatches.iter().map(|mismatch| mismatch.as_str()).collect(),
        prefix_length: considered.prefix_length,
    }
}

fn step(step: &Step<'_>, country: Option<Country>, on_failure: Option<String>) -> StepView {
    StepView {
        provider: step.candidate.provider.clone(),
        route: step.route.name.clone(),
        tier: step.tier,
        weight: step.candidate.weight,
        health: step.rating.health,
        conversion: country.and_then(|country| step.rating.conversion.get(&country).copied()),
        share: step.share,
        open_until: step.rating.open_until.map(Text),
        sender: step.sender.map(str::to_owned),
        price: step.price.map(|price| crate::budgets::money(price.price)),
        on_failure,
    }
}
