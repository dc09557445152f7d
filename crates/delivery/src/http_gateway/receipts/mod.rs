//! Receipts of HTTP gateways: what a request at the receipts' door says, as far as the vendor can be believed.
//!
//! A gateway's door has a secret in its address, 32 random bytes that only the vendor was told; where the vendor signs, the
//! signature is checked before anything is read. No address in a receipt is ever fetched.

mod config;
mod fields;
mod rules;
mod signature;

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use countersign_core::receipt::{NotAReceipt, Posted, Receipt, ReceiptReader};
use countersign_core::time::Clock;

pub use config::{Encoding, Hash, Meaning, Names, ReceiptConfig, Signature, StateRule};

use crate::config::{ConfigProblem, Secret};
use crate::http_gateway::HttpGatewayConfig;
use crate::limits;
use signature::Check;

/// The name under `secrets` of what guards a gateway's door.
pub const TOKEN: &str = "receipt_token";

/// The receipts' doors of all configured gateways.
pub struct Readers {
    clock: Arc<dyn Clock>,
    readers: BTreeMap<String, Reader>,
}

struct Reader {
    token: Secret,
    rules: ReceiptConfig,
    check: Option<Check>,
}

impl Readers {
    /// None yet; the clock tells which signatures are too old.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, readers: BTreeMap::new() }
    }

    /// Adds a gateway, if it takes receipts: when its table says how they look and has the secret of its address.
    ///
    /// # Errors
    /// When a secret cannot be read or used.
    pub fn add(&mut self, name: &str, config: &HttpGatewayConfig) -> Result<(), ConfigProblem> {
        let (Some(rules), Some(token)) = (&config.receipt, token(name, config)?) else { return Ok(()) };
        let check = rules
            .signature_in_force(config)
            .map(|signature| Check::new(signature, config.value("receipt.signature", signature.key())?));
        let reader = Reader { token, rules: rules.clone(), check: check.transpose()? };
        self.readers.insert(name.to_owned(), reader);
        Ok(())
    }
}

impl ReceiptReader for Readers {
    fn read(&self, provider: &str, token: &str, posted: &Posted<'_>) -> Result<Vec<Receipt>, NotAReceipt> {
        let reader = self.readers.get(provider).ok_or(NotAReceipt::Unknown)?;
        verify_slices_are_equal(reader.token.expose().as_bytes(), token.as_bytes())
            .map_err(|_| NotAReceipt::Unknown)?;
        if let Some(check) = &reader.check
            && !check.holds(posted, self.clock.now())
        {
            return Err(NotAReceipt::Forged);
        }
        rules::read(&reader.rules, &fields::of(posted)?)
    }
}

/// Whether a gateway's receipts are taken: its table says how they look and has the secret of its address.
pub(crate) fn are_taken(config: &HttpGatewayConfig) -> bool {
    config.receipt.is_some() && config.secrets.contains_key(TOKEN)
}

/// The address that a gateway is told, when it takes receipts and the node knows its own address.
pub(crate) fn address(
    name: &str,
    config: &HttpGatewayConfig,
    public_url: Option<&str>,
) -> Result<Option<String>, ConfigProblem> {
    let token = if config.receipt.is_some() { token(name, config)? } else { None };
    let address = |token: Secret| Some(format!("{}/receipts/{name}/{}", public_url?, token.expose()));
    Ok(token.and_then(address))
}

/// The secret of the address; it stands in addresses, and must not be guessed.
fn token(name: &str, config: &HttpGatewayConfig) -> Result<Option<Secret>, ConfigProblem> {
    let Some(source) = config.secrets.get(TOKEN) else { return Ok(None) };
    let plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    let key = format!("secrets.{TOKEN}");
    let token = source.resolve(&key)?;
    let length = token.expose().len();
    if !limits::RECEIPT_TOKEN_CHARS.contains(&length) || !plain(token.expose()) {
        let fix = "put 32 random bytes there, as `openssl rand -hex 32` prints them";
        let problem = "is not 32 to 128 letters, digits, hyphens and underscores";
        return Err(ConfigProblem::new(key, problem, fix));
    }
    if !plain(name) {
        let problem = format!("needs a provider name that can stand in an address; {name:?} cannot");
        return Err(ConfigProblem::new(key, problem, "use letters, digits, hyphens and underscores"));
    }
    Ok(Some(token))
}
