//! The SMTP provider.

use std::time::Duration;

use countersign_delivery::provider::{ErrorClass, Fault, Provider, ProviderError};
use countersign_delivery::smtp::{SmtpConfig, SmtpProvider};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::outgoing::{CODE, mail, mail_from_brand};
use crate::relay::{Certificates, Relay};

/// A provider for that relay; later keys win over earlier ones.
fn provider(relay: &Relay, more: &[(&str, toml::Value)]) -> SmtpProvider {
    let password = relay.certificates.path("password");
    std::fs::write(&password, "s3cret\n").expect("written");
    let mut table = toml::Table::from_iter([
        ("host".to_owned(), "localhost".into()),
        ("port".to_owned(), i64::from(relay.port).into()),
        ("ca_file".to_owned(), relay.certificates.path("ca.pem").into()),
        ("username".to_owned(), "otp".into()),
        ("password".to_owned(), toml::Table::from_iter([("file".to_owned(), password.into())]).into()),
        ("from".to_owned(), "Countersign <no-reply@acme.example>".into()),
    ]);
    table.extend(more.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    let config: SmtpConfig = table.try_into().expect("a configuration");
    SmtpProvider::new("mail", &config).expect("a provider")
}

fn clear(port: u16) -> SmtpProvider {
    let text =
        format!("host = '127.0.0.1'\nport = {port}\nsecurity = 'none'\nfrom = 'no-reply@acme.example'");
    SmtpProvider::new("mail", &toml::from_str(&text).expect("a configuration")).expect("a provider")
}

fn header<'a>(message: &'a Value, name: &str) -> Vec<&'a str> {
    let headers = message["headers"].as_array().expect("headers");
    headers.iter().filter(|pair| pair[0] == name).filter_map(|pair| pair[1].as_str()).collect()
}

fn assert_failure(
    result: Result<impl std::fmt::Debug, ProviderError>,
    class: ErrorClass,
    fault: Fault,
    retry: bool,
) {
    let error = result.expect_err("a failure");
    assert_eq!((error.class, error.fault, error.retry), (class, fault, retry), "{error}");
    assert!(!error.detail.contains(CODE) && !error.detail.contains('@'), "{error}");
}

#[tokio::test]
async fn a_mail_arrives_with_both_parts_and_its_headers() {
    let mut relay = Relay::start("starttls").await;
    let outgoing = mail("kim@example.com");
    let accepted = provider(&relay, &[]).send(&outgoing).await.expect("accepted");
    let message = relay.next().await;

    assert_eq!((&message["tls"], &message["user"]), (&true.into(), &"otp".into()));
    assert_eq!(message["from"], "no-reply@acme.example");
    assert_eq!(message["to"], serde_json::json!(["kim@example.com"]));
    assert_eq!(message["hello"], "acme.example");
    assert_eq!(header(&message, "From"), ["Acme Bank <no-reply@acme.example>"]);
    assert_eq!(header(&message, "To"), ["kim@example.com"]);
    assert_eq!(header(&message, "Subject"), ["Your Acme Bank transaction code"]);
    assert_eq!(header(&message, "Auto-Submitted"), ["auto-generated"]);
    assert_eq!(header(&message, "Message-ID"), ["<dlv_01m83n1fqkeat9ryjx42vfks43@acme.example>"]);
    assert_eq!(accepted.message_id.as_deref(), Some("dlv_01m83n1fqkeat9ryjx42vfks43@acme.example"));
    assert_eq!(header(&message, "Date").len(), 1);
    assert_eq!(message["defects"], serde_json::json!([]));

    assert_eq!(message["type"], "multipart/alternative");
    let parts = message["parts"].as_array().expect("parts");
    assert_eq!(parts[0][0], "text/plain");
    assert_eq!(parts[0][1].as_str().map(str::trim_end), Some(outgoing.message.text.as_str()));
    assert_eq!(parts[1][0], "text/html");
    let html = parts[1][1].as_str().expect("text");
    assert!(html.contains(&format!("<bdi dir=\"ltr\"><strong>{CODE}</strong></bdi>")), "{html}");
    assert_eq!(parts.len(), 2);
}

#[tokio::test]
async fn implicit_tls_and_the_login_mechanism_work_too() {
    for (mode, security) in [("tls", "tls"), ("login", "starttls")] {
        let mut relay = Relay::start(mode).await;
        provider(&relay, &[("security", security.into())]).send(&mail("kim@example.com")).await.expect(mode);
        let message = relay.next().await;
        assert_eq!((&message["tls"], &message["user"]), (&true.into(), &"otp".into()), "{mode}");
    }
}

#[tokio::test]
async fn an_international_address_needs_a_relay_that_takes_it() {
    let mut relay = Relay::start("tls").await;
    let outgoing = mail("зоя@example.com");
    provider(&relay, &[("security", "tls".into())]).send(&outgoing).await.expect("accepted");
    assert_eq!(relay.next().await["to"], serde_json::json!(["зоя@example.com"]));

    let relay = Relay::start("starttls").await;
    let result = provider(&relay, &[]).send(&outgoing).await;
    assert_failure(result, ErrorClass::MessageRejected, Fault::Provider, false);
}

#[tokio::test]
async fn hostile_names_make_no_header_no_recipient_and_no_second_mail() {
    let mut relay = Relay::start("starttls").await;
    let provider = provider(&relay, &[]);
    let hostile = [
        "Acme\r\nBcc: everyone@evil.example",
        "Acme\n\nbody",
        "\"<evil@evil.example>\" Acme",
        "Acme\r\n.\r\nMAIL FROM:<evil@evil.example>\r\n",
        "Acme\u{2028}X: y\0\u{1b}[2J\u{202e}",
        "=?utf-8?q?Acme=0D=0ABcc:_x@evil.example?=",
        "Ácme, \\\"(comment)\" <x>;",
    ];
    provider.send(&mail("kim@example.com")).await.expect("accepted");
    let expected = header_names(&relay.next().await);
    for name in hostile {
        provider.send(&mail_from_brand("kim@example.com", name, name)).await.expect("accepted");
        let message = relay.next().await;
        assert_eq!(header_names(&message), expected, "{name:?}");
        assert_eq!(message["to"], serde_json::json!(["kim@example.com"]));
        assert_eq!(message["defects"], serde_json::json!([]), "{name:?}");
        assert!(header(&message, "From")[0].ends_with("<no-reply@acme.example>"), "{message}");
        assert_eq!(message["parts"].as_array().map(Vec::len), Some(2));
    }
}

fn header_names(message: &Value) -> Vec<String> {
    let headers = message["headers"].as_array().expect("headers");
    headers.iter().map(|pair| pair[0].to_string()).collect()
}

#[tokio::test]
async fn a_recipient_that_is_no_address_never_reaches_the_relay() {
    let provider = clear(1);
    for to in [
        "",
        "kim",
        "kim@example.com\r\nRCPT TO:<x@evil.example>",
        "a@b.example, c@d.example",
        "<a@b.example>",
    ] {
        assert_failure(
            provider.send(&mail(to)).await,
            ErrorClass::RecipientRejected,
            Fault::Recipient,
            false,
        );
    }
}

#[tokio::test]
async fn refusals_say_whose_fault_they_are_and_leave_the_connection_usable() {
    let mut relay = Relay::start("starttls").await;
    let provider = provider(&relay, &[]);
    let cases = [
        ("nobody@example.com", ErrorClass::RecipientRejected, Fault::Recipient, false),
        ("grey@example.com", ErrorClass::Unavailable, Fault::Recipient, true),
        ("policy@example.com", ErrorClass::Configuration, Fault::Us, false),
        ("spam@example.com", ErrorClass::MessageRejected, Fault::Provider, false),
    ];
    for (to, class, fault, retry) in cases {
        assert_failure(provider.send(&mail(to)).await, class, fault, retry);
    }
    provider.send(&mail("kim@example.com")).await.expect("accepted");
    assert_eq!(relay.next().await["connection"], 1);
}

#[tokio::test]
async fn one_connection_carries_many_mails() {
    let mut relay = Relay::start("starttls").await;
    let provider = provider(&relay, &[]);
    for _ in 0..20 {
        provider.send(&mail("kim@example.com")).await.expect("accepted");
        assert_eq!(relay.next().await["connection"], 1);
    }
}

#[tokio::test]
async fn parallel_mails_share_a_bounded_number_of_connections() {
    let mut relay = Relay::start("starttls").await;
    let provider = std::sync::Arc::new(provider(&relay, &[("max_connections", 3.into())]));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let provider = provider.clone();
        tasks.spawn(async move { provider.send(&mail("kim@example.com")).await.map(|_| ()) });
    }
    for result in tasks.join_all().await {
        result.expect("accepted");
        assert!(relay.next().await["connection"].as_u64() <= Some(3));
    }
}

#[tokio::test]
async fn a_connection_the_relay_has_closed_is_replaced_without_a_failure() {
    let mut relay = Relay::start("starttls").await;
    let provider = provider(&relay, &[]);
    for connection in 1..=3 {
        provider.send(&mail("goodbye@example.com")).await.expect("accepted");
        assert_eq!(relay.next().await["connection"], connection);
    }
}

#[tokio::test]
async fn a_relay_that_hangs_up_after_the_final_dot_may_have_taken_the_mail() {
    let mut relay = Relay::start("starttls").await;
    let result = provider(&relay, &[]).send(&mail("drop@example.com")).await;
    assert_failure(result.clone(), ErrorClass::ConnectionLost, Fault::Provider, true);
    assert!(result.expect_err("a failure").detail.contains("may have taken it"));
    assert_eq!(relay.next().await["to"], serde_json::json!(["drop@example.com"]));
}

#[tokio::test]
async fn the_deadline_ends_a_silent_exchange() {
    let relay = Relay::start("starttls").await;
    let mut outgoing = mail("hang@example.com");
    outgoing.deadline = Duration::from_millis(700);
    let result = provider(&relay, &[]).send(&outgoing).await;
    assert_failure(result, ErrorClass::Timeout, Fault::Provider, true);
}

#[tokio::test]
async fn the_deadline_covers_a_relay_that_never_greets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut outgoing = mail("kim@example.com");
    outgoing.deadline = Duration::from_millis(200);
    let result = clear(listener.local_addr().expect("an address").port()).send(&outgoing).await;
    assert_failure(result, ErrorClass::Timeout, Fault::Provider, true);
}

#[tokio::test]
async fn a_wrong_password_is_our_fault_and_not_tried_again() {
    let relay = Relay::start("starttls").await;
    let wrong = relay.certificates.path("wrong");
    std::fs::write(&wrong, "hunter2").expect("written");
    let source = toml::Table::from_iter([("file".to_owned(), wrong.into())]);
    let provider = provider(&relay, &[("password", source.into())]);
    assert_failure(
        provider.send(&mail("kim@example.com")).await,
        ErrorClass::Authentication,
        Fault::Us,
        false,
    );
    assert_failure(provider.verify().await, ErrorClass::Authentication, Fault::Us, false);
}

#[tokio::test]
async fn verify_signs_in_and_says_so() {
    let relay = Relay::start("starttls").await;
    let line = provider(&relay, &[]).verify().await.expect("a good account");
    assert_eq!(line, format!("connected to localhost:{}, STARTTLS, signed in", relay.port));
}

#[tokio::test]
async fn a_certificate_of_another_authority_is_refused() {
    let relay = Relay::start("starttls").await;
    let other = Certificates::new();
    let provider = provider(&relay, &[("ca_file", other.path("ca.pem").into())]);
    assert_failure(provider.send(&mail("kim@example.com")).await, ErrorClass::Tls, Fault::Provider, true);
}

#[tokio::test]
async fn a_relay_without_starttls_gets_neither_password_nor_mail() {
    let relay = Relay::start("clear").await;
    assert_failure(
        provider(&relay, &[]).send(&mail("kim@example.com")).await,
        ErrorClass::Tls,
        Fault::Provider,
        true,
    );
}

#[tokio::test]
async fn clear_text_on_this_machine_needs_no_password() {
    let mut relay = Relay::start("clear").await;
    clear(relay.port).send(&mail("kim@example.com")).await.expect("accepted");
    assert_eq!(relay.next().await["tls"], false);
}

/// A relay that says its part whatever it hears, then hangs up.
async fn scripted(lines: &'static [&'static str]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut heard = [0; 4096];
            for line in lines {
                let _ = stream.write_all(line.as_bytes()).await;
                let _ = stream.read(&mut heard).await;
            }
        }
    });
    port
}

fn starttls(port: u16) -> SmtpProvider {
    let text = format!("host = 'localhost'\nport = {port}\nfrom = 'no-reply@acme.example'");
    SmtpProvider::new("mail", &toml::from_str(&text).expect("a configuration")).expect("a provider")
}

#[tokio::test]
async fn answers_injected_before_tls_are_refused() {
    let port = scripted(&["220 hi\r\n", "250-hi\r\n250 STARTTLS\r\n", "220 go\r\n250 injected\r\n"]).await;
    let result = starttls(port).send(&mail("kim@example.com")).await;
    assert!(result.clone().expect_err("a refusal").detail.contains("in clear"), "{result:?}");
    assert_failure(result, ErrorClass::Tls, Fault::Provider, true);
}

#[tokio::test]
async fn a_peer_that_is_no_relay_is_told_apart_from_one_that_is_away() {
    let long: &str = Box::leak("220-x\r\n".repeat(5000).into_boxed_str());
    let cases: [(&'static [&'static str], ErrorClass); 5] = [
        (&["HTTP/1.1 400 Bad Request\r\n\r\n"], ErrorClass::Protocol),
        (&["554 no service here\r\n"], ErrorClass::Unavailable),
        (&["220 hi\r\n"], ErrorClass::ConnectionLost),
        (&["220 h\u{ff}\r\n"], ErrorClass::Protocol),
        (Box::leak(Box::new([long])), ErrorClass::Protocol),
    ];
    for (lines, class) in cases {
        let port = scripted(lines).await;
        assert_eq!(
            starttls(port).send(&mail("kim@example.com")).await.expect_err("a failure").class,
            class,
            "{lines:.60?}"
        );
    }
    let closed =
        TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("an address").port();
    assert_failure(
        starttls(closed).send(&mail("kim@example.com")).await,
        ErrorClass::Unreachable,
        Fault::Provider,
        true,
    );
}

#[tokio::test]
async fn a_lost_connection_in_the_middle_of_a_mail_is_reported_once() {
    let port = scripted(&["220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n"]).await;
    let result = clear(port).send(&mail("kim@example.com")).await;
    assert_failure(result, ErrorClass::ConnectionLost, Fault::Provider, true);
}
