//! `[providers.<name>] type = "smpp"`.

mod words;

use std::path::PathBuf;

use countersign_smpp::bind::{Account, Mode};
use countersign_smpp::message::Address;
use serde::Deserialize;

use crate::config::{ConfigProblem, SecretSource, default_timeout_seconds, is_loopback};
use crate::limits;

pub use words::{AlphabetName, Bind, FaultName, IdWriting, IdWritings, LongText, Security, StatusRule};

/// An account at a carrier's SMSC.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SmppConfig {
    /// Name or address of the SMSC; with TLS its certificate must be for this name.
    pub host: String,
    /// Port; 2775 if absent.
    #[serde(default = "default_port")]
    pub port: u16,
    /// `tls` (default) or `none`.
    #[serde(default)]
    pub security: Security,
    /// Allows clear text, password and codes included, to another machine.
    #[serde(default)]
    pub insecure: bool,
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Who we are, at most 15 characters.
    pub system_id: String,
    /// Password, at most 8 characters; none if absent.
    pub password: Option<SecretSource>,
    /// What kind of system we are, at most 12 characters; carriers say if they want one.
    #[serde(default)]
    pub system_type: String,
    /// Addresses served by the binds, at most 40 characters; mostly empty.
    #[serde(default)]
    pub address_range: String,
    /// Which binds are kept.
    #[serde(default)]
    pub bind: Bind,
    /// How many of them, 1 to 16.
    #[serde(default = "default_binds")]
    pub binds: usize,
    /// Submissions of one bind that wait for their answer, 1 to 1000.
    #[serde(default = "default_window")]
    pub window: usize,
    /// Submissions in hand at once, waiting ones included, 1 to 10000; more go to the next provider.
    #[serde(default = "default_in_hand")]
    pub max_in_hand: usize,
    /// Messages per second over all binds of this node; no limit if absent.
    pub messages_per_second: Option<f64>,
    /// Who messages seem to come from: a number in E.164, a short number, or a name of at most 11 characters.
    pub sender: Option<String>,
    /// Type of number of the sender, if not after what it looks like.
    pub source_ton: Option<u8>,
    /// Numbering plan of the sender, if not after what it looks like.
    pub source_npi: Option<u8>,
    /// Type of number of recipients; 1, international, if absent.
    #[serde(default = "one")]
    pub dest_ton: u8,
    /// Numbering plan of recipients; 1, E.164, if absent.
    #[serde(default = "one")]
    pub dest_npi: u8,
    /// `service_type`, at most 5 characters; mostly empty.
    #[serde(default)]
    pub service_type: String,
    /// The alphabets that may be used, the preferred one first.
    #[serde(default = "default_alphabets")]
    pub alphabets: Vec<AlphabetName>,
    /// How a text travels that is too long for one message.
    #[serde(default)]
    pub long_text: LongText,
    /// Whether receipts are asked for.
    #[serde(default = "yes")]
    pub receipts: bool,
    /// How message ids are written.
    #[serde(default)]
    pub message_ids: IdWritings,
    /// What statuses of the carrier's own mean, and what others mean there; the first that matches decides.
    #[serde(default)]
    pub errors: Vec<StatusRule>,
    /// After how long without a sign of the SMSC it is asked for one, 1 to 600.
    #[serde(default = "default_enquire_seconds")]
    pub enquire_link_seconds: u64,
    /// How long an answer may take, 1 to 60.
    #[serde(default = "default_response_seconds")]
    pub response_seconds: u64,
    /// Time for one message, the waiting for its turn included, 1 to 300.
    #[serde(default = "default_timeout_seconds")]
    pub timeout_seconds: u64,
}

const fn default_port() -> u16 {
    2775
}

const fn default_binds() -> usize {
    1
}

const fn default_window() -> usize {
    10
}

const fn default_in_hand() -> usize {
    256
}

const fn one() -> u8 {
    1
}

const fn yes() -> bool {
    true
}

const fn default_enquire_seconds() -> u64 {
    30
}

const fn default_response_seconds() -> u64 {
    10
}

fn default_alphabets() -> Vec<AlphabetName> {
    vec![AlphabetName::Gsm7, AlphabetName::Ucs2]
}

impl SmppConfig {
    /// Everything that is wrong, without touching the network or reading a secret.
    #[must_use]
    pub fn validate(&self) -> Vec<ConfigProblem> {
        let mut problems = self.check_place();
        problems.extend(self.check_numbers());
        problems.extend(self.check_account());
        problems.extend(self.check_messages());
        problems
    }

    /// The binds, one entry each.
    pub(super) fn modes(&self) -> Vec<Mode> {
        let kinds: &[Mode] = match self.bind {
            Bind::Transceiver => &[Mode::Transceiver],
            Bind::TransmitterReceiver => &[Mode::Transmitter, Mode::Receiver],
            Bind::Transmitter => &[Mode::Transmitter],
        };
        kinds.iter().flat_map(|kind| std::iter::repeat_n(*kind, self.binds)).collect()
    }

    /// A sender as it is put on messages.
    pub(super) fn source(&self, sender: Option<&str>) -> Option<Address> {
        let mut source = match sender {
            None => Address { ton: 0, npi: 0, text: String::new() },
            Some(sender) => Address::sender(sender).ok()?,
        };
        source.ton = self.source_ton.unwrap_or(source.ton);
        source.npi = self.source_npi.unwrap_or(source.npi);
        Some(source)
    }

    fn check_place(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let is_name = !self.host.is_empty()
            && self.host.bytes().all(|byte| byte.is_ascii_graphic() && !b"/@".contains(&byte));
        if !is_name {
            problems.push(ConfigProblem::new("host", "is not a host name", "write it like smsc.example.com"));
        }
        if self.port == 0 {
            problems.push(ConfigProblem::new(
                "port",
                "is 0",
                "write the carrier's, or leave it out for 2775",
            ));
        }
        if self.security == Security::None && !self.insecure && !is_loopback(&self.host) {
            let fix = "use \"tls\", or a tunnel and insecure = true";
            let problem = "is \"none\" for another machine and would send password and codes in clear";
            problems.push(ConfigProblem::new("security", problem, fix));
        }
        if self.ca_file.is_some() && self.security == Security::None {
            problems.push(ConfigProblem::new(
                "ca_file",
                "has no use with security = \"none\"",
                "leave it out",
            ));
        }
        problems
    }

    fn check_numbers(&self) -> Vec<ConfigProblem> {
        let numbers = [
            ("binds", self.binds as u64, limits::SMPP_BINDS as u64),
            ("window", self.window as u64, limits::SMPP_WINDOW as u64),
            ("max_in_hand", self.max_in_hand as u64, limits::SMPP_IN_HAND as u64),
            ("enquire_link_seconds", self.enquire_link_seconds, 600),
            ("response_seconds", self.response_seconds, 60),
            ("timeout_seconds", self.timeout_seconds, limits::MAX_TIMEOUT_SECONDS),
        ];
        let mut problems: Vec<_> = numbers
            .into_iter()
            .filter(|(_, value, most)| !(1..=*most).contains(value))
            .map(|(key, value, most)| {
                ConfigProblem::new(key, format!("is {value}"), format!("write 1 to {most}"))
            })
            .collect();
        if self.messages_per_second.is_some_and(|rate| !(0.1..=limits::SMPP_PER_SECOND).contains(&rate)) {
            let fix = format!("write 0.1 to {}, or leave it out", limits::SMPP_PER_SECOND);
            problems.push(ConfigProblem::new("messages_per_second", "is out of range", fix));
        }
        problems
    }

    fn check_account(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        let account = Account {
            system_id: self.system_id.clone(),
            system_type: self.system_type.clone(),
            address_range: self.address_range.clone(),
            ..Account::default()
        };
        if let Some((key, longest)) = account.problem() {
            problems.push(unfit(key, longest));
        }
        if self.system_id.is_empty() {
            problems.push(ConfigProblem::new("system_id", "is empty", "write what the carrier gave you"));
        }
        problems
    }

    fn check_messages(&self) -> Vec<ConfigProblem> {
        let mut problems = Vec::new();
        if self.source(self.sender.as_deref()).is_none() {
            let fix = "write +48600100217, 70707, or a name of at most 11 ASCII characters";
            problems.push(ConfigProblem::new("sender", "is nothing that a phone can show", fix));
        }
        let service_type = self.service_type.as_str();
        if service_type.len() > 5 || !service_type.bytes().all(|byte| byte.is_ascii_graphic()) {
            problems.push(unfit("service_type", 5));
        }
        if self.alphabets.is_empty() {
            let fix = "write [\"gsm7\", \"ucs2\"], or leave it out";
            problems.push(ConfigProblem::new("alphabets", "is empty", fix));
        }
        if self.errors.len() > limits::GATEWAY_RULES {
            let fix = format!("write at most {}", limits::GATEWAY_RULES);
            problems.push(ConfigProblem::new("errors", "has too many rules", fix));
        }
        if let Some(index) = self.errors.iter().position(|rule| rule.status == 0) {
            let fix = "leave the rule out; 0 is success";
            problems.push(ConfigProblem::new(format!("errors[{index}].status"), "is 0", fix));
        }
        problems
    }
}

pub(super) fn unfit(key: &str, longest: usize) -> ConfigProblem {
    let problem = "does not fit the protocol";
    ConfigProblem::new(key, problem, format!("write at most {longest} ASCII characters"))
}

#[cfg(test)]
mod tests;
