//! Starts the Python relay and reads what it took.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// A certificate authority, and a certificate of it for this machine, as files.
pub(crate) struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    pub(crate) fn new() -> Self {
        use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, KeyUsagePurpose};
        let folder = tempfile::tempdir().expect("a folder");
        let mut authority = CertificateParams::new(vec![]).expect("parameters");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key"))
            .expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let leaf =
            CertificateParams::new(names).expect("parameters").signed_by(&key, &authority).expect("a leaf");
        for (name, text) in
            [("ca.pem", authority.pem()), ("leaf.pem", leaf.pem()), ("key.pem", key.serialize_pem())]
        {
            std::fs::write(folder.path().join(name), text).expect("written");
        }
        Self { folder }
    }

    /// Where the file of that name stands, whether it is there or not.
    pub(crate) fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("a UTF-8 path").to_owned()
    }
}

/// A running relay; it ends with this value.
pub(crate) struct Relay {
    pub(crate) port: u16,
    pub(crate) certificates: Certificates,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Relay {
    /// `mode`: `starttls`, `login` (the same, without AUTH PLAIN), `tls` or `clear`.
    pub(crate) async fn start(mode: &str) -> Self {
        let certificates = Certificates::new();
        let mut process = Command::new(tool("venv/bin/python"))
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/smtp_peer.py"))
            .arg(mode)
            .args([certificates.path("leaf.pem"), certificates.path("key.pem")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the relay starts");
        let stdout = process.stdout.take().expect("its output");
        let mut relay =
            Self { port: 0, certificates, lines: BufReader::new(stdout).lines(), _process: process };
        relay.port =
            relay.next().await["port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port");
        relay
    }

    /// The next message it takes.
    pub(crate) async fn next(&mut self) -> Value {
        let line = self.lines.next_line().await.expect("readable output").expect("the relay runs");
        serde_json::from_str(&line).expect("JSON")
    }
}

/// What `cargo xtask setup` put there.
pub(crate) fn tool(path: &str) -> PathBuf {
    let workspace_tools = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    let tools = std::env::var_os("COUNTERSIGN_TOOLS").map_or_else(workspace_tools, PathBuf::from);
    let tool = tools.join(path);
    assert!(tool.exists(), "{} is missing: run `cargo xtask setup`", tool.display());
    tool
}
