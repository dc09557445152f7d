//! A JSON Web Token with HS256 (RFC 7519) that a vendor puts beside a request.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::{digest, hmac};
use countersign_core::receipt::Posted;
use countersign_core::time::Timestamp;
use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde_json::Value;

use super::{FRESH, near};

/// The claims of a token that is genuine and of now. One without a time of its own could be used for ever: it is refused.
pub(super) fn verify(token: &str, key: &[u8], now: Timestamp) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (head, claims) = signed.split_once('.')?;
    let read = |part: &str| -> Option<Value> {
        serde_json::from_slice(&BASE64URL_NOPAD.decode(part.as_bytes()).ok()?).ok()
    };
    // The token does not choose how it is checked.
    if read(head)?.get("alg")?.as_str()? != "HS256" {
        return None;
    }
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?;
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes(), &signature).ok()?;
    let claims = read(claims)?;
    let time = |name: &str| claims.get(name).and_then(Value::as_f64).map(|seconds| seconds as i64);
    let begun = time("iat").or_else(|| time("nbf"))?;
    let slack = i64::try_from(FRESH.as_secs()).ok()?;
    let over = time("exp").is_some_and(|end| end.saturating_add(slack) <= now.seconds());
    (near(begun, now) && !over).then_some(claims)
}

/// Whether the claims are about this request.
pub(super) fn covers(
    claims: &Value,
    posted: &Posted<'_>,
    body_claim: Option<&str>,
    url_claim: Option<&str>,
) -> Option<()> {
    let says = |claim: &str, bytes: &[u8]| {
        let expected = HEXLOWER.encode(digest::digest(&digest::SHA256, bytes).as_ref());
        let told = claims.get(claim).and_then(Value::as_str)?;
        verify_slices_are_equal(told.to_ascii_lowercase().as_bytes(), expected.as_bytes()).ok()
    };
    match body_claim {
        Some(claim) if !posted.body.is_empty() => says(claim, posted.body)?,
        // A body that was taken away.
        Some(claim) if claims.get(claim).is_some() => return None,
        _ => {}
    }
    if let Some(claim) = url_claim {
        says(claim, posted.url.as_bytes())?;
    }
    Some(())
}
