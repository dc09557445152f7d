//! `receipt = { … }` of an HTTP gateway: where a receipt says what, what its words mean, and how it is signed.

use serde::Deserialize;

use super::signature::Check;
use crate::config::ConfigProblem;
use crate::http_gateway::{HttpGatewayConfig, OneOrMore, Scalar};
use crate::provider::ErrorClass;
use crate::{limits, pointer};

/// How a gateway tells what became of a message. Its fields are those of the body (JSON or a form), or of the query when
/// there is no body; pointers reach into them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptConfig {
    /// JSON pointer to the receipts, where one request holds several: `/results/*`.
    #[serde(default)]
    pub each: String,
    /// JSON pointers to the id, below `each`; the first that leads to one counts.
    pub id: OneOrMore,
    /// Whose id that is.
    #[serde(default)]
    pub names: Names,
    /// JSON pointer to the word for what happened.
    pub state: String,
    /// JSON pointer to the code that says why.
    pub code: Option<String>,
    /// What they mean; the first that matches decides. What none matches is passed over.
    pub states: Vec<StateRule>,
    /// How the request is signed.
    pub signature: Option<Signature>,
    /// The vendor signs only on request: without the signature's secret, the address alone guards the door.
    #[serde(default)]
    pub unsigned: bool,
}

/// What the id of a receipt names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// The message, as the gateway called it when it took it.
    #[default]
    Message,
    /// The delivery, by the `delivery_id` that the request told.
    Delivery,
}

/// What a word and a code mean. Matches when all that it names matches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateRule {
    /// What stands at `state`.
    pub state: Option<OneOrMore>,
    /// What stands at `code`.
    pub code: Option<OneOrMore>,
    /// What it means.
    pub means: Meaning,
    /// What it is, for people who read the rule.
    pub note: Option<String>,
}

/// What became of a message: `underway`, `delivered`, or the class of error for which it did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Scalar")]
pub enum Meaning {
    /// Still on its way.
    Underway,
    /// It arrived.
    Delivered,
    /// It will not arrive.
    Failed(ErrorClass),
}

impl TryFrom<Scalar> for Meaning {
    type Error = String;

    fn try_from(Scalar(word): Scalar) -> Result<Self, String> {
        let class = || ErrorClass::ALL.into_iter().find(|class| class.as_str() == word);
        match word.as_str() {
            "underway" => Ok(Self::Underway),
            "delivered" => Ok(Self::Delivered),
            _ => class().map(Self::Failed).ok_or_else(|| {
                format!("{word:?} is no fate; write underway, delivered or a class like recipient_rejected")
            }),
        }
    }
}

/// How a vendor signs what it sends. A key is named: an account value or a secret.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Signature {
    /// HMAC over parts of the request, in a header.
    Hmac {
        /// Name of the key.
        key: String,
        /// The header with the signature.
        header: String,
        /// What stands before it.
        #[serde(default)]
        prefix: String,
        /// The hash.
        #[serde(default)]
        hash: Hash,
        /// How it is written.
        #[serde(default)]
        encoding: Encoding,
        /// What is signed: text with `{body}`, `{url}` and `{name-of-header}`.
        #[serde(default = "the_body")]
        signed: String,
        /// The header with the seconds since 1970, if the vendor signs the time.
        timestamp: Option<String>,
    },
    /// Ed25519 over parts of the request, in a header, in base64.
    Ed25519 {
        /// Name of the public key, base64.
        key: String,
        /// The header with the signature.
        header: String,
        /// As above.
        #[serde(default = "the_body")]
        signed: String,
        /// As above.
        timestamp: Option<String>,
    },
    /// A JWT with HS256 in a header, which holds hashes of the request and its time.
    Jwt {
        /// Name of the key.
        key: String,
        /// The header; a `Bearer` before the token is allowed.
        header: String,
        /// The claim with the hex SHA-256 of the body, if there is a body.
        body_claim: Option<String>,
        /// The claim with the hex SHA-256 of the address.
        url_claim: Option<String>,
    },
    /// `X-Twilio-Signature`: HMAC-SHA1 over the address and the sorted fields of the form.
    Twilio {
        /// Name of the account's token.
        key: String,
    },
    /// `sig` of Vonage's SMS API: HMAC over the sorted fields, `timestamp` among them.
    Vonage {
        /// Name of the signature secret.
        key: String,
        /// The method chosen in the dashboard: `sha256` or `sha512`.
        #[serde(default)]
        hash: Hash,
    },
    /// `X-Plivo-Signature-V3`: HMAC-SHA256 over address, sorted fields and a nonce; where `v2` says so also the older
    /// one, which covers the address and the nonce only.
    Plivo {
        /// Name of the account's token.
        key: String,
        /// Whether version 2 is enough.
        #[serde(default)]
        v2: bool,
    },
}

fn the_body() -> String {
    "{body}".to_owned()
}

impl Signature {
    /// The name of its key.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Hmac { key, .. }
            | Self::Ed25519 { key, .. }
            | Self::Jwt { key, .. }
            | Self::Twilio { key }
            | Self::Vonage { key, .. }
            | Self::Plivo { key, .. } => key,
        }
    }
}

/// A hash for HMAC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say all")]
pub enum Hash {
    Sha1,
    #[default]
    Sha256,
    Sha512,
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say all")]
pub enum Encoding {
    #[default]
    Hex,
    Base64,
}

impl ReceiptConfig {
    /// The signature that is asked for with the secrets there are.
    pub(super) fn signature_in_force(&self, config: &HttpGatewayConfig) -> Option<&Signature> {
        self.signature.as_ref().filter(|signature| !self.unsigned || config.has_value(signature.key()))
    }

    pub(crate) fn check(&self, config: &HttpGatewayConfig) -> Result<(), ConfigProblem> {
        let pointers = self.id.texts().map(|id| ("id", id)).chain([
            ("each", self.each.as_str()),
            ("state", self.state.as_str()),
            ("code", self.code.as_deref().unwrap_or_default()),
        ]);
        for (key, pointer) in pointers {
            if !pointer::is_pointer(pointer) {
                let fix = "start it with /, like /results/*";
                return Err(ConfigProblem::new(format!("receipt.{key}"), "is no JSON pointer", fix));
            }
        }
        if self.states.is_empty() || self.states.len() > limits::GATEWAY_RULES {
            let fix = format!("write 1 to {}", limits::GATEWAY_RULES);
            return Err(ConfigProblem::new("receipt.states", "has no rules, or too many", fix));
        }
        for (index, rule) in self.states.iter().enumerate() {
            let key = format!("receipt.states[{index}]");
            if rule.state.is_none() && rule.code.is_none() {
                return Err(ConfigProblem::new(key, "matches everything", "give it a state or a code"));
            }
            if rule.code.is_some() && self.code.is_none() {
                return Err(ConfigProblem::new(key, "has a code", "say in receipt.code where it stands"));
            }
        }
        // Receipts are in force only with a token, and the keys are needed only then.
        match self.signature_in_force(config) {
            Some(signature) if config.secrets.contains_key(super::TOKEN) => {
                if !config.has_value(signature.key()) {
                    return Err(config.no_value("receipt.signature", signature.key()));
                }
                Check::parts_of(signature).map(drop)
            }
            Some(signature) => Check::parts_of(signature).map(drop),
            None => Ok(()),
        }
    }
}
