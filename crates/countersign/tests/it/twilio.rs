//! Twilio's own client libraries, unmodified, against the real binary; and the edge of the dialect from outside.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use countersign_peers::shared;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::harness::{Server, wrong};

/// Where `cargo xtask setup` puts what tests need.
pub(crate) fn tools() -> PathBuf {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    std::env::var_os("COUNTERSIGN_TOOLS").map_or(default, PathBuf::from)
}

pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it").join(name)
}

/// What `dev` printed for Twilio's libraries.
pub(crate) struct Pair {
    pub(crate) base: String,
    pub(crate) account: String,
    pub(crate) key: String,
    pub(crate) secret: String,
    pub(crate) service: String,
}

impl Pair {
    /// A pair that may approve by hand, for a node of a cluster.
    pub(crate) fn on(cluster: &Cluster, node: &Server) -> Self {
        let scopes = countersign_core::api_key::pair_scopes();
        let scopes = scopes.iter().map(|scope| scope.as_str()).chain(["verifications:override"]);
        let create = ["keys", "create", "--twilio", "--test"].into_iter();
        let create: Vec<_> = create.chain(scopes.flat_map(|scope| ["--scope", scope])).collect();
        let made = cluster.run("cli", &create);
        let (key, secret) = key_of(&made);
        let field = |name: &str| made["twilio"][name].as_str().expect("a text").to_owned();
        let base = format!("{}{}", node.base, countersign_http::TWILIO_MOUNT);
        Self { base, account: field("account_sid"), key, secret, service: field("service_sid") }
    }
}

pub(crate) async fn pair(server: &Server) -> Pair {
    let value = async |label| server.printed(label).await;
    Pair {
        base: value("Twilio base URL: ").await,
        account: value("Account SID: ").await,
        key: value("API key SID: ").await,
        secret: value("API key secret: ").await,
        service: value("Service SID: ").await,
    }
}

/// A pair without the scope to approve by hand, and a live one, made beside the running server.
fn plain_pairs(directory: &Path) -> [(String, String); 2] {
    [["--test"].as_slice(), &[]].map(|mode| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command
            .args(["keys", "create", "--twilio", "--json", "--data"])
            .arg(directory.join("data"))
            .args(mode);
        let made = command.output().expect("the binary starts");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        key_of(&serde_json::from_slice(&made.stdout).expect("JSON"))
    })
}

/// What `keys create --twilio` printed of a pair.
fn key_of(made: &Value) -> (String, String) {
    let field = |name: &str| made["twilio"][name].as_str().expect("a text").to_owned();
    (field("api_key_sid"), field("api_key_secret"))
}

fn held(ran: &Output) {
    let printed = String::from_utf8_lossy(&ran.stdout);
    let complained = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{printed}{complained}");
    let claims = printed.lines().filter(|line| line.starts_with("ok ")).count();
    assert!(claims > 40, "{printed}");
}

/// The whole flow of twilio-python; `native` is a native test key, `plain` are pairs that may not approve by hand, one of
/// test and one of live mode.
fn python(bases: &str, pair: &Pair, native: &str, plain: &[(String, String); 2]) {
    let python = tools().join("venv/bin/python");
    assert!(python.is_file(), "Python's packages are missing: run `cargo xtask setup`");
    let mut command = Command::new(python);
    command.arg(script("twilio_client.py")).args([bases, &pair.account, &pair.key, &pair.secret]);
    command.args([&pair.service, native]).args(plain.iter().flat_map(|(key, secret)| [key, secret]));
    held(&command.output().expect("Python runs"));
}

/// The whole flow of twilio-node.
fn node(bases: &str, pair: &Pair, native: &str) {
    let modules = tools().join("node/node_modules");
    assert!(modules.join("twilio").is_dir(), "twilio-node is missing: run `cargo xtask setup`");
    let mut command = Command::new("node");
    command.arg(script("twilio_client.mjs")).arg(modules);
    command.args([bases, &pair.account, &pair.key, &pair.secret, &pair.service, native]);
    held(&command.output().expect("node runs; install Node 20 or later"));
}

#[tokio::test(flavor = "multi_thread")]
async fn twilio_python_runs_its_whole_verify_flow() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let (pair, plain) = (pair(&server).await, plain_pairs(directory.path()));
    python(&pair.base, &pair, &server.key, &plain);
}

#[tokio::test(flavor = "multi_thread")]
async fn twilio_node_runs_its_whole_verify_flow() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let pair = pair(&server).await;
    node(&pair.base, &pair, &server.key);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_libraries_run_over_two_nodes_of_one_database() {
    let cluster = Cluster::on(shared());
    let nodes = [cluster.node("a"), cluster.node("b")];
    let bases = nodes.each_ref().map(|node| format!("{}{}", node.base, countersign_http::TWILIO_MOUNT));
    let pair = Pair::on(&cluster, &nodes[0]);
    let create = ["keys", "create", "--twilio"];
    let plain = [[create.as_slice(), &["--test"]].concat(), create.into()];
    let plain = plain.map(|create| key_of(&cluster.run("b", &create)));
    python(&bases.join(","), &pair, &cluster.key, &plain);
    node(&bases.join(","), &pair, &cluster.key);
}

#[test]
fn every_code_the_dialect_answers_with_is_provoked_through_a_library() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../http/src/compat/twilio");
    let read = |path: &Path| std::fs::read_to_string(path).expect("a source file");
    let (mut codes, mut directories) = (std::collections::BTreeSet::new(), vec![sources]);
    while let Some(directory) = directories.pop() {
        for entry in directory.read_dir().expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            let text = read(&path);
            let rules = text.split("#[cfg(test)]").next().unwrap_or_default();
            let numbers = rules.split(|symbol: char| !symbol.is_ascii_digit());
            let of_twilio = |number: &&str| number.len() == 5 && number.starts_with("60");
            codes.extend(numbers.filter(of_twilio).map(str::to_owned));
        }
    }
    assert!(codes.len() > 25, "{codes:?}");
    let scripts = ["twilio_client.py", "twilio_client.mjs"].map(|name| read(&script(name))).concat();
    codes.retain(|code| !scripts.contains(&format!(", {code}, ")));
    assert!(codes.is_empty(), "no library was seen to meet {codes:?}");
}

/// Calls the dialect by hand.
pub(crate) struct Caller<'a> {
    pub(crate) server: &'a Server,
    pub(crate) pair: &'a Pair,
}

impl Caller<'_> {
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        form: &[(&str, &str)],
    ) -> (StatusCode, Value) {
        let request = self.server.client.request(method.clone(), format!("{}{path}", self.pair.base));
        let request = request.basic_auth(&self.pair.key, Some(&self.pair.secret));
        let request = if method == Method::GET { request } else { request.form(form) };
        answered(request).await
    }
}

async fn answered(request: reqwest::RequestBuilder) -> (StatusCode, Value) {
    let answer = request.send().await.expect("an answer");
    let (status, bytes) = (answer.status(), answer.bytes().await.expect("a body"));
    (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// An error has the vendor's members and no more than `details` beside them.
fn is_twilio_error(body: &Value, status: StatusCode, about: &str) {
    let names: Vec<_> =
        body.as_object().unwrap_or_else(|| panic!("{about}: {body}")).keys().cloned().collect();
    assert!(
        names
            .iter()
            .all(|name| ["code", "message", "more_info", "status", "details"].contains(&name.as_str()))
    );
    assert_eq!(body["status"], status.as_u16(), "{about}");
    assert!(body["code"].is_i64() && body["message"].is_string() && body["more_info"].is_string(), "{about}");
    assert!(body.get("details").is_none_or(Value::is_object), "{about}");
}

#[tokio::test]
async fn every_path_refuses_no_key_a_wrong_key_and_a_foreign_service_in_the_vendors_form() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let pair = pair(&server).await;
    let foreign = format!("VA{}", "0".repeat(32));
    for path in countersign_http::twilio_paths() {
        let path = path.replace("{service}", &foreign).replace(['{', '}'], "");
        for method in [Method::GET, Method::POST, Method::DELETE, Method::PUT] {
            let request = || server.client.request(method.clone(), format!("{}{path}", pair.base));
            let (no_key, body) = answered(request()).await;
            is_twilio_error(&body, no_key, &path);
            assert!([401, 405].contains(&no_key.as_u16()), "{method} {path}: {no_key}");
            let native = answered(request().bearer_auth(&server.key)).await;
            let swapped = answered(request().basic_auth(&pair.account, Some("x"))).await;
            assert_eq!([native.0, swapped.0], [no_key; 2], "{method} {path}");
            if no_key == 405 || !path.contains(&foreign) {
                continue;
            }
            let (status, body) = answered(request().basic_auth(&pair.key, Some(&pair.secret))).await;
            is_twilio_error(&body, status, &path);
            assert_eq!((status.as_u16(), &body["code"]), (404, &json!(20404)), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn garbage_is_answered_in_the_vendors_form() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let pair = pair(&server).await;
    let start = format!("/v2/Services/{}/Verifications", pair.service);
    for path in ["", "/", "/v2", "/v2/Nonsense", "/v2/Services/%ff", "/v2/Services/%00/Verifications", "//v2"]
    {
        let request = server.client.get(format!("{}{path}", pair.base));
        let (status, body) = answered(request.basic_auth(&pair.key, Some(&pair.secret))).await;
        is_twilio_error(&body, status, path);
    }
    let post =
        || server.client.post(format!("{}{start}", pair.base)).basic_auth(&pair.key, Some(&pair.secret));
    let form = "application/x-www-form-urlencoded";
    for (kind, body) in [
        ("application/json", r#"{"To":"+48600100217"}"#.to_owned()),
        ("text/plain", "To=1".to_owned()),
        (form, "%%%=&&&=%ff".to_owned()),
        (form, "To=+48600100217&Channel=sms&To=x".to_owned()),
        (form, "To=%2B48600100217&Channel=sms&Nonsense=1".to_owned()),
        (form, "To=%2B48600100217&Channel=sms&RateLimits=[".to_owned()),
        (form, "x".repeat(70_000)),
    ] {
        let (status, answer) = answered(post().header("content-type", kind).body(body.clone())).await;
        is_twilio_error(&answer, status, &body[..body.len().min(40)]);
        assert!(status.is_client_error(), "{status}");
    }
    for (query, code) in [("PageSize=1001", 60373), ("PageSize=0", 60373), ("PageToken=x", 60374)] {
        let request = server.client.get(format!("{}/v2/Services?{query}", pair.base));
        let (status, body) = answered(request.basic_auth(&pair.key, Some(&pair.secret))).await;
        assert_eq!((status.as_u16(), &body["code"]), (400, &json!(code)), "{query}");
    }
    let (status, body) = answered(post().header("authorization", "Basic %%%")).await;
    is_twilio_error(&body, status, "a header that is no Basic");
}

#[tokio::test]
async fn clients_of_every_library_are_understood() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let pair = pair(&server).await;
    let url = |path: &str| format!("{}/v2/Services/{}{path}", pair.base, pair.service);
    let sign = |request: reqwest::RequestBuilder| request.basic_auth(&pair.key, Some(&pair.secret));
    // Java: a literal coding that is none, no Accept, an escaped plus; a bare date-time; an empty form on DELETE.
    let java = sign(server.client.post(url("/Verifications"))).header("accept-encoding", "utf-8");
    let (status, _) = answered(java.form(&[("To", "+48600100217"), ("Channel", "sms")])).await;
    assert_eq!(status, 201);
    for path in ["/Verifications/%2B48600100217", "/Verifications/+48600100217"] {
        assert_eq!(answered(sign(server.client.get(url(path)))).await.0, 200, "{path}");
    }
    for after in ["2020-01-01T00:00:00", "2020-01-01T00:00:00Z", "2020-01-01T02:00:00%2B02:00", "2020-01-01"]
    {
        let path = format!("{}/v2/Attempts?DateCreatedAfter={after}", pair.base);
        let (status, body) = answered(sign(server.client.get(path))).await;
        assert_eq!((status.as_u16(), body["attempts"].as_array().map(Vec::len)), (200, Some(1)), "{after}");
        for name in
            ["first_page_url", "next_page_url", "previous_page_url", "url", "page", "page_size", "key"]
        {
            assert!(body["meta"].as_object().is_some_and(|meta| meta.contains_key(name)), "{name}");
        }
        assert!(body.get("uri").is_none(), "Java takes it for a list of 2010");
    }
    let limit = sign(server.client.post(url("/RateLimits"))).form(&[("UniqueName", "x")]);
    let limit = answered(limit).await.1["sid"].as_str().expect("a SID").to_owned();
    let gone = sign(server.client.delete(url(&format!("/RateLimits/{limit}"))));
    let gone = gone.header("content-type", "application/x-www-form-urlencoded").send().await.unwrap();
    assert_eq!((gone.status().as_u16(), gone.bytes().await.unwrap().len()), (204, 0));
    let bools =
        sign(server.client.post(url(""))).form(&[("CustomCodeEnabled", "True"), ("KeepFinalState", "TRUE")]);
    assert_eq!(answered(bools).await.1["custom_code_enabled"], true);
}

#[tokio::test]
async fn the_two_apis_show_one_truth_and_the_dialect_never_a_native_one() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let pair = pair(&server).await;
    let caller = Caller { server: &server, pair: &pair };
    let to = "+48600100217";
    let native = server.create(to).await;
    let path = format!("/v2/Services/{}", pair.service);
    let start = [("To", to), ("Channel", "sms")];
    let (status, started) = caller.send(Method::POST, &format!("{path}/Verifications"), &start).await;
    assert_eq!(status, 201, "{started}");
    let list = server.get("/v1/verifications").await;
    let ids: Vec<_> = list.body["data"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids.len(), 2, "the native API lists both");
    let code = server.code_of(to, &native).await;
    let check = [("To", to), ("Code", code.as_str())];
    let (status, body) = caller.send(Method::POST, &format!("{path}/VerificationCheck"), &check).await;
    assert!(
        (status, &body["valid"]) == (StatusCode::OK, &json!(false)),
        "the native code is no code here: {body}"
    );
    let sid = format!("VE{}", &pair.service[2..]);
    let (status, _) = caller.send(Method::GET, &format!("{path}/Verifications/{sid}"), &[]).await;
    assert_eq!(status, 404);
    let id = ids.iter().find(|id| **id != json!(native)).unwrap().as_str().unwrap();
    let right = server.code_of(to, id).await;
    assert_eq!(server.check(id, &wrong(&right)).await.status, 422);
    assert_eq!(server.check(id, &right).await.status, 200, "every door of one project, one verification");
    let keep = [("KeepFinalState", "true")];
    let (status, _) = caller.send(Method::GET, &format!("{path}/Verifications/{to}"), &[]).await;
    assert_eq!(status, 404);
    assert_eq!(caller.send(Method::POST, &path, &keep).await.0, 200);
    let (status, body) = caller.send(Method::GET, &format!("{path}/Verifications/{to}"), &[]).await;
    assert_eq!((status.as_u16(), &body["status"]), (200, &json!("approved")));
    let check = [("To", to), ("Code", right.as_str())];
    let (status, _) = caller.send(Method::POST, &format!("{path}/VerificationCheck"), &check).await;
    assert_eq!(status, 404, "kept or not, a code approves once");
}

#[tokio::test]
async fn a_retry_after_a_crash_sends_nothing_twice() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let pair_before = pair(&server).await;
    let path = format!("/v2/Services/{}/Verifications", pair_before.service);
    let start = [("To", "+48600100217"), ("Channel", "sms")];
    let caller = Caller { server: &server, pair: &pair_before };
    let (_, first) = caller.send(Method::POST, &path, &start).await;
    server.kill();
    let server = Server::start(directory.path());
    let pair = pair(&server).await;
    assert_eq!((&pair.key, &pair.secret), (&pair_before.key, &pair_before.secret), "the pair is kept");
    let caller = Caller { server: &server, pair: &pair };
    let (status, again) = caller.send(Method::POST, &path, &start).await;
    assert_eq!((status.as_u16(), &again["sid"]), (201, &first["sid"]));
    // Slower machines take longer than two seconds to start again; then it is a wish for another message.
    let sends = again["send_code_attempts"].as_array().map(Vec::len);
    assert!(sends == Some(1) || sends == Some(2), "{again}");
}

#[tokio::test]
async fn a_recipient_is_revealed_to_others_than_who_named_it() {
    let cluster = Cluster::on(shared());
    let node = cluster.node("a");
    let (pair, other) = (Pair::on(&cluster, &node), Pair::on(&cluster, &node));
    let path = format!("/v2/Services/{}", pair.service);
    // What the journal knows of reads belongs to no verification.
    let reveals =
        || shared().psql(&cluster.database, "SELECT count(*) FROM journal WHERE verification IS NULL");
    let before = reveals();
    let to = "+48600100217";
    let caller = Caller { server: &node, pair: &pair };
    let start = [("To", to), ("Channel", "sms")];
    let (_, started) = caller.send(Method::POST, &format!("{path}/Verifications"), &start).await;
    let sid = started["sid"].as_str().expect("a SID");
    let check = [("VerificationSid", sid), ("Code", "0000")];
    let (_, checked) = caller.send(Method::POST, &format!("{path}/VerificationCheck"), &check).await;
    assert_eq!((&checked["to"], reveals()), (&json!(to), before.clone()), "it named the recipient itself");
    let caller = Caller { server: &node, pair: &other };
    let (_, read) = caller.send(Method::GET, &format!("{path}/Verifications/{sid}"), &[]).await;
    assert_eq!(read["to"], to);
    assert_eq!(reveals().parse::<u64>().unwrap(), before.parse::<u64>().unwrap() + 1);
}
