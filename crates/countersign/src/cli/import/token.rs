//! A token as it will be enrolled: what a file says of it, read strictly, before anything is sent.

use aws_lc_rs::digest;
use countersign_core::factor::SecretBytes;
use countersign_core::limits;
use countersign_core::oath::Algorithm;
use countersign_core::oath::ocra::Suite;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

/// Digits of a code when the file says nothing.
const DIGITS: u8 = 6;
/// Seconds of a step when the file says nothing.
const PERIOD: u16 = 30;
/// Characters of a serial number and of a name.
pub(super) const MAX_LABEL: usize = 80;

/// What a file says of one token, in its own words.
#[derive(Default)]
pub(super) struct Fields {
    /// The line it begins on.
    pub(super) line: u64,
    pub(super) external_id: Option<String>,
    pub(super) serial: Option<String>,
    pub(super) name: Option<String>,
    pub(super) kind: Option<String>,
    /// The secret, or why it cannot be read.
    pub(super) secret: Option<Result<Zeroizing<Vec<u8>>, String>>,
    pub(super) algorithm: Option<String>,
    pub(super) digits: Option<String>,
    pub(super) period: Option<String>,
    pub(super) counter: Option<String>,
    pub(super) suite: Option<String>,
    pub(super) pin_hash: Option<String>,
}

/// A token that can be enrolled.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// The line it begins on.
    pub(super) line: u64,
    pub(super) external_id: String,
    pub(super) serial: Option<String>,
    name: Option<String>,
    works: Works,
    secret: SecretBytes,
}

/// What makes its codes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Works {
    Totp { algorithm: Algorithm, digits: u8, period: u16 },
    Hotp { algorithm: Algorithm, digits: u8, counter: u64 },
    Ocra { suite: String, counter: Option<u64>, pin_hash: Option<String> },
}

impl Token {
    /// Reads it, or says all that is wrong.
    pub(super) fn read(fields: Fields) -> Result<Self, Vec<String>> {
        let mut wrong = Vec::new();
        let external_id = external_id(fields.external_id.as_deref(), &mut wrong);
        for (what, label) in [("serial", &fields.serial), ("name", &fields.name)] {
            if let Some(why) = label.as_deref().and_then(label_problem) {
                wrong.push(format!("{what} {why}"));
            }
        }
        let works = works(&fields, &mut wrong);
        let secret = secret(fields.secret, &mut wrong);
        match (external_id, works, secret) {
            (Some(external_id), Some(works), Some(secret)) if wrong.is_empty() => {
                let Fields { line, serial, name, .. } = fields;
                Ok(Self { line, external_id, serial, name, works, secret })
            }
            _ => Err(wrong),
        }
    }

    /// `totp`, `hotp` or `ocra`.
    pub(super) fn kind(&self) -> &'static str {
        match self.works {
            Works::Totp { .. } => "totp",
            Works::Hotp { .. } => "hotp",
            Works::Ocra { .. } => "ocra",
        }
    }

    /// The body that enrols it. It is usable at once: it was proven where it comes from.
    pub(super) fn body(&self) -> Value {
        let secret = data_encoding::HEXLOWER.encode(&self.secret.0);
        let mut body = Map::new();
        let mut put = |field: &str, value: Value| body.insert(field.to_owned(), value);
        put("type", json!(self.kind()));
        put("confirmed", json!(true));
        put("secret", json!(secret));
        put("secret_encoding", json!("hex"));
        match &self.works {
            Works::Totp { algorithm, digits, period } => {
                put("algorithm", json!(algorithm.as_str()));
                put("digits", json!(digits));
                put("period", json!(period));
            }
            Works::Hotp { algorithm, digits, counter } => {
                put("algorithm", json!(algorithm.as_str()));
                put("digits", json!(digits));
                put("counter", json!(counter));
            }
            Works::Ocra { suite, counter, pin_hash } => {
                put("suite", json!(suite));
                counter.iter().for_each(|counter| drop(put("counter", json!(counter))));
                pin_hash.iter().for_each(|hash| drop(put("pin_hash", json!(hash))));
            }
        }
        self.serial.iter().for_each(|serial| drop(put("serial", json!(serial))));
        self.name.iter().for_each(|name| drop(put("name", json!(name))));
        Value::Object(body)
    }

    /// The idempotency key of its enrolment: the same token of the same person has the same one in every file, so a
    /// repeated import, also of a corrected file, enrols nothing twice.
    pub(super) fn once(&self) -> String {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(b"countersign/import/v1\0");
        context.update(&(self.external_id.len() as u64).to_be_bytes());
        context.update(self.external_id.as_bytes());
        context.update(self.body().to_string().as_bytes());
        format!("import-{}", data_encoding::HEXLOWER.encode(context.finish().as_ref()))
    }
}

fn external_id(given: Option<&str>, wrong: &mut Vec<String>) -> Option<String> {
    let id = given.unwrap_or_default();
    let length = id.chars().count();
    if length == 0 {
        wrong.push("external_id is missing: whose token is it?".to_owned());
    } else if length > limits::MAX_SUBJECT || id.chars().any(char::is_control) {
        wrong.push(format!(
            "external_id has {length} characters; at most {} without control characters",
            limits::MAX_SUBJECT
        ));
    } else {
        return Some(id.to_owned());
    }
    None
}

fn label_problem(label: &str) -> Option<String> {
    let length = label.chars().count();
    if length > MAX_LABEL {
        return Some(format!("has {length} characters; at most {MAX_LABEL}"));
    }
    label.chars().any(char::is_control).then(|| "has control characters in it".to_owned())
}

fn secret(given: Option<Result<Zeroizing<Vec<u8>>, String>>, wrong: &mut Vec<String>) -> Option<SecretBytes> {
    match given {
        None => wrong.push("secret is missing".to_owned()),
        Some(Err(why)) => wrong.push(why),
        Some(Ok(secret)) if !limits::SECRET_BYTES.contains(&secret.len()) => wrong.push(format!(
            "secret has {} bytes; {} to {} are taken (RFC 4226 wants at least 128 bits)",
            secret.len(),
            limits::SECRET_BYTES.start(),
            limits::SECRET_BYTES.end()
        )),
        Some(Ok(secret)) => return Some(SecretBytes(secret)),
    }
    None
}

fn works(fields: &Fields, wrong: &mut Vec<String>) -> Option<Works> {
    let kind = fields.kind.as_deref().unwrap_or_default().to_ascii_lowercase();
    if kind == "ocra" {
        return ocra(fields, wrong);
    }
    let before = wrong.len();
    let algorithm = algorithm(fields.algorithm.as_deref(), wrong);
    let digits = number("digits", fields.digits.as_deref(), DIGITS, &limits::FACTOR_DIGITS, wrong);
    let works = match kind.as_str() {
        "totp" => {
            let period = number("period", fields.period.as_deref(), PERIOD, &limits::TOTP_PERIOD, wrong);
            Works::Totp { algorithm: algorithm?, digits: digits?, period: period? }
        }
        "hotp" => {
            let counter = number("counter", fields.counter.as_deref(), 0, &(0..=MAX_COUNTER), wrong);
            Works::Hotp { algorithm: algorithm?, digits: digits?, counter: counter? }
        }
        "" => {
            wrong.push("type is missing: totp, hotp or ocra".to_owned());
            return None;
        }
        other => {
            wrong.push(format!("type {:?} is unknown; totp, hotp and ocra are", shortened(other)));
            return None;
        }
    };
    (wrong.len() == before).then_some(works)
}

/// The largest counter the server takes.
const MAX_COUNTER: u64 = i64::MAX as u64;

fn ocra(fields: &Fields, wrong: &mut Vec<String>) -> Option<Works> {
    let suite = match Suite::parse(fields.suite.as_deref().unwrap_or_default()) {
        Ok(suite) => Some(suite),
        Err(error) => {
            wrong.push(format!("suite: {error}"));
            None
        }
    };
    let counter = number("counter", fields.counter.as_deref(), 0, &(0..=MAX_COUNTER), wrong);
    let suite = suite?;
    let pin_hash = fields.pin_hash.as_deref().filter(|hash| !hash.is_empty());
    let wanted = suite.pin.map(|hash| 2 * hash.secret_bytes());
    let given = pin_hash.map(str::len);
    let hexadecimal = pin_hash.is_none_or(|hash| hash.bytes().all(|digit| digit.is_ascii_hexdigit()));
    if given != wanted || !hexadecimal {
        wrong.push(match wanted {
            Some(length) => format!("pin_hash must be the hash of the PIN, {length} hexadecimal digits"),
            None => "pin_hash is given, but the suite has no PIN".to_owned(),
        });
        return None;
    }
    let pin_hash = pin_hash.map(str::to_ascii_lowercase);
    // The server refuses a counter where the suite has none.
    let counter = counter?;
    let counter = suite.counter.then_some(counter);
    Some(Works::Ocra { suite: suite.as_str().to_owned(), counter, pin_hash })
}

/// `SHA1`, also written `sha-1` or `HMAC-SHA1`.
fn algorithm(given: Option<&str>, wrong: &mut Vec<String>) -> Option<Algorithm> {
    let given = given.unwrap_or("SHA1");
    let plain: String =
        given.to_ascii_uppercase().chars().filter(|symbol| !"-_ ".contains(*symbol)).collect();
    let found = Algorithm::named(plain.strip_prefix("HMAC").unwrap_or(&plain));
    if found.is_none() {
        wrong.push(format!("algorithm {:?} is unknown; SHA1, SHA256 and SHA512 are", shortened(given)));
    }
    found
}

fn number<N: std::str::FromStr + PartialOrd + std::fmt::Display + Copy>(
    what: &str,
    given: Option<&str>,
    default: N,
    range: &std::ops::RangeInclusive<N>,
    wrong: &mut Vec<String>,
) -> Option<N> {
    let Some(text) = given else { return Some(default) };
    let plain = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    let value = if plain { text.parse().ok() } else { None };
    let found = value.filter(|value| range.contains(value));
    if found.is_none() {
        let (least, most) = (range.start(), range.end());
        wrong.push(format!("{what} is {:?}; a number from {least} to {most} is wanted", shortened(text)));
    }
    found
}

/// As much of a wrong value as helps to find it.
pub(super) fn shortened(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(change: impl FnOnce(&mut Fields)) -> Fields {
        let mut fields = Fields {
            line: 2,
            external_id: Some("anna".to_owned()),
            kind: Some("TOTP".to_owned()),
            secret: Some(Ok(Zeroizing::new(b"12345678901234567890".to_vec()))),
            ..Fields::default()
        };
        change(&mut fields);
        fields
    }

    fn wrong(change: impl FnOnce(&mut Fields)) -> String {
        Token::read(fields(change)).unwrap_err().join("; ")
    }

    fn takes(change: impl FnOnce(&mut Fields)) -> bool {
        Token::read(fields(change)).is_ok()
    }

    #[test]
    fn what_is_not_said_is_what_every_app_assumes() {
        let body = Token::read(fields(|_| {})).unwrap().body();
        assert_eq!(
            body,
            json!({
                "type": "totp", "confirmed": true, "secret": "3132333435363738393031323334353637383930",
                "secret_encoding": "hex", "algorithm": "SHA1", "digits": 6, "period": 30,
            })
        );
    }

    #[test]
    fn each_limit_holds_at_its_edge() {
        let secret = |bytes: usize| takes(|f| f.secret = Some(Ok(Zeroizing::new(vec![7; bytes]))));
        assert_eq!([15, 16, 17, 127, 128, 129].map(secret), [false, true, true, true, true, false]);
        let digits = |n: u8| takes(|f| f.digits = Some(n.to_string()));
        assert_eq!([5, 6, 7, 8, 9].map(digits), [false, true, true, true, false]);
        let period = |n: u16| takes(|f| f.period = Some(n.to_string()));
        assert_eq!([14, 15, 16, 59, 60, 61].map(period), [false, true, true, true, true, false]);
        let id = |n: usize| takes(|f| f.external_id = Some("é".repeat(n)));
        assert_eq!([0, 1, 254, 255, 256].map(id), [false, true, true, true, false]);
        let serial = |n: usize| takes(|f| f.serial = Some("9".repeat(n)));
        assert_eq!([MAX_LABEL - 1, MAX_LABEL, MAX_LABEL + 1].map(serial), [true, true, false]);
        let counter = |n: u64| {
            takes(|f| {
                f.kind = Some("hotp".to_owned());
                f.counter = Some(n.to_string());
            })
        };
        assert_eq!([MAX_COUNTER - 1, MAX_COUNTER, MAX_COUNTER + 1].map(counter), [true, true, false]);
    }

    #[test]
    fn all_that_is_wrong_is_said_at_once() {
        let told = wrong(|f| {
            f.external_id = None;
            f.digits = Some("nine".to_owned());
            f.algorithm = Some("MD5".to_owned());
            f.secret = None;
        });
        for part in ["external_id", "digits is \"nine\"", "algorithm \"MD5\"", "secret is missing"] {
            assert!(told.contains(part), "{told}");
        }
        assert!(wrong(|f| f.kind = Some("motp".to_owned())).contains("\"motp\" is unknown"));
    }

    #[test]
    fn an_algorithm_may_be_written_as_vendors_write_it() {
        for name in ["sha1", "SHA-1", "HMAC-SHA1", "HmacSHA512", "sha_256"] {
            assert!(takes(|f| f.algorithm = Some(name.to_owned())), "{name}");
        }
    }

    #[test]
    fn a_suite_with_a_pin_wants_its_hash_and_others_want_none() {
        let with = |suite: &str, hash: Option<String>| {
            takes(|f| {
                f.kind = Some("ocra".to_owned());
                f.suite = Some(suite.to_owned());
                f.pin_hash = hash;
            })
        };
        assert!(with("OCRA-1:HOTP-SHA256-8:QN08", None));
        assert!(!with("OCRA-1:HOTP-SHA256-8:QN08", Some("ab".repeat(20))));
        assert!(with("OCRA-1:HOTP-SHA256-8:QN08-PSHA1", Some("ab".repeat(20))));
        assert!(!with("OCRA-1:HOTP-SHA256-8:QN08-PSHA1", Some("ab".repeat(32))));
        assert!(!with("OCRA-1:HOTP-SHA256-8:QN08-PSHA1", None));
        assert!(!with("OCRA-2:HOTP", None));
    }

    #[test]
    fn the_same_token_has_the_same_key_wherever_it_stands() {
        let once = |change: fn(&mut Fields)| Token::read(fields(change)).unwrap().once();
        assert_eq!(once(|_| {}), once(|f| f.line = 99));
        assert_ne!(once(|_| {}), once(|f| f.external_id = Some("ben".to_owned())));
        assert_ne!(once(|_| {}), once(|f| f.digits = Some("8".to_owned())));
        assert!(once(|_| {}).len() <= limits::MAX_IDEMPOTENCY_KEY);
    }
}
