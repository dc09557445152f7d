//! A verification: one attempt to prove control of a recipient. Its states, what it is bound to, what is sealed in it.

use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

pub use crate::binding::{Binding, Transaction};
use crate::ids::{RecipientId, VerificationId};
use crate::keys::{Code, CodeFormat, CodeInputs, Digest, Keys, RootId, SealedFor, WrappedKey, open};
use crate::ledger::data_key_place;
use crate::limits;
pub use crate::message_template::TemplateUse;
use crate::named::named;
pub use crate::origin::{Dialect, Origin};
use crate::recipient::{Country, LineType, Recipient, RecipientKind};
use crate::tenant::Tenant;
use crate::time::Timestamp;
use crate::workflow::Workflow;

named!(
    /// What a success may be used for.
    Purpose {
        /// Signing in, or a second step of it.
        0 Authentication = "authentication",
        /// Proving that an address belongs to the person.
        1 AddressValidation = "address_validation",
        /// Getting back into an account.
        2 Recovery = "recovery",
        /// Approving one transaction; bound to its amount and payee.
        3 Transaction = "transaction",
    }
);

named!(
    /// How a code travels.
    Channel {
        /// Text message.
        0 Sms = "sms",
        /// Spoken call.
        1 Voice = "voice",
        /// WhatsApp message.
        2 Whatsapp = "whatsapp",
        /// Mail.
        3 Email = "email",
        /// The customer delivers it; the code is in the answer.
        4 Own = "self",
    }
);

impl Channel {
    /// Whether it can reach this kind of recipient.
    #[must_use]
    pub const fn reaches(self, kind: RecipientKind) -> bool {
        match (self, kind) {
            (Self::Own, _) | (Self::Email, RecipientKind::Email) => true,
            (Self::Email, RecipientKind::Phone) | (_, RecipientKind::Email) => false,
            (Self::Sms | Self::Voice | Self::Whatsapp, RecipientKind::Phone) => true,
        }
    }

    /// Whether it can reach this recipient: nobody reads a text message on what is certainly a landline.
    #[must_use]
    pub fn suits(self, to: &Recipient) -> bool {
        self.reaches(to.kind()) && (self != Self::Sms || to.line_type() != Some(LineType::FixedLine))
    }
}

named!(
    /// Whether the customer knows the person's device. Failures of strangers never lock out the known one.
    Lane {
        /// A stranger, as far as anyone knows.
        0 Open = "open",
        /// `context.trusted`, from a secret key.
        1 Known = "known",
    }
);

named!(
    /// Why a verification was never sent.
    Block {
        /// The project does not send to this country.
        0 Country = "country_not_allowed",
        /// The recipient is on a list.
        1 List = "blocked_by_list",
    }
);

/// Where a verification stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(flat)]
pub enum Status {
    /// Waiting for the code.
    #[n(0)]
    Pending,
    /// The code was right.
    #[n(1)]
    Approved,
    /// Too many wrong codes.
    #[n(2)]
    MaxAttempts,
    /// Every route refused at once.
    #[n(3)]
    Undeliverable,
    /// Its time ran out.
    #[n(4)]
    Expired,
    /// The customer called it off.
    #[n(5)]
    CanceledByCustomer,
    /// A later one took its place.
    #[n(6)]
    Superseded,
    /// A check named another transaction.
    #[n(7)]
    BindingChanged,
    /// Never sent.
    #[n(8)]
    Blocked(#[n(0)] Block),
}

impl Status {
    /// `status` in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::MaxAttempts | Self::Undeliverable => "failed",
            Self::Expired => "expired",
            Self::CanceledByCustomer | Self::Superseded | Self::BindingChanged => "canceled",
            Self::Blocked(_) => "blocked",
        }
    }

    /// `reason` in the API.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Pending | Self::Approved | Self::Expired => None,
            Self::MaxAttempts => Some("max_attempts"),
            Self::Undeliverable => Some("undeliverable"),
            Self::CanceledByCustomer => Some("by_customer"),
            Self::Superseded => Some("superseded"),
            Self::BindingChanged => Some("binding_changed"),
            Self::Blocked(block) => Some(block.as_str()),
        }
    }
}

/// The row of a verification. What could name a person is in `sealed`.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Verification {
    /// Its id.
    #[n(0)]
    pub id: VerificationId,
    /// Whose it is.
    #[n(1)]
    pub tenant: Tenant,
    /// The ledger it stands on.
    #[n(2)]
    pub recipient: RecipientId,
    /// Where it stands, as last written; see [`Self::status_at`].
    #[n(3)]
    pub status: Status,
    /// What a success may be used for.
    #[n(4)]
    pub purpose: Purpose,
    /// Whose counters it uses.
    #[n(5)]
    pub lane: Lane,
    /// The channel of the latest send.
    #[n(6)]
    pub channel: Channel,
    /// The blind index of the exact recipient.
    #[n(7)]
    pub address: Digest,
    /// The root `address`, the code and the binding were made under.
    #[n(8)]
    pub root: RootId,
    /// How often the code was rotated.
    #[n(9)]
    pub generation: u32,
    /// How the code looks.
    #[n(10)]
    pub format: CodeFormat,
    /// What it is bound to.
    #[n(11)]
    pub binding: Binding,
    /// Codes checked so far.
    #[n(12)]
    pub checks_used: u8,
    /// Codes that may be checked in all.
    #[n(13)]
    pub checks_allowed: u8,
    /// Messages sent so far.
    #[n(14)]
    pub sends: u8,
    /// When the latest was reserved.
    #[n(15)]
    pub last_send_at: Option<Timestamp>,
    /// When it began.
    #[n(16)]
    pub created_at: Timestamp,
    /// From this instant on nothing is accepted.
    #[n(17)]
    pub expires_at: Timestamp,
    /// When it reached its end state.
    #[n(18)]
    pub ended_at: Option<Timestamp>,
    /// The country of a phone number.
    #[n(19)]
    pub country: Option<[u8; 2]>,
    /// [`Private`], sealed under the recipient's data key.
    #[cbor(n(20), with = "minicbor::bytes")]
    pub sealed: Vec<u8>,
    /// What the customer said about it afterwards.
    #[n(21)]
    pub report: Option<Report>,
    /// Channels a resend may use.
    #[n(22)]
    pub channels_available: Vec<Channel>,
    /// The dialect it was begun in; `None` is the native API.
    #[n(23)]
    pub origin: Option<Origin>,
    /// The code the customer supplied, sealed under the recipient's data key. Empty once it was erased, which every end
    /// state does. `None` is the rule: the code is derived.
    #[n(24)]
    pub supplied_code: Option<SuppliedCode>,
    /// How it goes on by itself when a message does not help. `None` is the rule.
    #[n(25)]
    pub workflow: Option<Workflow>,
    /// What the fraud guard wants. `None` is the rule.
    #[n(26)]
    pub risk: Option<crate::policy::Risk>,
}

/// The sealed bytes of a supplied code.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct SuppliedCode(#[cbor(n(0), with = "minicbor::bytes")] pub Vec<u8>);

named!(
    /// What the customer says about a verification afterwards.
    Report {
        /// It was an attack.
        0 Fraud = "fraud",
        /// It was the person.
        1 Legitimate = "legitimate",
    }
);

impl Verification {
    /// Where it stands at `now`: a pending one whose time ran out is expired, written down or not. So is one from the
    /// future, which was made before somebody accepted that the clock was set back: it must not live longer by that.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> Status {
        let over = now >= self.expires_at || self.id.created_at() > now.plus(limits::CLOCK_TOLERANCE);
        if self.status == Status::Pending && over { Status::Expired } else { self.status }
    }

    /// Codes that may still be checked.
    #[must_use]
    pub const fn attempts_remaining(&self) -> u8 {
        self.checks_allowed.saturating_sub(self.checks_used)
    }

    /// Ends it: the one way into an end state. A supplied code is erased.
    pub(crate) fn end(&mut self, status: Status, at: Timestamp) {
        self.status = status;
        self.ended_at = Some(at);
        if let Some(SuppliedCode(sealed)) = &mut self.supplied_code {
            sealed.clear();
        }
    }

    /// Its code in this generation: derived, or the supplied one opened with the recipient's data key. `None` when this
    /// node lacks the root, the person or the supplied code was erased, or that is of another generation.
    #[must_use]
    pub fn code(&self, keys: &Keys, wrapped: &WrappedKey, generation: u32) -> Option<Code> {
        let Some(SuppliedCode(sealed)) = &self.supplied_code else {
            let binding = self.binding.digest();
            return keys.code(&CodeInputs { generation, ..self.code_inputs(&binding) });
        };
        if generation != self.generation {
            return None;
        }
        let data_key = keys.unwrap(wrapped, &data_key_place(&self.tenant, &self.recipient))?;
        open(&data_key, &code_sealed_for(&self.tenant, &self.id), wrapped.root, sealed).map(Code::supplied)
    }

    /// What its code is derived from.
    #[must_use]
    pub fn code_inputs<'a>(&'a self, binding: &'a Digest) -> CodeInputs<'a> {
        CodeInputs {
            root: self.root,
            tenant: &self.tenant,
            verification: &self.id,
            generation: self.generation,
            purpose: self.purpose,
            address: &self.address,
            binding,
            format: self.format,
        }
    }

    /// The country as a typed value.
    #[must_use]
    pub fn country(&self) -> Option<Country> {
        std::str::from_utf8(&self.country?).ok()?.parse().ok()
    }

    /// Opens its sealed part with its recipient's data key; `None` when this node lacks the root, the person was
    /// erased, or the bytes were moved or changed.
    #[must_use]
    pub fn open_private(&self, keys: &Keys, wrapped: &WrappedKey) -> Option<Private> {
        let data_key = keys.unwrap(wrapped, &data_key_place(&self.tenant, &self.recipient))?;
        let plain = Zeroizing::new(open(&data_key, &self.sealed_for(), wrapped.root, &self.sealed)?);
        minicbor::decode(&plain).ok()
    }

    /// Where its sealed part stands.
    #[must_use]
    pub fn sealed_for(&self) -> SealedFor<'_> {
        sealed_for(&self.tenant, &self.id)
    }
}

/// Where the sealed part of a verification stands.
#[must_use]
pub fn sealed_for<'a>(tenant: &'a Tenant, id: &'a VerificationId) -> SealedFor<'a> {
    SealedFor { tenant, table: "verification", row: id.as_bytes(), column: "sealed" }
}

/// Where the supplied code of a verification stands.
#[must_use]
pub fn code_sealed_for<'a>(tenant: &'a Tenant, id: &'a VerificationId) -> SealedFor<'a> {
    SealedFor { tenant, table: "verification", row: id.as_bytes(), column: "code" }
}

/// What a verification holds about a person: readable only with the recipient's data key.
#[derive(Debug, Clone, PartialEq, Eq, Default, Encode, Decode)]
pub struct Private {
    /// The canonical recipient.
    #[n(0)]
    pub to: String,
    /// The person in the customer's system.
    #[n(1)]
    pub subject: Option<String>,
    /// The customer's session.
    #[n(2)]
    pub session: Option<String>,
    /// The transaction the code is bound to.
    #[n(3)]
    pub transaction: Option<Transaction>,
    /// The customer's own notes, in their order.
    #[n(4)]
    pub metadata: Vec<(String, String)>,
    /// The language wished for (BCP 47).
    #[n(5)]
    pub locale: Option<String>,
    /// The person's IP address, as the customer saw it.
    #[n(6)]
    pub ip: Option<String>,
    /// The person's user agent.
    #[n(7)]
    pub user_agent: Option<String>,
    /// The recipient as answers show it.
    #[n(8)]
    pub masked: String,
    /// The name its messages carry instead of the project's.
    #[n(9)]
    pub brand: Option<String>,
    /// Ends its text messages, for an Android app that reads them (SMS Retriever).
    #[n(10)]
    pub app_hash: Option<String>,
    /// Whose words its messages have.
    #[n(20)]
    pub template: Option<TemplateUse>,
}
