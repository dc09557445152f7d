//! The HTTP provider.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use countersign_core::time::{Clock, EntropySource, Timestamp};
use countersign_delivery::http_gateway::{HttpGatewayConfig, HttpGatewayProvider, Node};
use countersign_delivery::messages::{Medium, Purpose};
use countersign_delivery::provider::{ErrorClass, Fault, Provider, ProviderError};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::outgoing::{CODE, mail, outgoing, sms};
use crate::relay::Certificates;

const TO: &str = "+48600100217";

/// A request as the gateway saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Seen {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }
}

/// A gateway that answers everything alike.
#[derive(Clone)]
pub(crate) struct Gateway {
    answer: Arc<dyn Fn() -> Response + Send + Sync>,
    seen: Arc<Mutex<Vec<Seen>>>,
    pub(crate) port: u16,
}

impl Gateway {
    pub(crate) async fn start(answer: impl Fn() -> Response + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let gateway = Self { answer: Arc::new(answer), seen: Arc::default(), port };
        let routes = axum::Router::new().fallback(any(take)).with_state(gateway.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        gateway
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("unpoisoned").clone()
    }
}

async fn take(State(gateway): State<Gateway>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.expect("a body");
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let seen = Seen {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        headers: headers.collect(),
        body: String::from_utf8(body.to_vec()).expect("UTF-8"),
    };
    gateway.seen.lock().expect("unpoisoned").push(seen);
    (gateway.answer)()
}

fn ok() -> Response {
    axum::Json(json!({ "id": "gw-77" })).into_response()
}

/// A node whose clock stands still.
pub(crate) fn node() -> Node {
    Node {
        clock: Arc::new(At(NOW)),
        entropy: Arc::new(Sevens),
        public_url: Some("https://codes.example".to_owned()),
    }
}

/// 2026-11-24T12:00:00Z.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_795_521_600_000);

/// Randomness without surprise.
pub(crate) struct Sevens;

impl EntropySource for Sevens {
    fn fill(&self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

#[derive(Clone, Copy)]
pub(crate) struct At(pub(crate) Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }
}

fn provider(port: u16, more: &str) -> HttpGatewayProvider {
    let base = if more.contains("url =") {
        String::new()
    } else {
        format!("url = 'http://127.0.0.1:{port}/send'\n")
    };
    let more = more.replace("PORT", &port.to_string());
    let config: HttpGatewayConfig = toml::from_str(&format!("{base}{more}")).expect("a configuration");
    HttpGatewayProvider::new("sms", &config, &node()).expect("a provider")
}

fn assert_failure(
    result: Result<impl std::fmt::Debug, ProviderError>,
    class: ErrorClass,
    fault: Fault,
    retry: bool,
) {
    let error = result.expect_err("a failure");
    assert_eq!((error.class, error.fault, error.retry), (class, fault, retry), "{error}");
    for secret in [CODE, "600100217", "s3cret", "127.0.0.1"] {
        assert!(!error.detail.contains(secret), "{error}");
    }
}

#[tokio::test]
async fn a_json_gateway_gets_what_its_configuration_says() {
    let gateway = Gateway::start(ok).await;
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret\n").expect("written");
    let provider = provider(
        gateway.port,
        &format!(
            r#"
            url = "http://127.0.0.1:PORT/v1/{{{{ secrets.account }}}}/messages?ref={{{{ delivery_id }}}}"
            auth = {{ bearer = {{ file = "{token}" }} }}
            secrets = {{ account = {{ file = "{token}" }} }}
            headers = {{ "Idempotency-Key" = "{{{{ delivery_id }}}}" }}
            body = {{ json = {{ to = "{{{{ to }}}}", text = "{{{{ text }}}}", parts = "{{{{ segments }}}}" }} }}
            message_id = {{ pointer = "/id" }}
            "#,
            token = token.display()
        ),
    );
    let outgoing = sms(TO);
    let accepted = provider.send(&outgoing).await.expect("accepted");

    assert_eq!(accepted.message_id.as_deref(), Some("gw-77"));
    let seen = &gateway.seen()[0];
    assert_eq!(
        (seen.method.as_str(), seen.target.as_str()),
        ("POST", "/v1/s3cret/messages?ref=dlv_01m83n1fqkeat9ryjx42vfks43")
    );
    assert_eq!(seen.header("authorization"), Some("Bearer s3cret"));
    assert_eq!(seen.header("idempotency-key"), Some("dlv_01m83n1fqkeat9ryjx42vfks43"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert_eq!(seen.json(), json!({ "to": TO, "text": outgoing.message.text, "parts": 1 }));
}

#[tokio::test]
async fn a_form_gateway_gets_a_form_and_basic_credentials() {
    let gateway = Gateway::start(ok).await;
    let folder = tempfile::tempdir().expect("a folder");
    let password = folder.path().join("password");
    std::fs::write(&password, "s3cret").expect("written");
    let more = format!(
        r#"
        auth = {{ basic = {{ username = "AC1", password = {{ file = "{}" }} }} }}
        body = {{ form = {{ To = "{{{{ to }}}}", Body = "{{{{ text }}}}" }} }}
        "#,
        password.display()
    );
    let outgoing = sms(TO);
    provider(gateway.port, &more).send(&outgoing).await.expect("accepted");
    let seen = &gateway.seen()[0];
    assert_eq!(seen.header("authorization"), Some("Basic QUMxOnMzY3JldA=="));
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    let parsed = url::Url::parse(&format!("http://x/?{}", seen.body)).expect("a form");
    let fields: Vec<_> = parsed.query_pairs().collect();
    assert_eq!(fields, [("Body".into(), outgoing.message.text.as_str().into()), ("To".into(), TO.into())]);
}

#[tokio::test]
async fn hostile_names_stay_inside_their_field() {
    let gateway = Gateway::start(ok).await;
    let json = provider(gateway.port, "body = { json = { to = '{{ to }}', text = '{{ text }}' } }");
    let form = provider(gateway.port, "body = { form = { to = '{{ to }}', text = '{{ text }}' } }");
    for name in [
        "\",\"to\":\"+1900\",\"x\":\"",
        "\\\"}",
        "a&to=%2B1900",
        "{{ code }}{% endraw %}",
        "a\r\nto: b",
        "\u{0}\"\u{202e}",
    ] {
        let outgoing = outgoing(TO, Medium::Sms, &format!("Acme{name}"), &format!("Payee{name}"));
        json.send(&outgoing).await.expect("accepted");
        form.send(&outgoing).await.expect("accepted");
        let seen = gateway.seen();
        let [.., as_json, as_form] = seen.as_slice() else { panic!("two requests") };
        assert_eq!(as_json.json(), json!({ "to": TO, "text": outgoing.message.text }), "{name:?}");
        let parsed = url::Url::parse(&format!("http://x/?{}", as_form.body)).expect("a form");
        assert_eq!(parsed.query_pairs().count(), 2, "{name:?}");
    }
}

#[tokio::test]
async fn the_error_map_is_applied_to_real_answers() {
    let gateway = Gateway::start(|| {
        let body = axum::Json(json!({ "code": 21211, "message": format!("{TO} is not valid, code {CODE}") }));
        (axum::http::StatusCode::BAD_REQUEST, body).into_response()
    })
    .await;
    let more = "errors = [{ pointer = '/code', equals = 21211, class = 'recipient_rejected' }]";
    let result = provider(gateway.port, more).send(&sms(TO)).await;
    assert_failure(result, ErrorClass::RecipientRejected, Fault::Recipient, false);
    assert_failure(
        provider(gateway.port, "").send(&sms(TO)).await,
        ErrorClass::Configuration,
        Fault::Us,
        false,
    );
}

#[tokio::test]
async fn a_redirect_is_refused_and_the_code_goes_nowhere_else() {
    let elsewhere = Gateway::start(ok).await;
    let port = elsewhere.port;
    for status in [301, 302, 303, 307, 308] {
        let gateway = Gateway::start(move || {
            let location = format!("http://127.0.0.1:{port}/stolen");
            Response::builder()
                .status(status)
                .header("location", location)
                .body(Body::empty())
                .expect("an answer")
        })
        .await;
        let provider = provider(gateway.port, "body = { json = { text = '{{ text }}' } }");
        assert_failure(provider.send(&sms(TO)).await, ErrorClass::Configuration, Fault::Us, false);
    }
    assert!(elsewhere.seen().is_empty());
}

/// Ten million bytes of JSON, sent in pieces, and a count of the pieces taken.
pub(crate) fn ten_megabytes(pieces: &Arc<Mutex<usize>>) -> Response {
    let pieces = pieces.clone();
    let stream = futures_stream(move |index| {
        *pieces.lock().expect("unpoisoned") += 1;
        (index < 1000).then(|| Bytes::from(vec![b' '; 10_000]))
    });
    Response::new(Body::from_stream(stream))
}

fn futures_stream(
    mut next: impl FnMut(usize) -> Option<Bytes> + Send + 'static,
) -> impl futures_util::Stream<Item = Result<Bytes, Infallible>> + Send {
    let mut index = 0;
    futures_util::stream::poll_fn(move |_| {
        index += 1;
        std::task::Poll::Ready(next(index).map(Ok))
    })
}

#[tokio::test]
async fn a_huge_answer_is_not_read() {
    let pieces = Arc::new(Mutex::new(0));
    let counted = pieces.clone();
    let gateway = Gateway::start(move || ten_megabytes(&counted)).await;
    let wants_body = provider(gateway.port, "success = { json = [{ pointer = '/id' }] }");
    assert_failure(wants_body.send(&sms(TO)).await, ErrorClass::Protocol, Fault::Provider, true);
    // A status is enough for a gateway that asks for no more.
    provider(gateway.port, "message_id = { pointer = '/id' }").send(&sms(TO)).await.expect("accepted");
    assert!(*pieces.lock().expect("unpoisoned") < 2000, "both answers were read to their end");
}

#[tokio::test]
async fn an_answer_of_exactly_the_limit_is_read() {
    let limit = countersign_delivery::limits::GATEWAY_BODY_BYTES;
    for (extra, found) in [(0, true), (1, false)] {
        let gateway = Gateway::start(move || {
            let json = "{\"id\":\"x\"}";
            Response::new(Body::from(format!("{json}{}", " ".repeat(limit - json.len() + extra))))
        })
        .await;
        let provider = provider(gateway.port, "message_id = { pointer = '/id' }");
        let accepted = provider.send(&sms(TO)).await.expect("accepted");
        assert_eq!(accepted.message_id.is_some(), found, "{extra}");
    }
}

#[tokio::test]
async fn garbage_instead_of_json_may_still_be_a_message_taken() {
    for garbage in ["", "<html>", "{\"id\":", "\u{0}", "null"] {
        let gateway = Gateway::start(move || Response::new(Body::from(garbage))).await;
        let provider = provider(gateway.port, "success = { json = [{ pointer = '/id' }] }");
        let error = provider.send(&sms(TO)).await.expect_err("a failure");
        let (class, retry) = if garbage == "null" {
            (ErrorClass::MessageRejected, false)
        } else {
            (ErrorClass::Protocol, true)
        };
        assert_eq!((error.class, error.retry), (class, retry), "{garbage:?}");
    }
}

#[tokio::test]
async fn the_deadline_ends_a_silent_request() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut outgoing = sms(TO);
    outgoing.deadline = Duration::from_millis(200);
    let result = provider(listener.local_addr().expect("an address").port(), "").send(&outgoing).await;
    assert_failure(result, ErrorClass::Timeout, Fault::Provider, true);
}

#[tokio::test]
async fn the_deadline_ends_an_answer_that_never_ends() {
    let gateway = Gateway::start(|| {
        Response::new(Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>()))
    })
    .await;
    let mut outgoing = sms(TO);
    outgoing.deadline = Duration::from_millis(300);
    let result = provider(gateway.port, "success = { json = [{ pointer = '/id' }] }").send(&outgoing).await;
    assert_failure(result, ErrorClass::Timeout, Fault::Provider, true);
}

/// A peer that reads a request, says its part and hangs up.
async fn scripted(answer: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(answer).await;
        }
    });
    port
}

#[tokio::test]
async fn broken_connections_are_told_from_broken_protocols() {
    let cases: [(&[u8], ErrorClass); 4] = [
        (b"", ErrorClass::ConnectionLost),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ErrorClass::Protocol),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{", ErrorClass::ConnectionLost),
        (b"\x15\x03\x01\x00\x02\x02\x46", ErrorClass::Protocol),
    ];
    for (answer, class) in cases {
        assert_failure(
            provider(scripted(answer).await, "").send(&sms(TO)).await,
            class,
            Fault::Provider,
            true,
        );
    }
    let closed =
        TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    assert_failure(provider(closed, "").send(&sms(TO)).await, ErrorClass::Unreachable, Fault::Provider, true);
}

#[tokio::test]
async fn an_unknown_certificate_is_refused_before_anything_is_sent() {
    let port = scripted(b"\x15\x03\x01\x00\x02\x02\x46").await;
    let more = "url = 'https://127.0.0.1:PORT/send'";
    assert_failure(provider(port, more).send(&sms(TO)).await, ErrorClass::Tls, Fault::Provider, true);

    let (port, _certificates) = tls_gateway().await;
    assert_failure(provider(port, more).send(&sms(TO)).await, ErrorClass::Tls, Fault::Provider, true);
}

#[tokio::test]
async fn a_configured_authority_is_trusted() {
    let (port, certificates) = tls_gateway().await;
    let more = format!("url = 'https://localhost:PORT/send'\nca_file = '{}'", certificates.path("ca.pem"));
    provider(port, &more).send(&sms(TO)).await.expect("accepted");
}

/// One that says 204 over TLS.
async fn tls_gateway() -> (u16, Certificates) {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    let certificates = Certificates::new();
    let leaf = CertificateDer::from_pem_file(certificates.path("leaf.pem")).expect("a leaf");
    let key = PrivateKeyDer::from_pem_file(certificates.path("key.pem")).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![leaf], key)
        .expect("a configuration");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    (port, certificates)
}

#[tokio::test]
async fn verify_sends_no_message_and_no_secret() {
    let gateway = Gateway::start(ok).await;
    let more = "headers = { X-Key = 's3cret' }\nbody = { json = { text = '{{ text }}' } }";
    let line = provider(gateway.port, more).verify().await.expect("an answer");
    assert_eq!(line, format!("http://127.0.0.1:{} answers (status 200)", gateway.port));
    let seen = &gateway.seen()[0];
    assert_eq!((seen.method.as_str(), seen.target.as_str(), seen.body.as_str()), ("HEAD", "/", ""));
    assert_eq!(seen.header("x-key"), None);
}

#[tokio::test]
async fn a_mail_may_go_through_a_gateway_too() {
    let gateway = Gateway::start(ok).await;
    let more = "body = { json = { to = '{{ to }}', subject = '{{ subject }}', text = '{{ text }}' } }";
    let outgoing = mail("kim@example.com");
    provider(gateway.port, more).send(&outgoing).await.expect("accepted");
    assert_eq!(gateway.seen()[0].json()["subject"], "Your Acme Bank transaction code");
}

#[tokio::test]
async fn a_gateway_with_words_of_its_own_is_asked_for_no_other_purpose() {
    let gateway = Gateway::start(ok).await;
    let provider = provider(gateway.port, "not_for = ['transaction']");
    let mut outgoing = sms(TO);
    assert_eq!(outgoing.purpose, Purpose::Transaction);
    assert_failure(provider.send(&outgoing).await, ErrorClass::Configuration, Fault::Us, false);
    assert!(gateway.seen().is_empty());
    outgoing.purpose = Purpose::Recovery;
    provider.send(&outgoing).await.expect("accepted");
}

#[tokio::test]
async fn an_answer_in_xml_is_read_by_the_same_pointers() {
    let gateway = Gateway::start(|| "<R><Id>x.1</Id><Code>0</Code></R>".into_response()).await;
    let more = "answer = 'xml'\nmessage_id = { pointer = '/R/Id' }\nsuccess = { json = [{ pointer = '/R/Code', equals = 0 }] }";
    let accepted = provider(gateway.port, more).send(&sms(TO)).await.expect("accepted");
    assert_eq!(accepted.message_id.as_deref(), Some("x.1"));
}

#[tokio::test]
async fn verify_names_the_preset_and_says_whether_receipts_come() {
    let gateway = Gateway::start(ok).await;
    let folder = tempfile::tempdir().expect("a folder");
    let token = folder.path().join("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef").expect("written");
    let receipt = "receipt = { id = '/id', state = '/s', states = [{ state = 'ok', means = 'delivered' }] }";
    let with = format!(
        "preset = 'x'\n{receipt}\nsecrets = {{ receipt_token = {{ file = '{}' }} }}",
        token.display()
    );
    for (more, end) in [
        ("preset = 'x'", "(status 200), preset x"),
        (receipt, "(status 200), receipts off (no secrets.receipt_token)"),
        (&with, "(status 200), preset x, receipts on"),
    ] {
        let line = provider(gateway.port, more).verify().await.expect("an answer");
        assert!(line.ends_with(end) && !line.contains("0123456789abcdef"), "{line}");
    }
}
