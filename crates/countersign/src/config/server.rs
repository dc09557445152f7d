//! `[server]`: where it listens.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use countersign_core::quota::Quota;
use serde::{Deserialize, Serialize};

use super::error::Invalid;
use super::reference::{Field, Section};

/// The longest time a shutdown, and the draining before it, may be given.
const LONGEST_SHUTDOWN_SECONDS: u64 = 300;

/// The name of the control socket's file.
pub(super) const CONTROL_SOCKET: &str = "control.sock";

/// Where the server listens and how it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    /// Address and port.
    pub(crate) listen: SocketAddr,
    /// How clients reach it.
    pub(crate) public_url: Option<String>,
    /// Where the commands of its owner reach it.
    pub(crate) control_socket: Option<PathBuf>,
    /// Time between saying that it goes and going.
    pub(crate) drain_seconds: u64,
    /// Time for requests in flight when it is told to stop.
    pub(crate) shutdown_deadline_seconds: u64,
    /// Requests each API key may make; zero for no quota.
    pub(crate) requests_per_minute_per_key: u32,
    /// `[server.tls]`
    pub(crate) tls: Option<Tls>,
}

/// The certificate it shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tls {
    /// The chain, PEM.
    pub(crate) cert_file: PathBuf,
    /// The private key, PEM.
    pub(crate) key_file: PathBuf,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            public_url: None,
            control_socket: None,
            drain_seconds: 5,
            shutdown_deadline_seconds: 20,
            requests_per_minute_per_key: 0,
            tls: None,
        }
    }
}

impl Server {
    /// The quota of each API key on this node.
    pub(crate) fn quota(&self) -> Option<Quota> {
        let requests = self.requests_per_minute_per_key;
        (requests > 0).then_some(Quota { requests, window: Duration::from_secs(60) })
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        if !(1..=LONGEST_SHUTDOWN_SECONDS).contains(&self.shutdown_deadline_seconds) {
            let fix = format!("write 1 to {LONGEST_SHUTDOWN_SECONDS} seconds");
            let key = ["server", "shutdown_deadline_seconds"];
            return Err(Invalid::new(&key, "out of range", fix));
        }
        if self.drain_seconds > LONGEST_SHUTDOWN_SECONDS {
            let fix = format!("write 0 to {LONGEST_SHUTDOWN_SECONDS} seconds");
            return Err(Invalid::new(&["server", "drain_seconds"], "out of range", fix));
        }
        let Some(url) = &self.public_url else { return Ok(()) };
        let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        match rest {
            Some(rest) if !rest.is_empty() && !url.ends_with('/') => Ok(()),
            _ => Err(Invalid::new(
                &["server", "public_url"],
                "not a base URL",
                "write it like \"https://codes.example.com\", without a slash at the end",
            )),
        }
    }
}

pub(super) const SECTION: Section = Section {
    header: "[server]",
    about: "Where the server listens and how it ends.",
    optional: false,
    fields: &[
        Field {
            key: "listen",
            value: "\"127.0.0.1:8080\"",
            optional: false,
            about: "Address and port. Port 0 takes a free one. Listen on 0.0.0.0 only with TLS, here or in front.",
        },
        Field {
            key: "public_url",
            value: "\"https://codes.example.com\"",
            optional: true,
            about: "How clients reach it: the issuer of proofs, and the base of links. Without it, the listen address.",
        },
        Field {
            key: "control_socket",
            value: "\"countersign-data/control.sock\"",
            optional: true,
            about: "The socket over which commands like `countersign keys` reach this server; its directory must be its \
                    owner's alone (mode 700), and each server needs its own. Without it, beside the SQLite file; with \
                    PostgreSQL, `countersign-data/control.sock`.",
        },
        Field {
            key: "drain_seconds",
            value: "5",
            optional: false,
            about: "How long the server goes on after SIGTERM with `/readyz` refused, 0 to 300: longer than a load \
                    balancer in front needs to notice, so that it sends no more when the server closes. Answers close \
                    their connections meanwhile. A second signal ends at once.",
        },
        Field {
            key: "shutdown_deadline_seconds",
            value: "20",
            optional: false,
            about: "How long requests in flight may take once the server closes, 1 to 300.",
        },
        Field {
            key: "requests_per_minute_per_key",
            value: "0",
            optional: false,
            about: "Requests each API key may make per minute on this node, told in `RateLimit` headers. 0: no quota.",
        },
    ],
};

pub(super) const TLS_SECTION: Section = Section {
    header: "[server.tls]",
    about: "With this table the server speaks TLS 1.2 and 1.3 by itself. Without it: plain HTTP, for a proxy in front.",
    optional: true,
    fields: &[
        Field {
            key: "cert_file",
            value: "\"tls/fullchain.pem\"",
            optional: true,
            about: "The certificate chain, PEM.",
        },
        Field { key: "key_file", value: "\"tls/key.pem\"", optional: true, about: "Its private key, PEM." },
    ],
};
