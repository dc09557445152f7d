//! Short messages straight to a carrier's SMSC (SMPP 3.4).
//!
//! Binds are kept from [`Provider::start`] to [`Provider::close`], because receipts of messages sent long ago, by this
//! node or another, come whenever they come. A message waits for its turn within its time; what was written and not
//! answered may have been taken, which is what [`ErrorClass::Timeout`] and [`ErrorClass::ConnectionLost`] say and no
//! other class does.

mod config;
mod connect;
mod verdict;

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use countersign_core::receipt::{About, Fate, Receipt, ReceiptTaker};
use countersign_core::time::EntropySource;
use countersign_smpp::alphabet::Alphabet;
use countersign_smpp::bind::Account;
use countersign_smpp::delivery::{Receipt as Delivered, State};
use countersign_smpp::message::{Address, ComposeError, Message, compose};
use countersign_smpp::{Boxed, Client, Inbound, Options, SubmitSm};
use tokio::time::Instant;

pub use config::{
    AlphabetName, Bind, FaultName, IdWriting, IdWritings, LongText, Security, SmppConfig, StatusRule,
};

use crate::config::ConfigProblem;
use crate::provider::{Accepted, ErrorClass, Outgoing, Provider, ProviderError, ProviderFuture};
use connect::Connector;
use verdict::Verdicts;

/// A configured account.
pub struct SmppProvider {
    name: String,
    config: SmppConfig,
    alphabets: Vec<Alphabet>,
    place: String,
    verdicts: Verdicts,
    client: Client,
    /// Tells the parts of long messages apart.
    reference: AtomicU16,
}

impl SmppProvider {
    /// Checks the configuration, reads the password and the authorities. Connects when started, or when needed.
    /// Without a `taker`, for someone who only looks, receipts are left with the SMSC.
    ///
    /// # Errors
    /// The first problem of the configuration.
    pub fn new(
        name: impl Into<String>,
        config: &SmppConfig,
        taker: Option<Arc<dyn ReceiptTaker>>,
        entropy: Arc<dyn EntropySource>,
    ) -> Result<Self, ConfigProblem> {
        if let Some(problem) = config.validate().into_iter().next() {
            return Err(problem);
        }
        let name = name.into();
        let connector = Connector::new(config)?;
        let place = connector.describe();
        let inbound = Receipts { provider: name.clone(), taker };
        let random = move || {
            let mut bytes = [0; 2];
            entropy.fill(&mut bytes);
            u16::from_be_bytes(bytes)
        };
        let reference = AtomicU16::new(random());
        let options = options(config)?;
        let client = Client::new(options, Arc::new(connector), Arc::new(inbound), Arc::new(random));
        Ok(Self {
            name,
            alphabets: config.alphabets.iter().map(|name| name.alphabet()).collect(),
            place,
            verdicts: Verdicts::new(&config.errors),
            client,
            reference,
            config: config.clone(),
        })
    }

    async fn deliver(&self, outgoing: &Outgoing) -> Result<Accepted, ProviderError> {
        if outgoing.channel != "sms" {
            let why = "an SMSC serves the channel sms only";
            return Err(ProviderError::new(ErrorClass::Configuration, why));
        }
        let time = outgoing.deadline.min(Duration::from_secs(self.config.timeout_seconds));
        let deadline = Instant::now() + time;
        let pdus = self.compose(outgoing)?;
        let (mut message_id, total) = (None, pdus.len());
        for (number, pdu) in (1..).zip(pdus) {
            let left = deadline.saturating_duration_since(Instant::now());
            // The receipt is asked for the last part, so its id is the message's.
            message_id = self.client.submit(pdu, left).await.map_err(|error| {
                let mut error = self.verdicts.of_submission(error);
                if total > 1 {
                    error.detail = format!("part {number} of {total}: {}", error.detail);
                }
                error
            })?;
        }
        Ok(Accepted { message_id })
    }

    fn compose(&self, outgoing: &Outgoing) -> Result<Vec<SubmitSm>, ProviderError> {
        let config = &self.config;
        let sender = outgoing.sender.as_deref().or(config.sender.as_deref());
        let source = config.source(sender).ok_or(ComposeError::Source);
        let composed = source.and_then(|source| {
            let recipient = Address::recipient(&outgoing.to)?;
            compose(&Message {
                source,
                destination: Address { ton: config.dest_ton, npi: config.dest_npi, ..recipient },
                text: &outgoing.message.text,
                alphabets: &self.alphabets,
                concatenation: config.long_text.concatenation(),
                service_type: &config.service_type,
                validity: outgoing.lifetime,
                receipt: config.receipts,
                reference: self.reference.fetch_add(1, Ordering::Relaxed),
            })
        });
        composed.map_err(|problem| {
            let class = match problem {
                ComposeError::Source => ErrorClass::SenderRejected,
                ComposeError::Destination => ErrorClass::RecipientRejected,
                ComposeError::ServiceType | ComposeError::Alphabet => ErrorClass::Configuration,
                ComposeError::Length | ComposeError::Expired => ErrorClass::MessageRejected,
            };
            ProviderError::new(class, problem.to_string())
        })
    }

    async fn probe(&self) -> Result<String, ProviderError> {
        let peer = self.client.probe().await.map_err(|error| self.verdicts.of_bind(&error))?;
        let called = if peer.is_empty() { String::new() } else { format!(", which calls itself {peer}") };
        Ok(format!("bound to {}{called}, as {}", self.place, self.config.system_id))
    }
}

fn options(config: &SmppConfig) -> Result<Options, ConfigProblem> {
    let mut account = Account {
        system_id: config.system_id.clone(),
        system_type: config.system_type.clone(),
        address_range: config.address_range.clone(),
        ..Account::default()
    };
    if let Some(password) = &config.password {
        password.resolve("password")?.expose().clone_into(&mut account.password);
    }
    if let Some((key, longest)) = account.problem() {
        return Err(config::unfit(key, longest));
    }
    Ok(Options {
        account,
        binds: config.modes(),
        window: config.window,
        messages_per_second: config.messages_per_second,
        in_hand: config.max_in_hand,
        bind_time: Duration::from_secs(config.response_seconds),
        response_time: Duration::from_secs(config.response_seconds),
        enquire_every: Duration::from_secs(config.enquire_link_seconds),
        message_ids: config.message_ids.forms(),
    })
}

impl Provider for SmppProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn send<'a>(&'a self, message: &'a Outgoing) -> ProviderFuture<'a, Accepted> {
        Box::pin(self.deliver(message))
    }

    fn gives_receipts(&self) -> bool {
        self.config.receipts
    }

    /// Binds beside the kept ones and unbinds again: an account with a limit of binds may refuse this one.
    fn verify(&self) -> ProviderFuture<'_, String> {
        Box::pin(self.probe())
    }

    fn start(&self) {
        self.client.start();
    }

    fn close(&self) -> Boxed<'_, ()> {
        Box::pin(self.client.close())
    }
}

/// Hands receipts on in the words of the core.
struct Receipts {
    provider: String,
    taker: Option<Arc<dyn ReceiptTaker>>,
}

impl Inbound for Receipts {
    fn take(&self, receipt: Delivered) -> Boxed<'_, bool> {
        Box::pin(async move {
            let Some(receipt) = translated(receipt) else {
                tracing::warn!(provider = %self.provider, "a receipt does not say which message it is about");
                return true;
            };
            match &self.taker {
                Some(taker) => taker.take(&self.provider, receipt).await,
                None => false,
            }
        })
    }
}

/// A receipt that names no message is of no use to anyone: `None`.
fn translated(receipt: Delivered) -> Option<Receipt> {
    let Delivered { message_id, state, error } = receipt;
    let about = About::Message(message_id?);
    let class = match state {
        State::Delivered => return Some(Receipt { about, fate: Fate::Delivered }),
        // `ACCEPTD` and `UNKNOWN` end nothing: what does not arrive is seen by the time that passes.
        State::Enroute | State::Accepted | State::Unknown => {
            return Some(Receipt { about, fate: Fate::Underway });
        }
        State::Undeliverable => ErrorClass::RecipientRejected,
        State::Expired => ErrorClass::Unavailable,
        State::Deleted | State::Rejected => ErrorClass::MessageRejected,
    };
    let code = error.map(|code| format!(", error {code}")).unwrap_or_default();
    let fate = Fate::Failed {
        class: class.as_str().to_owned(),
        detail: format!("the receipt says {}{code}", state.as_str()),
    };
    Some(Receipt { about, fate })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fate(state: State, error: Option<&str>) -> Option<Fate> {
        let receipt = Delivered { message_id: Some("7".to_owned()), state, error: error.map(str::to_owned) };
        translated(receipt).map(|receipt| receipt.fate)
    }

    #[test]
    fn states_become_fates() {
        let failed = |class: &str, detail: &str| {
            Some(Fate::Failed { class: class.to_owned(), detail: detail.to_owned() })
        };
        for (state, expected) in [
            (State::Delivered, Some(Fate::Delivered)),
            (State::Enroute, Some(Fate::Underway)),
            (State::Accepted, Some(Fate::Underway)),
            (State::Unknown, Some(Fate::Underway)),
            (State::Undeliverable, failed("recipient_rejected", "the receipt says UNDELIV")),
            (State::Expired, failed("unavailable", "the receipt says EXPIRED")),
            (State::Deleted, failed("message_rejected", "the receipt says DELETED")),
            (State::Rejected, failed("message_rejected", "the receipt says REJECTD")),
        ] {
            assert_eq!(fate(state, None), expected, "{state:?}");
        }
        let with_code = failed("recipient_rejected", "the receipt says UNDELIV, error 027");
        assert_eq!(fate(State::Undeliverable, Some("027")), with_code);
    }

    #[test]
    fn a_receipt_about_no_message_is_none() {
        let receipt = Delivered { message_id: None, state: State::Delivered, error: None };
        assert_eq!(translated(receipt), None);
    }
}
