//! What a request at the receipts' door says, whatever its form.

use countersign_core::receipt::{NotAReceipt, Posted};
use serde_json::{Map, Value};

/// The fields of the body, or of the query when there is no body. A field that comes twice is no field of an honest
/// receipt: who signs and who reads might take different ones.
pub(super) fn of(posted: &Posted<'_>) -> Result<Value, NotAReceipt> {
    if posted.body.is_empty() {
        return object(query(posted.url));
    }
    if is_form(posted) {
        return object(form(posted.body));
    }
    match serde_json::from_slice(posted.body) {
        Ok(json @ (Value::Object(_) | Value::Array(_))) => Ok(json),
        _ => Err(NotAReceipt::Malformed),
    }
}

/// Whether the body is a form.
pub(super) fn is_form(posted: &Posted<'_>) -> bool {
    let content_type = posted.headers.get("content-type").map(String::as_str).unwrap_or_default();
    let media = content_type.split(';').next().unwrap_or_default().trim();
    media.eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

/// The pairs of a form, in their order.
pub(super) fn form(bytes: &[u8]) -> Vec<(String, String)> {
    form_urlencoded::parse(bytes).into_owned().collect()
}

/// The pairs of an address's query.
pub(super) fn query(url: &str) -> Vec<(String, String)> {
    form(url.split_once('?').map_or("", |(_, query)| query).as_bytes())
}

fn object(pairs: Vec<(String, String)>) -> Result<Value, NotAReceipt> {
    let count = pairs.len();
    let object: Map<String, Value> =
        pairs.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    if object.is_empty() || object.len() != count {
        return Err(NotAReceipt::Malformed);
    }
    Ok(Value::Object(object))
}
