//! `countersign timeline`

use reqwest::Method;
use serde_json::Value;

use super::output::table;
use super::{Output, text};
use crate::client::Server;
use crate::problem::{Outcome, Problem};

/// Show what happened to a verification: routes, messages, receipts, steps, checks.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The verification, vrf_….
    id: String,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    if !args.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        let fix = "copy it from what `countersign send` printed";
        return Err(Problem::usage("nothing was looked up", format!("{:?} is not an id", args.id), fix));
    }
    let client = args.server.client()?;
    let path = format!("/v1/verifications/{}/timeline", args.id);
    let answer = client.call(Method::GET, &path, &[], None).await?;
    let timeline = answer.map_err(|refused| refused.problem("the timeline cannot be read"))?;
    let facts = timeline["data"].as_array().cloned().unwrap_or_default();
    let rows = facts
        .iter()
        .map(|fact| vec![text(fact, "/at").to_owned(), text(fact, "/type").to_owned(), said(&fact["data"])]);
    output.answer(&table(&["AT", "WHAT", "HOW"], rows), &timeline);
    Ok(())
}

/// The data of a fact on one line, without what says nothing.
fn said(data: &Value) -> String {
    let Some(fields) = data.as_object() else { return word(data) };
    let said = fields.iter().filter(|(_, value)| !is_empty(value));
    said.map(|(name, value)| format!("{name}={}", word(value))).collect::<Vec<_>>().join(" ")
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty)
}

/// A value in a word: lists with arrows, for routes and steps have an order; objects by what stands in them.
fn word(value: &Value) -> String {
    let joined = |words: Vec<String>, between: &str| words.join(between);
    match value {
        Value::String(text) if text.contains(' ') => format!("{text:?}"),
        Value::String(text) => text.clone(),
        Value::Array(items) => joined(items.iter().map(word).collect(), "→"),
        Value::Object(fields) => {
            let words = fields.values().filter(|value| !is_empty(value)).map(word);
            joined(words.collect(), ":")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fact_is_one_line() {
        let created = json!({
            "channel": "sms", "lane": "open", "route": ["one", "two"], "skipped": [],
            "workflow": [{ "channel": "sms", "wait": 60, "receipt_within": null }, { "channel": "voice", "wait": null }],
        });
        assert_eq!(said(&created), "channel=sms lane=open route=one→two workflow=sms:60→voice");
        let refused = json!({ "error": { "class": "timeout", "detail": "no answer" }, "message_id": null });
        assert_eq!(said(&refused), "error=timeout:\"no answer\"");
    }
}
