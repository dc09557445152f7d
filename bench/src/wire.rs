//! How a start and a check are said: natively, or in the dialect of a vendor.

use anyhow::{Context as _, ensure};
use hyper::StatusCode;
use hyper::body::Bytes;
use serde_json::Value;

use crate::client::Client;
use crate::server::Doors;

/// What a load speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    /// The native API, with an idempotency key on every POST, as its reference advises.
    Native,
    /// The native API without them.
    Bare,
    /// Twilio Verify v2, as its libraries send it: they know no idempotency keys.
    Twilio,
}

/// What of a start is needed to check its code.
pub(crate) struct Started {
    path: String,
    to: String,
    /// The code, where the customer carries it.
    pub(crate) code: Option<String>,
}

impl Wire {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Native => "complete",
            Self::Bare => "complete, no idempotency keys",
            Self::Twilio => "complete, Twilio's dialect",
        }
    }

    /// A connection to the server of this number.
    pub(crate) async fn connect(self, doors: &Doors, number: usize) -> anyhow::Result<Client> {
        let (authorization, kind) = match self {
            Self::Native | Self::Bare => (&doors.bearer, "application/json"),
            Self::Twilio => (&doors.twilio.authorization, "application/x-www-form-urlencoded"),
        };
        Client::connect(doors.address(number), authorization, kind).await
    }

    /// Starts a verification of `to`; `n` is used once.
    pub(crate) async fn start(
        self,
        doors: &Doors,
        client: &mut Client,
        (n, to): (u64, &str),
        channel: &str,
    ) -> anyhow::Result<Started> {
        let (status, answer) = match self {
            Self::Native | Self::Bare => {
                let body = format!("{{\"to\":\"{to}\",\"channel\":\"{channel}\"}}");
                client.post("/v1/verifications", self.once("c", n).as_deref(), body).await?
            }
            Self::Twilio => {
                let body = format!("To={}&Channel={channel}", to.replace('+', "%2B"));
                client.post(&doors.twilio.verifications, None, body).await?
            }
        };
        let answer = read("create", 201, status, &answer)?;
        let path = match self {
            Self::Native | Self::Bare => {
                format!("/v1/verifications/{}/check", answer["id"].as_str().context("no id")?)
            }
            Self::Twilio => doors.twilio.check.clone(),
        };
        Ok(Started { path, to: to.to_owned(), code: answer["code"].as_str().map(str::to_owned) })
    }

    /// Checks the right code.
    pub(crate) async fn check(
        self,
        client: &mut Client,
        n: u64,
        started: &Started,
        code: &str,
    ) -> anyhow::Result<()> {
        let body = match self {
            Self::Native | Self::Bare => format!("{{\"code\":\"{code}\"}}"),
            Self::Twilio => format!("To={}&Code={code}", started.to.replace('+', "%2B")),
        };
        let (status, answer) = client.post(&started.path, self.once("k", n).as_deref(), body).await?;
        let answer = read("check", 200, status, &answer)?;
        ensure!(self != Self::Twilio || answer["valid"] == true, "the code was not accepted: {answer}");
        Ok(())
    }

    fn once(self, call: &str, n: u64) -> Option<String> {
        (self == Self::Native).then(|| format!("{call}{n}"))
    }
}

fn read(call: &str, wanted: u16, status: StatusCode, answer: &Bytes) -> anyhow::Result<Value> {
    ensure!(status == wanted, "{call} answered {status}: {}", String::from_utf8_lossy(answer));
    Ok(serde_json::from_slice(answer)?)
}
