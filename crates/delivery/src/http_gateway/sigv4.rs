//! AWS Signature Version 4: the request is signed as it goes over the wire ("Signature Version 4 signing process", AWS
//! General Reference).

use aws_lc_rs::{digest, hmac};
use countersign_core::time::Timestamp;
use data_encoding::HEXLOWER;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HOST, HeaderName, HeaderValue};

use super::config::{HttpGatewayConfig, Sign};
use crate::config::{ConfigProblem, Secret};
use crate::provider::{ErrorClass, ProviderError};

const DATE: HeaderName = HeaderName::from_static("x-amz-date");
const TOKEN: HeaderName = HeaderName::from_static("x-amz-security-token");

/// Who signs, and for which service.
#[derive(Debug)]
pub(super) struct Signer {
    service: String,
    region: String,
    access_key_id: String,
    secret: Secret,
    session_token: Option<Secret>,
}

impl Signer {
    /// Reads the keys.
    pub(super) fn of(config: &HttpGatewayConfig) -> Result<Option<Self>, ConfigProblem> {
        let Some(Sign::AwsSigv4 { service, region, access_key_id, secret_access_key, session_token }) =
            &config.sign
        else {
            return Ok(None);
        };
        let value = |key: &str, name: &str| config.value(&format!("sign.aws_sigv4.{key}"), name);
        let token = session_token.as_ref().filter(|name| config.has_value(name));
        Ok(Some(Self {
            service: service.clone(),
            region: value("region", region)?.expose().to_owned(),
            access_key_id: value("access_key_id", access_key_id)?.expose().to_owned(),
            secret: value("secret_access_key", secret_access_key)?,
            session_token: token.map(|name| value("session_token", name)).transpose()?,
        }))
    }

    /// Adds date, token and signature. Signed are these headers, the host and the content type.
    pub(super) fn sign(
        &self,
        request: &mut Request<Full<Bytes>>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), ProviderError> {
        let signed = self.signed(request, body, now);
        let value = signed.ok_or_else(|| {
            ProviderError::new(ErrorClass::Configuration, "the request cannot be signed: it has no host")
        })?;
        request.headers_mut().insert(AUTHORIZATION, value);
        Ok(())
    }

    fn signed(&self, request: &mut Request<Full<Bytes>>, body: &[u8], now: Timestamp) -> Option<HeaderValue> {
        let at = jiff::Timestamp::from_second(now.seconds()).ok()?.strftime("%Y%m%dT%H%M%SZ").to_string();
        let host = HeaderValue::from_str(request.uri().authority()?.as_str()).ok()?;
        request.headers_mut().insert(HOST, host);
        request.headers_mut().insert(DATE, HeaderValue::from_str(&at).ok()?);
        if let Some(token) = &self.session_token {
            let mut token = HeaderValue::from_str(token.expose()).ok()?;
            token.set_sensitive(true);
            request.headers_mut().insert(TOKEN, token);
        }
        let (names, canonical) = canonical(request, body)?;
        let day = at.get(..8)?;
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hex_digest(canonical.as_bytes()));
        let signature = HEXLOWER.encode(mac(&self.key(day), &to_sign).as_ref());
        let value = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope}, SignedHeaders={names}, Signature={signature}",
            self.access_key_id
        );
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The key of a day, region and service.
    fn key(&self, day: &str) -> hmac::Tag {
        let first = format!("AWS4{}", self.secret.expose());
        let key = hmac::Key::new(hmac::HMAC_SHA256, first.as_bytes());
        let mut key = hmac::sign(&key, day.as_bytes());
        for part in [&self.region, &self.service, "aws4_request"] {
            key = mac(&key, part);
        }
        key
    }
}

fn mac(key: &hmac::Tag, text: &str) -> hmac::Tag {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.as_ref()), text.as_bytes())
}

fn hex_digest(bytes: &[u8]) -> String {
    HEXLOWER.encode(digest::digest(&digest::SHA256, bytes).as_ref())
}

/// The names of the signed headers, and the canonical request.
fn canonical(request: &Request<Full<Bytes>>, body: &[u8]) -> Option<(String, String)> {
    let (mut headers, mut names) = (String::new(), Vec::new());
    // In alphabetical order, as the signature wants them.
    for name in ["content-type", "host", "x-amz-date", "x-amz-security-token"] {
        if let Some(value) = request.headers().get(name) {
            headers += &format!("{name}:{}\n", value.to_str().ok()?.trim());
            names.push(name);
        }
    }
    let names = names.join(";");
    let uri = request.uri();
    // A path and query of ours are percent-encoded already, as strictly as AWS wants.
    let path = if uri.path().is_empty() { "/" } else { uri.path() };
    let mut query: Vec<String> = uri.query().unwrap_or_default().split('&').map(pair).collect();
    query.sort();
    let canonical = format!(
        "{}\n{path}\n{}\n{headers}\n{names}\n{}",
        request.method(),
        query.join("&"),
        hex_digest(body)
    );
    Some((names, canonical))
}

fn pair(written: &str) -> String {
    if written.is_empty() || written.contains('=') { written.to_owned() } else { format!("{written}=") }
}

#[cfg(test)]
mod tests;
