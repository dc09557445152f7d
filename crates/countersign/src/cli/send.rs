//! `countersign send`

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
    let answer = client.call(Method::POST, "/v1/verifications", &[], Some(&Value::Object(body))).await?;
    let verification = answer.map_err(|refused| refused.problem("no code was sent"))?;
    output.answer(&describe(&verification, &args.to), &verification);
    Ok(())
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
        String::new(),
    ];
    if verification.get("livemode") == Some(&Value::Bool(false)) {
        lines.push(format!("read it:   {me} inbox wait {to}"));
    }
    lines.push(format!("check it:  {me} check {id} CODE"));
    lines.join("\n")
}
