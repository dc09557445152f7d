//! Tokens that are enrolled elsewhere come in by file: all or none, and never twice.

use std::path::Path;

use serde_json::Value;

use crate::factors::{printed, python};
use crate::harness::{Server, said};

/// `12345678901234567890`, as every RFC has it.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn written(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// So many HOTP tokens, each of a person of its own.
fn tokens(count: usize) -> String {
    let lines = (0..count).map(|n| format!("user-{n},hotp,{SECRET},serial-{n}\n"));
    std::iter::once("external_id,type,secret,serial\n".to_owned()).chain(lines).collect()
}

/// How many factors a person has; `None` for somebody unknown.
async fn factors_of(server: &Server, person: &str) -> Option<usize> {
    let found = server.get(&format!("/v1/subjects/ext:{person}")).await;
    (found.status == 200).then(|| found.body["factors"].as_array().map_or(0, Vec::len))
}

#[tokio::test]
async fn a_file_with_a_mistake_imports_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let broken = format!("{}zoe,hotp,short,\n,hotp,{SECRET},x\n", tokens(3));
    let broken = written(directory.path(), "broken.csv", &broken);
    let refused = server.ran(&["import", "csv", &broken]).await;
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    for line in ["line 5: secret is not Base32", "line 6: external_id is missing"] {
        assert!(said(&refused).contains(line), "{}", said(&refused));
    }
    assert_eq!(factors_of(&server, "user-0").await, None);
    let fine = written(directory.path(), "fine.csv", &tokens(3));
    let dry = server.told(&["import", "csv", &fine, "--dry-run"]).await;
    assert_eq!((&dry["tokens"], &dry["types"]["hotp"]), (&3.into(), &3.into()));
    assert_eq!(factors_of(&server, "user-0").await, None);
}

#[tokio::test]
async fn a_second_import_changes_nothing_and_a_corrected_file_adds_what_is_new() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let file = written(directory.path(), "tokens.csv", &tokens(20));
    let first = server.told(&["import", "csv", &file]).await;
    assert_eq!((&first["imported"], &first["there_already"]), (&20.into(), &0.into()));
    let again = server.told(&["import", "csv", &file]).await;
    assert_eq!((&again["imported"], &again["there_already"]), (&0.into(), &20.into()));
    let longer = written(directory.path(), "longer.csv", &tokens(25));
    let more = server.told(&["import", "csv", &longer]).await;
    assert_eq!((&more["imported"], &more["there_already"]), (&5.into(), &20.into()));
    assert_eq!(factors_of(&server, "user-7").await, Some(1));
    let code = printed("oathtool", &["--hotp", "--base32", "--counter", "0", SECRET]);
    let used = server.ran(&["challenge", "user-24", "--code", &code]).await;
    assert!(used.status.success(), "an imported token is usable at once: {}", said(&used));
}

#[tokio::test]
async fn an_import_that_was_cut_off_goes_on() {
    const TOKENS: usize = 400;
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let file = written(directory.path(), "tokens.csv", &tokens(TOKENS));
    let mut import = server.command(&["import", "csv", &file]);
    let importing = tokio::task::spawn_blocking(move || import.output().expect("the binary runs"));
    while factors_of(&server, "user-40").await.is_none() {}
    server.kill();
    let cut = importing.await.unwrap();
    assert_eq!(cut.status.code(), Some(1), "{}", said(&cut));
    let words = said(&cut);
    assert!(
        words.contains(&format!(" of {TOKENS} tokens")) && words.contains("give the same command again"),
        "{words}"
    );

    let server = Server::start(directory.path());
    assert_eq!(factors_of(&server, "user-40").await, Some(1), "what was seen is still there");
    let rest = server.told(&["import", "csv", &file]).await;
    let count = |field: &str| rest[field].as_u64().unwrap();
    assert_eq!(count("imported") + count("there_already"), TOKENS as u64, "{rest}");
    // How many of those before it were in: several go at once.
    assert!(count("there_already") > 0 && count("imported") > 0, "{rest}");
    for n in 0..TOKENS {
        assert_eq!(factors_of(&server, &format!("user-{n}")).await, Some(1), "user-{n}");
    }
}

/// A PSKC file that python-pskc writes: one HOTP and one TOTP token, protected as `protect` says.
fn pskc(path: &str, protect: &str) {
    let program = format!(
        "import sys, pskc\n\
         p = pskc.PSKC()\n\
         for n, kind in enumerate(['hotp', 'totp']):\n    \
             p.add_key(id=str(n), serial='P-%d' % n, manufacturer='Nord', algorithm='urn:ietf:params:xml:ns:keyprov:pskc:' + kind, response_length=6, \
             response_encoding='DECIMAL', secret=b'12345678901234567890', **({{'counter': 3}} if kind == 'hotp' \
             else {{'time_interval': 30, 'time_offset': 0}}))\n\
         {protect}\n\
         p.write(sys.argv[1])"
    );
    python(&program, &[path]);
}

#[tokio::test]
async fn pskc_files_of_another_program_are_read() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let at = |name: &str| directory.path().join(name).display().to_string();
    let key = at("key");
    std::fs::write(&key, "12345678901234567890123456789012\n").unwrap();
    std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o400)).unwrap();
    let shared = "p.encryption.setup_preshared_key(key=bytes.fromhex('12345678901234567890123456789012'), \
                  algorithm='aes128-cbc', fields=['secret', 'counter'])";
    let passphrase = "p.encryption.setup_pbkdf2('correct horse', key_length=32, iterations=2000, \
                      algorithm='aes256-cbc')";
    for (name, protect, with) in [
        ("plain", "", vec![]),
        ("shared", shared, vec!["--shared-key-file", &key]),
        ("passphrase", passphrase, vec!["--passphrase-env", "PSKC_PASSPHRASE"]),
    ] {
        let (file, people) = (at(&format!("{name}.xml")), at(&format!("{name}.csv")));
        pskc(&file, protect);
        std::fs::write(&people, format!("serial,external_id\nP-0,{name}-hotp\nP-1,{name}-totp\n")).unwrap();
        if name == "plain" {
            let read = printed("pskctool", &["--info", "--strict", &file]);
            assert!(read.contains("Key Counter: 3") && read.contains("SerialNo: P-1"), "{read}");
            printed("pskctool", &["--validate", &file]);
        }
        let words = [&["import", "pskc", &file, "--assignments", &people, "--json"], &with[..]].concat();
        let mut import = server.command(&words);
        import.env("PSKC_PASSPHRASE", "correct horse");
        let ran =
            tokio::task::spawn_blocking(move || import.output().expect("the binary runs")).await.unwrap();
        assert!(ran.status.success(), "{name}: {}", said(&ran));
        let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
        assert_eq!(report["imported"], 2, "{name}: {report}");
        let code = printed("oathtool", &["--hotp", "--base32", "--counter", "3", SECRET]);
        let used = server.ran(&["challenge", &format!("{name}-hotp"), "--code", &code]).await;
        assert!(used.status.success(), "{name}: {}", said(&used));
        let found = server.get(&format!("/v1/subjects/ext:{name}-totp")).await;
        assert_eq!(found.body["factors"][0]["serial"], "P-1", "{}", found.body);
    }
}

#[tokio::test]
async fn whose_a_token_is_stands_in_a_list_beside_the_vendors_file() {
    let directory = tempfile::tempdir().unwrap();
    let server = Server::start(directory.path());
    let vendor = written(directory.path(), "vendor.csv", &format!("S1,{SECRET}\nS2,{SECRET}\nS3,{SECRET}\n"));
    let people = written(directory.path(), "people.csv", "serial,external_id\nS1,anna\nS3,ben\n");
    let words = ["import", "csv", &vendor, "--columns", "serial,secret", "--assignments", &people];
    let report = server.told(&words).await;
    assert_eq!(report["imported"], 2, "{report}");
    assert_eq!(report["left_out"]["tokens that nobody is assigned"], 1, "{report}");
    assert_eq!(factors_of(&server, "ben").await, Some(1));
    let lost = written(directory.path(), "lost.csv", "serial,external_id\nS1,anna\nS9,ben\n");
    let words = ["import", "csv", &vendor, "--columns", "serial,secret", "--assignments", &lost];
    let refused = server.ran(&words).await;
    assert!(said(&refused).contains("line 3: S9"), "{}", said(&refused));
}
