//! The configuration: one file per section, each with its defaults, its checks and its documentation.

mod delivery;
mod error;
mod keys;
mod log;
mod money;
mod overlay;
mod providers;
mod push;
mod reference;
mod retention;
mod routes;
mod routing;
mod server;
mod smpp;
mod store;
mod store_url;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use countersign_core::health::Board;
use countersign_core::money::Tariff;
use countersign_core::receipt::ReceiptTaker;
use countersign_core::routing::Routes;
use countersign_core::store::Store as StorePort;
use countersign_core::time::Clock;
use countersign_delivery::http_gateway::Node;
use serde::{Deserialize, Serialize};

use crate::clock::SystemClock;
use crate::entropy::SystemEntropy;
use crate::files;
use crate::prices;
use crate::problem::{Outcome, Problem};
use crate::treasury::Treasury;

pub(crate) use keys::Keys;
pub(crate) use log::{Format, Log};
pub(crate) use money::Money;
pub(crate) use reference::{markdown, sample, sample_with};
pub(crate) use retention::Retention;
pub(crate) use routing::Routing;
pub(crate) use server::Server;
pub(crate) use store::{Engine, Store};
pub(crate) use store_url::StoreUrl;

use error::{Invalid, Source};

/// The name `init` gives the file, and where commands look for it when none is named.
pub(crate) const FILE_NAME: &str = "countersign.toml";

/// The directory for what a server keeps beside its configuration when none is named.
pub(crate) const DATA_DIR: &str = "countersign-data";

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
    /// `[delivery]`
    pub(crate) delivery: delivery::Delivery,
    /// `[routing]`
    pub(crate) routing: Routing,
    /// `[push]`
    #[serde(skip_serializing_if = "push::Push::is_empty")]
    pub(crate) push: push::Push,
    /// `[money]`
    pub(crate) money: Money,
    /// `[providers.<name>]`
    #[serde(skip_serializing_if = "toml::Table::is_empty")]
    pub(crate) providers: toml::Table,
    /// `[[routes]]`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) routes: Vec<routes::Route>,
    /// `[[budgets]]`
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) budgets: Vec<money::Budget>,
    /// Where it was read from; relative paths start there.
    #[serde(skip)]
    base: PathBuf,
}

impl Config {
    /// Reads and checks a file, with the environment laid over it.
    pub(crate) fn read(path: &Path) -> Outcome<Self> {
        Self::of_text(&files::read(path)?, path)
    }

    /// What `dev` works with: everything in one directory, a log made for a terminal; the environment laid over it.
    ///
    /// # Errors
    /// When the environment names a database that others may use: `dev` works on a file of its own.
    pub(crate) fn of_dev(data: &Path) -> Outcome<Self> {
        let config = Self {
            server: Server { drain_seconds: 0, shutdown_deadline_seconds: 2, ..Server::default() },
            store: Store::at("sqlite:countersign.db"),
            log: Log { level: "warn".to_owned(), ..Log::default() },
            ..Self::default()
        };
        let text = toml::to_string(&config).unwrap_or_default();
        let config = Self::parse(&text, &data.join(FILE_NAME), &overlay::variables(std::env::vars_os()))?;
        if config.database().is_some() {
            return Ok(config);
        }
        Err(Problem::usage(
            "a server of `countersign dev` has a SQLite file",
            format!("COUNTERSIGN_STORE__URL names {}", config.store.url),
            "unset it; for a server on that database use `countersign serve --config FILE`",
        ))
    }

    /// The store at a URL that was given as a flag, with the environment laid over it: its password, its certificates.
    ///
    /// # Errors
    /// When the environment names another store: one of the two is a mistake.
    pub(crate) fn of_store(url: &str, password_file: Option<&Path>) -> Outcome<Self> {
        let text = toml::to_string(&Self { store: Store::at(url), ..Self::default() }).unwrap_or_default();
        let mut config = Self::of_text(&text, Path::new(FILE_NAME))?;
        if let Some(file) = password_file {
            config.store.password_file = Some(file.to_owned());
        }
        if config.store.url == StoreUrl::new(url) {
            return Ok(config);
        }
        Err(Problem::usage(
            "two stores are named",
            format!("the command line names {url}, and COUNTERSIGN_STORE__URL {}", config.store.url),
            "unset COUNTERSIGN_STORE__URL, or leave the flag away",
        ))
    }

    /// What `text` says, as if it stood in the file `path`, with the environment laid over it.
    pub(crate) fn of_text(text: &str, path: &Path) -> Outcome<Self> {
        Self::parse(text, path, &overlay::variables(std::env::vars_os()))
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

    /// The SQLite file; `None` when the store is in PostgreSQL.
    pub(crate) fn database(&self) -> Option<PathBuf> {
        self.store.file().map(|file| self.resolve(file))
    }

    /// The engine of the store, with the password of its database.
    pub(crate) fn engine(&self) -> Outcome<Engine> {
        match self.database() {
            Some(database) => Ok(Engine::Sqlite(database)),
            None => self.store.settings(&self.base).map(Engine::Postgres),
        }
    }

    /// The owner-only socket of the running server: as configured, else beside the SQLite file, else where that would
    /// be.
    pub(crate) fn control_socket(&self) -> PathBuf {
        match (&self.server.control_socket, self.database()) {
            (Some(socket), _) => self.resolve(socket),
            (None, Some(database)) => database.with_file_name(server::CONTROL_SOCKET),
            (None, None) => self.resolve(&Path::new(DATA_DIR).join(server::CONTROL_SOCKET)),
        }
    }

    /// The key ring.
    pub(crate) fn ring(&self) -> PathBuf {
        self.resolve(&self.keys.ring_file)
    }

    /// The routing table of the node.
    pub(crate) fn routing_table(&self) -> Routes {
        let disabled = Arc::new(self.routing.disabled());
        Routes { disabled, ..Routes::of(routes::table(&self.routes)) }
    }

    /// The routing table with the prices and the health of the providers, all of them well.
    pub(crate) fn board(&self) -> Outcome<Board> {
        let routes = Routes { tariff: Arc::new(self.tariff()?), ..self.routing_table() };
        Ok(Board::new(routes, self.routing.health(), self.providers.keys().cloned()))
    }

    /// The price table.
    pub(crate) fn tariff(&self) -> Outcome<Tariff> {
        let Some(path) = &self.money.prices else { return Ok(Tariff::default()) };
        let known = |name: &str| self.providers.contains_key(name);
        prices::read(&self.resolve(path), known, |currency| self.money.rate(currency))
    }

    /// The budgets, all of them unspent.
    pub(crate) fn treasury(&self, store: Arc<dyn StorePort>, clock: Arc<dyn Clock>) -> Treasury {
        let currency = self.money.currency();
        Treasury::new(money::budgets(&self.budgets, currency), currency, store, clock)
    }

    /// The configured providers, by name. What they are told of messages they took goes to `taker`, if there is one; who
    /// only looks has none.
    pub(crate) fn providers(&self, taker: Option<&Arc<dyn ReceiptTaker>>) -> Outcome<providers::Providers> {
        providers::build(&self.providers, &self.base, &self.node(), taker)
    }

    /// What reads the receipts that gateways post.
    pub(crate) fn receipts(&self) -> Outcome<countersign_delivery::http_gateway::receipts::Readers> {
        providers::readers(&self.providers, &self.base, &self.node())
    }

    /// What providers are told of this node. The clock of the machine: vendors compare it with theirs.
    fn node(&self) -> Node {
        let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy));
        Node { clock, entropy, public_url: self.server.public_url.clone() }
    }

    fn validate(&self) -> Result<(), Invalid> {
        self.server.validate()?;
        self.store.validate()?;
        self.log.validate()?;
        self.retention.validate()?;
        self.delivery.validate()?;
        providers::validate(&self.providers)?;
        self.routing.validate(&self.providers)?;
        self.push.validate(&self.providers)?;
        routes::validate(&self.routes, &self.providers)?;
        self.money.validate(&self.budgets)?;
        money::validate(&self.budgets)
    }
}

#[cfg(test)]
mod tests;
