//! `countersign inbox`

use reqwest::Method;
use serde_json::{Value, json};

use super::{Output, text};
use crate::client::{Client, Server};
use crate::problem::{Outcome, Problem};

/// The longest wait the server grants.
const LONGEST_WAIT_SECONDS: u8 = 20;

/// Read the messages that test keys sent.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// The latest messages, newest first.
    List,
    /// Wait for a message and print the newest.
    Wait {
        /// Only messages to this recipient.
        to: Option<String>,
        /// Print the code alone.
        #[arg(long)]
        code: bool,
    },
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let client = args.server.client()?;
    match &args.command {
        None | Some(Command::List) => {
            let list = read(&client, &[]).await?;
            let messages = messages(&list).map(describe).collect::<Vec<_>>();
            let text = if messages.is_empty() { "no messages".to_owned() } else { messages.join("\n\n") };
            output.answer(&text, &list);
        }
        Some(Command::Wait { to, code }) => {
            let mut query = vec![("wait", LONGEST_WAIT_SECONDS.to_string())];
            query.extend(to.iter().map(|to| ("to", to.clone())));
            let list = read(&client, &query).await?;
            let Some(message) = messages(&list).next() else { return Err(nothing_came(to.as_deref())) };
            let (shown, json) = if *code {
                (text(message, "/code").to_owned(), json!({ "code": text(message, "/code") }))
            } else {
                (describe(message), message.clone())
            };
            output.answer(&shown, &json);
        }
    }
    Ok(())
}

async fn read(client: &Client, query: &[(&str, String)]) -> Outcome<Value> {
    let answer = client.call(Method::GET, "/v1/test/outbox", query, None).await?;
    answer.map_err(|refused| refused.problem("the test outbox cannot be read"))
}

fn messages(list: &Value) -> impl Iterator<Item = &Value> {
    list.get("data").and_then(Value::as_array).into_iter().flatten()
}

fn describe(message: &Value) -> String {
    let verification = ["/verification/id", "/verification"]
        .iter()
        .map(|path| text(message, path))
        .find(|id| !id.is_empty());
    let words: Vec<String> = text(message, "/text").trim().lines().map(|line| format!("  {line}")).collect();
    format!(
        "{} to {} ({})\n{}",
        text(message, "/channel"),
        text(message, "/to"),
        verification.unwrap_or_default(),
        words.join("\n")
    )
}

fn nothing_came(to: Option<&str>) -> Problem {
    let to = to.map(|to| format!(" to {to}")).unwrap_or_default();
    Problem::new(
        "no message came",
        format!("within {LONGEST_WAIT_SECONDS} seconds no test key sent one{to}"),
        "start one with `countersign send`, then wait again",
    )
}
