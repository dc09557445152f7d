//! A verification as answers show it.

use std::fmt;

use countersign_core::command::Snapshot;
use countersign_core::ids::VerificationId;
use countersign_core::time::Timestamp;
use countersign_core::verification::{Channel, Private, Status, Transaction, Verification};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::workflow::WorkflowView;
use crate::answer::Text;
use crate::app::App;

/// What stands only in the answers of certain calls.
#[derive(Default)]
pub(crate) struct Extras {
    /// The signed proof, in the answer of the check that approved.
    pub(crate) proof: Option<String>,
    /// The code, where the customer delivers it.
    pub(crate) code: Option<CodeText>,
}

/// A code on its way into an answer. Prints as `***` and is wiped when dropped.
pub(crate) struct CodeText(zeroize::Zeroizing<String>);

impl Serialize for CodeText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl fmt::Debug for CodeText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeText(***)")
    }
}

/// The wire form of a verification.
#[derive(Debug, Serialize)]
pub(crate) struct VerificationView {
    id: Text<VerificationId>,
    object: &'static str,
    livemode: bool,
    status: &'static str,
    reason: Option<&'static str>,
    to: ToView,
    purpose: &'static str,
    channel: &'static str,
    channels_available: Vec<&'static str>,
    workflow: Option<WorkflowView>,
    delivery: Option<DeliveryView>,
    attempts_remaining: u8,
    sends_remaining: u8,
    next_resend_at: Option<Text<Timestamp>>,
    expires_at: Text<Timestamp>,
    ended_at: Option<Text<Timestamp>>,
    subject: Option<String>,
    session: Option<String>,
    transaction: Option<TransactionView>,
    risk: RiskView,
    report: Option<&'static str>,
    locale: Option<String>,
    metadata: Metadata,
    created_at: Text<Timestamp>,
    code: Option<CodeText>,
    proof: Option<String>,
}

#[derive(Serialize)]
struct ToView {
    r#type: Option<&'static str>,
    masked: Option<String>,
    country: Option<String>,
    value: Option<String>,
}

impl fmt::Debug for ToView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ToView({})", self.masked.as_deref().unwrap_or("?"))
    }
}

#[derive(Debug, Serialize)]
struct DeliveryView {
    state: &'static str,
    provider: Option<String>,
    at: Text<Timestamp>,
}

/// A transaction as it was given.
#[derive(Debug, Serialize)]
pub(crate) struct TransactionView {
    amount: u64,
    currency: String,
    payee: String,
    reference: Option<String>,
}

#[derive(Debug, Serialize)]
struct RiskView {
    decision: &'static str,
    reasons: Vec<&'static str>,
}

/// The customer's notes, in their order.
#[derive(Debug, Default)]
pub(crate) struct Metadata(pub(crate) Vec<(String, String)>);

impl Serialize for Metadata {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl VerificationView {
    /// The view of a snapshot with its opened part; `reveal` shows the recipient in the clear.
    pub(crate) fn new(snapshot: &Snapshot, private: &Private, reveal: bool, extras: Extras) -> Self {
        let row = &snapshot.verification;
        let delivery = snapshot.delivery.as_ref().map(|delivery| DeliveryView {
            state: delivery.state.as_str(),
            provider: delivery.provider().map(str::to_owned),
            at: Text(delivery.state_at),
        });
        let open = row.status == Status::Pending;
        let next_step_at = snapshot.delivery.as_ref().and_then(|delivery| delivery.step_at).filter(|_| open);
        Self {
            id: Text(row.id),
            object: "verification",
            livemode: row.tenant.mode.is_live(),
            status: row.status.as_str(),
            reason: row.status.reason(),
            to: to_view(row, private, reveal),
            purpose: row.purpose.as_str(),
            channel: row.channel.as_str(),
            channels_available: row.channels_available.iter().map(|channel| channel.as_str()).collect(),
            workflow: row.workflow.as_ref().map(|workflow| WorkflowView::new(workflow, next_step_at)),
            delivery,
            attempts_remaining: row.attempts_remaining(),
            sends_remaining: snapshot.sends_remaining,
            next_resend_at: snapshot.next_resend_at.map(Text),
            expires_at: Text(row.expires_at),
            ended_at: row.ended_at.map(Text),
            subject: private.subject.clone(),
            session: private.session.clone(),
            transaction: private.transaction.as_ref().map(TransactionView::from),
            risk: risk(row),
            report: row.report.map(|report| report.as_str()),
            locale: private.locale.clone(),
            metadata: Metadata(private.metadata.clone()),
            created_at: Text(row.created_at),
            code: extras.code,
            proof: extras.proof,
        }
    }
}

impl From<&Transaction> for TransactionView {
    fn from(transaction: &Transaction) -> Self {
        Self {
            amount: transaction.amount,
            currency: transaction.currency.clone(),
            payee: transaction.payee.clone(),
            // An amount that a dialect has only as a text stands here; the currency is `XXX` then.
            reference: transaction.written.clone().or_else(|| transaction.reference.clone()),
        }
    }
}

/// What policy and the fraud guard say of a start. Until there is a guard, only a scenario of test mode wants a challenge.
fn risk(row: &Verification) -> RiskView {
    match (row.status, row.risk) {
        (Status::Blocked(block), _) => RiskView { decision: "deny", reasons: vec![block.as_str()] },
        (_, Some(risk)) => RiskView { decision: risk.as_str(), reasons: vec!["scenario"] },
        (_, None) => RiskView { decision: "allow", reasons: Vec::new() },
    }
}

fn to_view(row: &Verification, private: &Private, reveal: bool) -> ToView {
    let present = (!private.to.is_empty()).then_some(private);
    ToView {
        r#type: match (present, row.channel) {
            (Some(private), _) => Some(if private.to.contains('@') { "email" } else { "phone" }),
            (None, Channel::Email) => Some("email"),
            (None, Channel::Own) => None,
            (None, _) => Some("phone"),
        },
        masked: present.map(|private| private.masked.clone()),
        country: row.country().map(|country| country.as_str().to_owned()),
        value: present.filter(|_| reveal).map(|private| private.to.clone()),
    }
}

/// The sealed part of a verification; empty when its person was erased or the root is not held here.
pub(crate) fn open_private(app: &App, snapshot: &Snapshot) -> Private {
    let wrapped = snapshot.data_key.as_ref().map(|(_, wrapped)| wrapped);
    let opened = wrapped.and_then(|wrapped| snapshot.verification.open_private(&app.services.keys, wrapped));
    opened.unwrap_or_default()
}

/// The code of a verification, derived again.
pub(crate) fn code(app: &App, snapshot: &Snapshot) -> Option<CodeText> {
    let (_, data_key) = snapshot.data_key.as_ref()?;
    let verification = &snapshot.verification;
    let code = verification.code(&app.services.keys, data_key, verification.generation)?;
    Some(CodeText(zeroize::Zeroizing::new(code.reveal().to_owned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_secret_is_printed() {
        let to = ToView {
            r#type: Some("phone"),
            masked: Some("+48••••••17".into()),
            country: None,
            value: Some("+48600100217".into()),
        };
        assert_eq!(format!("{to:?}"), "ToView(+48••••••17)");
        assert_eq!(format!("{:?}", CodeText(zeroize::Zeroizing::new("123456".into()))), "CodeText(***)");
    }

    #[test]
    fn metadata_keeps_its_order() {
        let metadata = Metadata(vec![("z".into(), "1".into()), ("a".into(), "2".into())]);
        assert_eq!(serde_json::to_string(&metadata).unwrap(), r#"{"z":"1","a":"2"}"#);
    }
}
