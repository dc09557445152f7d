//! A challenge as answers show it.

use countersign_core::challenge::{Challenge, ChallengeStatus};
use countersign_core::ids::{ChallengeId, FactorId, SubjectId, VerificationId};
use countersign_core::time::Timestamp;
use serde::Serialize;

use crate::answer::Text;
use crate::app::App;
use crate::subjects::Person;
use crate::verifications::view::{Metadata, TransactionView};

/// The wire form of a challenge.
#[derive(Debug, Serialize)]
pub(crate) struct ChallengeView {
    id: Text<ChallengeId>,
    object: &'static str,
    livemode: bool,
    status: &'static str,
    reason: Option<&'static str>,
    subject: Text<SubjectId>,
    external_id: Option<String>,
    purpose: &'static str,
    methods: Vec<&'static str>,
    factor: Option<Text<FactorId>>,
    /// What tokens that answer questions are asked, by factor.
    question: Metadata,
    /// What the first screen shows and a device asks for.
    number: Option<String>,
    attempts_remaining: u8,
    transaction: Option<TransactionView>,
    session: Option<String>,
    message: Option<String>,
    details: Metadata,
    verification: Option<Text<VerificationId>>,
    approved_by: Option<ApprovedByView>,
    expires_at: Text<Timestamp>,
    ended_at: Option<Text<Timestamp>>,
    redeemed_at: Option<Text<Timestamp>>,
    metadata: Metadata,
    created_at: Text<Timestamp>,
    pub(crate) proof: Option<String>,
}

#[derive(Debug, Serialize)]
struct ApprovedByView {
    method: &'static str,
    factor: Option<Text<FactorId>>,
    verification: Option<Text<VerificationId>>,
}

impl ChallengeView {
    /// The view of a challenge of this person at an instant. The number goes only to those who may begin challenges: whoever
    /// shows it to the wrong screen gives the approval away.
    pub(crate) fn new(
        app: &App,
        person: &Person<'_>,
        challenge: &Challenge,
        now: Timestamp,
        with_number: bool,
    ) -> Self {
        let keys = &app.services.keys;
        let private = person.challenge(challenge);
        let status = challenge.status_at(keys, now);
        let pending = status == ChallengeStatus::Pending;
        let number = if pending && with_number && !challenge.pushed_to.is_empty() {
            challenge.number(keys)
        } else {
            None
        };
        Self {
            id: Text(challenge.id),
            object: "challenge",
            livemode: challenge.tenant.mode.is_live(),
            status: status.status(),
            reason: status.reason(),
            subject: Text(challenge.subject),
            external_id: person.external_id().map(str::to_owned),
            purpose: challenge.purpose.as_str(),
            methods: challenge.methods.iter().map(|method| method.as_str()).collect(),
            factor: challenge.factor.map(Text),
            question: if pending { questions(app, person, challenge) } else { Metadata::default() },
            number,
            attempts_remaining: challenge.attempts_remaining(),
            transaction: private.transaction.as_ref().map(TransactionView::from),
            session: private.session,
            message: private.message,
            details: Metadata(private.details),
            verification: challenge.verification.map(Text),
            approved_by: challenge.approved_by.map(|by| ApprovedByView {
                method: by.method.as_str(),
                factor: by.factor.map(Text),
                verification: by.verification.map(Text),
            }),
            expires_at: Text(challenge.expires_at),
            ended_at: challenge.ended_at.map(Text),
            redeemed_at: challenge.redeemed_at.map(Text),
            metadata: Metadata(private.metadata),
            created_at: Text(challenge.created_at),
            proof: None,
        }
    }
}

/// The questions to the factors that answer some and may answer this challenge.
fn questions(app: &App, person: &Person<'_>, challenge: &Challenge) -> Metadata {
    let may = |id: FactorId| challenge.factor.is_none_or(|wanted| wanted == id);
    let asked = person.row.active().filter(|factor| {
        may(factor.id) && challenge.methods.contains(&countersign_core::challenge::Method::of(factor.kind()))
    });
    let question = asked
        .filter_map(|factor| Some((factor.id.to_string(), factor.question(&app.services.keys, challenge)?)));
    Metadata(question.collect())
}
