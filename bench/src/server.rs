//! The real server, release build, in a process of its own, configured as a customer would.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, ensure};
use serde::Serialize;

use crate::process;

/// What `init` writes into its directory.
const CONFIG: &str = "countersign.toml";

/// How to start the servers.
pub(crate) struct Setup<'a> {
    /// The release build.
    pub(crate) binary: &'a Path,
    /// Where configuration, key ring and, without a database, the store lie.
    pub(crate) directory: &'a Path,
    /// The SMS gateway.
    pub(crate) sink: SocketAddr,
    /// The URL of the database; without it, a SQLite file.
    pub(crate) database: Option<&'a str>,
    /// Nodes over one store.
    pub(crate) nodes: usize,
    /// `[store] lanes`, where it is not the default.
    pub(crate) lanes: Option<u8>,
}

/// Running servers over one store.
pub(crate) struct Servers {
    nodes: Vec<Node>,
    keys: Keys,
    pub(crate) doors: Arc<Doors>,
}

/// What a client needs to know of them.
#[derive(Debug)]
pub(crate) struct Doors {
    addresses: Vec<SocketAddr>,
    /// Credentials of the native API.
    pub(crate) bearer: String,
    pub(crate) twilio: Twilio,
}

/// Twilio's dialect: credentials and paths of the project's service.
#[derive(Debug, Clone)]
pub(crate) struct Twilio {
    pub(crate) authorization: String,
    pub(crate) verifications: String,
    pub(crate) check: String,
}

/// Credentials of the one project.
#[derive(Debug)]
struct Keys {
    bearer: String,
    twilio: Twilio,
}

impl Doors {
    fn of(nodes: &[Node], keys: &Keys) -> Arc<Self> {
        let addresses = nodes.iter().map(|node| node.address).collect();
        Arc::new(Self { addresses, bearer: keys.bearer.clone(), twilio: keys.twilio.clone() })
    }

    /// Where the load's connection of this number goes.
    pub(crate) fn address(&self, number: usize) -> SocketAddr {
        self.addresses[number % self.addresses.len()]
    }
}

struct Node {
    child: Child,
    address: SocketAddr,
    ready_milliseconds: u64,
}

/// What a node says of itself.
#[derive(Debug, Clone, Copy, Serialize)]
pub(crate) struct NodeFigures {
    pub(crate) ready_milliseconds: u64,
    pub(crate) peak_memory_mebibytes: f64,
}

impl Servers {
    /// Sets a store up with the sink as its SMS gateway, and starts the servers.
    pub(crate) fn start(setup: &Setup<'_>) -> anyhow::Result<Self> {
        let config = setup.directory.join(CONFIG);
        let mut init = Command::new(setup.binary);
        init.args(["init", "--json"]).args(setup.database.into_iter().flat_map(|url| ["--store", url]));
        let made = init.env("COUNTERSIGN_PROFILE", setup.directory.join("profile.toml"));
        let made = made.current_dir(setup.directory).output()?;
        ensure!(made.status.success(), "init failed: {}", String::from_utf8_lossy(&made.stderr));
        let keys = Keys { bearer: bearer(setup)?, twilio: twilio(setup)? };
        let written = std::fs::read_to_string(&config)?;
        std::fs::write(&config, with_gateway(&written, setup.sink))?;
        let nodes = nodes(setup, &config)?;
        Ok(Self { doors: Doors::of(&nodes, &keys), nodes, keys })
    }

    /// Ends the servers, does what they must not see, and starts them again.
    pub(crate) fn without(
        &mut self,
        setup: &Setup<'_>,
        work: impl FnOnce() -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        self.nodes.clear();
        work()?;
        self.nodes = nodes(setup, &setup.directory.join(CONFIG))?;
        self.doors = Doors::of(&self.nodes, &self.keys);
        Ok(())
    }

    /// Processor time of all nodes so far.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        self.nodes.iter().map(|node| process::cpu_seconds(node.child.id())).sum()
    }

    pub(crate) fn figures(&self) -> anyhow::Result<Vec<NodeFigures>> {
        let of = |node: &Node| {
            let peak_memory_mebibytes = process::peak_memory_mebibytes(node.child.id())?;
            Ok(NodeFigures { ready_milliseconds: node.ready_milliseconds, peak_memory_mebibytes })
        };
        self.nodes.iter().map(of).collect()
    }
}

fn nodes(setup: &Setup<'_>, config: &Path) -> anyhow::Result<Vec<Node>> {
    (0..setup.nodes).map(|number| Node::start(setup, config, number)).collect()
}

impl Node {
    fn start(setup: &Setup<'_>, config: &Path, number: usize) -> anyhow::Result<Self> {
        let mut serve = Command::new(setup.binary);
        serve.args(["serve", "--config"]).arg(config);
        serve.env("COUNTERSIGN_SERVER__LISTEN", "127.0.0.1:0").env("COUNTERSIGN_LOG__LEVEL", "warn");
        // Nodes of one machine: each needs a control socket of its own.
        let socket = setup.directory.join(format!("control-{number}.sock"));
        serve.env("COUNTERSIGN_SERVER__CONTROL_SOCKET", socket);
        if let Some(lanes) = setup.lanes {
            serve.env("COUNTERSIGN_STORE__LANES", lanes.to_string());
        }
        let started = Instant::now();
        let mut child = serve.stdout(Stdio::piped()).spawn()?;
        let output = BufReader::new(child.stdout.take().context("no output")?);
        let mut address = None;
        for line in output.lines() {
            if let Some((_, rest)) = line?.split_once("http://") {
                let text: String =
                    rest.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
                address = Some(text.parse()?);
                break;
            }
        }
        let ready_milliseconds = u64::try_from(started.elapsed().as_millis())?;
        Ok(Self { child, address: address.context("the server printed no address")?, ready_milliseconds })
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A live key that also sees codes, for the rows that deliver them themselves.
fn bearer(setup: &Setup<'_>) -> anyhow::Result<String> {
    let scopes = [
        "verifications:write",
        "verifications:check",
        "verifications:read",
        "codes:reveal",
        "factors:write",
        "challenges:write",
        "challenges:check",
    ];
    let scopes = scopes.iter().flat_map(|scope| ["--scope", scope]);
    let key = create_key(setup, ["--kind", "restricted"].into_iter().chain(scopes))?;
    Ok(format!("Bearer {}", key["secret"].as_str().context("no key")?))
}

/// A live pair as `keys create --twilio` makes it.
fn twilio(setup: &Setup<'_>) -> anyhow::Result<Twilio> {
    let pair = &create_key(setup, ["--twilio"])?["twilio"];
    let field = |name: &str| pair[name].as_str().with_context(|| format!("no {name}"));
    let named = format!("{}:{}", field("api_key_sid")?, field("api_key_secret")?);
    let service = format!("/compat/twilio/v2/Services/{}", field("service_sid")?);
    Ok(Twilio {
        authorization: format!("Basic {}", data_encoding::BASE64.encode(named.as_bytes())),
        verifications: format!("{service}/Verifications"),
        check: format!("{service}/VerificationCheck"),
    })
}

fn create_key<'a>(
    setup: &Setup<'_>,
    arguments: impl IntoIterator<Item = &'a str>,
) -> anyhow::Result<serde_json::Value> {
    let mut create = Command::new(setup.binary);
    create.args(["keys", "create", "--json"]).args(arguments).current_dir(setup.directory);
    let made = create.env("COUNTERSIGN_PROFILE", setup.directory.join("profile.toml")).output()?;
    ensure!(made.status.success(), "keys create failed: {}", String::from_utf8_lossy(&made.stderr));
    Ok(serde_json::from_slice(&made.stdout)?)
}

fn with_gateway(config: &str, sink: SocketAddr) -> String {
    format!(
        "{config}\n\
         [providers.sink]\ntype = \"http\"\nurl = \"http://{sink}/send\"\n\
         body = {{ json = {{ to = \"{{{{ to }}}}\", text = \"{{{{ text }}}}\" }} }}\nmax_connections = 64\n\
         [[routes]]\nchannel = \"sms\"\nproviders = [\"sink\"]\n"
    )
}
