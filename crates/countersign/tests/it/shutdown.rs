use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::harness::Server;

const DRAIN: &str = "COUNTERSIGN_SERVER__DRAIN_SECONDS";
const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

fn terminate(server: &Server) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(server.pid()).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

/// A connection that had one answer and is kept open by both sides.
fn kept_alive(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    stream.write_all(HEALTH).unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\"ok\"}") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        answer.extend(byte);
    }
    stream
}

#[tokio::test]
async fn a_request_in_flight_is_finished_and_the_exit_code_is_zero() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let body = r#"{"to":"+48600100217"}"#;
    let mut stream = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    write!(
        stream,
        "POST /v1/verifications HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Expect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        server.key,
        body.len()
    )
    .unwrap();
    // The server asks for the body, so the request is in flight for certain.
    let mut asked = [0; 25];
    stream.read_exact(&mut asked).unwrap();
    assert!(asked.starts_with(b"HTTP/1.1 100 "), "{}", String::from_utf8_lossy(&asked));
    terminate(&server);
    server.until_logged("stopping").await;
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(server.exit_code(), Some(0));
}

#[tokio::test]
async fn a_draining_server_is_not_ready_and_serves_everything_until_a_second_signal() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), &[(DRAIN, "300")]);
    assert_eq!(server.get("/readyz").await.status, 200);
    let mut idle = kept_alive(&server);
    terminate(&server);
    server.until_logged("draining").await;
    let ready = server.get("/readyz").await;
    assert_eq!((ready.status.as_u16(), ready.code()), (503, "shutting_down"));
    let id = server.create("+48600100217").await;
    let code = server.code_of("+48600100217", &id).await;
    assert_eq!(server.check(&id, &code).await.status, 200);
    // What a client had open still works, and the client is told to open no other one here.
    idle.write_all(HEALTH).unwrap();
    let mut answer = String::new();
    idle.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer}");
    terminate(&server);
    assert_eq!(server.exit_code(), Some(1));
}

#[tokio::test]
async fn a_drained_server_closes_idle_connections_and_ends_with_zero() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start_with(directory.path(), &[(DRAIN, "1")]);
    let mut idle = kept_alive(&server);
    terminate(&server);
    server.until_logged("draining").await;
    assert_eq!(idle.read_to_string(&mut String::new()).unwrap(), 0, "closed in order, not reset");
    assert_eq!(server.exit_code(), Some(0));
}
