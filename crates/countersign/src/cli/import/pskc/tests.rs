use super::super::token::Token;
use super::super::{MAX_TOKENS, read as read_tokens, validate};
use super::*;

/// The shared key of figure 6.
const KEY: [u8; 16] =
    [0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56, 0x78, 0x90, 0x12];
const FIGURE_6: &str = include_str!("rfc6030/figure6.xml");
const FIGURE_7: &str = include_str!("rfc6030/figure7.xml");
/// `12345678901234567890`
const SECRET: &str = "3132333435363738393031323334353637383930";

struct Written {
    _directory: tempfile::TempDir,
    file: PskcFile,
}

fn written(text: impl AsRef<[u8]>) -> Written {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("tokens.xml");
    std::fs::write(&path, text).unwrap();
    Written { _directory: directory, file: PskcFile { path, given: Given::default() } }
}

impl Written {
    fn key(mut self, key: &[u8]) -> Self {
        self.file.given.key = Some(Zeroizing::new(key.to_vec()));
        self
    }

    fn passphrase(mut self, passphrase: &str) -> Self {
        self.file.given.passphrase = Some(Zeroizing::new(passphrase.to_owned()));
        self
    }

    /// Each entry; those without a UserId are for `anna`.
    fn read(&self) -> Vec<Entry<Token>> {
        let entries = self.file.entries().unwrap();
        let mine = |mut fields: Fields| {
            fields.external_id.get_or_insert_with(|| "anna".to_owned());
            let line = fields.line;
            Token::read(fields).map_or_else(|why| Entry::Wrong { line, why }, Entry::Token)
        };
        let of = |entry| match entry {
            Entry::Token(fields) => mine(fields),
            Entry::LeftOut(what) => Entry::LeftOut(what),
            Entry::Wrong { line, why } => Entry::Wrong { line, why },
            Entry::Broken { line, why } => Entry::Broken { line, why },
        };
        entries.map(of).collect()
    }

    fn body(&self) -> serde_json::Value {
        match self.read().remove(0) {
            Entry::Token(token) => token.body(),
            other => panic!("{other:?}"),
        }
    }

    fn why(&self) -> String {
        match self.read().pop() {
            Some(Entry::Wrong { line, why }) => format!("{line}: {}", why.join("; ")),
            Some(Entry::Broken { line, why }) => format!("{line}! {why}"),
            other => panic!("{other:?}"),
        }
    }
}

/// A container with one package whose key has this profile and this content.
fn package(profile: &str, content: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?>\n<KeyContainer Version=\"1.0\" xmlns=\"urn:ietf:params:xml:ns:keyprov:pskc\">\n\
         <KeyPackage><DeviceInfo><SerialNo>7</SerialNo></DeviceInfo>\
         <Key Id=\"1\" Algorithm=\"urn:ietf:params:xml:ns:keyprov:pskc:{profile}\">{content}</Key></KeyPackage>\n\
         </KeyContainer>"
    )
}

const PARAMETERS: &str =
    "<AlgorithmParameters><ResponseFormat Length=\"6\" Encoding=\"DECIMAL\"/></AlgorithmParameters>";
const PLAIN: &str = "<Data><Secret><PlainValue>MTIzNDU2Nzg5MDEyMzQ1Njc4OTA=</PlainValue></Secret></Data>";

#[test]
fn the_plain_examples_of_rfc_6030() {
    let basic = written(include_str!("rfc6030/figure2.xml")).why();
    assert!(basic.starts_with("5: the length of its codes is missing"), "{basic}");
    let full = written(include_str!("rfc6030/figure3.xml"));
    let Entry::Token(token) = full.read().remove(0) else { panic!("no token") };
    assert_eq!(token.external_id, "UID=jsmith,DC=example-bank,DC=net");
    let body = token.body();
    assert_eq!((&body["type"], &body["digits"], &body["counter"]), (&"hotp".into(), &8.into(), &0.into()));
    assert_eq!((&body["secret"], &body["serial"]), (&SECRET.into(), &"987654321".into()));
    let referred = written(include_str!("rfc6030/figure4.xml")).why();
    assert_eq!(referred, "5: the file only refers to its secret, and does not hold it");
}

#[test]
fn a_pin_that_the_device_asks_for_stays_out() {
    let entries = written(include_str!("rfc6030/figure5.xml")).read();
    assert!(matches!(entries[..], [Entry::Token(_), Entry::LeftOut("PINs of devices")]), "{entries:?}");
}

#[test]
fn the_example_with_a_shared_key() {
    assert_eq!(written(FIGURE_6).key(&KEY).body()["secret"], SECRET);
    assert!(
        written(FIGURE_6).why().contains("a shared key \"Pre-shared-key\"; give it with --shared-key-file")
    );
    let mut other = KEY;
    other[0] ^= 1;
    let why = written(FIGURE_6).key(&other).why();
    assert!(why.contains("another one"), "{why}");
    assert!(written(FIGURE_6).key(&[1; 32]).why().contains("has 32 bytes, but the encryption takes 16"));
}

#[test]
fn the_example_with_a_passphrase() {
    assert_eq!(written(FIGURE_7).passphrase("qwerty").body()["secret"], SECRET);
    let why = written(FIGURE_7).why();
    assert!(why.contains("a passphrase \"My Password 1\"; give it with --passphrase-env"), "{why}");
    assert!(written(FIGURE_7).passphrase("querty").why().contains("another one"));
}

#[test]
fn the_example_for_a_certificate_is_not_read() {
    let why = written(include_str!("rfc6030/figure8.xml")).why();
    assert!(why.starts_with("8! it is encrypted for the holder of a certificate"), "{why}");
}

#[test]
fn the_example_of_many_devices_has_the_same_one_twice() {
    let many = written(include_str!("rfc6030/figure10.xml"));
    let lines: Vec<_> = many
        .read()
        .iter()
        .map(|entry| match entry {
            Entry::Token(token) => token.line,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(lines, [4, 31, 58, 85]);
    assert!(read_tokens(&many.file, None).unwrap().all(|entry| matches!(entry, Entry::Wrong { .. })));
    let problem = validate::run(&many.file, None, MAX_TOKENS).unwrap_err();
    assert!(problem.why.contains("line 31: external_id is missing"), "{}", problem.why);
}

#[test]
fn a_value_that_somebody_changed_is_not_decrypted() {
    let changed = FIGURE_6.replace("AAECAwQFBgcICQoLDA0OD+cI", "AAECAwQFBgcICQoLDA0OD+cJ");
    assert!(written(changed).key(&KEY).why().contains("its ValueMAC is wrong"));
    let mac = FIGURE_6.replace("Su+NvtQfmvfJzF6bmQiJqoLRExc=", "Su+NvtQfmvfJzF6bmQiJqoLREAA=");
    assert!(written(mac).key(&KEY).why().contains("its ValueMAC is wrong"));
    let bare = FIGURE_6.replace("ValueMAC", "Extension");
    assert!(written(bare).key(&KEY).why().contains("without its ValueMAC"));
    let start = FIGURE_6.find("    <MACMethod").unwrap();
    let end = FIGURE_6.find("    <KeyPackage").unwrap();
    let without = format!("{}{}", &FIGURE_6[..start], &FIGURE_6[end..]);
    assert!(written(without).key(&KEY).why().contains("without a MAC method"));
    let unknown = FIGURE_6.replace("aes128-cbc", "tripledes-cbc");
    assert!(written(unknown).key(&KEY).why().contains("AES in CBC mode is read"));
}

#[test]
fn pbkdf2_is_bounded() {
    let with = |from: &str, to: &str| written(FIGURE_7.replace(from, to)).passphrase("qwerty").why();
    for rounds in ["0", "10000001", "-1", "many"] {
        assert!(with("1000</It", &format!("{rounds}</It")).contains("rounds of PBKDF2"), "{rounds}");
    }
    for length in ["15", "17", "0", "64"] {
        assert!(with("16</KeyLength", &format!("{length}</KeyLength")).contains("key length"), "{length}");
    }
    assert!(with("<PRF/>", "<PRF Algorithm=\"urn:md5\"/>").contains("function"));
    assert!(with("#pbkdf2", "#scrypt").contains("PBKDF2 is read"));
    assert!(with("Ej7/PEpyEpw=", "?").contains("not Base64"));
    let salt = |bytes: usize| with("Ej7/PEpyEpw=", &data_encoding::BASE64.encode(&vec![1; bytes]));
    // Read as far as the salt goes; another key then opens nothing.
    assert_eq!(
        [1023, 1024, 1025].map(|bytes| salt(bytes).contains("the salt of PBKDF2 has")),
        [false, false, true]
    );
}

#[test]
fn time_and_suites_are_read() {
    let totp = package(
        "totp",
        "<AlgorithmParameters><Suite>HMAC-SHA256</Suite><ResponseFormat Length=\"8\" Encoding=\"DECIMAL\"/>\
         </AlgorithmParameters><FriendlyName>Nord &amp; S&#252;d</FriendlyName><Data><Secret><PlainValue><![CDATA[MTIzNDU2]]>\
         Nzg5MDEyMzQ1<!-- a comment -->Njc4OTA=</PlainValue></Secret><Time><PlainValue>0</PlainValue></Time>\
         <TimeInterval><PlainValue>60</PlainValue></TimeInterval></Data>",
    );
    let body = written(totp).body();
    assert_eq!(
        (&body["algorithm"], &body["digits"], &body["period"]),
        (&"SHA256".into(), &8.into(), &60.into())
    );
    assert_eq!((&body["name"], &body["secret"]), (&"Nord & Süd".into(), &SECRET.into()));
    let ocra = "OCRA-1:HOTP-SHA1-6:C-QN08";
    for text in [
        package(ocra, PLAIN),
        package(
            "OCRA-1",
            &format!("<AlgorithmParameters><Suite>{ocra}</Suite></AlgorithmParameters>{PLAIN}"),
        ),
    ] {
        assert_eq!(written(text).body()["suite"], ocra);
    }
}

#[test]
fn a_policy_that_is_not_kept_is_refused() {
    for (policy, why) in [
        ("<KeyUsage>Encrypt</KeyUsage>", "its policy allows \"Encrypt\""),
        ("<PINPolicy PINUsageMode=\"Prepend\"/>", "a PIN in them"),
        ("<NumberOfTransactions>5</NumberOfTransactions>", "counts the uses"),
    ] {
        let text = package("hotp", &format!("{PARAMETERS}{PLAIN}<Policy>{policy}</Policy>"));
        assert!(written(text).why().contains(why), "{policy}");
    }
    let fine = package("hotp", &format!("{PARAMETERS}{PLAIN}<Policy><KeyUsage>OTP</KeyUsage></Policy>"));
    assert_eq!(written(fine).body()["type"], "hotp");
    let letters = PARAMETERS.replace("DECIMAL", "ALPHANUMERIC");
    assert!(written(package("hotp", &format!("{letters}{PLAIN}"))).why().contains("decimal ones are taken"));
    assert!(written(package("securid", PLAIN)).why().contains("is unknown; hotp, totp and OCRA-1"));
}

#[test]
fn document_types_and_entities_are_refused() {
    let laughs = FIGURE_6.replacen(
        "<KeyContainer",
        "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]>\n<KeyContainer",
        1,
    );
    assert!(written(laughs).key(&KEY).why().contains("a document type stands there"));
    let entity = package("hotp", &format!("{PARAMETERS}{PLAIN}<Issuer>&file;</Issuer>"));
    assert!(written(entity).why().contains("an entity other than the five"));
}

#[test]
fn what_is_no_pskc_of_rfc_6030_is_told() {
    let draft = package("hotp", PLAIN).replace("keyprov:pskc\"", "keyprov:pskc:1.0\"");
    for (text, why) in [
        (String::new(), "holds no XML"),
        ("serial,secret\n1,2\n".to_owned(), "does not begin as XML does"),
        ("<a/>".to_owned(), "does not begin as XML does"),
        ("<html>".to_owned(), "the root is not KeyContainer"),
        (draft, "the root is not KeyContainer of urn:ietf:params:xml:ns:keyprov:pskc"),
        (package("hotp", PLAIN).replace("Version=\"1.0\" xmlns", "Version=\"2.0\" xmlns"), "1.0 is read"),
        (
            package("hotp", PLAIN)
                .replace("?xml version=\"1.0\"", "?xml version=\"1.0\" encoding=\"UTF-16\""),
            "only UTF-8",
        ),
        (package("hotp", PLAIN).replace("</Key>", ""), "not XML"),
        (package("hotp", PLAIN).replace("</KeyContainer>", ""), "ends in the middle"),
        (format!("{}<more/>", package("hotp", &format!("{PARAMETERS}{PLAIN}"))), "behind the end"),
        (package("hotp", PLAIN).replace("KeyPackage>", "Package>"), "does not belong here"),
    ] {
        assert!(written(&text).why().contains(why), "{why}: {}", written(&text).why());
    }
    let mut bytes = package("hotp", PLAIN).into_bytes();
    bytes.push(0xff);
    assert!(!written(bytes).why().is_empty());
}

#[test]
fn a_signature_is_left_out_and_said_so() {
    let signed = package("hotp", &format!("{PARAMETERS}{PLAIN}")).replace(
        "</KeyContainer>",
        "<ds:Signature xmlns:ds=\"d\"><ds:SignedInfo/></ds:Signature></KeyContainer>",
    );
    let entries = written(signed).read();
    assert!(
        matches!(entries[..], [Entry::Token(_), Entry::LeftOut(what)] if what.contains("signature")),
        "{entries:?}"
    );
}

#[test]
fn a_package_may_be_as_long_as_the_limit_says() {
    let limit = usize::try_from(LIMITS.record_bytes).unwrap();
    for (bytes, fits) in [(limit - 1, true), (limit, true), (limit + 1, false)] {
        let content =
            |filler: &str| package("hotp", &format!("{PARAMETERS}{PLAIN}<Issuer>{filler}</Issuer>"));
        let shell = content("");
        // What is counted reaches from behind the start of the container to the end of the package.
        let start = shell.find("pskc\">").unwrap() + "pskc\">".len();
        let end = shell.find("</KeyPackage>").unwrap() + "</KeyPackage>".len();
        let file = written(content(&"x".repeat(bytes - (end - start))));
        assert_eq!(matches!(file.read()[0], Entry::Token(_)), fits, "{bytes}");
        assert!(fits || file.why().contains("longer than 65536 bytes"));
    }
    let endless =
        format!("{}{}", package("hotp", "").split_once("</Key>").unwrap().0, "<a>".repeat(1_000_000));
    assert!(written(endless).why().contains("nested too deeply"));
    let endless = package("hotp", &format!("<Issuer a=\"{}\"/>", "x".repeat(8 * limit)));
    assert!(written(endless).why().contains("longer than 65536 bytes"));
}

#[test]
fn the_shared_key_comes_from_a_file_of_its_owner() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("key");
    for (text, good) in
        [("12345678901234567890123456789012\n", true), ("1234 5678", false), ("no key", false)]
    {
        crate::files::write_private(&path, text, 0o400).unwrap();
        assert_eq!(shared_key(&path).is_ok(), good, "{text}");
    }
    assert!(passphrase("COUNTERSIGN_NO_SUCH_VARIABLE").unwrap_err().why.contains("is not set"));
}
