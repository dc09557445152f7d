//! The words that stand in an SMPP account's table, and what they mean.

use countersign_smpp::alphabet::Alphabet;
use countersign_smpp::message::Concatenation;
use countersign_smpp::message_id::{IdForm, MessageIds};
use serde::Deserialize;

use crate::provider::{ErrorClass, Fault};

/// How the connection is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// TLS from the first byte.
    #[default]
    Tls,
    /// No encryption; only to this machine, or with `insecure = true`, through a tunnel say.
    None,
}

/// Which binds are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bind {
    /// Binds that submit and receive.
    #[default]
    Transceiver,
    /// Pairs of a bind that submits and one that receives.
    TransmitterReceiver,
    /// Binds that only submit; receipts come elsewhere, or not.
    Transmitter,
}

/// An alphabet of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlphabetName {
    /// GSM-7, one septet per octet.
    Gsm7,
    /// GSM-7, packed.
    Gsm7Packed,
    /// ISO 8859-1.
    Latin1,
    /// UCS-2.
    Ucs2,
}

impl AlphabetName {
    pub(in crate::smpp) const fn alphabet(self) -> Alphabet {
        match self {
            Self::Gsm7 => Alphabet::Gsm7,
            Self::Gsm7Packed => Alphabet::Gsm7Packed,
            Self::Latin1 => Alphabet::Latin1,
            Self::Ucs2 => Alphabet::Ucs2,
        }
    }
}

/// How a long text travels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LongText {
    /// Parts with a user data header.
    #[default]
    Udh,
    /// Parts with `sar_` parameters.
    Sar,
    /// One `message_payload`.
    Payload,
}

impl LongText {
    pub(in crate::smpp) const fn concatenation(self) -> Concatenation {
        match self {
            Self::Udh => Concatenation::Udh,
            Self::Sar => Concatenation::Sar,
            Self::Payload => Concatenation::Payload,
        }
    }
}

/// How message ids are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdWriting {
    /// As a name.
    #[default]
    Text,
    /// As a decimal number.
    Decimal,
    /// As a hexadecimal number.
    Hex,
}

impl IdWriting {
    const fn form(self) -> IdForm {
        match self {
            Self::Text => IdForm::Text,
            Self::Decimal => IdForm::Decimal,
            Self::Hex => IdForm::Hex,
        }
    }
}

/// How this carrier writes message ids in each place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IdWritings {
    /// In `submit_sm_resp`.
    #[serde(default)]
    pub response: IdWriting,
    /// In the text of receipts.
    #[serde(default)]
    pub receipt: IdWriting,
    /// In `receipted_message_id`; as `response` if absent.
    pub tlv: Option<IdWriting>,
}

impl IdWritings {
    pub(in crate::smpp) fn forms(self) -> MessageIds {
        MessageIds {
            response: self.response.form(),
            receipt: self.receipt.form(),
            tlv: self.tlv.map(IdWriting::form),
        }
    }
}

/// What a status of this carrier means.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatusRule {
    /// `command_status`, `0x0401`.
    pub status: u32,
    /// What it means; decides fault and retry unless they are given.
    pub class: ErrorClass,
    /// Whose fault it is: `recipient`, `provider` or `us`.
    pub fault: Option<FaultName>,
    /// Whether to try again.
    pub retry: Option<bool>,
}

/// Whose fault it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultName {
    /// The recipient's.
    Recipient,
    /// The carrier's.
    Provider,
    /// Ours.
    Us,
}

impl FaultName {
    pub(in crate::smpp) const fn fault(self) -> Fault {
        match self {
            Self::Recipient => Fault::Recipient,
            Self::Provider => Fault::Provider,
            Self::Us => Fault::Us,
        }
    }
}
