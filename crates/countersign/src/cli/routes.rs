//! `countersign routes`

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::output::table;
use super::{Output, Place, text};
use crate::config::Config;
use crate::control;
use crate::problem::Outcome;

/// Explain where a message would go, or list routes and providers.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Say which route a live message would take and why, who is asked in which order, and what comes next.
    Explain {
        /// The phone number or mail address, like +48600100217.
        to: String,
        /// The channel: sms, voice, whatsapp or email [default: the preferred one].
        #[arg(long)]
        channel: Option<String>,
        /// The purpose [default: authentication].
        #[arg(long)]
        purpose: Option<String>,
        /// The project whose message it is [default: one that no route names].
        #[arg(long, value_name = "PROJECT")]
        project: Option<String>,
    },
    /// List the routes in the order of the configuration.
    List,
    /// List the providers and how they stand.
    Providers,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let config = args.place.config()?;
    match &args.command {
        Command::Explain { to, channel, purpose, project } => {
            let mut body = Map::from_iter([("to".to_owned(), json!(to))]);
            for (field, value) in [("channel", channel), ("purpose", purpose), ("project", project)] {
                body.extend(value.iter().map(|value| (field.to_owned(), json!(value))));
            }
            let body = Value::Object(body);
            let answer = control::call(&config, Method::POST, "/v1/routes/resolve", Some(&body)).await?;
            let answer = answer.map_err(|refused| refused.problem("the route cannot be explained"))?;
            output.answer(&explain(&answer), &answer);
        }
        Command::List => {
            let list = list(&config, "/v1/routes").await?;
            output.answer(&routes(&list), &list);
        }
        Command::Providers => {
            let list = list(&config, "/v1/providers").await?;
            output.answer(&providers(&list), &list);
        }
    }
    Ok(())
}

async fn list(config: &Config, path: &str) -> Outcome<Value> {
    let answer = control::call(config, Method::GET, path, None).await?;
    answer.map_err(|refused| refused.problem("it cannot be listed"))
}

fn items<'a>(value: &'a Value, at: &str) -> impl Iterator<Item = &'a Value> {
    value.pointer(at).and_then(Value::as_array).into_iter().flatten()
}

fn words(value: &Value, at: &str) -> String {
    let words: Vec<_> = items(value, at).filter_map(Value::as_str).collect();
    words.join(" ")
}

fn number(value: &Value, at: &str) -> u64 {
    value.pointer(at).and_then(Value::as_u64).unwrap_or_default()
}

/// Thousandths as a percentage.
fn percent(value: &Value, at: &str) -> String {
    match value.pointer(at).and_then(Value::as_u64) {
        Some(thousandths) => format!("{}.{} %", thousandths / 10, thousandths % 10),
        None => "-".to_owned(),
    }
}

fn or_dash(value: &Value, at: &str) -> String {
    Some(text(value, at)).filter(|text| !text.is_empty()).unwrap_or("-").to_owned()
}

fn explain(answer: &Value) -> String {
    let channel = text(answer, "/channel");
    let head = format!(
        "{} ({}), {}, {}",
        text(answer, "/to/masked"),
        or_dash(answer, "/to/country"),
        text(answer, "/purpose"),
        if channel.is_empty() { "no channel reaches it" } else { channel },
    );
    let routes = table(
        &["ROUTE", "CHANNEL", "MATCHES", "BECAUSE"],
        items(answer, "/routes").map(|route| {
            let matches = route.pointer("/matches").and_then(Value::as_bool).unwrap_or_default();
            let because = match (matches, number(route, "/prefix_length")) {
                (false, _) => format!("not its {}", words(route, "/mismatches").replace(' ', ", not its ")),
                (true, 0) => "nothing is against it".to_owned(),
                (true, length) => format!("its prefix covers {length} characters"),
            };
            let matches = if matches { "yes" } else { "no" };
            vec![
                text(route, "/name").to_owned(),
                text(route, "/channel").to_owned(),
                matches.to_owned(),
                because,
            ]
        }),
    );
    if items(answer, "/steps").next().is_none() {
        return format!("{head}\n\n{routes}\n\nNo provider: a live start is refused with no_route.");
    }
    let steps = table(
        &["", "PROVIDER", "ROUTE", "FIRST IN TIER", "WEIGHT", "LEFT", "CONVERSION", "SENDER", "CIRCUIT"],
        items(answer, "/steps").enumerate().map(|(nth, step)| {
            let until = text(step, "/open_until");
            vec![
                (nth + 1).to_string(),
                text(step, "/provider").to_owned(),
                text(step, "/route").to_owned(),
                percent(step, "/share"),
                number(step, "/weight").to_string(),
                percent(step, "/health"),
                percent(step, "/conversion"),
                or_dash(step, "/sender"),
                if until.is_empty() { "works".to_owned() } else { format!("open until {until}") },
            ]
        }),
    );
    format!("{head}\n\n{routes}\n\nAsked in this order, each when the one before fails:\n\n{steps}")
}

fn routes(list: &Value) -> String {
    table(
        &["ROUTE", "CHANNEL", "COUNTRIES", "PREFIXES", "PROJECTS", "PURPOSES", "PROVIDERS"],
        items(list, "/data").map(|route| {
            let providers: Vec<_> = items(route, "/providers")
                .map(|candidate| {
                    let (name, tier) = (text(candidate, "/provider"), number(candidate, "/tier"));
                    format!("{name} (tier {tier}, weight {})", number(candidate, "/weight"))
                })
                .collect();
            let all =
                |at| Some(words(route, at)).filter(|words| !words.is_empty()).unwrap_or("all".to_owned());
            vec![
                text(route, "/name").to_owned(),
                text(route, "/channel").to_owned(),
                all("/countries"),
                all("/prefixes"),
                all("/projects"),
                all("/purposes"),
                providers.join(", "),
            ]
        }),
    )
}

fn providers(list: &Value) -> String {
    table(
        &["PROVIDER", "CIRCUIT", "LEFT", "LATENCY", "TRIES/MIN", "FAILED", "DELIVERED", "UNDELIVERED"],
        items(list, "/data").map(|provider| {
            let enabled = provider.pointer("/enabled").and_then(Value::as_bool).unwrap_or_default();
            let latency = provider.pointer("/latency_ms").and_then(Value::as_u64);
            vec![
                text(provider, "/name").to_owned(),
                if enabled { text(provider, "/circuit").to_owned() } else { "switched off".to_owned() },
                percent(provider, "/weight"),
                latency.map_or_else(|| "-".to_owned(), |latency| format!("{latency} ms")),
                number(provider, "/numbers/tries").to_string(),
                number(provider, "/numbers/failures").to_string(),
                number(provider, "/numbers/delivered").to_string(),
                number(provider, "/numbers/undelivered").to_string(),
            ]
        }),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_says_why_not_and_what_comes_next() {
        let shown = explain(&json!({
            "to": { "masked": "+48••••••17", "country": "PL" }, "purpose": "authentication", "channel": "sms",
            "routes": [
                { "name": "poland", "channel": "sms", "matches": true, "mismatches": [], "prefix_length": 3 },
                { "name": "calls", "channel": "voice", "matches": false, "mismatches": ["channel", "purpose"] },
            ],
            "steps": [
                { "provider": "a", "route": "poland", "weight": 70, "health": 905, "share": 667, "sender": "ACME" },
                { "provider": "b", "route": "poland", "weight": 30, "health": 1000, "share": 333,
                  "open_until": "2026-01-31T12:00:00.000Z" },
            ],
        }));
        for words in
            ["its prefix covers 3", "not its channel, not its purpose", "90.5 %", "open until 2026", "ACME"]
        {
            assert!(shown.contains(words), "{words}: {shown}");
        }
        let nothing = explain(&json!({ "to": { "masked": "a•••@example.com" }, "purpose": "recovery" }));
        assert!(nothing.contains("no_route") && nothing.contains("no channel"), "{nothing}");
    }
}
