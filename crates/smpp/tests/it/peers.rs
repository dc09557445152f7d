//! Programs of others: how they are started, and what they say.

mod jasmin;
mod npm;
mod smpplib;

use std::path::{Path, PathBuf};
use std::process::Stdio;

use countersign_smpp::{Boxed, Dial, DialError, Stream};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A program that prints JSON lines; it ends with this value.
struct Program {
    lines: Lines<BufReader<ChildStdout>>,
    input: ChildStdin,
    _process: Child,
}

impl Program {
    fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut process = command.spawn().expect("the program starts");
        let input = process.stdin.take().expect("its input");
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        Self { lines, input, _process: process }
    }

    /// The next thing it says.
    async fn next(&mut self) -> Value {
        let line = self.lines.next_line().await.expect("readable output").expect("the program runs");
        serde_json::from_str(&line).expect("JSON")
    }

    /// The next thing it says that has this key.
    async fn told(&mut self, key: &str) -> Value {
        loop {
            let said = self.next().await;
            if said.get(key).is_some() {
                return said;
            }
        }
    }

    async fn port(&mut self) -> u16 {
        self.told("port").await["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port")
    }

    async fn say(&mut self, line: &str) {
        self.input.write_all(format!("{line}\n").as_bytes()).await.expect("heard");
    }
}

/// A port of this machine.
struct Tcp(u16);

impl Dial for Tcp {
    fn dial(&self) -> Boxed<'_, Result<Box<dyn Stream>, DialError>> {
        Box::pin(async {
            let stream = TcpStream::connect(("127.0.0.1", self.0)).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as Box<dyn Stream>)
        })
    }
}

/// Where `cargo xtask setup` puts things.
fn tool(path: &str) -> PathBuf {
    let here = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    let tools = std::env::var_os("COUNTERSIGN_TOOLS").map_or_else(here, PathBuf::from);
    let tool = tools.join(path);
    assert!(tool.exists(), "{} is missing: run `cargo xtask setup`", tool.display());
    tool
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name)
}
