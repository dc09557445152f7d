//! The gateway with the provider's table that it prints.

use std::collections::BTreeMap;

use countersign_core::receipt::{About, Fate as Arrival, NotAReceipt, Posted, Receipt, ReceiptReader as _};
use countersign_delivery::http_gateway::receipts::Readers;
use countersign_delivery::http_gateway::{HttpGatewayConfig, HttpGatewayProvider, Node};
use countersign_delivery::messages::{Purpose, RenderedMessage};
use countersign_delivery::provider::{Accepted, ErrorClass, Outgoing, Provider as _, ProviderError};
use tokio::sync::mpsc;

use super::*;
use crate::clock::SystemClock;
use crate::entropy::SystemEntropy;
use crate::sandbox::tests::GOOD;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A sandbox, its provider, and the door that its receipts come to.
struct World {
    provider: HttpGatewayProvider,
    receipts: mpsc::Receiver<Result<Vec<Receipt>, NotAReceipt>>,
    url: String,
    _folder: tempfile::TempDir,
}

impl World {
    async fn of(habits: Habits) -> Self {
        let address = start(SocketAddr::from(([127, 0, 0, 1], 0)), habits).await.unwrap().address;

        let folder = tempfile::tempdir().unwrap();
        let token = folder.path().join("token");
        std::fs::write(&token, TOKEN).unwrap();
        let mut table: toml::Table = PROVIDER.replace("ADDRESS", &address.to_string()).parse().unwrap();
        let table = table["providers"]["sandbox"].as_table_mut().unwrap();
        table.remove("type");
        let secrets = format!("receipt_token = {{ file = '{}' }}", token.display());
        table.insert("secrets".to_owned(), secrets.parse::<toml::Table>().unwrap().into());
        let config: HttpGatewayConfig = table.clone().try_into().unwrap();
        assert_eq!(config.validate(), []);

        let mut readers = Readers::new(Arc::new(SystemClock));
        readers.add("sandbox", &config).unwrap();
        let door = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let public_url = format!("http://{}", door.local_addr().unwrap());
        let (sender, receipts) = mpsc::channel(100);
        let node = Node {
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy),
            public_url: Some(public_url),
        };
        let provider = HttpGatewayProvider::new("sandbox", &config, &node).unwrap();
        let readers = Arc::new(readers);
        let routes = Router::new().fallback(post(move |request: axum::extract::Request| {
            let (readers, sender) = (Arc::clone(&readers), sender.clone());
            async move {
                let (head, body) = request.into_parts();
                let body = axum::body::to_bytes(body, 10_000).await.unwrap();
                let headers: BTreeMap<String, String> = head
                    .headers
                    .iter()
                    .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
                    .collect();
                let token = head.uri.path().rsplit('/').next().unwrap().to_owned();
                let posted = Posted { url: "", headers: &headers, body: &body };
                sender.send(readers.read("sandbox", &token, &posted)).await.unwrap();
            }
        }));
        tokio::spawn(async move { axum::serve(door, routes).await });
        Self { provider, receipts, url: format!("http://{address}/messages"), _folder: folder }
    }

    async fn send(&self) -> Result<Accepted, ProviderError> {
        self.provider.send(&outgoing()).await
    }

    async fn receipt(&mut self) -> Receipt {
        self.receipts.recv().await.unwrap().unwrap().remove(0)
    }
}

fn outgoing() -> Outgoing {
    Outgoing {
        to: "+48600100217".to_owned(),
        channel: "sms",
        purpose: Purpose::Authentication,
        sender: None,
        code: "482913".to_owned(),
        message: RenderedMessage {
            locale: "en",
            subject: None,
            text: "482913 is your code.".to_owned(),
            html: None,
            sms: None,
        },
        asked: None,
        delivery_id: "dlv_1".to_owned(),
        deadline: Duration::from_secs(2),
        lifetime: Duration::from_secs(600),
    }
}

fn message(id: &str) -> About {
    About::Message(id.to_owned())
}

#[tokio::test]
async fn a_good_gateway_takes_the_message_and_reports_it() {
    let mut world = World::of(GOOD).await;
    assert_eq!(world.send().await.unwrap().message_id.as_deref(), Some("sandbox-1"));
    let receipt = Receipt { about: message("sandbox-1"), fate: Arrival::Delivered };
    assert_eq!(world.receipt().await, receipt);
    let shown: Value = reqwest::get(&world.url).await.unwrap().json().await.unwrap();
    assert_eq!(shown["messages"][0]["text"], "482913 is your code.");
}

#[tokio::test]
async fn each_habit_shows_as_what_it_is() {
    for (habits, class) in [
        (Habits { throttle: 100, ..GOOD }, ErrorClass::Throttled),
        (Habits { refuse: 100, ..GOOD }, ErrorClass::RecipientRejected),
        (Habits { drop: 100, ..GOOD }, ErrorClass::ConnectionLost),
        (Habits { garbage: 100, ..GOOD }, ErrorClass::Protocol),
        (Habits { hang: 100, ..GOOD }, ErrorClass::Timeout),
    ] {
        assert_eq!(World::of(habits).await.send().await.unwrap_err().class, class, "{habits:?}");
    }
}

#[tokio::test]
async fn receipts_come_twice_or_say_that_it_did_not_arrive() {
    let mut world = World::of(Habits { duplicate: 100, undelivered: 100, ..GOOD }).await;
    world.send().await.unwrap();
    let (first, second) = (world.receipt().await, world.receipt().await);
    assert_eq!(first, second);
    assert!(matches!(first.fate, Arrival::Failed { class, .. } if class == "recipient_rejected"));
}

#[tokio::test]
async fn an_early_receipt_is_there_before_the_answer() {
    let mut world = World::of(Habits { early: 100, ..GOOD }).await;
    let early = outgoing();
    let (answer, receipts) = (world.provider.send(&early), &mut world.receipts);
    tokio::pin!(answer);
    tokio::select! {
        biased;
        early = receipts.recv() => assert_eq!(early.unwrap().unwrap()[0].about, message("sandbox-1")),
        _ = &mut answer => panic!("the answer came first"),
    }
    assert_eq!(answer.await.unwrap().message_id.as_deref(), Some("sandbox-1"));
}

#[tokio::test]
async fn it_posts_nowhere_but_to_this_machine() {
    let world = World::of(GOOD).await;
    for callback in ["https://example.com/x", "ftp://127.0.0.1/x", "http://127.0.0.1.nip.io/", "x"] {
        let body = json!({ "to": "+48600100217", "text": "x", "callback": callback });
        let answer = reqwest::Client::new().post(&world.url).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 400, "{callback}");
    }
    assert!(start(SocketAddr::from(([0, 0, 0, 0], 0)), GOOD).await.is_err());
}
