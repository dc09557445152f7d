//! The engine for many nodes: any number of stateless servers over one PostgreSQL.

mod failure;
mod settings;

use std::sync::Arc;

use countersign_core::keys::{Keys, Root};
use countersign_core::time::{Clock, EntropySource};

use crate::HandOver;
pub use failure::Failure;
pub use settings::Settings;

/// What the engine needs from the outside.
pub struct Options<'a> {
    /// How to reach the database.
    pub settings: &'a Settings,
    /// The roots of the key ring.
    pub roots: &'a [Root],
    /// The machine's clock. The database's decides; this one tells how much time passed since it was last asked.
    pub clock: Arc<dyn Clock>,
    /// For the epoch of a new store, the node's id and back-off.
    pub entropy: Arc<dyn EntropySource>,
    /// Takes fresh deliveries.
    pub hand_over: HandOver,
}

/// The engine for many nodes.
pub struct PostgresStore {
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
}

impl PostgresStore {
    /// Connects, brings the schema up to date, checks the key ring and joins the other nodes.
    ///
    /// # Errors
    /// When the database cannot be used as it is; nothing was changed then.
    pub async fn open(options: &Options<'_>) -> Result<Self, Failure> {
        let _ = options;
        Err(Failure::Unreachable("not built yet".to_owned()))
    }

    /// The keys of this store: the ring's subkeys with the store's epoch.
    #[must_use]
    pub fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys)
    }

    /// The database's clock as this node knows it, for everything beside the decisions.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }
}

/// Brings the schema of a database up to date and says which migrations ran.
///
/// # Errors
/// When the database cannot be used, or its schema is newer than this program.
pub async fn migrate(settings: &Settings) -> Result<Vec<String>, Failure> {
    let _ = settings;
    Err(Failure::Unreachable("not built yet".to_owned()))
}
