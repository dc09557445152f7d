//! The SMPP provider, mostly against the server of the npm package `smpp`, also over TLS.

use std::path::Path;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use countersign_core::delivery::Fault;
use countersign_core::receipt::ReceiptTaker;
use countersign_core::receipt::{About, Fate, Receipt};
use countersign_core::time::EntropySource;
use countersign_delivery::messages::Medium;
use countersign_delivery::provider::{ErrorClass, Outgoing, Provider, ProviderError};
use countersign_delivery::smpp::{SmppConfig, SmppProvider};
use countersign_smpp::smsc::{Behaviour, Event, Smsc};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdout, Command};
use tokio::sync::mpsc;

use crate::outgoing::{outgoing, sms};
use crate::relay::{Certificates, tool};

struct Still;

impl EntropySource for Still {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

type Queue = mpsc::UnboundedReceiver<(String, Receipt)>;

/// Takes receipts until nobody reads them.
struct Taker(mpsc::UnboundedSender<(String, Receipt)>);

impl ReceiptTaker for Taker {
    fn take<'a>(
        &'a self,
        provider: &'a str,
        receipt: Receipt,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(std::future::ready(self.0.send((provider.to_owned(), receipt)).is_ok()))
    }
}

fn provider(port: u16, more: &str) -> (SmppProvider, Queue) {
    let security = if more.contains("security") { "" } else { "security = 'none'\n" };
    let text =
        format!("host = '127.0.0.1'\nport = {port}\nsystem_id = 'acme'\nsender = 'ACME'\n{security}{more}");
    let config: SmppConfig = toml::from_str(&text).expect("a configuration");
    let (sender, queue) = mpsc::unbounded_channel();
    let taker: Arc<dyn ReceiptTaker> = Arc::new(Taker(sender));
    (SmppProvider::new("carrier", &config, Some(taker), Arc::new(Still)).expect("a provider"), queue)
}

/// The npm server; it ends with this value.
struct Npm {
    port: u16,
    lines: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Npm {
    async fn start(settings: Value) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../smpp/tests/it/npm_smsc.cjs");
        let mut process = Command::new("node")
            .arg(script)
            .arg(settings.to_string())
            .env("NODE_PATH", tool("node/node_modules"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("node starts");
        let lines = BufReader::new(process.stdout.take().expect("its output")).lines();
        let mut smsc = Self { port: 0, lines, _process: process };
        let port = smsc.told("port").await["port"].as_u64();
        smsc.port = port.and_then(|port| port.try_into().ok()).expect("a port");
        smsc
    }

    /// The next thing it says that has this key.
    async fn told(&mut self, key: &str) -> Value {
        loop {
            let line = self.lines.next_line().await.expect("readable output").expect("it runs");
            let said: Value = serde_json::from_str(&line).expect("JSON");
            if said.get(key).is_some() {
                return said;
            }
        }
    }
}

fn to(number: &str) -> Outgoing {
    let mut outgoing = outgoing(number, Medium::Sms, "Acme", "NORD");
    outgoing.sender = None;
    outgoing
}

fn refusal(error: &ProviderError) -> (ErrorClass, Fault, bool) {
    (error.class, error.fault, error.retry)
}

#[tokio::test]
async fn a_message_arrives_and_its_receipt_meets_it() {
    let mut smsc = Npm::start(json!({})).await;
    let (provider, mut queue) = provider(smsc.port, "");
    let message = to("+48600100217");
    let accepted = provider.send(&message).await.expect("taken");
    let id = accepted.message_id.expect("an id");
    assert_eq!(
        queue.recv().await,
        Some(("carrier".to_owned(), Receipt { about: About::Message(id), fate: Fate::Delivered },))
    );
    let mut text = String::new();
    while text.len() < message.message.text.len() {
        let heard = smsc.told("to").await;
        assert_eq!((&heard["from"], &heard["to"]), (&json!("ACME"), &json!("48600100217")));
        text += heard["text"].as_str().expect("a text");
    }
    assert_eq!(text, message.message.text);
    provider.close().await;
    smsc.told("unbound").await;
}

/// Not as long as we would wait, but as long as the code works; a second is never made of a part of one.
#[tokio::test]
async fn the_smsc_may_try_as_long_as_the_code_works() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (sender, mut events) = mpsc::unbounded_channel();
    let smsc = Smsc::new(Behaviour::default(), Arc::new(move |event| drop(sender.send(event))));
    let serving = tokio::spawn(async move { smsc.accept(listener).await });
    let (provider, _queue) = provider(port, "");
    for (lifetime, validity) in [(300_999, "000000000500000R"), (1_000, "000000000001000R")] {
        let mut message = to("+48600100217");
        message.deadline = Duration::from_secs(20);
        message.lifetime = Duration::from_millis(lifetime);
        provider.send(&message).await.expect("taken");
        let submitted = loop {
            if let Event::Submitted(submitted) = events.recv().await.expect("an event") {
                break submitted;
            }
        };
        assert_eq!(submitted.validity_period, validity);
    }
    serving.abort();
}

#[tokio::test]
async fn a_projects_sender_comes_before_the_configured_one() {
    let mut smsc = Npm::start(json!({})).await;
    let (provider, _queue) = provider(smsc.port, "");
    provider.send(&sms("+48600100217")).await.expect("taken");
    let heard = smsc.told("to").await;
    assert_eq!((&heard["from"], &heard["kinds"]), (&json!("Acme Bank"), &json!([5, 0, 1, 1])));
    let mut bad = sms("+48600100217");
    bad.sender = Some("A name of more than eleven".to_owned());
    let refused = provider.send(&bad).await.expect_err("a refusal");
    assert_eq!(refusal(&refused), (ErrorClass::SenderRejected, Fault::Us, false));
}

#[tokio::test]
async fn each_refusal_says_whose_fault_it_is() {
    let smsc = Npm::start(json!({})).await;
    let (provider, _queue) = provider(smsc.port, "response_seconds = 2");
    for (number, class, fault, retry) in [
        ("+48600100011", ErrorClass::RecipientRejected, Fault::Recipient, false),
        ("+48600100069", ErrorClass::MessageRejected, Fault::Provider, false),
        ("+48600100001", ErrorClass::Timeout, Fault::Provider, true),
        ("+48600100002", ErrorClass::ConnectionLost, Fault::Provider, true),
    ] {
        let refused = provider.send(&to(number)).await.expect_err(number);
        assert_eq!(refusal(&refused), (class, fault, retry), "{number}: {refused}");
        assert!(!refused.detail.contains("600100"), "{refused}");
    }
}

#[tokio::test]
async fn tls_is_spoken_with_whom_the_authority_vouches_for() {
    let certificates = Certificates::new();
    let secrets = json!({ "cert": certificates.path("leaf.pem"), "key": certificates.path("key.pem") });
    let mut smsc = Npm::start(secrets).await;
    let ours = format!("security = 'tls'\nca_file = '{}'", certificates.path("ca.pem"));
    let (provider, _queue) = self::provider(smsc.port, &ours);
    let line = provider.verify().await.expect("bound");
    assert_eq!(line, format!("bound to 127.0.0.1:{}, TLS, which calls itself npm-smpp, as acme", smsc.port));
    provider.send(&to("+48600100217")).await.expect("taken");
    smsc.told("to").await;

    // The system's authorities do not know it, nor do another's.
    let others = Certificates::new();
    for stranger in
        ["security = 'tls'".to_owned(), format!("security = 'tls'\nca_file = '{}'", others.path("ca.pem"))]
    {
        let (stranger, _queue) = self::provider(smsc.port, &stranger);
        for refused in [
            stranger.verify().await.expect_err("not trusted"),
            stranger.send(&to("+48600100217")).await.expect_err("not trusted"),
        ] {
            assert_eq!(refusal(&refused), (ErrorClass::Tls, Fault::Provider, true), "{refused}");
            assert!(refused.detail.starts_with("TLS with the SMSC failed"), "{refused}");
        }
    }
}

#[tokio::test]
async fn tls_to_a_port_in_clear_and_clear_to_a_port_in_tls() {
    let clear = Npm::start(json!({})).await;
    let (provider, _queue) = self::provider(clear.port, "security = 'tls'\nresponse_seconds = 2");
    let refused = provider.verify().await.expect_err("no TLS there");
    assert!(matches!(refused.class, ErrorClass::Tls | ErrorClass::Unreachable), "{refused}");

    let certificates = Certificates::new();
    let secrets = json!({ "cert": certificates.path("leaf.pem"), "key": certificates.path("key.pem") });
    let mut tls = Npm::start(secrets).await;
    let (provider, _queue) = self::provider(tls.port, "response_seconds = 2");
    let refused = provider.verify().await.expect_err("TLS there");
    // An alert is no PDU: the length it seems to claim is refused.
    assert!(matches!(refused.class, ErrorClass::Protocol | ErrorClass::Unavailable), "{refused}");
    tls.told("tls").await;
}

#[tokio::test]
async fn doctor_is_told_what_keeps_a_bind_from_standing() {
    let smsc = Npm::start(json!({ "password": "s3cret" })).await;
    let (wrong, _queue) = provider(smsc.port, "");
    let refused = wrong.verify().await.expect_err("a refusal");
    assert_eq!(refusal(&refused), (ErrorClass::Authentication, Fault::Us, false));
    assert_eq!(refused.detail, "the SMSC refused the bind with ESME_RINVPASWD");

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (silent, _queue) = provider(port, "response_seconds = 1");
    let refused = silent.verify().await.expect_err("silence");
    assert_eq!(
        (refused.class, refused.detail.as_str()),
        (ErrorClass::Unreachable, "the SMSC did not answer the bind")
    );
    drop(listener);
    let (nobody, _queue) = provider(port, "");
    let refused = nobody.verify().await.expect_err("nobody");
    let told = (refused.class, refused.detail.as_str());
    assert_eq!(told, (ErrorClass::Unreachable, "no connection: connection refused"));
}

/// Nobody listens at the first, the second takes it: the failure is told at once, so that the next provider is asked
/// while the code is young.
#[tokio::test]
async fn a_carrier_that_is_down_costs_no_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    drop(listener);
    let smsc = Npm::start(json!({})).await;
    let (down, _queue) = provider(port, "");
    let (up, _queue) = provider(smsc.port, "");
    down.start();
    let sent = tokio::time::timeout(Duration::from_secs(5), async {
        let refused = down.send(&to("+48600100217")).await.expect_err("down");
        assert_eq!(refusal(&refused), (ErrorClass::Unreachable, Fault::Provider, true));
        up.send(&to("+48600100217")).await
    });
    assert!(sent.await.expect("in time").expect("taken").message_id.is_some());
}

/// The sink is full: the SMSC is told to come again, and does not count the receipt as delivered.
#[tokio::test]
async fn a_receipt_that_finds_no_room_is_left_with_the_smsc() {
    let mut smsc = Npm::start(json!({})).await;
    let (provider, queue) = provider(smsc.port, "");
    drop(queue);
    provider.send(&to("+48600100217")).await.expect("taken");
    // ESME_RX_T_APPN
    assert_eq!(smsc.told("answer").await["answer"], 0x64);
}

#[tokio::test]
async fn only_text_messages_to_numbers_are_taken() {
    let (provider, _queue) = provider(1, "alphabets = ['latin1']");
    let mail = outgoing("a@b.example", Medium::Email, "Acme", "NORD");
    assert_eq!(provider.send(&mail).await.expect_err("mail").class, ErrorClass::Configuration);
    let nobody = provider.send(&to("a@b.example")).await.expect_err("no number");
    assert_eq!(refusal(&nobody), (ErrorClass::RecipientRejected, Fault::Recipient, false));
    let mut wide = to("+48600100217");
    wide.message.text = "код".to_owned();
    assert_eq!(provider.send(&wide).await.expect_err("Cyrillic").class, ErrorClass::Configuration);
    let mut over = to("+48600100217");
    over.lifetime = Duration::from_millis(999);
    assert_eq!(provider.send(&over).await.expect_err("over").class, ErrorClass::MessageRejected);
}

#[tokio::test]
async fn a_password_that_cannot_fit_is_a_problem_of_the_configuration() {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    std::io::Write::write_all(&mut file, b"nine-long\n").expect("written");
    let text = format!(
        "host = 'localhost'\nsystem_id = 'acme'\npassword = {{ file = '{}' }}",
        file.path().display()
    );
    let config: SmppConfig = toml::from_str(&text).expect("a configuration");
    let problem = SmppProvider::new("carrier", &config, None, Arc::new(Still)).err();
    assert_eq!(
        problem.map(|problem| problem.to_string()).as_deref(),
        Some("`password` does not fit the protocol; write at most 8 ASCII characters")
    );
}
