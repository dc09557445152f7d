//! `countersign factors`

mod enroll;

use countersign_core::ids::{ChallengeId, FactorId, SubjectId};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};

use super::output::{plain, table};
use super::{Output, line_from_stdin, text};
use crate::client::{Client, Server};
use crate::problem::Outcome;

/// What RFC 3986 calls unreserved stands as it is in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Enrol authenticator apps, tokens, backup codes and devices, and look after them.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Enrol a factor; what is secret about it is printed here and never again.
    Enroll(enroll::Args),
    /// Confirm a factor with its first code.
    Activate {
        /// The factor, fct_….
        factor: FactorId,
        /// The code; `-` reads it from standard input.
        code: String,
    },
    /// List the factors of a person.
    List {
        /// Your own name of the person, or sbj_….
        subject: String,
    },
    /// Remove a factor for good.
    Remove {
        /// The factor, fct_….
        factor: FactorId,
        /// A challenge that another factor of the person approved, for keys that may not remove without.
        #[arg(long)]
        challenge: Option<ChallengeId>,
    },
    /// Take the lock off that too many wrong codes put on.
    Unlock {
        /// The factor, fct_….
        factor: FactorId,
    },
    /// Set a counter-based token right with two codes it showed one after the other.
    Resync {
        /// The factor, fct_….
        factor: FactorId,
        /// The first code.
        first: String,
        /// The code that came next.
        second: String,
    },
    /// Replace a list of backup codes by a new one.
    Regenerate {
        /// The factor, fct_….
        factor: FactorId,
    },
}

/// The path of the subject that a person's name, or an id, means.
pub(super) fn subject_path(subject: &str) -> String {
    if subject.parse::<SubjectId>().is_ok() {
        return format!("/v1/subjects/{subject}");
    }
    format!("/v1/subjects/ext:{}", utf8_percent_encode(subject, PATH))
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let client = args.server.client()?;
    match &args.command {
        Command::Enroll(wanted) => enroll::run(&client, wanted, output).await,
        Command::Activate { factor, code } => {
            let from_stdin = if code == "-" { Some(line_from_stdin("code")?) } else { None };
            let code = from_stdin.as_ref().map_or(code.as_str(), |line| line.as_str());
            change(
                &client,
                factor,
                "activate",
                json!({ "code": code }),
                "the factor was not confirmed",
                output,
            )
            .await
        }
        Command::List { subject } => list(&client, subject, output).await,
        Command::Remove { factor, challenge } => remove(&client, factor, challenge.as_ref(), output).await,
        Command::Unlock { factor } => {
            change(&client, factor, "unlock", json!({}), "the factor was not unlocked", output).await
        }
        Command::Resync { factor, first, second } => {
            let body = json!({ "codes": [first, second] });
            change(&client, factor, "resync", body, "the token was not set right", output).await
        }
        Command::Regenerate { factor } => {
            let path = format!("/v1/factors/{factor}/regenerate");
            let answer = client.call(Method::POST, &path, &[], Some(&json!({}))).await?;
            let made = answer.map_err(|refused| refused.problem("no codes were made"))?;
            output.answer(
                &format!("The codes before these are worth nothing now.\n\n{}", enroll::codes(&made)),
                &made,
            );
            Ok(())
        }
    }
}

/// A call that answers with the factor.
async fn change(
    client: &Client,
    factor: &FactorId,
    verb: &str,
    body: Value,
    failed: &str,
    output: &Output,
) -> Outcome {
    let path = format!("/v1/factors/{factor}/{verb}");
    let answer = client.call(Method::POST, &path, &[], Some(&body)).await?;
    let factor = answer.map_err(|refused| refused.problem(failed))?;
    output.answer(&state(&factor), &factor);
    Ok(())
}

async fn remove(
    client: &Client,
    factor: &FactorId,
    challenge: Option<&ChallengeId>,
    output: &Output,
) -> Outcome {
    let query: Vec<_> = challenge.iter().map(|challenge| ("challenge", challenge.to_string())).collect();
    let answer = client.call(Method::DELETE, &format!("/v1/factors/{factor}"), &query, None).await?;
    let factor = answer.map_err(|refused| refused.problem("the factor was not removed"))?;
    output.answer(&state(&factor), &factor);
    Ok(())
}

fn state(factor: &Value) -> String {
    let name = Some(text(factor, "/name")).filter(|name| !name.is_empty());
    let name = name.map(|name| format!(" \"{}\"", plain(name))).unwrap_or_default();
    let locked = if factor["locked"] == true { ", locked" } else { "" };
    format!("{}: {}{name} is {}{locked}", text(factor, "/id"), text(factor, "/type"), text(factor, "/status"))
}

async fn list(client: &Client, subject: &str, output: &Output) -> Outcome {
    let answer = client.call(Method::GET, &subject_path(subject), &[], None).await?;
    let found = answer.map_err(|refused| refused.problem("the factors cannot be listed"))?;
    let rows = found["factors"].as_array().into_iter().flatten().map(|factor| {
        let field = |pointer| plain(text(factor, pointer));
        let locked = if factor["locked"] == true { " (locked)" } else { "" };
        vec![
            field("/id"),
            field("/type"),
            format!("{}{locked}", field("/status")),
            field("/name"),
            field("/serial"),
            field("/last_used_at"),
        ]
    });
    let shown = table(&["ID", "TYPE", "STATUS", "NAME", "SERIAL", "LAST USED"], rows);
    output.answer(&shown, &json!({ "data": found["factors"] }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_leave_its_place_in_the_path() {
        assert_eq!(subject_path("user-42"), "/v1/subjects/ext:user-42");
        assert_eq!(subject_path("../keys?a=1#b c"), "/v1/subjects/ext:..%2Fkeys%3Fa%3D1%23b%20c");
        assert_eq!(subject_path("jörg@x"), "/v1/subjects/ext:j%C3%B6rg%40x");
        let id = SubjectId::from_bytes([1; 16]).to_string();
        assert_eq!(subject_path(&id), format!("/v1/subjects/{id}"));
    }
}
