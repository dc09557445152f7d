//! Gateways that give receipts: a live server in this process, so that its clock can be moved, over a real file, with real
//! connections in both directions. The receipts come through the door, forged ones too.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use countersign_core::budget::NoBudgets;
use countersign_core::factor::wake::NoWaker;
use countersign_core::health::{Board, Settings};
use countersign_core::ids::KeyId;
use countersign_core::limits::{EARLY_RECEIPT_KEPT, MAX_EARLY_RECEIPTS};
use countersign_core::receipt::{About, Fate, NotAReceipt, Posted, Receipt, ReceiptReader};
use countersign_core::routing::{Route, Routes};
use countersign_core::store::{Retention, Store};
use countersign_core::tenancy::{AdminChange, ApiKey, KeyKind};
use countersign_core::verification::Channel;
use countersign_delivery::provider::{
    Accepted, ErrorClass, Outgoing, Provider, ProviderError, ProviderFuture,
};
use countersign_delivery::receipts::ReceiptSink;
use countersign_delivery::worker::{self, WorkerOptions};
use countersign_http::Services;
use countersign_sim::{FakeClock, Requests, SeededEntropy, test_keys, test_ring};
use countersign_store::memory::MemoryStore;
use countersign_store::sqlite::{Options, SqliteStore};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use crate::cluster::until;
use crate::silent::Silent;

const PHONE: &str = "+48600100217";
const TOKEN: &str = "t0ken";

/// What a vendor's door would read: `{"id": …, "state": …}`, signed by a header.
struct Reader;

impl ReceiptReader for Reader {
    fn read(&self, provider: &str, token: &str, posted: &Posted<'_>) -> Result<Vec<Receipt>, NotAReceipt> {
        if !["texts", "calls"].contains(&provider) || token != TOKEN {
            return Err(NotAReceipt::Unknown);
        }
        if posted.headers.get("x-signature").map(String::as_str) != Some("good") {
            return Err(NotAReceipt::Forged);
        }
        let body: Value = serde_json::from_slice(posted.body).map_err(|_| NotAReceipt::Malformed)?;
        let message = body["id"].as_str().ok_or(NotAReceipt::Malformed)?;
        let fate = match body["state"].as_str() {
            Some("delivered") => Fate::Delivered,
            Some("failed") => {
                Fate::Failed { class: "unavailable".to_owned(), detail: "switched off".to_owned() }
            }
            _ => Fate::Underway,
        };
        Ok(vec![Receipt { about: About::Message(message.to_owned()), fate }])
    }
}

/// A gateway that gives receipts.
struct Gateway {
    name: &'static str,
    base: String,
    client: Client,
}

impl Provider for Gateway {
    fn name(&self) -> &str {
        self.name
    }
    fn send<'a>(&'a self, message: &'a Outgoing) -> ProviderFuture<'a, Accepted> {
        Box::pin(async move {
            let unreachable = |_| ProviderError::new(ErrorClass::Unreachable, "no connection");
            let body = json!({ "to": message.to, "code": message.code, "channel": message.channel });
            let answer = self.client.post(&self.base).json(&body).send().await.map_err(unreachable)?;
            let taken: Value = answer.json().await.map_err(unreachable)?;
            Ok(Accepted { message_id: taken["id"].as_str().map(str::to_owned) })
        })
    }
    fn verify(&self) -> ProviderFuture<'_, String> {
        Box::pin(async { Ok(String::new()) })
    }
    fn gives_receipts(&self) -> bool {
        true
    }
}

/// What the two gateways took, and the receipt they give before they answer, if any.
#[derive(Clone, Default)]
struct Taken {
    messages: Arc<Mutex<Vec<Value>>>,
    early: Arc<Mutex<Option<(String, &'static str)>>>,
}

async fn take(State(taken): State<Taken>, Json(message): Json<Value>) -> Json<Value> {
    let early = taken.early.lock().unwrap().take();
    if let Some((door, state)) = early {
        assert_eq!(bring(&door, "texts", "m1", state, true).await, StatusCode::OK);
    }
    let mut messages = taken.messages.lock().unwrap();
    messages.push(message);
    Json(json!({ "id": format!("m{}", messages.len()) }))
}

/// Brings a receipt to the door at `base`.
async fn bring(base: &str, provider: &str, message: &str, state: &str, signed: bool) -> StatusCode {
    let client = Client::builder().no_proxy().build().unwrap();
    let signature = if signed { "good" } else { "made up" };
    let posted = client
        .post(format!("{base}/receipts/{provider}/{TOKEN}"))
        .header("x-signature", signature)
        .json(&json!({ "id": message, "state": state }));
    posted.send().await.unwrap().status()
}

/// A live server with a gateway for text messages and one for calls.
struct Site {
    base: String,
    key: String,
    clock: Arc<FakeClock>,
    taken: Taken,
    client: Client,
    _stop: watch::Sender<bool>,
    _directory: tempfile::TempDir,
}

async fn serve(router: Router) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    format!("http://{address}")
}

impl Site {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(FakeClock::default());
        let (inbox, jobs) = worker::queue();
        let opened = SqliteStore::open(&Options {
            path: &directory.path().join("countersign.db"),
            roots: &test_ring(),
            clock: clock.clone(),
            entropy: &SeededEntropy::new(9),
            hand_over: Arc::new(move |job| inbox.take(job)),
        });
        let opened = opened.unwrap();
        let keys = opened.keys();
        let store: Arc<dyn Store> = Arc::new(opened);
        let mine = Requests::new(Arc::clone(&keys), 1);
        let (secret, key) = key(&mine);
        for change in [AdminChange::CreateProject(mine.project()), AdminChange::CreateKey(key)] {
            store.administer(mine.admin(change)).await.unwrap();
        }
        let taken = Taken::default();
        let gateways = serve(Router::new().fallback(post(take)).with_state(taken.clone())).await;
        let routes = [Route::plain(Channel::Sms, &["texts"]), Route::plain(Channel::Voice, &["calls"])];
        let names = ["texts", "calls"].map(str::to_owned);
        let board = Arc::new(Board::new(Routes::of(routes.to_vec()), Settings::default(), names));
        let entropy = Arc::new(SeededEntropy::new(10));
        let arrivals = Arc::new(Notify::new());
        let receipts =
            ReceiptSink::new(Arc::clone(&store), entropy.clone(), Arc::clone(&board), clock.clone());
        let (stop, stopped) = watch::channel(false);
        let providers = ["texts", "calls"].map(|name| {
            let client = Client::builder().no_proxy().build().unwrap();
            let gateway: Arc<dyn Provider> = Arc::new(Gateway { name, base: gateways.clone(), client });
            (name.to_owned(), gateway)
        });
        let options = WorkerOptions {
            store: Arc::clone(&store),
            keys: Arc::clone(&keys),
            clock: clock.clone(),
            entropy: entropy.clone(),
            providers: BTreeMap::from(providers),
            arrivals: Arc::clone(&arrivals),
            board: Arc::clone(&board),
            treasury: Arc::new(NoBudgets),
            receipts: receipts.clone(),
        };
        tokio::spawn(worker::work(options, jobs, stopped));
        let services = Services {
            store,
            keys,
            clock: clock.clone(),
            entropy,
            board,
            treasury: Arc::new(NoBudgets),
            workflow: Arc::default(),
            reader: Arc::new(Reader),
            receipts: Arc::new(receipts),
            waker: Arc::new(NoWaker),
            messages: Arc::new(Silent),
            issuer: "https://site.example".to_owned(),
            public_url: None,
            arrivals,
            quota: None,
            draining: Arc::default(),
        };
        let base = serve(countersign_http::router(services)).await;
        let client = Client::builder().no_proxy().build().unwrap();
        Self { base, key: secret, clock, taken, client, _stop: stop, _directory: directory }
    }

    async fn call(&self, path: &str, body: Option<Value>) -> Value {
        let url = format!("{}/v1/verifications{path}", self.base);
        let request = match body {
            Some(body) => self.client.post(url).json(&body),
            None => self.client.get(url),
        };
        request.bearer_auth(&self.key).send().await.unwrap().json().await.unwrap()
    }

    async fn begin(&self, steps: Value) -> String {
        let begun = self.call("", Some(json!({ "to": PHONE, "channel": steps }))).await;
        begun["id"].as_str().unwrap_or_else(|| panic!("{begun}")).to_owned()
    }

    async fn until(&self, id: &str, channel: &str, state: &str) -> Value {
        until("the delivery", async || {
            let shown = self.call(&format!("/{id}"), None).await;
            (shown["channel"] == channel && shown["delivery"]["state"] == state).then_some(shown)
        })
        .await
    }

    /// The types of the timeline's facts with the provider or reason they name.
    async fn told(&self, id: &str) -> Vec<String> {
        let timeline = self.call(&format!("/{id}/timeline"), None).await;
        let facts = timeline["data"].as_array().unwrap();
        let line = |fact: &Value| {
            let named = ["reason", "provider"].iter().find_map(|name| fact["data"][*name].as_str());
            format!("{} {}", fact["type"].as_str().unwrap(), named.unwrap_or_default()).trim().to_owned()
        };
        facts.iter().map(line).collect()
    }

    fn messages(&self) -> Vec<Value> {
        self.taken.messages.lock().unwrap().clone()
    }
}

/// A live secret key of the project.
fn key(mine: &Requests) -> (String, ApiKey) {
    let id = KeyId::from_bytes([2; 16]);
    let (key, secret) = ApiKey::new(id, mine.tenant, KeyKind::Secret, &[7; 32], false);
    (secret.0.to_string(), key)
}

#[tokio::test]
async fn a_text_message_that_did_not_arrive_is_followed_by_a_call() {
    let site = Site::start().await;
    let id = site.begin(json!([{ "channel": "sms", "wait": 60 }, { "channel": "voice" }])).await;
    site.until(&id, "sms", "sent").await;
    // Ids are ordered by time: the call's message is the later one.
    site.clock.advance(Duration::from_millis(1));
    assert_eq!(bring(&site.base, "texts", "m1", "failed", true).await, StatusCode::OK);
    site.until(&id, "voice", "sent").await;
    assert_eq!(bring(&site.base, "calls", "m2", "delivered", true).await, StatusCode::OK);
    let shown = site.until(&id, "voice", "delivered").await;
    assert_eq!((&shown["status"], &shown["delivery"]["provider"]), (&json!("pending"), &json!("calls")));
    let told = [
        "verification.created",
        "delivery.accepted texts",
        "delivery.undelivered texts",
        "workflow.stepped undelivered",
        "delivery.accepted calls",
        "delivery.delivered calls",
    ];
    let mut facts = site.told(&id).await;
    facts.sort();
    let mut wanted = told.map(str::to_owned);
    wanted.sort();
    assert_eq!(facts, wanted, "the clock stands still, so their order is not told");
    let messages = site.messages();
    assert_eq!((&messages[0]["channel"], &messages[1]["channel"]), (&json!("sms"), &json!("voice")));
    assert_eq!(messages[0]["code"], messages[1]["code"], "always the same code");
    let checked = site.call(&format!("/{id}/check"), Some(json!({ "code": messages[0]["code"] }))).await;
    assert_eq!(checked["status"], "approved", "{checked}");
}

#[tokio::test]
async fn without_a_receipt_in_time_a_call_follows_and_what_comes_later_changes_nothing_of_it() {
    let site = Site::start().await;
    let id = site.begin(json!([{ "channel": "sms", "receipt_within": 20 }, { "channel": "voice" }])).await;
    site.until(&id, "sms", "sent").await;
    site.clock.advance(Duration::from_secs(20));
    site.until(&id, "voice", "sent").await;
    for (message, state) in [("m1", "delivered"), ("m1", "delivered"), ("m1", "failed"), ("m2", "underway")] {
        assert_eq!(bring(&site.base, "texts", message, state, true).await, StatusCode::OK);
    }
    let facts = site.told(&id).await;
    let count = |fact: &str| facts.iter().filter(|known| *known == fact).count();
    assert_eq!(
        (count("workflow.stepped no_receipt"), count("delivery.delivered texts")),
        (1, 1),
        "{facts:?}"
    );
    assert_eq!((count("delivery.undelivered texts"), site.messages().len()), (0, 2));
}

#[tokio::test]
async fn a_receipt_that_is_faster_than_the_answer_is_not_lost() {
    let site = Site::start().await;
    *site.taken.early.lock().unwrap() = Some((site.base.clone(), "delivered"));
    let id = site.begin(json!("sms")).await;
    site.until(&id, "sms", "delivered").await;
}

#[tokio::test]
async fn forged_and_unknown_receipts_change_nothing() {
    let site = Site::start().await;
    let id = site.begin(json!([{ "channel": "sms", "wait": 60 }, { "channel": "voice" }])).await;
    site.until(&id, "sms", "sent").await;
    let before = site.told(&id).await;
    assert_eq!(bring(&site.base, "texts", "m1", "failed", false).await, StatusCode::FORBIDDEN);
    for elsewhere in
        [format!("{}/receipts/other/{TOKEN}", site.base), format!("{}/receipts/texts/x", site.base)]
    {
        let turned_away = site.client.post(elsewhere).header("x-signature", "good").send().await.unwrap();
        assert_eq!(turned_away.status(), StatusCode::NOT_FOUND);
        assert!(turned_away.bytes().await.unwrap().is_empty());
    }
    let unread = site.client.post(format!("{}/receipts/texts/{TOKEN}", site.base));
    let unread = unread.header("x-signature", "good").body("garbage").send().await.unwrap();
    assert_eq!(unread.status(), StatusCode::BAD_REQUEST);
    // The provider's own, of a message that somebody else sent, and of the other gateway.
    assert_eq!(bring(&site.base, "texts", "m77", "failed", true).await, StatusCode::OK);
    assert_eq!(bring(&site.base, "calls", "m1", "failed", true).await, StatusCode::OK);
    assert_eq!(site.told(&id).await, before);
    assert_eq!(site.call(&format!("/{id}"), None).await["delivery"]["state"], "sent");
}

#[tokio::test]
async fn so_many_receipts_wait_for_their_messages_and_no_more() {
    let clock = Arc::new(FakeClock::default());
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone(), test_keys(), Arc::new(|_| ())));
    let sink =
        ReceiptSink::new(Arc::clone(&store), Arc::new(SeededEntropy::new(1)), Arc::default(), clock.clone());
    let take = async |message: String| {
        sink.take("texts", Receipt { about: About::Message(message), fate: Fate::Delivered }).await
    };
    let waiting = async || store.early_receipts(1).await.unwrap().waiting;
    for (length, kept) in [(199, 1), (200, 2), (201, 2), (0, 2)] {
        assert!(take("x".repeat(length)).await, "what cannot be a name of ours is done with");
        assert_eq!(waiting().await, kept, "{length} characters");
    }
    for nth in 2..MAX_EARLY_RECEIPTS {
        assert!(take(format!("m{nth}")).await);
    }
    assert!(!take("one more".to_owned()).await, "the provider is to bring it again");
    sink.settle().await;
    assert!(!take("one more".to_owned()).await);
    assert_eq!(waiting().await, MAX_EARLY_RECEIPTS);
    clock.advance(EARLY_RECEIPT_KEPT + Duration::from_millis(1));
    store.retire(Retention::default(), MAX_EARLY_RECEIPTS).await.unwrap();
    sink.settle().await;
    assert!(take("one more".to_owned()).await);
}
