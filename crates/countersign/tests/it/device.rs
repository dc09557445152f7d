//! The reference client answers pushes, and the command line looks after factors, against the real binary.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::factors::{later, oathtool, printed};
use crate::harness::{Server, said};

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

/// The link of a fresh push factor.
async fn link(server: &Server, subject: &str) -> String {
    let made = server.told(&["factors", "enroll", subject, "--type", "push"]).await;
    text(&made, "/enrollment/url").to_owned()
}

/// A challenge to a device, with or without a payment.
async fn begin(server: &Server, subject: &str, transaction: Option<Value>) -> Value {
    let purpose = if transaction.is_some() { "transaction" } else { "authentication" };
    let body =
        json!({ "subject": subject, "methods": ["push"], "purpose": purpose, "transaction": transaction });
    let begun = server.post("/v1/challenges", body).await;
    assert_eq!(begun.status, 201, "{}", begun.body);
    begun.body
}

fn another(number: &str) -> &'static str {
    if number == "42" { "43" } else { "42" }
}

#[tokio::test]
async fn a_payment_is_approved_by_the_reference_client() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let paid =
        json!({ "amount": 12_500, "currency": "EUR", "payee": "NORD PARTS", "reference": "Invoice 7" });
    for algorithm in ["ed25519", "p256"] {
        let key = directory.path().join(algorithm).display().to_string();
        let link = link(&server, algorithm).await;
        let enrolled =
            server.ran(&["device", "enroll", &link, "--algorithm", algorithm, "--key", &key]).await;
        assert!(said(&enrolled).contains("device watch"), "{}", said(&enrolled));
        assert_eq!(std::fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);

        let begun = begin(&server, algorithm, Some(paid.clone())).await;
        let (id, number) = (text(&begun, "/id"), text(&begun, "/number"));
        let listed = server.ran(&["device", "challenges", "--key", &key]).await;
        assert!(said(&listed).contains("pay EUR 125.00 to NORD PARTS"), "{}", said(&listed));
        assert!(
            !said(&listed).contains(&format!("number {number}")),
            "the number is on the other screen only"
        );
        let wrong = server.ran(&["device", "approve", id, "--number", another(number), "--key", &key]).await;
        assert_eq!(wrong.status.code(), Some(3), "{}", said(&wrong));
        assert!(said(&wrong).contains("look at the number on the other screen"), "{}", said(&wrong));
        let right = server.ran(&["device", "approve", id, "--number", number, "--key", &key]).await;
        assert!(right.status.success(), "{}", said(&right));
        let signed = format!("Signed: \"approve\", with the number {number}; pay EUR 125.00 to NORD PARTS");
        assert!(said(&right).contains(&signed), "{}", said(&right));

        let path = format!("/v1/challenges/{id}/redeem");
        let proof = server.post(&path, json!({ "transaction": paid })).await;
        assert_eq!(
            (proof.status.as_u16(), proof.text("status").as_str()),
            (200, "approved"),
            "{}",
            proof.body
        );
        assert_eq!(proof.text("proof").split('.').count(), 3);
        let late = server.ran(&["device", "deny", id, "--key", &key]).await;
        assert!(said(&late).contains("does not wait for this device"), "{}", said(&late));
    }
}

#[tokio::test]
async fn a_device_tells_where_it_is_woken_when_it_enrols() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let path = |name: &str| directory.path().join(name).display().to_string();
    let token = path("token");
    std::fs::write(&token, "bk3RNwTe3H0:CI2k_HHw\n").unwrap();
    for (name, more, wakes) in [("a", vec![], false), ("b", vec!["--push-token-file", &token], true)] {
        let (link, key) = (link(&server, "anna").await, path(name));
        let words = [&["device", "enroll", &link, "--key", &key][..], &more].concat();
        assert_eq!(server.told(&words).await["push"]["wakes"], wakes);
    }
    std::fs::write(&token, "t".repeat(4097)).unwrap();
    let link = link(&server, "anna").await;
    let refused = server
        .ran(&["device", "enroll", &link, "--key", &path("c"), "--push-token-file", &path("token")])
        .await;
    assert!(said(&refused).contains("push_token"), "{}", said(&refused));
}

#[tokio::test]
async fn a_person_at_the_terminal_is_asked_for_the_number() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let key = directory.path().join("phone").display().to_string();
    let link = link(&server, "anna").await;
    assert!(server.ran(&["device", "enroll", &link, "--key", &key]).await.status.success());
    for (typed, status) in [("yes\nNUMBER\n", "approved"), ("no\n", "denied")] {
        let begun = begin(&server, "anna", None).await;
        let typed = typed.replace("NUMBER", text(&begun, "/number"));
        let mut watch = server.command(&["device", "watch", "--once", "--key", &key]);
        let watched = tokio::task::spawn_blocking(move || {
            let mut child = watch.stdin(Stdio::piped()).spawn().expect("the binary runs");
            child.stdin.take().expect("stdin is piped").write_all(typed.as_bytes()).expect("it reads");
            child.wait_with_output().expect("it ends")
        });
        let watched = watched.await.unwrap();
        assert!(watched.status.success(), "{}", said(&watched));
        assert!(said(&watched).contains("approve signing in"), "{}", said(&watched));
        assert!(
            status != "approved" || said(&watched).contains("A bare yes does not exist"),
            "{}",
            said(&watched)
        );
        let ended = server.get(&format!("/v1/challenges/{}", text(&begun, "/id"))).await;
        assert_eq!(ended.text("status"), status, "{}", ended.body);
    }
}

#[tokio::test]
async fn a_link_is_good_once_and_a_key_is_of_one_factor() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let path = |name: &str| directory.path().join(name).display().to_string();
    let (first, other) = (link(&server, "anna").await, link(&server, "anna").await);
    assert!(server.ran(&["device", "enroll", &first, "--key", &path("a")]).await.status.success());
    let again = server.ran(&["device", "enroll", &first, "--key", &path("a")]).await;
    assert!(again.status.success(), "an answer that was lost is asked for again: {}", said(&again));
    let thief = server.ran(&["device", "enroll", &first, "--key", &path("b")]).await;
    assert!(said(&thief).contains("good once"), "{}", said(&thief));
    assert!(!directory.path().join("b").exists(), "no key is left of a device that is none");
    let taken = server.ran(&["device", "enroll", &other, "--key", &path("a")]).await;
    assert!(said(&taken).contains("name a file of its own with --key"), "{}", said(&taken));
    let forged = other.replace("token=", "token=A");
    let forged = server.ran(&["device", "enroll", &forged, "--key", &path("c")]).await;
    assert!(!forged.status.success(), "{}", said(&forged));
    let nobody = server.ran(&["device", "challenges", "--key", &path("none")]).await;
    assert_eq!(nobody.status.code(), Some(2));
    assert!(said(&nobody).contains("device enroll"), "{}", said(&nobody));
}

#[tokio::test]
async fn factors_are_looked_after_from_the_command_line() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let made = server.told(&["factors", "enroll", "anna", "--type", "totp", "--name", "Phone"]).await;
    let (id, secret) = (text(&made, "/id"), text(&made, "/secret"));
    let code = oathtool("SHA1", "6", "30", secret, later(&server, 1).await);
    assert_eq!(server.told(&["factors", "activate", id, &code]).await["status"], "active");
    let next = oathtool("SHA1", "6", "30", secret, later(&server, 30).await);
    let approved = server.told(&["challenge", "anna", "--code", &next]).await;
    assert_eq!((text(&approved, "/status"), text(&approved, "/approved_by/method")), ("approved", "totp"));
    let replayed = server.ran(&["challenge", "anna", "--code", &next]).await;
    assert_eq!(replayed.status.code(), Some(3), "{}", said(&replayed));

    let token = ["factors", "enroll", "anna", "--type", "hotp", "--confirmed", "--serial", "T-1"];
    let made = server.told(&token).await;
    let (token, secret) = (text(&made, "/id"), text(&made, "/secret"));
    let pressed = |counter: &str| printed("oathtool", &["--hotp", "--base32", "--counter", counter, secret]);
    let set = server.told(&["factors", "resync", token, &pressed("50"), &pressed("51")]).await;
    assert_eq!(set["parameters"]["counter"], 52);

    let made = server.told(&["factors", "enroll", "anna", "--type", "backup-codes"]).await;
    let (list, old) = (text(&made, "/id"), text(&made, "/codes/0"));
    let anew = server.told(&["factors", "regenerate", list]).await;
    assert_ne!(text(&anew, "/codes/0"), old);
    assert_eq!(server.ran(&["challenge", "anna", "--code", old]).await.status.code(), Some(3));
    assert!(server.ran(&["challenge", "anna", "--code", text(&anew, "/codes/1")]).await.status.success());
    let listed = said(&server.ran(&["factors", "list", "anna"]).await);
    assert!(listed.contains("Phone") && listed.contains("T-1"), "{listed}");
    // The key of `dev` has not the scope to do this without the person.
    let unproven = server.ran(&["factors", "remove", list]).await;
    assert!(said(&unproven).contains("a challenge that another factor approved"), "{}", said(&unproven));
    let remove = async |factor: &str, code: &str| {
        let approved = server.told(&["challenge", "anna", "--code", code]).await;
        server.ran(&["factors", "remove", factor, "--challenge", text(&approved, "/id")]).await
    };
    let by_newer = remove(token, text(&anew, "/codes/2")).await;
    assert!(!by_newer.status.success(), "{}", said(&by_newer));
    let by_older = remove(list, &pressed("52")).await;
    assert!(by_older.status.success() && said(&by_older).contains("removed"), "{}", said(&by_older));
    let unlocked = server.ran(&["factors", "unlock", token]).await;
    assert!(said(&unlocked).contains("use a key that may do this"), "{}", said(&unlocked));
}
