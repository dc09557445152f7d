//! What the words of a receipt mean.

use countersign_core::receipt::{About, Fate, NotAReceipt, Receipt};
use serde_json::Value;

use super::config::{Meaning, Names, ReceiptConfig, StateRule};
use crate::http_gateway::verdict::printable;
use crate::http_gateway::{OneOrMore, scalar_text};
use crate::{limits, pointer};

/// All receipts in what a request says; a request without any is no error: vendors send other news to the same address.
pub(super) fn read(config: &ReceiptConfig, said: &Value) -> Result<Vec<Receipt>, NotAReceipt> {
    let entries = pointer::all(said, &config.each);
    if entries.len() > limits::RECEIPTS_IN_ONE_REQUEST {
        return Err(NotAReceipt::Malformed);
    }
    let mut receipts = Vec::new();
    for entry in entries {
        let at = |pointer: &str| pointer::first(entry, pointer).and_then(scalar_text);
        let state = at(&config.state);
        let code = config.code.as_deref().and_then(at);
        let Some(rule) = config.states.iter().find(|rule| matches(rule, state.as_deref(), code.as_deref()))
        else {
            continue;
        };
        let id = config.id.texts().find_map(at).ok_or(NotAReceipt::Malformed)?;
        let fate = match rule.means {
            Meaning::Underway => Fate::Underway,
            Meaning::Delivered => Fate::Delivered,
            Meaning::Failed(class) => Fate::Failed {
                class: class.as_str().to_owned(),
                detail: detail(state.as_deref(), code.as_deref()),
            },
        };
        receipts.push(Receipt { about: about(config.names, &id)?, fate });
    }
    Ok(receipts)
}

fn about(names: Names, id: &str) -> Result<About, NotAReceipt> {
    match names {
        Names::Delivery => id.parse().map(About::Delivery).map_err(|_| NotAReceipt::Malformed),
        // As it was kept when the message was handed over.
        Names::Message => printable(id).map(About::Message).ok_or(NotAReceipt::Malformed),
    }
}

fn matches(rule: &StateRule, state: Option<&str>, code: Option<&str>) -> bool {
    let holds = |expected: &Option<OneOrMore>, found: Option<&str>| match expected {
        None => true,
        Some(expected) => found.is_some_and(|found| expected.contains(found)),
    };
    holds(&rule.state, state) && holds(&rule.code, code)
}

/// In our words, from codes: what is longer or has the look of a number is left out.
fn detail(state: Option<&str>, code: Option<&str>) -> String {
    let plain = |word: &&str| {
        let digits = word.chars().filter(char::is_ascii_digit).count();
        !word.is_empty()
            && word.len() <= 40
            && digits <= 6
            && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_ .".contains(c))
    };
    let mut detail = "the gateway reports a failure".to_owned();
    if let Some(state) = state.filter(plain) {
        detail = format!("the gateway reports {state}");
    }
    if let Some(code) = code.filter(plain) {
        detail += &format!(", code {code}");
    }
    detail
}
