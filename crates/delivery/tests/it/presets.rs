//! Every preset against a fake of its vendor, by data: `tests/presets/<name>.toml` has an account as an operator would write
//! it, the request the vendor documents, its answers with what they mean, and its receipts with what becomes of them.
//! Signatures in the receipts were made with the vendors' own libraries, or by their documents, for the clock of these tests.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use countersign_core::receipt::{About, Fate, NotAReceipt, Posted, Receipt, ReceiptReader as _};
use countersign_core::time::Timestamp;
use countersign_delivery::http_gateway::preset;
use countersign_delivery::http_gateway::receipts::Readers;
use countersign_delivery::http_gateway::{HttpGatewayConfig, HttpGatewayProvider, Node};
use countersign_delivery::messages::{Medium, Purpose, Script};
use countersign_delivery::provider::{
    Accepted, Asked, ErrorClass, Fault, Outgoing, Provider as _, ProviderError,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::http_gateway::{At, NOW, node, ten_megabytes};
use crate::outgoing::outgoing;

/// What stays as it is in an address (RFC 3986).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
const TO: &str = "+48600100217";
const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// What is recorded of a vendor.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Recorded {
    /// What an operator writes, without preset and secrets.
    provider: toml::Table,
    /// The secrets in clear; `service_account` and `private_key` stand for keys that the test makes.
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    /// Messages, and the request that the vendor documents for each.
    send: Vec<Send>,
    /// What the vendor answers.
    answers: Vec<Answer>,
    /// What it reports later.
    #[serde(default)]
    receipts: Vec<Reported>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Send {
    #[serde(default = "sms")]
    channel: String,
    sender: Option<String>,
    method: String,
    url: String,
    /// A `*` at the end stands for anything.
    headers: BTreeMap<String, String>,
    form: Option<BTreeMap<String, String>>,
    json: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    #[serde(default)]
    about: String,
    status: u16,
    body: String,
    message_id: Option<String>,
    class: Option<ErrorClass>,
    fault: Option<String>,
    retry: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reported {
    #[serde(default)]
    about: String,
    #[serde(default)]
    query: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    /// `id=delivered`, `id=underway` or `id=class`.
    says: Vec<String>,
    /// Whether the time is signed.
    #[serde(default)]
    timed: bool,
}

fn sms() -> String {
    "sms".to_owned()
}

fn recorded(name: &str) -> Recorded {
    let path = format!("{}/tests/presets/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|problem| panic!("{path}: {problem}"));
    toml::from_str(&text).unwrap_or_else(|problem| panic!("{path}: {problem}"))
}

/// A vendor: it holds each request against what it documents, and answers only what it would know to be right.
#[derive(Clone)]
struct Vendor(Arc<Inner>);

struct Inner {
    expected: Mutex<Option<(Send, Outgoing)>>,
    answer: Mutex<(u16, String)>,
    wrong: Mutex<Vec<String>>,
    requests: Mutex<usize>,
    port: u16,
}

impl Vendor {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let vendor = Self(Arc::new(Inner {
            expected: Mutex::default(),
            answer: Mutex::default(),
            wrong: Mutex::default(),
            requests: Mutex::default(),
            port,
        }));
        let routes = axum::Router::new().fallback(axum::routing::any(take)).with_state(vendor.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        vendor
    }

    fn answers(&self, status: u16, body: &str) {
        *self.0.answer.lock().expect("unpoisoned") = (status, body.to_owned());
    }

    fn wrong(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.wrong.lock().expect("unpoisoned"))
    }

    fn requests(&self) -> usize {
        std::mem::take(&mut *self.0.requests.lock().expect("unpoisoned"))
    }
}

async fn take(State(vendor): State<Vendor>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let body = String::from_utf8(body.to_vec()).expect("UTF-8");
    if head.uri.path() == "/google/token" {
        let wrong = crate::service_account::complaint(&body, vendor.0.port);
        vendor.0.wrong.lock().expect("unpoisoned").extend(wrong);
        return json(200, "{\"access_token\":\"ya29.token\",\"expires_in\":3599,\"token_type\":\"Bearer\"}");
    }
    *vendor.0.requests.lock().expect("unpoisoned") += 1;
    if let Some((expected, message)) = &*vendor.0.expected.lock().expect("unpoisoned") {
        let target = head.uri.path_and_query().map(ToString::to_string).unwrap_or_default();
        let wrong = complaints(expected, message, head.method.as_str(), &target, &head.headers, &body);
        vendor.0.wrong.lock().expect("unpoisoned").extend(wrong);
    }
    let (status, body) = vendor.0.answer.lock().expect("unpoisoned").clone();
    json(status, &body)
}

fn json(status: u16, body: &str) -> Response {
    let builder = Response::builder().status(status).header("content-type", "application/json");
    builder.body(Body::from(body.to_owned())).expect("an answer")
}

/// What differs between a request and the documented one.
fn complaints(
    expected: &Send,
    message: &Outgoing,
    method: &str,
    target: &str,
    headers: &axum::http::HeaderMap,
    body: &str,
) -> Vec<String> {
    let (mut wrong, mut wrong_jwt) = (Vec::new(), Vec::new());
    let mut compare = |what: &str, sent: &str, expected: &str| {
        let matches = match expected.strip_suffix('*') {
            Some(start) => sent.starts_with(start),
            None => sent == expected,
        };
        if !matches {
            wrong.push(format!("{what}: sent {sent:?}, documented {expected:?}"));
        }
    };
    compare("method", method, &expected.method);
    let path = &expected.url[expected.url.find("://").map_or(0, |at| at + 3)..];
    compare("target", target, &path[path.find('/').unwrap_or(0)..]);
    for (name, value) in &expected.headers {
        let sent = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or("nothing");
        match value.as_str() {
            "Bearer {application jwt}" => wrong_jwt.extend(crate::service_account::jwt_complaint(sent)),
            value => compare(name, sent, value),
        }
    }
    let content_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Some(form) = &expected.form {
        compare("content-type", content_type, "application/x-www-form-urlencoded");
        let url = url::Url::parse(&format!("http://x/?{body}")).expect("a form");
        let sent: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        let documented: BTreeMap<_, _> =
            form.iter().map(|(name, value)| (name.clone(), with_texts(value, message))).collect();
        compare("form", &format!("{sent:#?}"), &format!("{documented:#?}"));
    }
    if let Some(json) = &expected.json {
        compare("content-type", content_type, "application/json");
        let sent: Value = serde_json::from_str(body).expect("JSON");
        compare(
            "json",
            &sorted(&sent),
            &sorted(&serde_json::from_str(&escaped(json, message)).expect("JSON")),
        );
    }
    wrong.extend(wrong_jwt);
    wrong
}

/// With the members in one order.
fn sorted(json: &Value) -> String {
    fn tree(json: &Value) -> Value {
        match json {
            Value::Object(members) => {
                let sorted: BTreeMap<_, _> =
                    members.iter().map(|(name, value)| (name, tree(value))).collect();
                Value::Object(sorted.into_iter().map(|(name, value)| (name.clone(), value)).collect())
            }
            Value::Array(list) => list.iter().map(tree).collect(),
            leaf => leaf.clone(),
        }
    }
    format!("{:#}", tree(json))
}

/// `{text}`, `{twiml}`, `{plivo encoded}` and `{ssml}` stand for what this message says.
fn with_texts(documented: &str, message: &Outgoing) -> String {
    let script = Script::of(&message.message.text, message.message.locale).expect("a script");
    documented
        .replace("{text}", &message.message.text)
        .replace("{twiml}", &script.twiml())
        .replace("{plivo encoded}", &utf8_percent_encode(&script.plivo(), UNRESERVED).to_string())
        .replace("{ssml}", &script.ssml())
}

fn escaped(documented: &Value, message: &Outgoing) -> String {
    fn fill(value: &Value, message: &Outgoing) -> Value {
        match value {
            Value::String(text) => Value::String(with_texts(text, message)),
            Value::Array(list) => list.iter().map(|value| fill(value, message)).collect(),
            Value::Object(members) => {
                let members = members.iter().map(|(name, value)| (name.clone(), fill(value, message)));
                Value::Object(members.collect())
            }
            leaf => leaf.clone(),
        }
    }
    fill(documented, message).to_string()
}

/// An account of the vendor, with its secrets in files.
struct Account {
    config: HttpGatewayConfig,
    _folder: tempfile::TempDir,
}

impl Account {
    /// `port` is where the vendor listens instead of at its own host.
    fn new(name: &str, recorded: &Recorded, port: Option<u16>) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut secrets = recorded.secrets.clone();
        secrets.insert("receipt_token".to_owned(), TOKEN.to_owned());
        let mut sources = toml::Table::new();
        for (key, value) in secrets {
            let path = folder.path().join(&key);
            let value = match key.as_str() {
                "service_account" => crate::service_account::key_file(port.unwrap_or(1)),
                "private_key" => crate::service_account::pem(),
                _ => value,
            };
            std::fs::write(&path, value).expect("written");
            let path = toml::Value::String(path.display().to_string());
            sources.insert(key, toml::Value::Table([("file".to_owned(), path)].into_iter().collect()));
        }
        let mut table = recorded.provider.clone();
        table.insert("preset".to_owned(), name.into());
        table.insert("secrets".to_owned(), sources.into());
        let mut config: HttpGatewayConfig =
            preset::complete(table).expect(name).try_into().expect("a configuration");
        assert_eq!(config.validate(), [], "{name}");
        if let Some(port) = port {
            let host = config.url.find("://").map_or(0, |at| at + 3);
            let rest = config.url[host..].find('/').map_or("", |at| &config.url[host + at..]);
            config.url = format!("http://127.0.0.1:{port}{rest}");
        }
        Self { config, _folder: folder }
    }

    fn provider(&self, name: &str) -> HttpGatewayProvider {
        HttpGatewayProvider::new(name, &self.config, &node()).expect("a provider")
    }

    /// Scheme and host, as they are written with the account's values.
    fn authority(&self) -> String {
        let mut url = self.config.url.clone();
        for (key, value) in &self.config.account {
            url = url.replace(&format!("{{{{ account.{key} }}}}"), value.as_str());
        }
        let host = url.find("://").map_or(0, |at| at + 3);
        let end = url[host..].find('/').map_or(url.len(), |at| host + at);
        url[..end].to_owned()
    }
}

fn message(send: &Send) -> Outgoing {
    let medium = if send.channel == "voice" { Medium::Voice } else { Medium::Sms };
    let mut outgoing = outgoing(TO, medium, "Acme", "NORD PARTS LTD");
    outgoing.channel =
        ["voice", "whatsapp", "push"].into_iter().find(|channel| *channel == send.channel).unwrap_or("sms");
    outgoing.purpose = Purpose::Authentication;
    outgoing.sender.clone_from(&send.sender);
    if send.channel == "push" {
        let id = |kind| format!("{kind}_01m83n1fqkeat9ryjx42vfks43");
        outgoing.asked = Some(Asked { challenge: id("chl"), factor: id("fct") });
    }
    outgoing
}

fn assert_meaning(name: &str, answer: &Answer, result: Result<Accepted, ProviderError>) {
    let place = format!("{name}: {} {} {}", answer.status, answer.about, answer.body);
    match (answer.class, result) {
        (None, Ok(accepted)) => assert_eq!(accepted.message_id, answer.message_id, "{place}"),
        (Some(class), Err(error)) => {
            let fault = answer
                .fault
                .as_deref()
                .map_or(class.usual_fault(), |fault| Fault::named(fault).expect("a fault"));
            let retry = answer.retry.unwrap_or(class.usually_passes());
            assert_eq!((error.class, error.fault, error.retry), (class, fault, retry), "{place}: {error}");
            assert!(
                !error.detail.contains("600100217") && !error.detail.contains("482913"),
                "{place}: {error}"
            );
        }
        (_, result) => panic!("{place}: {result:?}"),
    }
}

#[tokio::test]
async fn every_request_is_the_documented_one_and_every_answer_means_what_the_table_says() {
    for name in preset::names() {
        let recorded = recorded(name);
        let vendor = Vendor::start().await;
        let account = Account::new(name, &recorded, Some(vendor.0.port));
        let authority = Account::new(name, &recorded, None).authority();
        let provider = account.provider(name);
        let good = recorded.answers.iter().find(|answer| answer.class.is_none()).expect("a good answer");
        vendor.answers(good.status, &good.body);
        for send in recorded.send {
            assert!(
                send.url.starts_with(&format!("{authority}/")),
                "{name}: {authority} is not {}",
                send.url
            );
            let outgoing = message(&send);
            *vendor.0.expected.lock().expect("unpoisoned") = Some((send, outgoing.clone()));
            assert_meaning(name, good, provider.send(&outgoing).await);
            assert_eq!(vendor.wrong(), [] as [String; 0], "{name}");
            assert_eq!(vendor.requests(), 1, "{name}: nothing in an answer is fetched");
        }
        let last = vendor.0.expected.lock().expect("unpoisoned").take().expect("a message").1;
        for answer in &recorded.answers {
            vendor.answers(answer.status, &answer.body);
            assert_meaning(name, answer, provider.send(&last).await);
        }
        assert!(recorded.answers.iter().filter(|answer| answer.class.is_some()).count() >= 5, "{name}");
    }
}

/// A node that does not know its own address says nothing about receipts, and leaves no empty places.
#[tokio::test]
async fn without_an_address_of_ours_no_receipt_is_asked_for() {
    for name in preset::names() {
        let recorded = recorded(name);
        let gateway = crate::http_gateway::Gateway::start(|| json(200, "{}")).await;
        let mut account = Account::new(name, &recorded, Some(gateway.port));
        account.config.auth = None;
        let node = Node { public_url: None, ..node() };
        let provider = HttpGatewayProvider::new(name, &account.config, &node).expect("a provider");
        let _ = provider.send(&message(recorded.send.last().expect("a message"))).await;
        let seen = gateway.seen();
        let body = &seen.first().expect(name).body;
        for empty in ["/receipts/", "null", "[]", "{}", "=&"] {
            assert!(!body.contains(empty), "{name} has {empty}: {body}");
        }
    }
}

/// The rules of a preset are there because the vendor says so somewhere: each has its recorded case.
#[test]
fn every_rule_of_a_preset_has_a_recorded_case() {
    for name in preset::names() {
        let recorded = recorded(name);
        let config = Account::new(name, &recorded, None).config;
        for (index, rule) in config.errors.iter().enumerate() {
            let met = recorded.answers.iter().any(|answer| answer.class == Some(rule.class));
            assert!(met, "{name}: no answer is {:?}, as errors[{index}] says", rule.class);
        }
        for (index, rule) in config.receipt.iter().flat_map(|receipt| &receipt.states).enumerate() {
            let word = match rule.means {
                countersign_delivery::http_gateway::receipts::Meaning::Underway => "underway",
                countersign_delivery::http_gateway::receipts::Meaning::Delivered => "delivered",
                countersign_delivery::http_gateway::receipts::Meaning::Failed(class) => class.as_str(),
            };
            let met = recorded
                .receipts
                .iter()
                .flat_map(|reported| &reported.says)
                .any(|says| says.ends_with(&format!("={word}")));
            assert!(met, "{name}: no receipt is {word}, as receipt.states[{index}] says");
        }
    }
}

/// A vendor that has gone astray, and what a preset makes of it.
struct Astray {
    name: &'static str,
    gateway: crate::http_gateway::Gateway,
    answer: Arc<Mutex<Way>>,
    provider: HttpGatewayProvider,
    outgoing: Outgoing,
}

#[derive(Clone)]
enum Way {
    Redirects(String),
    NeverStops(Arc<Mutex<usize>>),
    SaysNothing,
}

impl Way {
    fn answer(&self) -> Response {
        match self {
            Self::Redirects(location) => {
                let answer = Response::builder().status(307).header("location", location);
                answer.body(Body::empty()).expect("an answer")
            }
            Self::NeverStops(pieces) => ten_megabytes(pieces),
            Self::SaysNothing => {
                let never =
                    futures_util::stream::pending::<Result<axum::body::Bytes, std::convert::Infallible>>();
                Response::new(Body::from_stream(never))
            }
        }
    }
}

impl Astray {
    async fn new(name: &'static str) -> Self {
        let recorded = recorded(name);
        let answer = Arc::new(Mutex::new(Way::SaysNothing));
        let now = Arc::clone(&answer);
        let gateway =
            crate::http_gateway::Gateway::start(move || now.lock().expect("unpoisoned").answer()).await;
        let mut account = Account::new(name, &recorded, Some(gateway.port));
        // A fetched token is not what this is about.
        account.config.auth = None;
        let outgoing = message(recorded.send.last().expect("a message"));
        Self { name, gateway, answer, provider: account.provider(name), outgoing }
    }

    /// What comes of one message; the vendor is asked once.
    async fn ask(&mut self, way: Way, seconds: u64) -> ProviderError {
        *self.answer.lock().expect("unpoisoned") = way;
        self.outgoing.deadline = Duration::from_secs(seconds);
        let before = self.gateway.seen().len();
        let error = self.provider.send(&self.outgoing).await.expect_err(self.name);
        assert_eq!(self.gateway.seen().len(), before + 1, "{}", self.name);
        error
    }

    async fn bear(mut self) {
        let name = self.name;
        let elsewhere = crate::http_gateway::Gateway::start(|| json(200, "{}")).await;
        let location = format!("http://127.0.0.1:{}/", elsewhere.port);
        let error = self.ask(Way::Redirects(location), 20).await;
        assert_eq!((error.class, error.retry), (ErrorClass::Configuration, false), "{name}: {error}");
        assert!(elsewhere.seen().is_empty(), "{name}");

        let error = self.ask(Way::NeverStops(Arc::default()), 20).await;
        // A vendor whose success has another status is done with the status; the others may have taken it.
        let doubtful = [(ErrorClass::Protocol, true), (ErrorClass::Configuration, false)];
        assert!(doubtful.contains(&(error.class, error.retry)), "{name}: {error}");

        let error = self.ask(Way::SaysNothing, 1).await;
        assert_eq!((error.class, error.retry), (ErrorClass::Timeout, true), "{name}: {error}");
    }
}

#[tokio::test]
async fn no_preset_follows_redirects_reads_endless_answers_or_waits_for_ever() {
    let mut all = Vec::new();
    for name in preset::names() {
        all.push(Astray::new(name).await);
    }
    // At once, because each waits for a second.
    let mut tasks = tokio::task::JoinSet::new();
    for astray in all {
        tasks.spawn(astray.bear());
    }
    tasks.join_all().await;
}

fn read(
    readers: &Readers,
    name: &str,
    token: &str,
    reported: &Reported,
) -> Result<Vec<Receipt>, NotAReceipt> {
    let query = if reported.query.is_empty() { String::new() } else { format!("?{}", reported.query) };
    let url = format!("https://codes.example/receipts/{name}/{TOKEN}{query}");
    let posted = Posted { url: &url, headers: &reported.headers, body: reported.body.as_bytes() };
    readers.read(name, token, &posted)
}

fn readers(name: &str, recorded: &Recorded, at: Timestamp) -> Readers {
    let mut readers = Readers::new(Arc::new(At(at)));
    readers.add(name, &Account::new(name, recorded, None).config).expect(name);
    readers
}

fn said(receipt: &Receipt) -> String {
    let About::Message(id) = &receipt.about else { panic!("{receipt:?}") };
    match &receipt.fate {
        Fate::Underway => format!("{id}=underway"),
        Fate::Delivered => format!("{id}=delivered"),
        Fate::Failed { class, detail } => {
            assert!(!detail.contains("600100217"), "{detail}");
            format!("{id}={class}")
        }
    }
}

#[test]
fn every_receipt_means_what_the_table_says() {
    for name in preset::names() {
        let recorded = recorded(name);
        let readers = readers(name, &recorded, NOW);
        for reported in &recorded.receipts {
            let receipts = read(&readers, name, TOKEN, reported);
            let says: Vec<String> = receipts.iter().flatten().map(said).collect();
            assert_eq!(says, reported.says, "{name} {}: {receipts:?} of {}", reported.about, reported.body);
        }
    }
}

#[test]
fn forged_receipts_are_turned_away() {
    for name in preset::names() {
        let recorded = recorded(name);
        let now = readers(name, &recorded, NOW);
        let signed = Account::new(name, &recorded, None).config.receipt.is_some_and(|receipt| {
            receipt.signature.is_some_and(|signature| {
                recorded.secrets.contains_key(signature.key())
                    || recorded.provider["account"].get(signature.key()).is_some()
            })
        });
        for reported in &recorded.receipts {
            for wrong in ["", "0", &TOKEN[1..], &TOKEN.replace('0', "1")] {
                assert_eq!(read(&now, name, wrong, reported), Err(NotAReceipt::Unknown), "{name}");
            }
            assert_eq!(read(&now, "other", TOKEN, reported), Err(NotAReceipt::Unknown), "{name}");
            if !signed {
                continue;
            }
            let forged = |change: &dyn Fn(&mut Reported)| {
                let mut copy = Reported {
                    about: String::new(),
                    query: reported.query.clone(),
                    headers: reported.headers.clone(),
                    body: reported.body.clone(),
                    says: Vec::new(),
                    timed: false,
                };
                change(&mut copy);
                read(&now, name, TOKEN, &copy)
            };
            let unsigned = forged(&|copy| copy.headers.retain(|name, _| name == "content-type"));
            let sig = reported.body.contains("sig") || reported.query.contains("sig=");
            assert!(sig || unsigned == Err(NotAReceipt::Forged), "{name}: {unsigned:?}");
            let Some((id, _)) = reported.says.first().and_then(|says| says.split_once('=')) else { continue };
            let other = forged(&|copy| {
                copy.body = copy.body.replace(id, "another");
                copy.query = copy.query.replace(id, "another");
            });
            assert_eq!(other, Err(NotAReceipt::Forged), "{name} {}", reported.about);
            if reported.timed {
                for (seconds, fresh) in [(300, true), (301, false)] {
                    let later = readers(name, &recorded, NOW.plus(Duration::from_secs(seconds)));
                    let taken = read(&later, name, TOKEN, reported).is_ok();
                    assert_eq!(taken, fresh, "{name} {seconds}");
                }
            }
        }
    }
}

#[test]
fn what_cannot_be_read_is_malformed_and_other_news_is_no_receipt() {
    let config: HttpGatewayConfig = toml::from_str(
        "url = 'https://a.example/'\nsecrets = { receipt_token = { file = '/dev/null' } }
         receipt = { id = '/id', state = '/state', states = [{ state = 'ok', means = 'delivered' }] }",
    )
    .expect("a configuration");
    assert!(Readers::new(Arc::new(At(NOW))).add("x", &config).is_err(), "an empty token guards nothing");
    for name in preset::names() {
        let mut recorded = recorded(name);
        if recorded.receipts.is_empty() {
            continue;
        }
        // Without signature, to come past it: what cannot be read is then found out by itself.
        let mut account = Account::new(name, &recorded, None);
        if let Some(receipt) = &mut account.config.receipt {
            receipt.signature = None;
        }
        let mut readers = Readers::new(Arc::new(At(NOW)));
        readers.add(name, &account.config).expect(name);
        let reported = &mut recorded.receipts[0];
        for (content_type, body) in [
            ("application/json", "{"),
            ("application/json", "7"),
            ("application/json", "\u{0}"),
            ("application/x-www-form-urlencoded", "a=1&a=2"),
            ("text/plain", "hello"),
        ] {
            reported.headers.insert("content-type".to_owned(), content_type.to_owned());
            reported.body = body.to_owned();
            assert_eq!(read(&readers, name, TOKEN, reported), Err(NotAReceipt::Malformed), "{name} {body:?}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        reported.headers.insert("content-type".to_owned(), "application/json".to_owned());
        reported.body = deep;
        assert_eq!(read(&readers, name, TOKEN, reported), Err(NotAReceipt::Malformed), "{name}");
        reported.body = "{\"hello\":[{}]}".to_owned();
        assert_eq!(read(&readers, name, TOKEN, reported), Ok(Vec::new()), "{name}: other news");
    }
}
