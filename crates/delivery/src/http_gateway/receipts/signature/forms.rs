//! Vendors that sign the fields of a form in an order of their own. Each refuses a body that its signature does not cover.

use aws_lc_rs::hmac;
use countersign_core::receipt::Posted;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};
use serde_json::Value;

use super::{header_of, hmac_key};
use crate::http_gateway::receipts::config::Hash;
use crate::http_gateway::receipts::fields;
use crate::http_gateway::scalar_text;

/// The pairs of the body; `None` for a body that is no form.
fn body_pairs(posted: &Posted<'_>) -> Option<Vec<(String, String)>> {
    if posted.body.is_empty() {
        return Some(Vec::new());
    }
    let mut pairs = fields::is_form(posted).then(|| fields::form(posted.body))?;
    pairs.sort();
    Some(pairs)
}

fn joined(pairs: &[(String, String)]) -> String {
    pairs.iter().map(|(name, value)| format!("{name}{value}")).collect()
}

/// Base64 of HMAC-SHA1 over the address and each name and value.
pub(super) fn twilio(posted: &Posted<'_>, key: &[u8]) -> Option<()> {
    let signature = BASE64.decode(header_of(posted, "x-twilio-signature")?.as_bytes()).ok()?;
    let message = format!("{}{}", posted.url, joined(&body_pairs(posted)?));
    hmac::verify(&hmac_key(Hash::Sha1, key), message.as_bytes(), &signature).ok()
}

/// Hex of HMAC over `&name=value` of all fields but `sig`; the time in seconds, when it holds.
pub(super) fn vonage(posted: &Posted<'_>, key: &hmac::Key) -> Option<i64> {
    let said = fields::of(posted).ok()?;
    let text = |name: &str| said.get(name).and_then(scalar_text);
    let signature = HEXLOWER_PERMISSIVE.decode(text("sig")?.as_bytes()).ok()?;
    let mut names: Vec<&String> = said.as_object()?.keys().filter(|name| *name != "sig").collect();
    names.sort();
    let mut message = String::new();
    for name in names {
        let value = match said.get(name)? {
            Value::Null => String::new(),
            value => scalar_text(value)?,
        };
        message += &format!("&{name}={}", value.replace(['&', '='], "_"));
    }
    hmac::verify(key, message.as_bytes(), &signature).ok()?;
    text("timestamp")?.parse().ok()
}

/// Base64 of HMAC-SHA256. Several signatures may come, while a token is being changed.
pub(super) fn plivo(posted: &Posted<'_>, key: &[u8], v2: bool) -> Option<()> {
    let (version, message) = match header_of(posted, "x-plivo-signature-v3") {
        Some(_) => ("x-plivo-signature-v3", plivo_v3(posted)?),
        None if v2 => ("x-plivo-signature-v2", without_query(posted.url).to_owned()),
        None => return None,
    };
    let nonce = header_of(posted, &format!("{version}-nonce"))?;
    let message = match version {
        "x-plivo-signature-v3" => format!("{message}.{nonce}"),
        _ => format!("{message}{nonce}"),
    };
    let key = hmac_key(Hash::Sha256, key);
    header_of(posted, version)?
        .split(',')
        .filter_map(|signature| BASE64.decode(signature.trim().as_bytes()).ok())
        .find_map(|signature| hmac::verify(&key, message.as_bytes(), &signature).ok())
}

/// The address with its query sorted, then the fields of the body.
fn plivo_v3(posted: &Posted<'_>) -> Option<String> {
    let mut query = fields::query(posted.url);
    query.sort();
    let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let body = body_pairs(posted)?;
    let mut message = without_query(posted.url).to_owned();
    if !query.is_empty() || !body.is_empty() {
        message += &format!("?{}", query.join("&"));
    }
    if !query.is_empty() && !body.is_empty() {
        message.push('.');
    }
    Some(message + &joined(&body))
}

fn without_query(url: &str) -> &str {
    url.split_once('?').map_or(url, |(path, _)| path)
}
