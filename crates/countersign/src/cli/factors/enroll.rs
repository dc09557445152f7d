//! `countersign factors enroll`

use std::path::{Path, PathBuf};

use reqwest::Method;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::subject_path;
use crate::cli::{Output, line_from_stdin, qr, text};
use crate::client::Client;
use crate::files;
use crate::problem::Outcome;

/// Enrol a factor.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Your own name of the person, which makes them known where they are not, or sbj_….
    subject: String,
    /// What it is.
    #[arg(long = "type", value_enum)]
    kind: Kind,
    /// What the person calls it.
    #[arg(long)]
    name: Option<String>,
    /// The account an app shows [default: the person's name].
    #[arg(long)]
    account: Option<String>,
    /// The hash of the codes: SHA1, SHA256 or SHA512; many apps know SHA1 only.
    #[arg(long)]
    algorithm: Option<String>,
    /// Digits of a code, 6 to 8; many apps know 6 only.
    #[arg(long)]
    digits: Option<u8>,
    /// Seconds of a step, 15 to 60; many apps know 30 only.
    #[arg(long)]
    period: Option<u16>,
    /// The counter of the next code.
    #[arg(long)]
    counter: Option<u64>,
    /// The OCRA suite, like OCRA-1:HOTP-SHA256-8:QN08 (RFC 6287).
    #[arg(long)]
    suite: Option<String>,
    /// A file with a secret that is there already; `-` reads it from standard input [default: a fresh one].
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// How that secret is written: base32 or hex.
    #[arg(long, requires = "secret_file")]
    encoding: Option<String>,
    /// The serial number of a token.
    #[arg(long)]
    serial: Option<String>,
    /// Usable at once, without a first code: it was proven elsewhere.
    #[arg(long)]
    confirmed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// Codes of an authenticator app, by time (RFC 6238).
    Totp,
    /// Codes of a token, by counter (RFC 4226).
    Hotp,
    /// Answers of a token to questions (RFC 6287).
    Ocra,
    /// A list of codes for the day the other factors are gone.
    BackupCodes,
    /// A device that signs.
    Push,
}

impl Kind {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Totp => "totp",
            Self::Hotp => "hotp",
            Self::Ocra => "ocra",
            Self::BackupCodes => "backup_codes",
            Self::Push => "push",
        }
    }
}

pub(super) async fn run(client: &Client, args: &Args, output: &Output) -> Outcome {
    let path = format!("{}/factors", subject_path(&args.subject));
    let body = body(args)?;
    let answer = client.call(Method::POST, &path, &[], Some(&body)).await?;
    let made = answer.map_err(|refused| refused.problem("nothing was enrolled"))?;
    output.answer(&describe(&made), &made);
    Ok(())
}

fn body(args: &Args) -> Outcome<Value> {
    let mut body = Map::from_iter([("type".to_owned(), json!(args.kind.as_str()))]);
    let texts = [
        ("name", &args.name),
        ("account", &args.account),
        ("algorithm", &args.algorithm),
        ("suite", &args.suite),
        ("secret_encoding", &args.encoding),
        ("serial", &args.serial),
    ];
    for (field, value) in texts {
        body.extend(value.iter().map(|value| (field.to_owned(), json!(value))));
    }
    body.extend(args.digits.map(|digits| ("digits".to_owned(), json!(digits))));
    body.extend(args.period.map(|period| ("period".to_owned(), json!(period))));
    body.extend(args.counter.map(|counter| ("counter".to_owned(), json!(counter))));
    if let Some(file) = &args.secret_file {
        let secret = if file == Path::new("-") {
            line_from_stdin("secret")?
        } else {
            Zeroizing::new(files::read(file)?.trim().to_owned())
        };
        body.insert("secret".to_owned(), json!(*secret));
    }
    if args.confirmed {
        body.insert("confirmed".to_owned(), json!(true));
    }
    Ok(Value::Object(body))
}

fn describe(made: &Value) -> String {
    let me = crate::cli::dev::program();
    let id = text(made, "/id");
    let mut parts = vec![format!("{id}: {} is {}", text(made, "/type"), text(made, "/status"))];
    let otpauth = text(made, "/otpauth_url");
    if !otpauth.is_empty() {
        parts.push(format!(
            "Scan this with the app, or type the secret into it; neither is shown again.\n\n{}",
            qr::on_terminal(otpauth).unwrap_or_default()
        ));
        parts.push(format!("secret: {}\nurl:    {otpauth}", text(made, "/secret")));
    } else if !text(made, "/secret").is_empty() {
        parts.push(format!("secret: {} (not shown again)", text(made, "/secret")));
    }
    if made["codes"].is_array() {
        parts.push(codes(made));
    }
    let link = text(made, "/enrollment/url");
    if !link.is_empty() {
        parts.push(format!(
            "Scan this with the app of the device before {}; it is good once.\n\n{}\n{link}",
            text(made, "/enrollment/expires_at"),
            qr::on_terminal(link).unwrap_or_default()
        ));
        parts
            .push(format!("Without a phone, this machine can be the device:\n  {me} device enroll '{link}'"));
    } else if made["status"] == "pending" {
        let question = text(made, "/activation_question");
        let asked = if question.is_empty() { "the code it shows" } else { "its answer" };
        let question = if question.is_empty() { String::new() } else { format!("Ask it {question}. ") };
        parts.push(format!(
            "{question}Confirm it with {asked}, before {}:\n  {me} factors activate {id} CODE",
            text(made, "/expires_at")
        ));
    }
    let warnings = made["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str);
    parts.extend(warnings.map(|warning| format!("Note: {warning}")));
    parts.join("\n\n")
}

/// A list of backup codes, for printing.
pub(super) fn codes(made: &Value) -> String {
    let codes = made["codes"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let lines: Vec<_> = codes.map(|code| format!("  {code}")).collect();
    format!(
        "Print these or write them down; each is good once, and they are not shown again.\n\n{}",
        lines.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_says_the_next_step() {
        let totp = json!({
            "id": "fct_1", "type": "totp", "status": "pending", "secret": "ABC", "otpauth_url": "otpauth://totp/x?secret=ABC",
            "expires_at": "soon", "warnings": ["Some apps"],
        });
        let words = describe(&totp);
        for part in
            ["fct_1: totp is pending", "secret: ABC", "█", "factors activate fct_1 CODE", "Note: Some apps"]
        {
            assert!(words.contains(part), "{part}: {words}");
        }
        let push = json!({
            "id": "fct_2", "type": "push", "status": "pending",
            "enrollment": { "url": "countersign://enroll?a", "expires_at": "soon" },
        });
        let words = describe(&push);
        assert!(words.contains("device enroll 'countersign://enroll?a'"), "{words}");
        assert!(!words.contains("activate"), "{words}");
        let ocra =
            json!({ "id": "fct_3", "type": "ocra", "status": "pending", "activation_question": "12345678" });
        assert!(describe(&ocra).contains("Ask it 12345678. Confirm it with its answer"));
        let codes =
            json!({ "id": "fct_4", "type": "backup_codes", "status": "active", "codes": ["AAAA-BBBB"] });
        assert!(describe(&codes).contains("  AAAA-BBBB"));
    }
}
