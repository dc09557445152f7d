//! A live server whose carriers are the sandbox's: one that is down, one that refuses, one that delivers.

use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::cluster::until;
use crate::harness::Server;

/// `countersign sandbox`; it ends with this value.
struct Sandbox {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    port: u16,
}

impl Sandbox {
    fn start(arguments: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(["--json", "sandbox", "--smpp", "127.0.0.1:0"]).args(arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary starts");
        let lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let mut sandbox = Self { child, lines, port: 0 };
        let address = sandbox.told("listening")["address"].as_str().expect("an address").to_owned();
        sandbox.port = address.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        sandbox
    }

    /// The next event of that kind.
    fn told(&mut self, kind: &str) -> Value {
        loop {
            let line = self.lines.next().expect("it runs").expect("readable output");
            let said: Value = serde_json::from_str(&line).expect("JSON");
            if said["smpp"] == kind {
                return said;
            }
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `init`, and these carriers in that order.
fn configured(directory: &Path, carriers: &[(&str, u16)]) -> String {
    let mut init = Command::new(env!("CARGO_BIN_EXE_countersign"));
    let made = init
        .args(["--json", "init", "--config", "countersign.toml"])
        .current_dir(directory)
        .output()
        .unwrap();
    let made: Value = serde_json::from_slice(&made.stdout).expect("JSON");
    let mut config =
        std::fs::OpenOptions::new().append(true).open(directory.join("countersign.toml")).unwrap();
    for (name, port) in carriers {
        writeln!(
            config,
            "[providers.{name}]\ntype = \"smpp\"\nhost = \"127.0.0.1\"\nport = {port}\nsecurity = \"none\"\n\
             system_id = \"sandbox\"\nresponse_seconds = 2"
        )
        .unwrap();
    }
    let names: Vec<_> = carriers.iter().map(|(name, _)| *name).collect();
    writeln!(config, "[[routes]]\nchannel = \"sms\"\nproviders = {names:?}").unwrap();
    made["api_key"].as_str().expect("a key").to_owned()
}

fn serve(directory: &Path, key: String) -> Server {
    let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
    command
        .args(["serve", "--config", "countersign.toml"])
        .env("COUNTERSIGN_SERVER__LISTEN", "127.0.0.1:0")
        .env("COUNTERSIGN_SERVER__DRAIN_SECONDS", "0")
        .current_dir(directory);
    Server::run(&mut command, Some(key))
}

fn port_of_nobody() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_two_carriers_do_not_take_the_third_delivers() {
    let directory = tempfile::tempdir().unwrap();
    let mut refusing = Sandbox::start(&["--refuse", "100"]);
    let mut good = Sandbox::start(&["--receipt-after", "0"]);
    let carriers = [("down", port_of_nobody()), ("refusing", refusing.port), ("good", good.port)];
    let key = configured(directory.path(), &carriers);
    let server = serve(directory.path(), key);
    let id = server.create("+48600100217").await;
    assert_eq!(refusing.told("message")["fate"], "Refused");
    let message = good.told("message");
    assert_eq!((&message["to"], &message["fate"]), (&json!("48600100217"), &json!("Delivered")));
    let code: String =
        message["text"].as_str().expect("a text").chars().take_while(char::is_ascii_digit).collect();
    // The SMSC may try for as long as the code works, and no longer.
    let validity = message["validity_period"].as_str().expect("a validity");
    assert!(validity.starts_with("00000000") && validity <= "000000001000000R", "{validity}");
    assert_eq!(good.told("receipt")["answer"], "ESME_ROK");
    until("the receipt", async || {
        let shown = server.get(&format!("/v1/verifications/{id}")).await.body;
        (shown["delivery"]["state"] == "delivered").then_some(())
    })
    .await;

    assert_eq!(server.check(&id, &code).await.status, 200);
    let timeline = server.get(&format!("/v1/verifications/{id}/timeline")).await.body.to_string();
    for fact in [
        "unreachable",
        "message_rejected",
        "ESME_RSUBMITFAIL",
        "good",
        "delivery.delivered",
        "verification.approved",
    ] {
        assert!(timeline.contains(fact), "no {fact} in {timeline}");
    }
    assert!(!timeline.contains(&code), "{timeline}");
    assert!(!server.log().contains(&code) && !server.log().contains("600100217"), "{}", server.log());
    // It takes leave of those it is bound to.
    crate::faults::send(&server, rustix::process::Signal::TERM);
    good.told("unbound");
    assert_eq!(server.exit_code(), Some(0));
}

/// Whether the silent carrier took the message nobody knows: the timeline says so, and the person gets the code.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_never_comes_is_told_as_perhaps_taken_and_the_next_carrier_sends() {
    let directory = tempfile::tempdir().unwrap();
    let mut silent = Sandbox::start(&["--hang", "100"]);
    let mut good = Sandbox::start(&[]);
    let key = configured(directory.path(), &[("silent", silent.port), ("good", good.port)]);
    let server = serve(directory.path(), key);
    let id = server.create("+48600100217").await;
    let (first, second) = (silent.told("message"), good.told("message"));
    assert_eq!(first["text"], second["text"], "the same code");
    let timeline = crate::cluster::until("the timeline to tell", async || {
        let told = server.get(&format!("/v1/verifications/{id}/timeline")).await.body.to_string();
        told.contains("timeout").then_some(told)
    });
    let timeline = timeline.await;
    assert!(timeline.contains("it may have taken the message"), "{timeline}");
    assert!(timeline.contains("silent") && timeline.contains("good"), "{timeline}");
}

#[test]
fn doctor_says_of_each_carrier_whether_it_can_be_bound_to() {
    let directory = tempfile::tempdir().unwrap();
    let password = directory.path().join("password");
    std::fs::write(&password, "s3cret\n").unwrap();
    let locked = Sandbox::start(&["--smpp-password-file", password.to_str().unwrap()]);
    let open = Sandbox::start(&[]);
    configured(directory.path(), &[("down", port_of_nobody()), ("locked", locked.port), ("open", open.port)]);
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_countersign"));
    let examined = doctor.args(["doctor", "--config", "countersign.toml"]).current_dir(directory.path());
    let text = String::from_utf8(examined.output().unwrap().stdout).unwrap();
    for line in [
        format!(
            "good      provider open: bound to 127.0.0.1:{}, no encryption, which calls itself SANDBOX, as sandbox",
            open.port
        ),
        "why: authentication: the SMSC refused the bind with ESME_RINVPASWD".to_owned(),
        "why: unreachable: no connection: connection refused".to_owned(),
    ] {
        assert!(text.contains(&line), "no {line:?} in\n{text}");
    }
}

#[test]
fn a_sandbox_of_nothing_or_of_more_than_everything_is_refused() {
    for (arguments, told) in [
        (&[][..], "there is nothing to run"),
        (&["--smpp", "127.0.0.1:0", "--late", "101"], "101 is not in 0..=100"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        let refused = command.arg("sandbox").args(arguments).output().unwrap();
        assert_eq!(refused.status.code(), Some(2));
        let text = String::from_utf8(refused.stderr).unwrap();
        assert!(text.contains(told), "no {told:?} in {text}");
    }
}
