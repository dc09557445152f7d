//! `countersign keys`

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::output::table;
use super::{Output, Place, TwilioPair, projects, text};
use crate::config::Config;
use crate::control;
use crate::problem::{Outcome, Problem};
use crate::profile::Pair;

/// Make, list and revoke API keys.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a key and print it, this once.
    Create(Create),
    /// List the keys of a project, without their secrets.
    List {
        /// The project [default: the only one].
        #[arg(long, value_name = "ID")]
        project: Option<String>,
    },
    /// Make a key useless, at once and for good.
    Revoke {
        /// The key's id, key_….
        id: String,
    },
}

#[derive(Debug, clap::Args)]
struct Create {
    /// The project [default: the only one].
    #[arg(long, value_name = "ID")]
    project: Option<String>,
    /// What people call the key.
    #[arg(long, default_value = "key")]
    name: String,
    /// Make a test key: its messages go to the outbox.
    #[arg(long)]
    test: bool,
    /// Make a pair for the unchanged client libraries of Twilio Verify: an API key SID and its secret.
    #[arg(long, conflicts_with = "kind")]
    twilio: bool,
    /// What it is for: secret (a server), restricted (the scopes it is given) or operator (projects and keys).
    #[arg(long, default_value = "secret")]
    kind: String,
    /// A scope, like verifications:check; may be repeated [default: those of the kind].
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// A network it may be used from, like 203.0.113.0/24; may be repeated [default: all].
    #[arg(long = "network", value_name = "CIDR")]
    networks: Vec<String>,
    /// When it stops working, like 2027-01-31T00:00:00Z [default: never].
    #[arg(long, value_name = "TIME")]
    expires_at: Option<String>,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let config = args.place.config()?;
    match &args.command {
        Command::Create(wanted) => create(&config, wanted, output).await,
        Command::List { project } => {
            let project = projects::only(&config, project.as_deref()).await?;
            let path = format!("/v1/api_keys?project={}&limit=100", id("project", &project)?);
            let answer = control::call(&config, Method::GET, &path, None).await?;
            let list = answer.map_err(|refused| refused.problem("the keys cannot be listed"))?;
            output.answer(&describe(&list), &list);
            Ok(())
        }
        Command::Revoke { id: key } => {
            let path = format!("/v1/api_keys/{}", id("key", key)?);
            let answer = control::call(&config, Method::DELETE, &path, None).await?;
            let revoked = answer.map_err(|refused| refused.problem("no key was revoked"))?;
            output.answer(&format!("{key} is revoked"), &revoked);
            Ok(())
        }
    }
}

async fn create(config: &Config, wanted: &Create, output: &Output) -> Outcome {
    let project = projects::only(config, wanted.project.as_deref()).await?;
    let mut body = Map::new();
    let kind = if wanted.twilio { "restricted" } else { wanted.kind.as_str() };
    for (field, value) in [("project", project.as_str()), ("name", wanted.name.as_str()), ("kind", kind)] {
        body.insert(field.to_owned(), json!(value));
    }
    if wanted.twilio {
        body.insert("dialect".to_owned(), json!("twilio"));
    }
    body.insert("livemode".to_owned(), json!(!wanted.test));
    for (field, values) in [("scopes", &wanted.scopes), ("networks", &wanted.networks)] {
        if !values.is_empty() {
            body.insert(field.to_owned(), json!(values));
        }
    }
    body.extend(wanted.expires_at.iter().map(|time| ("expires_at".to_owned(), json!(time))));
    let answer = control::call(config, Method::POST, "/v1/api_keys", Some(&Value::Object(body))).await?;
    let key = answer.map_err(|refused| refused.problem("no key was made"))?;
    if wanted.twilio {
        return print_pair(config, &project, &key, output);
    }
    let lines = format!(
        "{}\n\nIts id is {}. It is shown this once; keep it where your application finds its secrets.",
        text(&key, "/secret"),
        text(&key, "/id")
    );
    output.answer(&lines, &key);
    Ok(())
}

/// The pair as the libraries want it, with the address that the configuration knows.
fn print_pair(config: &Config, project: &str, key: &Value, output: &Output) -> Outcome {
    let project = project.parse().map_err(|error| {
        Problem::new("the server answered with no project", error, "report this as a bug")
    })?;
    let (sid, secret) = (text(key, "/prefix").to_owned(), text(key, "/secret").to_owned());
    let scheme = if config.server.tls.is_some() { "https" } else { "http" };
    let listens = || format!("{scheme}://{}", config.server.listen);
    let url = config.server.public_url.clone().unwrap_or_else(listens);
    let pair = TwilioPair { url, project, pair: Pair { api_key_sid: sid, api_key_secret: secret } };
    let note = "The secret is shown this once. To revoke the pair: countersign keys revoke";
    let mut json = key.clone();
    json["twilio"] = pair.json();
    output.answer(&format!("{}\n\n{note} {}", pair.lines(), text(key, "/id")), &json);
    Ok(())
}

/// An id may stand in a path only if it is one.
fn id<'a>(what: &str, text: &'a str) -> Outcome<&'a str> {
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(text);
    }
    let fix = format!("copy it from the list of {what}s");
    Err(Problem::usage(format!("no such {what}"), format!("{text:?} is not an id"), fix))
}

fn describe(list: &Value) -> String {
    let rows = list.get("data").and_then(Value::as_array).into_iter().flatten();
    table(
        &["ID", "NAME", "MODE", "KIND", "PREFIX", "CREATED", "REVOKED"],
        rows.map(|key| {
            let mode = if key.get("livemode") == Some(&Value::Bool(true)) { "live" } else { "test" };
            let field = |pointer| text(key, pointer).to_owned();
            vec![
                field("/id"),
                field("/name"),
                mode.to_owned(),
                field("/kind"),
                field("/prefix"),
                field("/created_at"),
                field("/revoked_at"),
            ]
        }),
    )
}
