//! The listeners: the API over TCP, with or without TLS, and the owner-only control socket.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum_server::tls_rustls::{RustlsAcceptor, RustlsConfig};
use axum_server::{Address, Handle, Server};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;

use super::idle::IdleAcceptor;
use crate::config::Config;
use crate::problem::{Outcome, Problem};
use crate::{control, files};

/// The head of a request must have come within this time, a TLS handshake be done.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// The head of a request must fit into this; more is answered with 431.
const HEAD_BYTES: usize = 16 * 1024;
const HEAD_LINES: usize = 100;
/// Requests that one HTTP/2 connection may have open.
const STREAMS: u32 = 128;
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 1024;

/// Listens on TCP.
pub(super) fn tcp(address: SocketAddr) -> Outcome<TcpListener> {
    let listen = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error| {
        let fix = "stop what listens there, or choose another address (port 0 takes a free one)";
        Problem::new(format!("{address} cannot be listened on"), error, fix)
    })
}

/// How clients reach it: as configured, else where it listens.
pub(super) fn url(config: &Config, listener: &TcpListener) -> Outcome<String> {
    if let Some(url) = &config.server.public_url {
        return Ok(url.clone());
    }
    let address = listener
        .local_addr()
        .map_err(|error| Problem::new("the listen address is unknown", error, "set server.public_url"))?;
    let scheme = if config.server.tls.is_some() { "https" } else { "http" };
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    Ok(format!("{scheme}://{address}"))
}

/// Reads certificate and key, where TLS is configured.
pub(super) async fn tls(config: &Config) -> Outcome<Option<RustlsConfig>> {
    let Some(tls) = &config.server.tls else { return Ok(None) };
    // The first to install it wins; that it is installed is all that matters.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (certificate, key) = (config.resolve(&tls.cert_file), config.resolve(&tls.key_file));
    RustlsConfig::from_pem_file(&certificate, &key).await.map(Some).map_err(|error| {
        let what = format!("TLS cannot be set up with {} and {}", certificate.display(), key.display());
        Problem::new(what, error, "correct server.tls.cert_file and server.tls.key_file: PEM, and a pair")
    })
}

/// The served API.
pub(super) struct Api {
    handle: Handle<SocketAddr>,
    task: JoinHandle<std::io::Result<()>>,
}

impl Api {
    /// Begins to accept.
    pub(super) fn start(listener: TcpListener, tls: Option<RustlsConfig>, router: Router) -> Self {
        let handle = Handle::new();
        let server = limited(Server::from_listener(listener)).handle(handle.clone());
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        let task = match tls {
            None => tokio::spawn(server.acceptor(IdleAcceptor).serve(service)),
            Some(tls) => {
                let acceptor = RustlsAcceptor::new(tls).handshake_timeout(HEAD_TIME).acceptor(IdleAcceptor);
                tokio::spawn(server.acceptor(acceptor).serve(service))
            }
        };
        Self { handle, task }
    }

    /// Serves until `stop`. `Err` when the listener ended by itself.
    pub(super) async fn until(&mut self, stop: impl Future<Output = ()>) -> Outcome {
        let ended = tokio::select! {
            () = stop => return Ok(()),
            ended = &mut self.task => ended,
        };
        let why = match ended {
            Ok(Ok(())) => "it ended".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        Err(Problem::new("the server no longer listens", why, "start it again"))
    }

    /// Accepts no more, and waits for the requests in flight.
    pub(super) async fn finish(self, deadline: Duration) {
        self.handle.graceful_shutdown(Some(deadline));
        if !self.task.is_finished() {
            let _ = self.task.await;
        }
    }
}

/// The served control socket. Whoever may open it may make projects and keys, so it is its owner's alone.
pub(super) struct Control {
    handle: Handle<std::os::unix::net::SocketAddr>,
    task: JoinHandle<std::io::Result<()>>,
    path: PathBuf,
}

impl Control {
    /// Begins to accept. A socket that is there and does not answer is a dead server's.
    pub(super) fn start(path: PathBuf, router: Router) -> Outcome<Self> {
        if control::is_served(&path) {
            return Err(Problem::new(
                format!("the control socket {} is in use", path.display()),
                "another server answers there",
                "stop that one, or give each its own server.control_socket",
            ));
        }
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            files::private_dir(directory)?;
        }
        let listener = unix(&path).map_err(|error| {
            let fix =
                "name another in server.control_socket: a short path, on a file system that has sockets";
            Problem::new(format!("the control socket {} cannot be made", path.display()), error, fix)
        })?;
        let handle = Handle::new();
        let server = limited(Server::from_listener(listener)).handle(handle.clone());
        Ok(Self { handle, task: tokio::spawn(server.serve(router.into_make_service())), path })
    }

    /// Accepts no more, and removes the socket.
    pub(super) async fn finish(self, deadline: Duration) {
        self.handle.graceful_shutdown(Some(deadline));
        let _ = self.task.await;
        let _ = std::fs::remove_file(&self.path);
    }
}

fn unix(path: &Path) -> std::io::Result<tokio::net::UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => (),
    }
    // The directory is its owner's alone, so nobody gets in before the mode is set.
    let listener = tokio::net::UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn limited<A: Address>(server: Server<A>) -> Server<A> {
    let mut server = server.first_request_timeout(HEAD_TIME);
    let builder = server.http_builder();
    builder.http1().header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES).max_headers(HEAD_LINES);
    let head = u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX);
    builder.http2().max_header_list_size(head).max_concurrent_streams(STREAMS);
    server
}
