//! `countersign init`

use std::path::{Path, PathBuf};

use countersign_core::tenant::Mode;
use countersign_delivery::messages::is_host;
use serde_json::json;

use super::Output;
use crate::config::{Config, FILE_NAME, StoreUrl, sample, sample_with};
use crate::problem::{Outcome, Problem};
use crate::provision::{self, Naming};
use crate::wire::{self, Opened};
use crate::{files, ring};

const MODE: u32 = 0o600;

/// Make a key ring, a project, a live key and a configuration file in an empty directory.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file to write; ring and SQLite file are made beside it.
    #[arg(long, value_name = "FILE", default_value = FILE_NAME)]
    config: PathBuf,
    /// Where the store is, like postgres://user@host:5432/database, without a password [default: a SQLite file].
    #[arg(long, value_name = "URL")]
    store: Option<String>,
    /// The name of the first project.
    #[arg(long, default_value = "Default")]
    name: String,
    /// The name that its messages carry: what people know your service by.
    #[arg(long, default_value = "Countersign")]
    brand: String,
    /// The host of your site, which messages are bound to, like example.com.
    #[arg(long, value_name = "HOST")]
    origin_host: Option<String>,
}

pub(super) async fn run(args: &Args, output: &Output) -> Outcome {
    if let Some(host) = args.origin_host.as_deref().filter(|host| !is_host(host)) {
        let fix = "write it like example.com: lower case, without scheme and port";
        return Err(Problem::usage("nothing was made", format!("{host:?} is not a host name"), fix));
    }
    let naming = Naming { name: &args.name, brand: &args.brand, origin_host: args.origin_host.as_deref() };
    let text = configuration(args.store.as_deref())?;
    let config = Config::of_text(&text, &args.config)?;
    let opened = make(&config, &args.config, &text).await?;
    let project = provision::project(&opened, &naming).await?;
    let key = provision::secret_key(&opened, project.id, Mode::Live, "init").await?;
    opened.close().await;
    let json = json!({
        "config": args.config, "ring": config.ring(), "store": store(&config),
        "project": project.id.to_string(), "api_key": key.0.as_str(),
    });
    output.answer(&farewell(&config, &args.config, &key.0), &json);
    Ok(())
}

/// The text of the configuration file: the sample, with the store that was named.
fn configuration(store: Option<&str>) -> Outcome<String> {
    let Some(url) = store else { return Ok(sample()) };
    if StoreUrl::new(url).has_password() {
        return Err(Problem::usage(
            "nothing was made",
            "the URL of the store has a password in it, which would stand in the configuration and in the shell's history",
            "leave it out, and name a file of mode 400 with it in COUNTERSIGN_STORE__PASSWORD_FILE now and in \
             store.password_file later; or set the whole URL in COUNTERSIGN_STORE__URL",
        ));
    }
    Ok(sample_with(url))
}

/// Writes the configuration, makes the ring and opens the store. When that fails, what was made goes again: nothing can
/// have been sealed with the ring.
async fn make(config: &Config, path: &Path, text: &str) -> Outcome<Opened> {
    write_configuration(path, text)?;
    let ring = config.ring();
    let roots = match ring::create(&ring) {
        Ok(roots) => roots,
        Err(problem) => return Err(without(&[path], problem)),
    };
    wire::open_with(config, &roots).await.map_err(|problem| without(&[path, &ring], problem))
}

fn without(made: &[&Path], problem: Problem) -> Problem {
    for path in made {
        // What cannot be removed is named by the next try.
        let _ = std::fs::remove_file(path);
    }
    problem
}

fn write_configuration(path: &Path, text: &str) -> Outcome {
    if path.exists() {
        return Err(Problem::usage(
            "nothing was made",
            format!("{} exists already", path.display()),
            "use it with `countersign serve`, or run init in an empty directory",
        ));
    }
    // A directory that exists may be open to others: the files in it are not, and neither is the store's own.
    if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty())
        && !directory.is_dir()
    {
        files::private_dir(directory)?;
    }
    files::write_private(path, text, MODE)
}

/// The store as a person would look for it.
fn store(config: &Config) -> String {
    config.database().map_or_else(|| config.store.url.to_string(), |database| database.display().to_string())
}

fn farewell(config: &Config, path: &Path, key: &str) -> String {
    let me = super::dev::program();
    let (file, ring, store) = (path.display(), config.ring(), store(config));
    format!(
        "\
Made {file}, {ring} and a project in {store}.

API key: {key}
It is shown this once; keep it where your application finds its secrets.

Next:
  1. Copy {ring} to a safe place, apart from backups of the store. Without it the store is unreadable.
  2. Add a provider and a route to {file}; until then a live start answers `no_route`.
  3. {me} doctor --config {file}
  4. {me} serve --config {file}",
        ring = ring.display()
    )
}
