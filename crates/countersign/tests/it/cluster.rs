//! Several nodes of the real binary over one PostgreSQL.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use countersign_peers::Postgres;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, interval};

use crate::harness::Server;

/// A test that waits longer than this for something waits in vain.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A database, with the configuration and the key ring that all nodes on it share.
pub(crate) struct Cluster {
    directory: TempDir,
    /// The database, past any proxy.
    pub(crate) database: String,
    /// A test key of the first project.
    pub(crate) key: String,
    /// The live key that `init` made.
    pub(crate) live_key: String,
}

impl Cluster {
    /// On a fresh database of a server.
    pub(crate) fn on(postgres: &Postgres) -> Self {
        Self::at(postgres.create_database())
    }

    /// On an empty database.
    pub(crate) fn at(database: String) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut cluster = Self { directory, database, key: String::new(), live_key: String::new() };
        // A password stays out of files; the environment brings it.
        let password = cluster.database.rsplit_once('@').and_then(|(user, _)| user.splitn(3, ':').nth(2));
        let store = password.map_or(cluster.database.clone(), |password| {
            cluster.database.replace(&format!(":{password}@"), "@")
        });
        let made = cluster.run("cli", &["init", "--store", &store]);
        cluster.live_key = text(&made, "api_key");
        cluster.key = text(&cluster.run("cli", &["keys", "create", "--test"]), "secret");
        cluster
    }

    /// Where the shared configuration lies.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Adds lines to the configuration of the nodes that start from now on.
    pub(crate) fn configure(&self, lines: &str) {
        let path = self.path().join("countersign.toml");
        let text = std::fs::read_to_string(&path).expect("what init wrote");
        std::fs::write(&path, format!("{text}\n{lines}")).expect("our own file");
    }

    /// A command as somebody at the machine of `node` would give it.
    pub(crate) fn command(&self, node: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command
            .args(arguments)
            .env("COUNTERSIGN_STORE__URL", &self.database)
            .env("COUNTERSIGN_SERVER__LISTEN", "127.0.0.1:0")
            .env("COUNTERSIGN_SERVER__CONTROL_SOCKET", format!("{node}/control.sock"))
            .env("COUNTERSIGN_SERVER__DRAIN_SECONDS", "0")
            .env("COUNTERSIGN_LOG__LEVEL", "warn")
            .env_remove("COUNTERSIGN_API_KEY")
            .current_dir(self.path());
        command
    }

    /// Runs a command there and answers its JSON.
    pub(crate) fn run(&self, node: &str, arguments: &[&str]) -> Value {
        let output = self.command(node, arguments).arg("--json").output().expect("the binary runs");
        assert!(output.status.success(), "{arguments:?}: {}", told(&output));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Starts a node and waits until it serves.
    pub(crate) fn node(&self, name: &str) -> Server {
        self.node_with(name, &[])
    }

    /// The same with more variables in its environment.
    pub(crate) fn node_with(&self, name: &str, variables: &[(&str, &str)]) -> Server {
        let mut command = self.command(name, &["serve"]);
        Server::run(command.envs(variables.iter().copied()), Some(self.key.clone()))
    }
}

/// All that a command printed.
pub(crate) fn told(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// A field that is a text.
pub(crate) fn text(document: &Value, field: &str) -> String {
    document[field].as_str().unwrap_or_else(|| panic!("no {field} in {document}")).to_owned()
}

/// Asks `probe` again and again until it answers; panics with `what` after [`PATIENCE`]. For events of other processes,
/// which nothing announces.
pub(crate) async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    let mut pace = interval(Duration::from_millis(5));
    loop {
        pace.tick().await;
        if let Some(found) = probe().await {
            return found;
        }
        assert!(Instant::now() < end, "waited {PATIENCE:?} in vain for {what}");
    }
}
