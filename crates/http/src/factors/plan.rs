//! What a body says about a new factor, read by its type. A secret that nobody brings is drawn here.

use countersign_core::factor::{FactorKind, SecretBytes};
use countersign_core::limits as rules;
use countersign_core::oath::Algorithm;
use countersign_core::oath::ocra::Suite;
use countersign_core::subject::{Enrol, FactorPlan};
use countersign_core::time::EntropySource;
use zeroize::Zeroizing;

use super::name;
use crate::fields::{Fields, invalid, missing};
use crate::limits;
use crate::problem::Problem;

pub(super) const KNOWN: [&str; 14] = [
    "type",
    "name",
    "account",
    "algorithm",
    "digits",
    "period",
    "counter",
    "suite",
    "pin",
    "pin_hash",
    "secret",
    "secret_encoding",
    "serial",
    "confirmed",
];

/// Highest counter of a token; beyond it nobody counts in earnest, and JSON numbers end.
const MAX_COUNTER: u64 = i64::MAX as u64;

/// The enrolment a body stands for. A field that does not go with the type is refused, not dropped.
pub(super) fn read(entropy: &dyn EntropySource, fields: &mut Fields) -> Result<Enrol, Problem> {
    let types = "totp, hotp, ocra, backup_codes or push";
    let kind = fields.word("type", types, FactorKind::named)?.ok_or_else(|| missing("type"))?;
    let plan = match kind {
        FactorKind::Totp => totp(entropy, fields)?,
        FactorKind::Hotp => hotp(entropy, fields)?,
        FactorKind::Ocra => ocra(entropy, fields)?,
        FactorKind::BackupCodes => FactorPlan::BackupCodes(backup_codes(entropy)),
        FactorKind::Push => FactorPlan::Push,
    };
    let has_secret = matches!(kind, FactorKind::Totp | FactorKind::Hotp | FactorKind::Ocra);
    let enrol = Enrol {
        plan,
        name: name(fields)?,
        account: if has_secret { account(fields)? } else { None },
        serial: if has_secret { fields.line("serial", limits::MAX_FACTOR_TEXT)? } else { None },
        metadata: None,
        proven: has_secret && fields.boolean("confirmed")?.unwrap_or(false),
    };
    match fields.unread() {
        Some(field) => Err(invalid(field, &format!("does not go with the type `{}`", kind.as_str()))),
        None => Ok(enrol),
    }
}

/// Fresh bytes for a set of backup codes.
pub(super) fn backup_codes(entropy: &dyn EntropySource) -> Vec<[u8; 16]> {
    let mut codes = vec![[0; 16]; rules::BACKUP_CODES];
    codes.iter_mut().for_each(|code| entropy.fill(code));
    codes
}

fn totp(entropy: &dyn EntropySource, fields: &mut Fields) -> Result<FactorPlan, Problem> {
    let algorithm = algorithm(fields)?;
    let (shortest, longest) = (*rules::TOTP_PERIOD.start(), *rules::TOTP_PERIOD.end());
    let period = fields.integer("period", u64::from(shortest)..=u64::from(longest))?.unwrap_or(30);
    Ok(FactorPlan::Totp {
        algorithm,
        digits: digits(fields)?,
        period: u16::try_from(period).unwrap_or(longest),
        secret: secret(entropy, fields, algorithm)?,
    })
}

fn hotp(entropy: &dyn EntropySource, fields: &mut Fields) -> Result<FactorPlan, Problem> {
    let algorithm = algorithm(fields)?;
    let (digits, counter) = (digits(fields)?, counter(fields)?);
    Ok(FactorPlan::Hotp { algorithm, digits, counter, secret: secret(entropy, fields, algorithm)? })
}

fn ocra(entropy: &dyn EntropySource, fields: &mut Fields) -> Result<FactorPlan, Problem> {
    let suite = fields.required_text("suite", limits::MAX_TEXT)?;
    let suite = Suite::parse(&suite).map_err(|why| invalid("suite", &format!("is not served: {why}")))?;
    let counter = if suite.counter { counter(fields)? } else { 0 };
    let pin = pin(&suite, fields)?;
    let secret = secret(entropy, fields, suite.algorithm)?;
    Ok(FactorPlan::Ocra { counter, pin, secret, suite })
}

/// The PIN of a suite that has one, hashed here or before.
fn pin(suite: &Suite, fields: &mut Fields) -> Result<Option<SecretBytes>, Problem> {
    let Some(algorithm) = suite.pin else { return Ok(None) };
    let pin = fields.text("pin", limits::MAX_FACTOR_TEXT)?.map(Zeroizing::new);
    let hash = fields.text("pin_hash", 2 * algorithm.secret_bytes())?;
    match (pin, hash) {
        (Some(pin), None) if pin.is_empty() => Err(invalid("pin", "must not be empty")),
        (Some(pin), None) => Ok(suite.hashed_pin(&pin)),
        (None, Some(hash)) => {
            let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(hash.as_bytes()).ok();
            let bytes = bytes.filter(|bytes| bytes.len() == algorithm.secret_bytes());
            let why = format!("must be the {} of the PIN in hexadecimal", algorithm.as_str());
            bytes
                .map(|bytes| Some(SecretBytes(Zeroizing::new(bytes))))
                .ok_or_else(|| invalid("pin_hash", &why))
        }
        (Some(_), Some(_)) => Err(invalid("pin_hash", "does not go with `pin`")),
        (None, None) => Err(missing("pin")),
    }
}

fn algorithm(fields: &mut Fields) -> Result<Algorithm, Problem> {
    Ok(fields.word("algorithm", "SHA1, SHA256 or SHA512", Algorithm::named)?.unwrap_or(Algorithm::Sha1))
}

fn digits(fields: &mut Fields) -> Result<u8, Problem> {
    let (fewest, most) = (*rules::FACTOR_DIGITS.start(), *rules::FACTOR_DIGITS.end());
    let digits = fields.integer("digits", u64::from(fewest)..=u64::from(most))?;
    Ok(digits.and_then(|digits| u8::try_from(digits).ok()).unwrap_or(fewest))
}

fn counter(fields: &mut Fields) -> Result<u64, Problem> {
    Ok(fields.integer("counter", 0..=MAX_COUNTER)?.unwrap_or(0))
}

/// The account an app shows beside the issuer. A colon would end the issuer there.
fn account(fields: &mut Fields) -> Result<Option<String>, Problem> {
    let account = fields.line("account", limits::MAX_FACTOR_TEXT)?;
    match account {
        Some(account) if account.contains(':') => Err(invalid("account", "must not contain a colon")),
        account => Ok(account),
    }
}

/// The secret somebody brings, or a fresh one as long as the hash (RFC 6238, 5.1).
fn secret(
    entropy: &dyn EntropySource,
    fields: &mut Fields,
    algorithm: Algorithm,
) -> Result<SecretBytes, Problem> {
    let text = fields.text("secret", limits::MAX_TEXT)?.map(Zeroizing::new);
    let encoding = fields.word("secret_encoding", "base32 or hex", |word| match word {
        "base32" => Some(false),
        "hex" => Some(true),
        _ => None,
    })?;
    let Some(text) = text else {
        if encoding.is_some() {
            return Err(invalid("secret_encoding", "goes only with a `secret`"));
        }
        return Ok(fresh(entropy, algorithm));
    };
    let hex = encoding.unwrap_or(false);
    let why = if hex { "must be hexadecimal digits, two a byte" } else { "must be Base32 (A to Z, 2 to 7)" };
    let bytes = decode(&text, hex).ok_or_else(|| invalid("secret", why))?;
    let (shortest, longest) = (rules::SECRET_BYTES.start(), rules::SECRET_BYTES.end());
    if !rules::SECRET_BYTES.contains(&bytes.len()) {
        let why = format!("must have {shortest} to {longest} bytes; this has {}", bytes.len());
        return Err(invalid("secret", &why));
    }
    Ok(SecretBytes(bytes))
}

/// A secret that nobody brings.
pub(crate) fn fresh(entropy: &dyn EntropySource, algorithm: Algorithm) -> SecretBytes {
    let mut bytes = Zeroizing::new(vec![0; algorithm.secret_bytes()]);
    entropy.fill(&mut bytes);
    SecretBytes(bytes)
}

/// As people copy it: in groups, in small letters, with or without padding.
pub(crate) fn decode(text: &str, hex: bool) -> Option<Zeroizing<Vec<u8>>> {
    let plain: Zeroizing<String> = Zeroizing::new(
        text.chars()
            .filter(|symbol| !matches!(symbol, ' ' | '-'))
            .map(|symbol| symbol.to_ascii_uppercase())
            .collect(),
    );
    let bytes = if hex {
        data_encoding::HEXUPPER.decode(plain.as_bytes())
    } else {
        data_encoding::BASE32_NOPAD.decode(plain.trim_end_matches('=').as_bytes())
    };
    bytes.ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

    struct Sevens;

    impl EntropySource for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn plan(json: &str) -> Result<Enrol, Problem> {
        read(&Sevens, &mut Fields::of_body(Value::json(json.as_bytes()).unwrap(), &KNOWN).unwrap())
    }

    fn wrong(json: &str) -> Option<String> {
        plan(json).unwrap_err().param
    }

    fn secret_of(enrol: &Enrol) -> Vec<u8> {
        match &enrol.plan {
            FactorPlan::Totp { secret, .. }
            | FactorPlan::Hotp { secret, .. }
            | FactorPlan::Ocra { secret, .. } => secret.0.to_vec(),
            FactorPlan::BackupCodes(_) | FactorPlan::Push => Vec::new(),
        }
    }

    #[test]
    fn a_fresh_secret_is_as_long_as_its_hash() {
        for (algorithm, bytes) in [("SHA1", 20), ("SHA256", 32), ("SHA512", 64)] {
            let made = plan(&format!(r#"{{"type":"totp","algorithm":"{algorithm}"}}"#)).unwrap();
            assert_eq!(secret_of(&made), vec![7; bytes], "{algorithm}");
        }
        assert_eq!(
            secret_of(&plan(r#"{"type":"ocra","suite":"OCRA-1:HOTP-SHA256-8:QN08"}"#).unwrap()).len(),
            32
        );
    }

    #[test]
    fn a_secret_is_read_as_people_copy_it() {
        let bytes = b"12345678901234567890".to_vec();
        for secret in [
            r#""secret":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ""#,
            r#""secret":"gezd gnbv gy3t qojq gezd gnbv gy3t qojq","secret_encoding":"base32""#,
            r#""secret":"3132333435363738393031323334353637383930","secret_encoding":"hex""#,
            r#""secret":"31-32-33-34-35-36-37-38-39-30-31-32-33-34-35-36-37-38-39-30","secret_encoding":"hex""#,
        ] {
            assert_eq!(
                secret_of(&plan(&format!(r#"{{"type":"totp",{secret}}}"#)).unwrap()),
                bytes,
                "{secret}"
            );
        }
        for broken in ["GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ1", "ä", "", "GE"] {
            let body = format!(r#"{{"type":"totp","secret":"{broken}"}}"#);
            assert_eq!(wrong(&body).as_deref(), Some("secret"), "{broken}");
        }
    }

    #[test]
    fn a_secret_has_sixteen_to_a_hundred_and_twenty_eight_bytes() {
        for (bytes, fine) in [(15, false), (16, true), (128, true), (129, false)] {
            let body =
                format!(r#"{{"type":"hotp","secret":"{}","secret_encoding":"hex"}}"#, "ab".repeat(bytes));
            assert_eq!(plan(&body).is_ok(), fine, "{bytes}");
        }
    }

    #[test]
    fn numbers_are_bounded_at_their_limits() {
        for (field, bounds) in [("digits", [5, 6, 8, 9]), ("period", [14, 15, 60, 61])] {
            let fine = bounds.map(|value| plan(&format!(r#"{{"type":"totp","{field}":{value}}}"#)).is_ok());
            assert_eq!(fine, [false, true, true, false], "{field}");
        }
    }

    #[test]
    fn what_does_not_go_with_the_type_is_named() {
        for (body, param) in [
            ("{}", "type"),
            (r#"{"type":"sms"}"#, "type"),
            (r#"{"type":"totp","counter":1}"#, "counter"),
            (r#"{"type":"hotp","period":30}"#, "period"),
            (r#"{"type":"push","secret":"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}"#, "secret"),
            (r#"{"type":"backup_codes","confirmed":true}"#, "confirmed"),
            (r#"{"type":"totp","account":"a:b"}"#, "account"),
            (r#"{"type":"totp","secret_encoding":"hex"}"#, "secret_encoding"),
            (r#"{"type":"ocra"}"#, "suite"),
            (r#"{"type":"ocra","suite":"OCRA-1:HOTP-MD5-6:QN08"}"#, "suite"),
            (r#"{"type":"ocra","suite":"OCRA-1:HOTP-SHA1-6:QN08-PSHA1"}"#, "pin"),
            (r#"{"type":"ocra","suite":"OCRA-1:HOTP-SHA1-6:QN08-PSHA1","pin_hash":"00"}"#, "pin_hash"),
            (r#"{"type":"ocra","suite":"OCRA-1:HOTP-SHA1-6:QN08","pin":"1234"}"#, "pin"),
            (r#"{"type":"ocra","suite":"OCRA-1:HOTP-SHA1-6:QN08","counter":1}"#, "counter"),
        ] {
            assert_eq!(wrong(body).as_deref(), Some(param), "{body}");
        }
    }
}
