//! What a code is valid for beyond the recipient: a transaction, a person, a session.

use minicbor::{Decode, Encode};

use crate::keys::{Digest, Keys, RootId, length_prefixed_all, sha256};
use crate::limits;
use crate::tenant::Tenant;

/// An amount, who gets it and what for; part of the code by construction (PSD2 RTS, Article 5).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Transaction {
    /// In minor units of the currency.
    #[n(0)]
    pub amount: u64,
    /// ISO 4217 code, three capitals.
    #[n(1)]
    pub currency: String,
    /// Who gets it, white space collapsed.
    #[n(2)]
    pub payee: String,
    /// What for.
    #[n(3)]
    pub reference: Option<String>,
    /// The amount as the customer wrote it, in a dialect whose amounts have no currency of their own; `amount` is zero
    /// and `currency` `XXX` then (ISO 4217: no currency).
    #[n(4)]
    pub written: Option<String>,
}

impl Transaction {
    /// The canonical form, or the name of the field that is wrong.
    ///
    /// # Errors
    /// The field's name when the amount is too large, the currency not three letters, or a text empty or too long.
    pub fn new(
        amount: u64,
        currency: &str,
        payee: &str,
        reference: Option<&str>,
    ) -> Result<Self, &'static str> {
        if amount > limits::MAX_AMOUNT {
            return Err("transaction.amount");
        }
        if currency.len() != 3 || !currency.bytes().all(|letter| letter.is_ascii_alphabetic()) {
            return Err("transaction.currency");
        }
        let reference = match reference {
            Some(text) => Some(collapse(text).ok_or("transaction.reference")?),
            None => None,
        };
        Ok(Self {
            amount,
            currency: currency.to_ascii_uppercase(),
            payee: collapse(payee).ok_or("transaction.payee")?,
            reference,
            written: None,
        })
    }

    /// One whose amount is a text, or the name of the field that is wrong.
    ///
    /// # Errors
    /// The field's name when a text is empty, too long or not one line.
    pub fn written(amount: &str, payee: &str) -> Result<Self, &'static str> {
        Ok(Self {
            amount: 0,
            currency: "XXX".to_owned(),
            payee: collapse(payee).ok_or("payee")?,
            reference: None,
            written: Some(collapse(amount).ok_or("amount")?),
        })
    }

    fn digest(&self, keys: &Keys, root: RootId) -> Option<Digest> {
        if let Some(written) = &self.written {
            let fields: [&[u8]; 3] = [b"written-transaction/v1", written.as_bytes(), self.payee.as_bytes()];
            return keys.fingerprint(root, &fields);
        }
        let reference = self.reference.as_deref().unwrap_or_default();
        let amount = self.amount.to_be_bytes();
        keys.fingerprint(
            root,
            &[
                b"transaction/v1",
                &amount,
                self.currency.as_bytes(),
                self.payee.as_bytes(),
                reference.as_bytes(),
            ],
        )
    }
}

/// White space collapsed to single spaces; `None` when nothing, too much or a control character is there.
fn collapse(text: &str) -> Option<String> {
    let collapsed = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let length = collapsed.chars().count();
    let fine = (1..=limits::MAX_PAYEE).contains(&length) && !collapsed.chars().any(char::is_control);
    fine.then_some(collapsed)
}

/// Keyed digests of what a code is valid for beyond the recipient; `None` is what was not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Encode, Decode)]
pub struct Binding {
    /// The transaction.
    #[n(0)]
    pub transaction: Option<Digest>,
    /// The person in the customer's system.
    #[n(1)]
    pub subject: Option<Digest>,
    /// The customer's session.
    #[n(2)]
    pub session: Option<Digest>,
}

impl Binding {
    /// The digests of these values under `root`; `None` when the root is unknown here.
    #[must_use]
    pub fn of(
        keys: &Keys,
        root: RootId,
        tenant: &Tenant,
        transaction: Option<&Transaction>,
        subject: Option<&str>,
        session: Option<&str>,
    ) -> Option<Self> {
        keys.root(root)?;
        let text = |kind: &[u8], value: &str| {
            let tenant = tenant.to_bytes();
            keys.fingerprint(root, &[b"binding/v1", &tenant, kind, value.as_bytes()])
        };
        Some(Self {
            transaction: transaction.and_then(|transaction| transaction.digest(keys, root)),
            subject: subject.and_then(|value| text(b"subject", value)),
            session: session.and_then(|value| text(b"session", value)),
        })
    }

    /// One digest of all three, for the code.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let bytes = |part: &Option<Digest>| part.map_or(Vec::new(), |digest| digest.0.to_vec());
        sha256(&length_prefixed_all(&[
            b"binding/v1",
            &bytes(&self.transaction),
            &bytes(&self.subject),
            &bytes(&self.session),
        ]))
    }
}
