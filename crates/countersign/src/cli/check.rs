//! `countersign check`

use reqwest::Method;
use serde_json::json;

use super::{Output, line_from_stdin, text};
use crate::client::Server;
use crate::problem::{Exit, Outcome, Problem};

/// Check a code; exit code 3 when it is not accepted.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The verification, vrf_….
    id: String,
    /// The code as it was typed; `-` reads it from standard input.
    #[arg(allow_hyphen_values = true)]
    code: String,
    #[command(flatten)]
    server: Server,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    if !args.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        let fix = "copy it from what `countersign send` printed";
        return Err(Problem::usage("nothing was checked", format!("{:?} is not an id", args.id), fix));
    }
    let client = args.server.client()?;
    let from_stdin = if args.code == "-" { Some(line_from_stdin("code")?) } else { None };
    let code = from_stdin.as_ref().map_or(args.code.as_str(), |line| line.as_str());
    let path = format!("/v1/verifications/{}/check", args.id);
    match client.call(Method::POST, &path, &[], Some(&json!({ "code": code }))).await? {
        Ok(verification) => {
            let status = text(&verification, "/status").to_owned();
            let lines = format!(
                "{status}: the code that went to {} was right\nproof: {}",
                text(&verification, "/to/masked"),
                text(&verification, "/proof")
            );
            output.answer(&lines, &verification);
            if status == "approved" { Ok(()) } else { Err(not_approved(&status)) }
        }
        Err(refused) if refused.is_rejection() && output.json => {
            output.answer("", refused.document());
            Err(refused.problem("the code was not accepted"))
        }
        Err(refused) => Err(refused.problem("the code was not accepted")),
    }
}

/// An answer of success that is none must never be taken for one.
fn not_approved(status: &str) -> Problem {
    let problem = Problem::new(
        "the code was not accepted",
        format!("the server answered {status:?}, not \"approved\""),
        "use a client of the same version as the server",
    );
    Problem { exit: Exit::Rejected, ..problem }
}
