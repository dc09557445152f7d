//! `countersign budgets`

use countersign_core::money::Decimal;
use reqwest::Method;
use serde_json::Value;

use super::output::table;
use super::{Output, Place, text};
use crate::control;
use crate::problem::Outcome;

/// Look at what is left of the budgets.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show each budget, what is spent of it today (UTC), and what is left.
    Show,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let config = args.place.config()?;
    match args.command {
        Command::Show => {
            let answer = control::call(&config, Method::GET, "/v1/budgets", None).await?;
            let list = answer.map_err(|refused| refused.problem("the budgets cannot be shown"))?;
            output.answer(&describe(&list), &list);
        }
    }
    Ok(())
}

fn describe(list: &Value) -> String {
    let budgets = list.get("data").and_then(Value::as_array).cloned().unwrap_or_default();
    if budgets.is_empty() {
        return "There are no budgets: nothing stops a day's spending. [[budgets]] in the configuration make some."
            .to_owned();
    }
    table(
        &["BUDGET", "DAY", "PER DAY", "SET ASIDE", "LEFT", "COVERS"],
        budgets.iter().map(|budget| {
            let money = |at: &str| {
                let amount =
                    budget.pointer(&format!("{at}/amount")).and_then(Value::as_u64).unwrap_or_default();
                format!("{} {}", Decimal(amount), text(budget, &format!("{at}/currency")))
            };
            let covers: Vec<_> = ["/projects", "/countries", "/prefixes"]
                .iter()
                .flat_map(|at| budget.pointer(at).and_then(Value::as_array).into_iter().flatten())
                .filter_map(Value::as_str)
                .collect();
            vec![
                text(budget, "/name").to_owned(),
                text(budget, "/day").to_owned(),
                money("/per_day"),
                money("/reserved"),
                money("/remaining"),
                if covers.is_empty() { "everything".to_owned() } else { covers.join(" ") },
            ]
        }),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn amounts_are_shown_in_units_of_the_currency() {
        let money = |amount: u64| json!({ "amount": amount, "scale": 5, "currency": "EUR" });
        let shown = describe(&json!({ "data": [{
            "name": "poland", "day": "2026-01-31", "countries": ["PL"], "prefixes": ["+4860"],
            "per_day": money(25_000_000), "reserved": money(645), "remaining": money(24_999_355),
        }]}));
        for words in ["250.00 EUR", "0.00645 EUR", "249.99355 EUR", "PL +4860"] {
            assert!(shown.contains(words), "{words}: {shown}");
        }
        assert!(describe(&json!({ "data": [] })).contains("no budgets"));
    }
}
