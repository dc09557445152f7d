//! `GET /v1/routes`: the routing table as it is configured.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::ids::ProjectId;
use countersign_core::recipient::Country;
use countersign_core::routing::{Route, Tier};
use countersign_core::tenancy::Scope;
use countersign_core::tenant::Tenant;
use serde::Serialize;

use super::{SendersView, may_see};
use crate::answer::{Text, json};
use crate::app::App;
use crate::caller::Caller;
use crate::list::{ListView, Query};
use crate::openapi::{Method, Operation};
use crate::problem::Problem;

pub(crate) const DOC: Operation = Operation {
    method: Method::Get,
    path: "/v1/routes",
    id: "listRoutes",
    tag: "Routing",
    summary: "The routing table",
    description: "In the order of the configuration, which is where routes are changed. A key of a project sees the routes \
                  that may serve it. An empty list of countries, prefixes, projects or purposes matches all of them.",
    scope: Some("routes:read"),
    parameters: &[],
    body: None,
    success: (200, "All routes in one page", "RouteList"),
    errors: &[],
    idempotent: false,
};

#[derive(Serialize)]
struct RouteView {
    object: &'static str,
    name: String,
    channel: &'static str,
    countries: Vec<Text<Country>>,
    prefixes: Vec<String>,
    projects: Vec<Text<ProjectId>>,
    purposes: Vec<&'static str>,
    providers: Vec<CandidateView>,
    senders: SendersView,
}

#[derive(Serialize)]
struct CandidateView {
    provider: String,
    /// Counted from 0; those of one tier share the messages.
    tier: usize,
    weight: u32,
    enabled: bool,
    senders: SendersView,
}

pub(crate) async fn list(State(app): State<App>, uri: Uri, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::RoutesRead)?;
    Query::of(&uri, &[])?;
    let (bound_to, routes) = (caller.bound_to(), app.services.board.routes_now(app.services.clock.now()));
    let seen = routes.live.iter().filter(|route| may_see(bound_to, route));
    let views = seen.map(|route| view(route, bound_to, &routes.disabled)).collect();
    Ok(json(StatusCode::OK, &ListView::<RouteView>::new(views, None)))
}

fn view(route: &Route, bound_to: Option<Tenant>, disabled: &std::collections::BTreeSet<String>) -> RouteView {
    let in_tier = |(tier, Tier(candidates)): (usize, &Tier)| {
        let candidates = candidates.iter().map(move |candidate| CandidateView {
            provider: candidate.provider.clone(),
            tier,
            weight: candidate.weight,
            enabled: !disabled.contains(&candidate.provider),
            senders: (&candidate.senders).into(),
        });
        candidates.collect::<Vec<_>>()
    };
    // Whom else a route serves is not a project's business.
    let projects = route.projects.iter().filter(|id| bound_to.is_none_or(|tenant| tenant.project == **id));
    RouteView {
        object: "route",
        name: route.name.clone(),
        channel: route.channel.as_str(),
        countries: route.countries.iter().copied().map(Text).collect(),
        prefixes: route.prefixes.clone(),
        projects: projects.copied().map(Text).collect(),
        purposes: route.purposes.iter().map(|purpose| purpose.as_str()).collect(),
        providers: route.tiers.iter().enumerate().flat_map(in_tier).collect(),
        senders: (&route.senders).into(),
    }
}
