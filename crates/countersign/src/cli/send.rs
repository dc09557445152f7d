//! `countersign send`

use countersign_core::workflow::Step;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Output, text};
use crate::client::Server;
use crate::problem::Outcome;

/// Send a code to a phone number or mail address.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// A phone number like +48600100217, or a mail address.
    to: String,
    /// How the code travels: auto, sms, voice, whatsapp or email.
    #[arg(long)]
    channel: Option<String>,
    /// Over which channels one after the other, with the seconds to wait for a check (and, behind another colon, for the
    /// network to say that it arrived): like sms:60,voice or sms:60:20,voice.
    #[arg(long, value_name = "STEPS", conflicts_with = "channel", value_parser = workflow)]
    workflow: Option<Value>,
    /// What a success may be used for: authentication, address_validation or recovery.
    #[arg(long)]
    purpose: Option<String>,
    /// The language of the message, like pl or pt-BR.
    #[arg(long)]
    locale: Option<String>,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let client = args.server.client()?;
    let mut body = Map::from_iter([("to".to_owned(), json!(args.to))]);
    for (field, value) in [("channel", &args.channel), ("purpose", &args.purpose), ("locale", &args.locale)] {
        if let Some(value) = value {
            body.insert(field.to_owned(), json!(value));
        }
    }
    if let Some(steps) = &args.workflow {
        body.insert("channel".to_owned(), steps.clone());
    }
    let answer = client.call(Method::POST, "/v1/verifications", &[], Some(&Value::Object(body))).await?;
    let verification = answer.map_err(|refused| refused.problem("no code was sent"))?;
    output.answer(&describe(&verification, &args.to), &verification);
    Ok(())
}

/// `sms:60:20,voice` as the list the API takes; the server says what is wrong with its numbers.
fn workflow(text: &str) -> Result<Value, String> {
    let list = |step: &Step| json!({ "channel": step.channel.as_str(), "wait": step.wait, "receipt_within": step.receipt_within });
    Ok(countersign_core::workflow::read(text)?.iter().map(list).collect())
}

fn describe(verification: &Value, to: &str) -> String {
    let me = super::dev::program();
    let id = text(verification, "/id");
    let mut lines = vec![
        format!(
            "{id}: a code is on its way to {} ({})",
            text(verification, "/to/masked"),
            text(verification, "/channel")
        ),
        format!("it expires at {}", text(verification, "/expires_at")),
    ];
    if let Some(at) = verification.pointer("/workflow/next_step_at").and_then(Value::as_str) {
        lines.push(format!("without a check the next channel follows at {at}"));
    }
    lines.push(String::new());
    if verification.get("livemode") == Some(&Value::Bool(false)) {
        lines.push(format!("read it:   {me} inbox wait {to}"));
    }
    lines.push(format!("check it:  {me} check {id} CODE"));
    lines.join("\n")
}
