//! The real server, release build, in a process of its own, configured as a customer would.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, ensure};

use crate::process;

/// A running server.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) key: String,
    pub(crate) ready_milliseconds: u64,
}

impl Server {
    /// Sets a server up in `directory` with the sink as its SMS gateway, and starts it.
    pub(crate) async fn start(binary: &Path, directory: &Path, sink: SocketAddr) -> anyhow::Result<Self> {
        let config = directory.join("countersign.toml");
        let made = Command::new(binary)
            .args(["init", "--json"])
            .env("COUNTERSIGN_PROFILE", directory.join("profile.toml"))
            .current_dir(directory)
            .output()?;
        ensure!(made.status.success(), "init failed: {}", String::from_utf8_lossy(&made.stderr));
        let key = create_key(binary, directory)?;
        let written = std::fs::read_to_string(&config)?;
        std::fs::write(&config, with_gateway(&written, sink))?;
        let started = Instant::now();
        let mut child = Command::new(binary)
            .args(["serve", "--config"])
            .arg(&config)
            .env("COUNTERSIGN_SERVER__LISTEN", "127.0.0.1:0")
            .env("COUNTERSIGN_LOG__LEVEL", "warn")
            .stdout(Stdio::piped())
            .spawn()?;
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
        let ready = started.elapsed();
        Ok(Self {
            child,
            address: address.context("the server printed no address")?,
            key,
            ready_milliseconds: u64::try_from(ready.as_millis())?,
        })
    }

    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        process::cpu_seconds(self.child.id())
    }

    pub(crate) fn peak_memory_mebibytes(&self) -> anyhow::Result<f64> {
        process::peak_memory_mebibytes(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A live key that also sees codes, for the rows that deliver them themselves.
fn create_key(binary: &Path, directory: &Path) -> anyhow::Result<String> {
    let mut create = Command::new(binary);
    create.args(["keys", "create", "--json", "--kind", "restricted"]).current_dir(directory);
    for scope in ["verifications:write", "verifications:check", "verifications:read", "codes:reveal"] {
        create.args(["--scope", scope]);
    }
    let made = create.env("COUNTERSIGN_PROFILE", directory.join("profile.toml")).output()?;
    ensure!(made.status.success(), "keys create failed: {}", String::from_utf8_lossy(&made.stderr));
    let key: serde_json::Value = serde_json::from_slice(&made.stdout)?;
    Ok(key["secret"].as_str().context("no key")?.to_owned())
}

fn with_gateway(config: &str, sink: SocketAddr) -> String {
    format!(
        "{config}\n\
         [providers.sink]\ntype = \"http\"\nurl = \"http://{sink}/send\"\n\
         body = {{ json = {{ to = \"{{{{ to }}}}\", text = \"{{{{ text }}}}\" }} }}\nmax_connections = 64\n\
         [[routes]]\nchannel = \"sms\"\nproviders = [\"sink\"]\n"
    )
}
