//! `countersign device enroll`

use std::path::{Path, PathBuf};

use countersign_core::factor::device::{SignatureAlgorithm, enrolment_message};
use countersign_core::ids::FactorId;
use data_encoding::BASE64URL_NOPAD;
use reqwest::Method;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::Door;
use super::key::Device;
use crate::cli::{Output, line_from_stdin};
use crate::client::Client;
use crate::files;
use crate::problem::{Outcome, Problem};

/// Make a key and enrol with it.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The link, countersign://enroll?…; `-` reads it from standard input.
    #[arg(required_unless_present = "factor")]
    link: Option<String>,
    /// Without a link: the server's base URL.
    #[arg(long, value_name = "URL", conflicts_with = "link", requires = "factor")]
    url: Option<String>,
    /// Without a link: the factor, fct_….
    #[arg(long, conflicts_with = "link", requires_all = ["url", "token_file"])]
    factor: Option<FactorId>,
    /// Without a link: a file with the enrolment token; `-` reads it from standard input.
    #[arg(long, value_name = "FILE", requires = "factor")]
    token_file: Option<PathBuf>,
    /// What to sign with.
    #[arg(long, value_name = "ALGORITHM", default_value = "ed25519", value_parser = algorithm)]
    algorithm: SignatureAlgorithm,
    /// What you call this device.
    #[arg(long)]
    name: Option<String>,
    /// A file with what a push provider knows the app by, to be woken; `-` reads it from standard input.
    #[arg(long, value_name = "FILE")]
    push_token_file: Option<PathBuf>,
}

fn algorithm(name: &str) -> Result<SignatureAlgorithm, String> {
    SignatureAlgorithm::named(name).ok_or_else(|| "ed25519 or p256".to_owned())
}

/// The token in a file, or on standard input.
fn token_of(file: &Path) -> Outcome<Zeroizing<String>> {
    if file == Path::new("-") {
        line_from_stdin("token")
    } else {
        Ok(Zeroizing::new(files::read(file)?.trim().to_owned()))
    }
}

/// Where a device enrols, as what, and with which right.
#[derive(Debug)]
struct Invitation {
    server: String,
    factor: FactorId,
    token: Zeroizing<String>,
}

impl Invitation {
    fn of(args: &Args) -> Outcome<Self> {
        if let (Some(server), Some(factor), Some(file)) = (&args.url, args.factor, &args.token_file) {
            return Ok(Self { server: server.clone(), factor, token: token_of(file)? });
        }
        match args.link.as_deref() {
            Some("-") => Self::read(&line_from_stdin("link")?),
            link => Self::read(link.unwrap_or_default()),
        }
    }

    fn read(link: &str) -> Outcome<Self> {
        let wrong = |why: &str| {
            let fix = "copy all of it, in quotes: 'countersign://enroll?server=…&factor=…&token=…'";
            Problem::usage("this is not a link to enrol with", why, fix)
        };
        let url = url::Url::parse(link).map_err(|_| wrong("it is no URL"))?;
        if url.scheme() != "countersign" || url.host_str() != Some("enroll") {
            return Err(wrong("it does not begin with countersign://enroll"));
        }
        let field = |name: &str| {
            let found = url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
            found.filter(|value| !value.is_empty()).ok_or_else(|| wrong(&format!("{name} is missing in it")))
        };
        let server = field("server")?;
        let factor = field("factor")?.parse().map_err(|_| wrong("its factor is no id like fct_…"))?;
        let http = url::Url::parse(&server).is_ok_and(|server| ["http", "https"].contains(&server.scheme()));
        if !http {
            return Err(wrong("its server is no http or https URL"));
        }
        Ok(Self { server, factor, token: Zeroizing::new(field("token")?) })
    }
}

pub(super) async fn run(args: &Args, path: &Path, output: &Output) -> Outcome {
    let invitation = Invitation::of(args)?;
    let push_token = args.push_token_file.as_deref().map(token_of).transpose()?;
    let (device, fresh) = match Device::read(path)? {
        // Enrolled, or begun and not heard the answer of: the same key again.
        Some(device) if device.factor == invitation.factor => (device, false),
        Some(device) => return Err(taken(path, &device)),
        None => (Device::new(&invitation.server, invitation.factor, args.algorithm)?, true),
    };
    // Written first: a key that the server knows and the device lost would be a factor nobody can use.
    device.write(path)?;
    match post(&device, &invitation, args.name.as_deref(), push_token.as_ref()).await {
        Ok(factor) => {
            output.answer(&welcome(&device, path), &factor);
            Ok(())
        }
        Err(problem) => {
            let door = Door { client: Client::without_key(&device.server)?, device };
            if !fresh && door.open().await.is_ok() {
                let told = json!({ "id": door.device.factor.to_string(), "status": "active" });
                output.answer(&welcome(&door.device, path), &told);
                return Ok(());
            }
            if fresh {
                let _ = std::fs::remove_file(path);
            }
            Err(problem)
        }
    }
}

async fn post(
    device: &Device,
    invitation: &Invitation,
    name: Option<&str>,
    push_token: Option<&Zeroizing<String>>,
) -> Outcome<Value> {
    let message = enrolment_message(&device.factor, &invitation.token, device.public_key());
    let mut body = Map::from_iter([
        ("factor".to_owned(), json!(device.factor.to_string())),
        ("token".to_owned(), json!(*invitation.token)),
        ("algorithm".to_owned(), json!(device.algorithm.as_str())),
        ("public_key".to_owned(), json!(BASE64URL_NOPAD.encode(device.public_key()))),
        ("signature".to_owned(), json!(device.sign(&message)?)),
    ]);
    body.extend(name.map(|name| ("name".to_owned(), json!(name))));
    body.extend(push_token.map(|token| ("push_token".to_owned(), json!(**token))));
    let client = Client::without_key(&device.server)?;
    let body = Value::Object(body);
    let answer = client.call(Method::POST, "/v1/devices/enroll", &[], Some(&body)).await?;
    answer.map_err(|refused| {
        let problem = refused.problem("the device was not enrolled");
        let again = "the link is good once, for ten minutes: make a new one with `countersign factors enroll … --type push`";
        match refused.status() {
            404 | 409 | 410 | 422 => Problem { fix: again.to_owned(), ..problem },
            _ => problem,
        }
    })
}

fn taken(path: &Path, device: &Device) -> Problem {
    Problem::usage(
        "the device was not enrolled",
        format!("{} holds the key of another factor, {} at {}", path.display(), device.factor, device.server),
        "name a file of its own with --key FILE, or remove that one if it is no longer used",
    )
}

fn welcome(device: &Device, path: &Path) -> String {
    let me = crate::cli::dev::program();
    format!(
        "\
This is now the device {factor} of {server}.
Its key is in {path}, for you alone; it never leaves this machine.

When you sign in or pay elsewhere, a screen there shows a number.
  {me} device watch                      waits, shows what is asked, and asks for that number
  {me} device challenges                 shows what waits
  {me} device approve CHL --number 42    says yes
  {me} device deny CHL                   says no
Approve only what you began yourself, and only with the number you see there.",
        factor = device.factor,
        server = device.server,
        path = path.display(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(server: &str, factor: &str, token: &str) -> String {
        format!("countersign://enroll?server={server}&factor={factor}&token={token}")
    }

    #[test]
    fn a_link_is_read_whole() {
        let factor = FactorId::from_bytes([3; 16]);
        let read =
            Invitation::read(&link("https%3A%2F%2Fotp%2Eexample%3A8443", &factor.to_string(), "a-b_c"))
                .unwrap();
        assert_eq!((read.server.as_str(), read.factor), ("https://otp.example:8443", factor));
        assert_eq!(read.token.as_str(), "a-b_c");
    }

    #[test]
    fn what_is_no_link_is_told_apart() {
        let factor = FactorId::from_bytes([3; 16]).to_string();
        for (link, why) in [
            ("".to_owned(), "no URL"),
            ("https://enroll?server=a".to_owned(), "does not begin"),
            ("countersign://other?server=a".to_owned(), "does not begin"),
            (link("", &factor, "t"), "server is missing"),
            (link("file%3A%2F%2Fx", &factor, "t"), "no http or https"),
            (link("http%3A%2F%2Fa", "vrf_1", "t"), "no id"),
            (link("http%3A%2F%2Fa", &factor, ""), "token is missing"),
        ] {
            let problem = Invitation::read(&link).unwrap_err();
            assert!(problem.why.contains(why), "{link}: {}", problem.why);
        }
    }
}
