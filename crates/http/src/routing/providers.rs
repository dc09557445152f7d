//! `GET /v1/providers`: the configured providers and how they stand, as this node sees it.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::health::Numbers;
use countersign_core::routing::Tier;
use countersign_core::tenancy::Scope;
use countersign_core::time::Timestamp;
use serde::Serialize;

use super::{ConversionView, may_see, open_until};
use crate::answer::{Text, json};
use crate::app::App;
use crate::caller::Caller;
use crate::list::{ListView, Query};
use crate::openapi::{Method, Operation};
use crate::problem::Problem;

pub(crate) const DOC: Operation = Operation {
    method: Method::Get,
    path: "/v1/providers",
    id: "listProviders",
    tag: "Routing",
    summary: "The providers and how they stand",
    description: "As the server that answers sees it; each judges by its own results. A key of a project sees the providers \
                  of the routes that may serve it, without `numbers`: those count the messages of all projects, and are for \
                  operators. `weight` is what is left of the configured one, in thousandths.",
    scope: Some("routes:read"),
    parameters: &[],
    body: None,
    success: (200, "All providers in one page", "ProviderList"),
    errors: &[],
    idempotent: false,
};

#[derive(Serialize)]
struct ProviderView {
    object: &'static str,
    name: String,
    enabled: bool,
    circuit: &'static str,
    open_until: Option<Text<Timestamp>>,
    weight: u16,
    latency_ms: Option<u64>,
    numbers: Option<NumbersView>,
}

#[derive(Serialize)]
struct NumbersView {
    /// Within the last minute.
    tries: u32,
    failures: u32,
    /// Since the server started.
    delivered: u64,
    undelivered: u64,
    conversion: Vec<ConversionView>,
}

pub(crate) async fn list(State(app): State<App>, uri: Uri, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::RoutesRead)?;
    Query::of(&uri, &[])?;
    let (bound_to, routes) = (caller.bound_to(), app.services.board.routes_now(app.services.clock.now()));
    let seen = routes.live.iter().filter(|route| may_see(bound_to, route));
    let named: std::collections::BTreeSet<_> = seen
        .flat_map(|route| &route.tiers)
        .flat_map(|Tier(candidates)| candidates)
        .map(|candidate| candidate.provider.as_str())
        .collect();
    let numbers = app.services.board.numbers(app.services.clock.now());
    let providers = numbers
        .into_iter()
        .filter(|(name, _)| bound_to.is_none() || named.contains(name.as_str()))
        .map(|(name, numbers)| {
            let enabled = !routes.disabled.contains(&name);
            view(name, enabled, &numbers, bound_to.is_none())
        });
    Ok(json(StatusCode::OK, &ListView::<ProviderView>::new(providers.collect(), None)))
}

fn view(name: String, enabled: bool, numbers: &Numbers, all: bool) -> ProviderView {
    let conversion = |(country, learned): (&_, &countersign_core::health::Conversion)| ConversionView {
        country: Text(*country),
        sent: learned.sent,
        approved: learned.approved,
        lower_bound: learned.lower_bound(),
    };
    ProviderView {
        object: "provider",
        name,
        enabled,
        circuit: numbers.circuit.as_str(),
        open_until: open_until(numbers.circuit),
        weight: numbers.weight,
        latency_ms: numbers.latency.map(|latency| u64::try_from(latency.as_millis()).unwrap_or(u64::MAX)),
        numbers: all.then(|| NumbersView {
            tries: numbers.tries,
            failures: numbers.failures,
            delivered: numbers.delivered,
            undelivered: numbers.undelivered,
            conversion: numbers.countries.iter().map(conversion).collect(),
        }),
    }
}
