//! `countersign device`: a small client of push challenges, to try them and test them without a phone.

mod enroll;
mod key;
mod shown;
mod watch;

use std::path::PathBuf;

use countersign_core::factor::device::{Verdict, poll_message};
use countersign_core::ids::ChallengeId;
use countersign_core::time::Clock as _;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Output, text};
use crate::client::{Answer, Client};
use crate::clock::SystemClock;
use crate::problem::{Exit, Outcome, Problem};
use key::Device;
use shown::Shown;

/// Be the device that approves: enrol with a key of its own, see what is asked, sign the answer.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    /// The file with the device's key [default: device.toml beside the profile].
    #[arg(long, value_name = "FILE", env = "COUNTERSIGN_DEVICE", global = true)]
    key: Option<PathBuf>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a key and enrol with it.
    ///
    /// The link is what `countersign factors enroll … --type push` printed. It is good once, for ten minutes.
    Enroll(enroll::Args),
    /// Show what waits for an answer of this device.
    Challenges,
    /// Say yes: sign the challenge, what it is about, and the number that stands on the other screen.
    Approve {
        /// The challenge, chl_….
        challenge: ChallengeId,
        /// The number that the screen shows on which you began.
        #[arg(long)]
        number: String,
    },
    /// Say no.
    Deny {
        /// The challenge, chl_….
        challenge: ChallengeId,
    },
    /// Wait for challenges, show each, and ask for the number.
    Watch {
        /// End after the first answer.
        #[arg(long)]
        once: bool,
    },
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let path = match &args.key {
        Some(path) => path.clone(),
        None => key::usual_path()?,
    };
    if let Command::Enroll(wanted) = &args.command {
        return enroll::run(wanted, &path, output).await;
    }
    let Some(device) = Device::read(&path)? else {
        return Err(Problem::usage(
            "this is no device yet",
            format!("there is no key in {}", path.display()),
            "enrol it with `countersign device enroll LINK`, or name its file with --key",
        ));
    };
    let door = Door { client: Client::without_key(&device.server)?, device };
    match &args.command {
        Command::Enroll(_) => Ok(()),
        Command::Challenges => door.list(output).await,
        Command::Approve { challenge, number } => {
            door.answer_one(*challenge, Verdict::Approve, number, output).await
        }
        Command::Deny { challenge } => door.answer_one(*challenge, Verdict::Deny, "", output).await,
        Command::Watch { once } => watch::run(&door, *once, output).await,
    }
}

/// The device at the door of its server.
struct Door {
    device: Device,
    client: Client,
}

impl Door {
    /// All that waits for this device.
    async fn open(&self) -> Outcome<Vec<Value>> {
        let at = SystemClock.now();
        let signature = self.device.sign(&poll_message(&self.device.factor, at))?;
        let body =
            json!({ "factor": self.device.factor.to_string(), "at": at.seconds(), "signature": signature });
        let answer = self.client.call(Method::POST, "/v1/devices/challenges", &[], Some(&body)).await?;
        let list = answer.map_err(|refused| {
            let problem = refused.problem("the challenges cannot be read");
            let fix = "see whether the factor was removed or switched off, and whether this machine's clock is right";
            Problem { fix: fix.to_owned(), ..problem }
        })?;
        Ok(list["data"].as_array().cloned().unwrap_or_default())
    }

    async fn list(&self, output: &Output) -> Outcome {
        let open = self.open().await?;
        let words = open.iter().map(|challenge| Shown::read(challenge).map(|shown| shown.words()));
        let words = words.collect::<Outcome<Vec<_>>>()?;
        let text =
            if words.is_empty() { "Nothing waits for this device.".to_owned() } else { words.join("\n\n") };
        output.answer(&text, &json!({ "data": open }));
        Ok(())
    }

    async fn answer_one(&self, id: ChallengeId, verdict: Verdict, number: &str, output: &Output) -> Outcome {
        let open = self.open().await?;
        let name = id.to_string();
        let Some(waiting) = open.iter().find(|challenge| text(challenge, "/id") == name) else {
            return Err(Problem::new(
                "nothing was signed",
                format!("{id} does not wait for this device: it was answered, ended, or is for another one"),
                "`countersign device challenges` shows what waits",
            ));
        };
        let shown = Shown::read(waiting)?;
        output.note(&shown.words());
        let answered = self.answer(&shown, verdict, number).await?;
        self.tell(&shown, verdict, number, answered, output)
    }

    /// Signs and sends an answer.
    async fn answer(&self, shown: &Shown, verdict: Verdict, number: &str) -> Outcome<Answer> {
        let factor = &self.device.factor;
        let body = json!({
            "factor": factor.to_string(), "verdict": verdict.as_str(), "number": number,
            "signature": self.device.sign(&shown.signed(factor, verdict, number))?,
        });
        let path = format!("/v1/challenges/{}/respond", shown.id);
        self.client.call(Method::POST, &path, &[], Some(&body)).await
    }

    fn tell(
        &self,
        shown: &Shown,
        verdict: Verdict,
        number: &str,
        answered: Answer,
        output: &Output,
    ) -> Outcome {
        match answered {
            Ok(document) => {
                let said = match verdict {
                    Verdict::Approve => "Approved.",
                    Verdict::Deny => "Denied. If that was not you, tell them.",
                };
                let words = shown.signed_words(&self.device.factor, verdict, number);
                output.answer(&format!("{words}\n{said}"), &document);
                Ok(())
            }
            Err(refused) => {
                let problem = refused.problem("the answer was not accepted");
                let wrong = refused.code() == "code_incorrect";
                let fix = if wrong {
                    "look at the number on the other screen again".to_owned()
                } else {
                    problem.fix
                };
                let exit = if wrong { Exit::Rejected } else { problem.exit };
                Err(Problem { fix, exit, ..problem })
            }
        }
    }
}
