//! The configuration: one file per section, each with its defaults, its checks and its documentation.

mod error;
mod keys;
mod log;
mod overlay;
mod providers;
mod reference;
mod retention;
mod routes;
mod server;
mod store;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files;
use crate::problem::Outcome;

pub(crate) use keys::Keys;
pub(crate) use log::{Format, Log};
pub(crate) use reference::{markdown, sample};
pub(crate) use retention::Retention;
pub(crate) use server::Server;
pub(crate) use store::Store;

use error::{Invalid, Source};

/// The name `init` gives the file, and where commands look for it when none is named.
pub(crate) const FILE_NAME: &str = "countersign.toml";

/// All of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// `[server]`
    pub(crate) server: Server,
    /// `[store]`
    pub(crate) store: Store,
    /// `[keys]`
    pub(crate) keys: Keys,
    /// `[log]`
    pub(crate) log: Log,
    /// `[retention]`
    pub(crate) retention: Retention,
    /// `[providers.<name>]`
    #[serde(skip_serializing_if = "toml::Table::is_empty")]
    pub(crate) providers: toml::Table,
    /// `[[routes]]`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) routes: Vec<routes::Route>,
    /// Where it was read from; relative paths start there.
    #[serde(skip)]
    base: PathBuf,
}

impl Config {
    /// Reads and checks a file, with the environment laid over it.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        let text = files::read(path)?;
        let variables = overlay::variables(std::env::vars_os());
        Self::parse(&text, path, &variables)
    }

    /// What `dev` works with: everything in one directory, a log made for a terminal; the environment laid over it.
    pub(crate) fn of_dev(data: &Path) -> Outcome<Self> {
        let config = Self {
            server: Server { shutdown_deadline_seconds: 2, ..Server::default() },
            store: Store { url: "sqlite:countersign.db".to_owned() },
            log: Log { level: "warn".to_owned(), ..Log::default() },
            ..Self::default()
        };
        let text = toml::to_string(&config).unwrap_or_default();
        Self::parse(&text, &data.join(FILE_NAME), &overlay::variables(std::env::vars_os()))
    }

    fn parse(text: &str, path: &Path, variables: &[overlay::Variable]) -> Outcome<Self> {
        let source = Source { path, text };
        let of_file: Self = toml::from_str(text).map_err(|error| source.malformed(&error))?;
        let mut config = overlay::apply(of_file, text, variables)?;
        config.base = path.parent().map(Path::to_owned).unwrap_or_default();
        config.validate().map_err(|invalid| source.invalid(&invalid, variables))?;
        Ok(config)
    }

    /// A path of the configuration, from where the file lies.
    pub(crate) fn resolve(&self, path: &Path) -> PathBuf {
        self.base.join(path)
    }

    /// The SQLite file.
    pub(crate) fn database(&self) -> PathBuf {
        self.resolve(self.store.file())
    }

    /// The owner-only socket of the running server.
    pub(crate) fn control_socket(&self) -> PathBuf {
        self.database().with_file_name("control.sock")
    }

    /// The key ring.
    pub(crate) fn ring(&self) -> PathBuf {
        self.resolve(&self.keys.ring_file)
    }

    /// The routing table of the node.
    pub(crate) fn routing(&self) -> countersign_core::routing::Routes {
        routes::table(&self.routes)
    }

    /// The configured providers, by name.
    pub(crate) fn providers(&self) -> Outcome<providers::Providers> {
        providers::build(&self.providers, &self.base)
    }

    fn validate(&self) -> Result<(), Invalid> {
        self.server.validate()?;
        self.store.validate()?;
        self.log.validate()?;
        self.retention.validate()?;
        providers::validate(&self.providers)?;
        routes::validate(&self.routes, &self.providers)
    }
}

#[cfg(test)]
mod tests;
