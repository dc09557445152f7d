//! One package of a PSKC file: the key in it, and what it may be used for.

use zeroize::Zeroizing;

use super::super::Entry;
use super::super::token::{Fields, shortened};
use super::NAMESPACE;
use super::protection::{Protection, base64};
use super::xml::Node;

type Bytes = Zeroizing<Vec<u8>>;

/// Reads a package.
pub(super) fn read(package: &Node, protection: &Protection) -> Entry<Fields> {
    let line = package.line;
    let Some(key) = package.at(&["Key"]) else { return Entry::LeftOut("devices without a key") };
    let algorithm = key.attribute("Algorithm").unwrap_or_default();
    let profile = algorithm.strip_prefix(NAMESPACE).map(|rest| rest.trim_start_matches([':', '#']));
    if profile == Some("pin") {
        // The PIN of a device that asks for it itself; it never reaches the server (RFC 6030, section 5).
        return Entry::LeftOut("PINs of devices");
    }
    let kind = profile.and_then(kind);
    let Some((kind, suite)) = kind else {
        let algorithm = shortened(algorithm);
        return Entry::Wrong {
            line,
            why: vec![format!("the algorithm {algorithm:?} is unknown; hotp, totp and OCRA-1 are read")],
        };
    };
    let mut why = Vec::new();
    policy(key, kind, &mut why);
    let mut fields = Fields {
        line,
        kind: Some(kind.to_owned()),
        external_id: text(key, package, "UserId"),
        serial: package.text_at(&["DeviceInfo", "SerialNo"]).map(str::to_owned),
        name: key.text_at(&["FriendlyName"]).map(str::to_owned),
        secret: secret(key, protection, &mut why),
        period: integer(key, "TimeInterval", protection, &mut why),
        counter: integer(key, "Counter", protection, &mut why),
        ..Fields::default()
    };
    format(key, kind, suite, &mut fields, &mut why);
    if why.is_empty() { Entry::Token(fields) } else { Entry::Wrong { line, why } }
}

/// The kind of factor of a profile, and the suite that its name holds.
fn kind(profile: &str) -> Option<(&'static str, Option<&str>)> {
    match profile {
        "hotp" => Some(("hotp", None)),
        "totp" => Some(("totp", None)),
        ocra if ocra.eq_ignore_ascii_case("ocra-1") || ocra == "ocra" => Some(("ocra", None)),
        suite if suite.starts_with("OCRA-1:") => Some(("ocra", Some(suite))),
        _ => None,
    }
}

fn text(key: &Node, package: &Node, name: &str) -> Option<String> {
    key.text_at(&[name]).or_else(|| package.text_at(&["DeviceInfo", name])).map(str::to_owned)
}

/// Digits and hash, or the suite that says both.
fn format(key: &Node, kind: &str, suite: Option<&str>, fields: &mut Fields, why: &mut Vec<String>) {
    let parameters = key.at(&["AlgorithmParameters"]);
    let written = suite.or_else(|| parameters?.text_at(&["Suite"]));
    let response = parameters.and_then(|node| node.at(&["ResponseFormat"]));
    let encoding = response.and_then(|node| node.attribute("Encoding"));
    if encoding.is_some_and(|encoding| encoding != "DECIMAL") {
        why.push(format!("codes are {:?}; decimal ones are taken", shortened(encoding.unwrap_or_default())));
    }
    if response.and_then(|node| node.attribute("CheckDigits")).is_some_and(|digits| digits != "false") {
        why.push("codes have a check digit, which is not taken".to_owned());
    }
    if kind == "ocra" {
        fields.suite = written.map(str::to_owned);
    } else {
        fields.algorithm = written.map(str::to_owned);
        fields.digits = response.and_then(|node| node.attribute("Length")).map(str::to_owned);
        if fields.digits.is_none() {
            why.push("the length of its codes is missing (ResponseFormat, RFC 6030, 10.1)".to_owned());
        }
    }
}

/// A policy whose meaning is not kept means that the key must not be used (RFC 6030, section 5).
fn policy(key: &Node, kind: &str, why: &mut Vec<String>) {
    let Some(policy) = key.at(&["Policy"]) else { return };
    let usages: Vec<_> =
        policy.children.iter().filter(|node| node.name == "KeyUsage").map(Node::text).collect();
    let wanted: &[&str] = if kind == "ocra" { &["CR", "OTP"] } else { &["OTP"] };
    if !usages.is_empty() && !usages.iter().any(|usage| wanted.contains(usage)) {
        why.push(format!("its policy allows {:?}, not codes", shortened(&usages.join(", "))));
    }
    let mode = policy.at(&["PINPolicy"]).and_then(|node| node.attribute("PINUsageMode"));
    if mode.is_some_and(|mode| mode != "Local") {
        let mode = shortened(mode.unwrap_or_default());
        why.push(format!("its codes have a PIN in them (PINUsageMode {mode:?}), which is not taken"));
    }
    if policy.at(&["NumberOfTransactions"]).is_some() {
        why.push("its policy counts the uses that are left, which is not kept".to_owned());
    }
}

fn secret(key: &Node, protection: &Protection, why: &mut Vec<String>) -> Option<Result<Bytes, String>> {
    let read = |text: &str| base64(text).map(Zeroizing::new);
    let found = match key.at(&["Data", "Secret"]) {
        Some(node) => protection.value(node, read).transpose(),
        None => None,
    };
    if found.is_none() && key.at(&["KeyReference"]).is_some() {
        why.push("the file only refers to its secret, and does not hold it".to_owned());
        return None;
    }
    found.map(|found| found.map_err(|why| format!("secret: {why}")))
}

/// An integer of the data: decimal when plain, bytes of a number when encrypted.
fn integer(key: &Node, name: &str, protection: &Protection, why: &mut Vec<String>) -> Option<String> {
    let node = key.at(&["Data", name])?;
    let plain = std::cell::Cell::new(false);
    let read = |text: &str| {
        plain.set(true);
        Ok(Zeroizing::new(text.as_bytes().to_vec()))
    };
    match protection.value(node, read) {
        Ok(Some(text)) if plain.get() => Some(String::from_utf8_lossy(&text).into_owned()),
        Ok(Some(bytes)) if bytes.len() <= 8 => {
            Some(bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)).to_string())
        }
        Ok(None) => None,
        Ok(Some(_)) => {
            why.push(format!("{name} has more than 8 bytes"));
            None
        }
        Err(error) => {
            why.push(format!("{name}: {error}"));
            None
        }
    }
}
