//! A challenge as a person reads it, and as it is signed: one reading, so that nothing else is signed than was shown.

use countersign_core::binding::Transaction;
use countersign_core::factor::device::{Verdict, response_message};
use countersign_core::ids::{ChallengeId, FactorId};
use serde_json::Value;

use crate::cli::money;
use crate::cli::output::{plain, text};
use crate::problem::{Outcome, Problem};

/// A challenge that waits for this device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) id: ChallengeId,
    purpose: String,
    issuer: Option<String>,
    message: Option<String>,
    details: Vec<(String, String)>,
    transaction: Option<Transaction>,
    expires_at: String,
}

impl Shown {
    /// Reads it from the server's answer. What cannot be read whole is not shown, so that it is not signed either.
    pub(super) fn read(challenge: &Value) -> Outcome<Self> {
        let strange = |what: &str| {
            Problem::new(
                "a challenge cannot be shown, so it cannot be signed",
                format!("{what} is not what this version knows"),
                "use a client of the same version as the server",
            )
        };
        let some =
            |pointer: &str| Some(text(challenge, pointer)).filter(|text| !text.is_empty()).map(str::to_owned);
        let details = challenge.get("details").and_then(Value::as_object).into_iter().flatten();
        let details = details.map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        Ok(Self {
            id: text(challenge, "/id").parse().map_err(|_| strange("its id"))?,
            purpose: text(challenge, "/purpose").to_owned(),
            issuer: some("/issuer"),
            message: some("/message"),
            details: details.collect::<Option<_>>().ok_or_else(|| strange("a detail"))?,
            transaction: transaction(challenge).ok_or_else(|| strange("its transaction"))?,
            expires_at: text(challenge, "/expires_at").to_owned(),
        })
    }

    /// What is asked, in plain words. Everything a stranger may have written is one line without control characters.
    pub(super) fn words(&self) -> String {
        let by = self.issuer.as_ref().map(|issuer| format!(" by {}", plain(issuer))).unwrap_or_default();
        let mut lines = vec![match &self.transaction {
            Some(transaction) => format!("You are asked{by} to approve: {}", paid(transaction)),
            None if self.purpose == "recovery" => {
                format!("You are asked{by} to approve getting back into an account.")
            }
            None => format!("You are asked{by} to approve signing in."),
        }];
        if let Some(reference) =
            self.transaction.as_ref().and_then(|transaction| transaction.reference.as_ref())
        {
            lines.push(format!("  for: {}", plain(reference)));
        }
        lines.extend(self.message.iter().map(|message| format!("  they say: {}", plain(message))));
        let details = self.details.iter();
        lines.extend(details.map(|(name, value)| format!("  {}: {}", plain(name), plain(value))));
        lines.push(format!("  challenge {}, until {}", self.id, plain(&self.expires_at)));
        lines.join("\n")
    }

    /// What a signature says, in plain words: the same fields, in the same order, as in the signed bytes.
    pub(super) fn signed_words(&self, factor: &FactorId, verdict: Verdict, number: &str) -> String {
        let mut said = vec![match verdict {
            Verdict::Approve => format!("\"approve\", with the number {}", plain(number)),
            Verdict::Deny => "\"deny\"".to_owned(),
        }];
        said.extend(self.transaction.as_ref().map(paid));
        said.push(format!("challenge {}", self.id));
        said.push(format!("device {factor}"));
        format!("Signed: {}", said.join("; "))
    }

    /// The bytes that are signed.
    pub(super) fn signed(&self, factor: &FactorId, verdict: Verdict, number: &str) -> Vec<u8> {
        response_message(factor, &self.id, verdict, number, self.transaction.as_ref())
    }
}

/// `Some(None)` where there is none.
fn transaction(challenge: &Value) -> Option<Option<Transaction>> {
    let shown = match challenge.get("transaction") {
        None | Some(Value::Null) => return Some(None),
        Some(shown) => shown,
    };
    let payee = text(shown, "/payee");
    let reference = shown.get("reference").and_then(Value::as_str);
    let read = match shown.get("amount") {
        Some(Value::String(written)) => Transaction::written(written, payee),
        Some(amount) => Transaction::new(amount.as_u64()?, text(shown, "/currency"), payee, reference),
        None => return None,
    };
    read.ok().map(Some)
}

fn paid(transaction: &Transaction) -> String {
    let Transaction { amount, currency, payee, written, .. } = transaction;
    let amount = match written {
        Some(written) => plain(written),
        None => money::written(*amount, currency),
    };
    format!("pay {amount} to {}", plain(payee))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn challenge(transaction: &Value) -> Value {
        json!({
            "id": ChallengeId::from_bytes([1; 16]).to_string(), "purpose": "transaction", "issuer": "Nord Bank", "message": "Really?\u{1b}[2J",
            "details": { "Branch": "Oslo\r\nNumber: 99" }, "transaction": transaction, "expires_at": "2026-11-24T10:00:00Z",
        })
    }

    #[test]
    fn the_words_name_all_that_is_signed() {
        let transaction =
            json!({ "amount": 12_500, "currency": "EUR", "payee": "NORD PARTS", "reference": "Invoice 7" });
        let shown = Shown::read(&challenge(&transaction)).unwrap();
        let factor = FactorId::from_bytes([2; 16]);
        let words = shown.words();
        for part in [
            "by Nord Bank to approve: pay EUR 125.00 to NORD PARTS",
            "for: Invoice 7",
            "they say: Really?[2J",
            "Branch: Oslo Number: 99",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
        assert!(!words.contains('\u{1b}') && !words.contains('\r'), "{words:?}");
        let said = shown.signed_words(&factor, Verdict::Approve, "42");
        assert!(said.contains("the number 42; pay EUR 125.00 to NORD PARTS"), "{said}");
        let bytes = shown.signed(&factor, Verdict::Approve, "42");
        let expected = Transaction::new(12_500, "EUR", "NORD PARTS", Some("Invoice 7")).unwrap();
        assert_eq!(bytes, response_message(&factor, &shown.id, Verdict::Approve, "42", Some(&expected)));
    }

    #[test]
    fn what_cannot_be_shown_whole_is_not_signed() {
        for strange in [
            json!({ "amount": -1, "currency": "EUR", "payee": "X" }),
            json!({ "amount": 1, "currency": "EURO", "payee": "X" }),
            json!({ "amount": 1, "currency": "EUR" }),
            json!({ "payee": "X" }),
            json!("1 EUR"),
        ] {
            let problem = Shown::read(&challenge(&strange)).unwrap_err();
            assert!(problem.why.contains("transaction"), "{strange}");
        }
        assert!(Shown::read(&json!({ "id": "chl_x" })).unwrap_err().why.contains("id"));
    }

    #[test]
    fn a_sign_in_is_called_one() {
        let mut plain = challenge(&Value::Null);
        plain["purpose"] = json!("authentication");
        assert!(
            Shown::read(&plain)
                .unwrap()
                .words()
                .starts_with("You are asked by Nord Bank to approve signing in.")
        );
    }
}
