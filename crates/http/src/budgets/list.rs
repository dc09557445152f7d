//! `GET /v1/budgets`: how much of each budget is left today.

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use countersign_core::budget::{Day, Standing};
use countersign_core::ids::ProjectId;
use countersign_core::money::{Currency, Money};
use countersign_core::recipient::Country;
use countersign_core::tenancy::Scope;
use serde::Serialize;
use serde_json::Value;

use super::money;
use crate::answer::{Text, json};
use crate::app::App;
use crate::caller::Caller;
use crate::list::{ListView, Query};
use crate::openapi::{Method, Operation};
use crate::problem::Problem;

pub(crate) const DOC: Operation = Operation {
    method: Method::Get,
    path: "/v1/budgets",
    id: "listBudgets",
    tag: "Routing",
    summary: "The budgets of today",
    description: "A day is one in UTC. `reserved` is what all servers have set aside or spent, `held` what this one holds of it \
                  and has not spent. A key of a project sees the budgets that cover that project alone.",
    scope: Some("routes:read"),
    parameters: &[],
    body: None,
    success: (200, "All budgets in one page", "BudgetList"),
    errors: &[],
    idempotent: false,
};

#[derive(Serialize)]
struct BudgetView {
    object: &'static str,
    name: String,
    projects: Vec<Text<ProjectId>>,
    countries: Vec<Text<Country>>,
    prefixes: Vec<String>,
    day: String,
    per_day: Value,
    reserved: Value,
    held: Value,
    remaining: Value,
}

pub(crate) async fn list(State(app): State<App>, uri: Uri, caller: Caller) -> Result<Response, Problem> {
    caller.needs(Scope::RoutesRead)?;
    Query::of(&uri, &[])?;
    let bound_to = caller.bound_to();
    let standing = app.services.treasury.standing().await?;
    let today = Day::of(app.services.clock.now());
    let views = standing
        .iter()
        .filter(|Standing { budget, .. }| {
            bound_to
                .is_none_or(|tenant| matches!(budget.projects.as_slice(), [only] if *only == tenant.project))
        })
        .map(|standing| view(standing, today, standing.currency));
    Ok(json(StatusCode::OK, &ListView::<BudgetView>::new(views.collect(), None)))
}

fn view(standing: &Standing, today: Day, currency: Currency) -> BudgetView {
    let Standing { budget, reserved, held, .. } = standing;
    let amount = |amount| money(Money { amount, currency });
    BudgetView {
        object: "budget",
        name: budget.name.clone(),
        projects: budget.projects.iter().copied().map(Text).collect(),
        countries: budget.countries.iter().copied().map(Text).collect(),
        prefixes: budget.prefixes.clone(),
        day: date(today),
        per_day: amount(budget.per_day),
        reserved: amount(*reserved),
        held: amount(*held),
        remaining: amount(budget.per_day.saturating_sub(reserved.saturating_sub(*held))),
    }
}

/// A day as RFC 3339 writes it.
fn date(day: Day) -> String {
    let instant =
        jiff::Timestamp::from_second(i64::from(day.0) * 24 * 60 * 60).unwrap_or(jiff::Timestamp::MAX);
    let text = instant.to_string();
    text.split('T').next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_as_a_date() {
        assert_eq!(date(Day(0)), "1970-01-01");
        assert_eq!(date(Day(20_484)), "2026-01-31");
    }
}
