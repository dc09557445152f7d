//! Whether the vendor sent this. A small closed set of schemes, each over the bytes as they came, compared in constant time.

mod forms;
mod jwt;

use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
use countersign_core::receipt::Posted;
use countersign_core::time::Timestamp;
use data_encoding::{BASE64, HEXLOWER_PERMISSIVE};

use super::config::{Encoding, Hash, Signature};
use crate::config::{ConfigProblem, Secret};

/// How far the time of a signature may be from ours, in either direction.
const FRESH: Duration = Duration::from_secs(300);

/// A scheme with its key.
pub(super) struct Check {
    scheme: Signature,
    key: Secret,
    signed: Vec<Part>,
}

/// A piece of what is signed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Body,
    Url,
    Header(String),
}

impl Check {
    pub(super) fn new(scheme: &Signature, key: Secret) -> Result<Self, ConfigProblem> {
        Ok(Self { scheme: scheme.clone(), key, signed: Self::parts_of(scheme)? })
    }

    /// What is signed, where the configuration says it.
    pub(super) fn parts_of(scheme: &Signature) -> Result<Vec<Part>, ConfigProblem> {
        let (Signature::Hmac { signed, timestamp, .. } | Signature::Ed25519 { signed, timestamp, .. }) =
            scheme
        else {
            return Ok(Vec::new());
        };
        let wrong = |problem: &str, fix: &str| ConfigProblem::new("receipt.signature", problem, fix);
        let parts = parts(signed)
            .ok_or_else(|| wrong("has an unpaired brace in signed", "write it like {timestamp}.{body}"))?;
        if !parts.contains(&Part::Body) {
            return Err(wrong("does not sign the body", "put {body} into signed"));
        }
        match timestamp {
            Some(name) if !parts.contains(&Part::Header(name.to_ascii_lowercase())) => {
                Err(wrong("does not sign its timestamp", "put {name-of-the-header} into signed"))
            }
            _ => Ok(parts),
        }
    }

    /// Whether the request is the vendor's, and of now.
    pub(super) fn holds(&self, posted: &Posted<'_>, now: Timestamp) -> bool {
        let key = self.key.expose().as_bytes();
        let given = match &self.scheme {
            Signature::Hmac { header, prefix, hash, encoding, timestamp, .. } => {
                self.is_fresh(posted, timestamp.as_ref(), now).then_some(()).and_then(|()| {
                    let written = header_of(posted, header)?.strip_prefix(prefix.as_str())?;
                    let mac = decode(*encoding, written)?;
                    hmac::verify(&hmac_key(*hash, key), &self.message(posted)?, &mac).ok()
                })
            }
            Signature::Ed25519 { header, timestamp, .. } => {
                self.is_fresh(posted, timestamp.as_ref(), now).then_some(()).and_then(|()| {
                    let signature = BASE64.decode(header_of(posted, header)?.as_bytes()).ok()?;
                    let public = BASE64.decode(key).ok()?;
                    let public = UnparsedPublicKey::new(&ED25519, public);
                    public.verify(&self.message(posted)?, &signature).ok()
                })
            }
            Signature::Jwt { header, body_claim, url_claim, .. } => header_of(posted, header)
                .and_then(|token| jwt::verify(token.strip_prefix("Bearer ").unwrap_or(token), key, now))
                .and_then(|claims| jwt::covers(&claims, posted, body_claim.as_deref(), url_claim.as_deref())),
            Signature::Twilio { .. } => forms::twilio(posted, key),
            Signature::Vonage { hash, .. } => {
                forms::vonage(posted, &hmac_key(*hash, key)).filter(|at| near(*at, now)).map(drop)
            }
            Signature::Plivo { v2, .. } => forms::plivo(posted, key, *v2),
        };
        given.is_some()
    }

    fn is_fresh(&self, posted: &Posted<'_>, timestamp: Option<&String>, now: Timestamp) -> bool {
        timestamp.is_none_or(|name| {
            let seconds = header_of(posted, name).and_then(|text| text.parse().ok());
            seconds.is_some_and(|seconds| near(seconds, now))
        })
    }

    fn message(&self, posted: &Posted<'_>) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        for part in &self.signed {
            message.extend_from_slice(match part {
                Part::Text(text) => text.as_bytes(),
                Part::Body => posted.body,
                Part::Url => posted.url.as_bytes(),
                Part::Header(name) => header_of(posted, name)?.as_bytes(),
            });
        }
        Some(message)
    }
}

/// `{a}.{body}` in its parts; `None` when a brace has no partner.
fn parts(signed: &str) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let mut rest = signed;
    while let Some((text, opened)) = rest.split_once('{') {
        if !text.is_empty() {
            parts.push(Part::Text(text.to_owned()));
        }
        let (name, after) = opened.split_once('}')?;
        parts.push(match name {
            "body" => Part::Body,
            "url" => Part::Url,
            name => Part::Header(name.to_ascii_lowercase()),
        });
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Some(parts)
}

fn header_of<'a>(posted: &Posted<'a>, name: &str) -> Option<&'a str> {
    posted.headers.get(&name.to_ascii_lowercase()).map(String::as_str)
}

/// Whether seconds since 1970 are within the tolerated distance.
fn near(seconds: i64, now: Timestamp) -> bool {
    now.seconds().abs_diff(seconds) <= FRESH.as_secs()
}

fn hmac_key(hash: Hash, key: &[u8]) -> hmac::Key {
    let algorithm = match hash {
        Hash::Sha1 => hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY,
        Hash::Sha256 => hmac::HMAC_SHA256,
        Hash::Sha512 => hmac::HMAC_SHA512,
    };
    hmac::Key::new(algorithm, key)
}

fn decode(encoding: Encoding, written: &str) -> Option<Vec<u8>> {
    match encoding {
        Encoding::Hex => HEXLOWER_PERMISSIVE.decode(written.as_bytes()).ok(),
        Encoding::Base64 => BASE64.decode(written.as_bytes()).ok(),
    }
}

#[cfg(test)]
mod tests;
