//! `countersign projects`

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::output::table;
use super::{Output, Place, text};
use crate::config::Config;
use crate::control;
use crate::problem::{Outcome, Problem};

/// Make and list projects.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Make a project.
    Create {
        /// Its name, for people who look after it.
        name: String,
        /// The name that its messages carry [default: its name].
        #[arg(long)]
        brand: Option<String>,
        /// The host of its site, which messages are bound to, like example.com.
        #[arg(long, value_name = "HOST")]
        origin_host: Option<String>,
        /// The defaults it picks: standard, nist, psd2, hipaa or pci.
        #[arg(long)]
        profile: Option<String>,
        /// The language of messages when a start names none.
        #[arg(long)]
        locale: Option<String>,
        /// A country phone numbers may be in, like PL; may be repeated [default: all].
        #[arg(long = "country", value_name = "COUNTRY")]
        countries: Vec<String>,
    },
    /// List all projects.
    List,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    let config = args.place.config()?;
    match &args.command {
        Command::List => {
            let list = list(&config).await?;
            output.answer(&describe(&list), &list);
        }
        Command::Create { name, brand, origin_host, profile, locale, countries } => {
            let mut body = Map::new();
            body.insert("name".to_owned(), json!(name));
            for (field, value) in
                [("brand", brand), ("origin_host", origin_host), ("profile", profile), ("locale", locale)]
            {
                body.extend(value.iter().map(|value| (field.to_owned(), json!(value))));
            }
            if !countries.is_empty() {
                body.insert("countries".to_owned(), json!(countries));
            }
            let answer =
                control::call(&config, Method::POST, "/v1/projects", Some(&Value::Object(body))).await?;
            let project = answer.map_err(|refused| refused.problem("no project was made"))?;
            let id = text(&project, "/id");
            let me = super::dev::program();
            output.answer(&format!("{id}\n\nIts first key:  {me} keys create --project {id}"), &project);
        }
    }
    Ok(())
}

async fn list(config: &Config) -> Outcome<Value> {
    let answer = control::call(config, Method::GET, "/v1/projects?limit=100", None).await?;
    answer.map_err(|refused| refused.problem("the projects cannot be listed"))
}

/// The project that was named, or the only one there is.
pub(super) async fn only(config: &Config, named: Option<&str>) -> Outcome<String> {
    if let Some(id) = named {
        return Ok(id.to_owned());
    }
    let list = list(config).await?;
    match list.get("data").and_then(Value::as_array).map(Vec::as_slice) {
        Some([project]) => Ok(text(project, "/id").to_owned()),
        Some([]) | None => Err(Problem::usage(
            "no project is named",
            "there is none yet",
            "make one with `countersign projects create NAME`",
        )),
        Some(_) => Err(Problem::usage(
            "no project is named",
            "there are several",
            "name one with --project; `countersign projects list` shows them",
        )),
    }
}

fn describe(list: &Value) -> String {
    let rows = list.get("data").and_then(Value::as_array).into_iter().flatten();
    table(
        &["ID", "NAME", "BRAND", "PROFILE", "CREATED"],
        rows.map(|project| {
            ["/id", "/name", "/brand", "/profile", "/created_at"]
                .map(|field| text(project, field).to_owned())
                .to_vec()
        }),
    )
}
