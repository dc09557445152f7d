//! What `examples/` shows runs, and a start that a client repeats after an error is sent once.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use countersign_peers::shared;
use serde_json::Value;

use crate::cluster::Cluster;
use crate::harness::Server;
use crate::twilio::{Pair, pair, script, tools};

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(name)
}

/// Runs an example from the start of a verification to its end: the number as its last argument, the code typed.
async fn verifies(server: &Server, pair: &Pair, number: &str, command: &mut Command) {
    let base = [("TWILIO_BASE_URL", &pair.base), ("TWILIO_ACCOUNT_SID", &pair.account)];
    let rest = [("TWILIO_API_KEY", &pair.key), ("TWILIO_API_SECRET", &pair.secret)];
    command.envs(base).envs(rest).env("TWILIO_SERVICE_SID", &pair.service);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = command.spawn().expect("the example starts");
    let path = format!("/v1/test/outbox?to={}&wait=20", number.replace('+', "%2B"));
    let outbox = server.get(&path).await;
    let code = outbox.body["data"][0]["code"].as_str().map(str::to_owned);
    let mut input = running.stdin.take().expect("standard input is piped");
    // An example that failed already reads nothing; what it says is told below.
    let _ = writeln!(input, "{}", code.unwrap_or_default());
    drop(input);
    let ran = running.wait_with_output().expect("the example ends");
    let printed = String::from_utf8_lossy(&ran.stdout);
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines, ["pending", "approved"], "{}", String::from_utf8_lossy(&ran.stderr));
}

#[tokio::test]
async fn the_python_example_verifies_a_number() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let pair = pair(&server).await;
    let python = tools().join("venv/bin/python");
    assert!(python.is_file(), "Python's packages are missing: run `cargo xtask setup`");
    let mut command = Command::new(python);
    let number = "+48600100601";
    verifies(&server, &pair, number, command.arg(example("twilio-python/verify.py")).arg(number)).await;
}

#[tokio::test]
async fn the_node_example_verifies_a_number() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let pair = pair(&server).await;
    // Modules are looked for beside the program.
    let program = directory.path().join("verify.mjs");
    std::fs::copy(example("twilio-node/verify.mjs"), &program).unwrap();
    let modules = tools().join("node/node_modules");
    assert!(modules.join("twilio").is_dir(), "twilio-node is missing: run `cargo xtask setup`");
    std::os::unix::fs::symlink(modules.canonicalize().unwrap(), directory.path().join("node_modules"))
        .unwrap();
    let mut command = Command::new("node");
    let number = "+48600100602";
    verifies(&server, &pair, number, command.arg(program).arg(number)).await;
}

/// Copies an example aside and builds it without a network; `None`, said aloud, where tool-chain or library are missing.
fn built(name: &str, into: &Path, program: &str, arguments: &[&str]) -> Option<()> {
    let mut copy = Command::new("cp");
    let copied = copy.arg("-r").arg(example(name)).arg(into).status().expect("cp runs");
    assert!(copied.success(), "{name} cannot be copied");
    let mut build = Command::new(program);
    let ran = build
        .args(arguments)
        .current_dir(into.join(name))
        .envs([("GOPROXY", "off"), ("GOFLAGS", "-mod=mod")])
        .output();
    let why = match ran {
        Ok(ran) if ran.status.success() => return Some(()),
        Ok(ran) => {
            let said = [ran.stdout, ran.stderr].concat();
            let said = String::from_utf8_lossy(&said);
            // A library that is not there is no fault of the example; anything else is.
            let missing = ["offline", "GOPROXY=off", "Cannot access central", "could not be resolved"];
            assert!(missing.iter().any(|word| said.contains(word)), "examples/{name} does not build: {said}");
            format!(
                "its library is not on this machine (`{program} {}` in examples/{name})",
                arguments.join(" ")
            )
        }
        Err(error) => format!("`{program}` cannot be started: {error}"),
    };
    // Past the capture of the test harness: nobody should take this for a run.
    let _ = writeln!(std::io::stderr(), "NOT RUN: examples/{name}: {why}");
    None
}

#[tokio::test]
async fn the_java_example_verifies_a_number_where_its_library_is() {
    let directory = tempfile::tempdir().unwrap();
    let Some(()) =
        built("twilio-java", directory.path(), "mvn", &["--offline", "--batch-mode", "--quiet", "compile"])
    else {
        return;
    };
    let server = Server::start(directory.path());
    let pair = pair(&server).await;
    let number = "+48600100603";
    let mut command = Command::new("mvn");
    command.args(["--offline", "--batch-mode", "--quiet", "exec:java", &format!("-Dexec.args={number}")]);
    verifies(&server, &pair, number, command.current_dir(directory.path().join("twilio-java"))).await;
}

#[tokio::test]
async fn the_go_example_verifies_a_number_where_its_library_is() {
    let directory = tempfile::tempdir().unwrap();
    let Some(()) = built("twilio-go", directory.path(), "go", &["build", "-o", "verify", "."]) else {
        return;
    };
    let server = Server::start(directory.path());
    let pair = pair(&server).await;
    let number = "+48600100604";
    let mut command = Command::new(directory.path().join("twilio-go/verify"));
    verifies(&server, &pair, number, command.arg(number)).await;
}

/// A load balancer. The first node did what it was asked and died before it could say so: its answer becomes a 502.
struct Balancer {
    nodes: [String; 2],
    asked: AtomicUsize,
    client: reqwest::Client,
}

async fn pass_on(State(balancer): State<Arc<Balancer>>, request: Request) -> Response {
    let nth = balancer.asked.fetch_add(1, Ordering::SeqCst);
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 65_536).await.expect("a body");
    let url = format!("{}{}", balancer.nodes[nth.min(1)], parts.uri);
    let mut headers = parts.headers;
    headers.remove("host");
    let answer = balancer.client.request(parts.method, url).headers(headers).body(body).send().await;
    let answer = answer.expect("the node answers");
    assert_eq!(answer.status(), 201, "each node takes the start");
    let (status, body) = (answer.status(), answer.bytes().await.expect("a body"));
    if nth == 0 {
        return (StatusCode::BAD_GATEWAY, "{}").into_response();
    }
    (status, Body::from(body)).into_response()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_java_repeats_after_an_error_is_sent_once() {
    let cluster = Cluster::on(shared());
    let nodes = [cluster.node("a"), cluster.node("b")];
    let pair = Pair::on(&cluster, &nodes[0]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let bases = nodes.each_ref().map(|node| node.base.clone());
    let balancer = Arc::new(Balancer { nodes: bases, asked: AtomicUsize::new(0), client });
    let router = Router::new().fallback(pass_on).with_state(Arc::clone(&balancer));
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let mut java = tokio::process::Command::new("java");
    java.arg(script("twilio_client.java")).arg(format!("http://{address}{}", countersign_http::TWILIO_MOUNT));
    java.args([&pair.key, &pair.secret, &pair.service, "+48600100605"]);
    let ran = java.output().await.expect("java runs: `cargo xtask setup` installs it");
    serving.abort();
    let printed = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success(), "{printed}{}", String::from_utf8_lossy(&ran.stderr));
    let lines: Vec<_> = printed.lines().collect();
    assert_eq!(lines[..2], ["502", "201"], "{printed}");
    let started: Value = serde_json::from_str(lines[2]).expect("JSON");
    assert_eq!(started["send_code_attempts"].as_array().map(Vec::len), Some(1), "{started}");
    let outbox = nodes[1].get("/v1/test/outbox?to=%2B48600100605&wait=20").await;
    assert_eq!(outbox.body["data"].as_array().map(Vec::len), Some(1), "{}", outbox.body);
    assert_eq!(balancer.asked.load(Ordering::SeqCst), 2);
}
