//! `countersign init`

use std::path::{Path, PathBuf};

use countersign_core::tenant::Mode;
use countersign_delivery::messages::is_host;
use serde_json::json;

use super::Output;
use crate::config::{Config, FILE_NAME, sample};
use crate::problem::{Outcome, Problem};
use crate::provision::{self, Naming};
use crate::{files, ring, wire};

const MODE: u32 = 0o600;

/// Make a key ring, a project, a live key and a configuration file in an empty directory.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The configuration file to write; ring and store are made beside it.
    #[arg(long, value_name = "FILE", default_value = FILE_NAME)]
    config: PathBuf,
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
    write_configuration(&args.config)?;
    let config = Config::read(&args.config)?;
    let opened = wire::open_with(&config, &ring::create(&config.ring())?)?;
    let store = opened.store.as_ref();
    let project = provision::project(store, &naming).await?;
    let key = provision::secret_key(store, project.id, Mode::Live, "init").await?;
    opened.close().await;
    let json = json!({
        "config": args.config, "ring": config.ring(), "store": config.database(),
        "project": project.id.to_string(), "api_key": key.0.as_str(),
    });
    output.answer(&farewell(&config, &args.config, &key.0), &json);
    Ok(())
}

fn write_configuration(path: &Path) -> Outcome {
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
    files::write_private(path, &sample(), MODE)
}

fn farewell(config: &Config, path: &Path, key: &str) -> String {
    let me = super::dev::program();
    let (file, ring, database) = (path.display(), config.ring(), config.database());
    format!(
        "\
Made {file}, {} and {}.

API key: {key}
It is shown this once; keep it where your application finds its secrets.

Next:
  1. Copy {} to a safe place, apart from backups of the store. Without it the store is unreadable.
  2. Add a provider and a route to {file}; until then a live start answers `no_route`.
  3. {me} doctor --config {file}
  4. {me} serve --config {file}",
        ring.display(),
        database.display(),
        ring.display()
    )
}
