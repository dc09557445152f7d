//! `countersign challenge`

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::output::plain;
use super::{Output, line_from_stdin, money, text};
use crate::client::{Client, Server};
use crate::problem::{Exit, Outcome, Problem};

/// Seconds of one wait; the server grants no more than 30.
const WAIT_SECONDS: u8 = 20;

/// Ask a person for an approval by one of their factors; exit code 3 when a code is not accepted.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Your own name of the person, or sbj_….
    subject: String,
    /// How it may be answered: totp, hotp, ocra, backup_codes or push; may be repeated [default: by any factor].
    #[arg(long = "method", value_name = "METHOD")]
    methods: Vec<String>,
    /// What is to be paid, like 125.00.
    #[arg(long, requires = "currency", requires = "payee")]
    amount: Option<String>,
    /// Its currency, like EUR.
    #[arg(long, requires = "amount")]
    currency: Option<String>,
    /// Who gets it.
    #[arg(long, requires = "amount")]
    payee: Option<String>,
    /// What for.
    #[arg(long, requires = "amount")]
    reference: Option<String>,
    /// What a device shows above it.
    #[arg(long)]
    message: Option<String>,
    /// The code of the person, checked at once; `-` reads it from standard input.
    #[arg(long)]
    code: Option<String>,
    /// Wait until a device answers, and fetch the proof.
    #[arg(long, conflicts_with = "code")]
    wait: bool,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let transaction = transaction(args)?;
    let body = body(args, transaction.as_ref())?;
    let client = args.server.client()?;
    let begun = match client.call(Method::POST, "/v1/challenges", &[], Some(&body)).await? {
        Ok(challenge) => challenge,
        Err(refused) => {
            if refused.is_rejection() && output.json {
                output.answer("", refused.document());
            }
            let what =
                if args.code.is_some() { "the code was not accepted" } else { "no challenge was begun" };
            return Err(refused.problem(what));
        }
    };
    if args.code.is_some() {
        return approved(&begun, output);
    }
    if !args.wait {
        output.answer(&describe(&begun), &begun);
        return Ok(());
    }
    output.note(&describe(&begun));
    let ended = answered(&client, text(&begun, "/id")).await?;
    if text(&ended, "/status") != "approved" {
        return Err(not_approved(text(&ended, "/status")));
    }
    let path = format!("/v1/challenges/{}/redeem", text(&begun, "/id"));
    let mut claim = Map::new();
    claim.extend(transaction.map(|transaction| ("transaction".to_owned(), transaction)));
    let redeemed = client.call(Method::POST, &path, &[], Some(&Value::Object(claim))).await?;
    approved(&redeemed.map_err(|refused| refused.problem("the proof cannot be fetched"))?, output)
}

/// The transaction that was named.
fn transaction(args: &Args) -> Outcome<Option<Value>> {
    let (Some(amount), Some(currency), Some(payee)) = (&args.amount, &args.currency, &args.payee) else {
        return Ok(None);
    };
    let amount = money::minor_units(amount, currency).map_err(|why| {
        Problem::usage(
            "no challenge was begun",
            why,
            format!("write it like --amount 125.00 --currency {currency}"),
        )
    })?;
    let mut transaction = Map::from_iter([
        ("amount".to_owned(), json!(amount)),
        ("currency".to_owned(), json!(currency)),
        ("payee".to_owned(), json!(payee)),
    ]);
    transaction.extend(args.reference.iter().map(|reference| ("reference".to_owned(), json!(reference))));
    Ok(Some(Value::Object(transaction)))
}

fn body(args: &Args, transaction: Option<&Value>) -> Outcome<Value> {
    let mut body = Map::from_iter([("subject".to_owned(), json!(args.subject))]);
    if !args.methods.is_empty() {
        body.insert("methods".to_owned(), json!(args.methods));
    }
    if let Some(transaction) = transaction {
        body.insert("purpose".to_owned(), json!("transaction"));
        body.insert("transaction".to_owned(), transaction.clone());
    }
    body.extend(args.message.iter().map(|message| ("message".to_owned(), json!(message))));
    match args.code.as_deref() {
        Some("-") => drop(body.insert("code".to_owned(), json!(*line_from_stdin("code")?))),
        Some(code) => drop(body.insert("code".to_owned(), json!(code))),
        None => {}
    }
    Ok(Value::Object(body))
}

/// The challenge once it is no longer pending; its own end is the end of the waiting.
async fn answered(client: &Client, id: &str) -> Outcome<Value> {
    loop {
        let query = [("wait", WAIT_SECONDS.to_string())];
        let answer = client.call(Method::GET, &format!("/v1/challenges/{id}"), &query, None).await?;
        let challenge = answer.map_err(|refused| refused.problem("the challenge cannot be read"))?;
        if text(&challenge, "/status") != "pending" {
            return Ok(challenge);
        }
    }
}

fn approved(challenge: &Value, output: &Output) -> Outcome {
    let status = text(challenge, "/status");
    let by = text(challenge, "/approved_by/method");
    output.answer(&format!("{status} by {by}\nproof: {}", text(challenge, "/proof")), challenge);
    if status == "approved" { Ok(()) } else { Err(not_approved(status)) }
}

/// An answer of success that is none must never be taken for one.
fn not_approved(status: &str) -> Problem {
    let why = match status {
        "denied" => "the person said no".to_owned(),
        "expired" => "nobody answered in time".to_owned(),
        other => format!("it is {other:?}"),
    };
    let problem = Problem::new("the challenge was not approved", why, "ask the person, then begin a new one");
    Problem { exit: Exit::Rejected, ..problem }
}

fn describe(challenge: &Value) -> String {
    let methods = challenge["methods"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let id = text(challenge, "/id");
    let mut lines = vec![
        format!(
            "{id}: {}, to be answered by {}",
            text(challenge, "/status"),
            methods.collect::<Vec<_>>().join(", ")
        ),
        format!("it expires at {}", text(challenge, "/expires_at")),
    ];
    if let Some(transaction) = challenge.get("transaction").filter(|transaction| transaction.is_object()) {
        let amount = transaction["amount"].as_u64().unwrap_or_default();
        let paid = money::written(amount, text(transaction, "/currency"));
        lines.insert(1, format!("pay {paid} to {}", plain(text(transaction, "/payee"))));
    }
    let questions = challenge.get("question").and_then(Value::as_object).into_iter().flatten();
    lines.extend(questions.map(|(factor, question)| {
        format!("ask the token {factor}: {}", question.as_str().unwrap_or_default())
    }));
    let number = text(challenge, "/number");
    if !number.is_empty() {
        lines.push(format!("\nThe number to show on the first screen:  {number}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(line: &str) -> Option<Args> {
        Line::try_parse_from(std::iter::once("challenge").chain(line.split(' '))).ok().map(|line| line.args)
    }

    #[test]
    fn an_amount_makes_it_a_transaction() {
        let args =
            args("anna --amount 125.00 --currency EUR --payee Nord --method push --method totp").unwrap();
        let transaction = transaction(&args).unwrap();
        let body = body(&args, transaction.as_ref()).unwrap();
        let expected = json!({
            "subject": "anna", "methods": ["push", "totp"], "purpose": "transaction",
            "transaction": { "amount": 12_500, "currency": "EUR", "payee": "Nord" },
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn half_a_transaction_is_none() {
        for line in ["anna --amount 1.00 --currency EUR", "anna --payee Nord", "anna --wait --code 1"] {
            assert!(args(line).is_none(), "{line}");
        }
        let slip = args("anna --amount 1.5 --currency EUR --payee Nord").unwrap();
        assert!(transaction(&slip).unwrap_err().why.contains("125.00"));
    }

    #[test]
    fn what_is_shown_has_the_number_and_the_questions() {
        let words = describe(&json!({
            "id": "chl_1", "status": "pending", "methods": ["push", "ocra"], "number": "42", "question": { "fct_1": "1234" },
            "transaction": { "amount": 12_500, "currency": "EUR", "payee": "Nord" }, "expires_at": "soon",
        }));
        for part in ["push, ocra", "pay EUR 125.00 to Nord", "fct_1: 1234", "first screen:  42"] {
            assert!(words.contains(part), "{part}: {words}");
        }
    }
}
