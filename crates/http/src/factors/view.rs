//! A factor as answers show it. Its secret is never among it.

use countersign_core::factor::device::SignatureAlgorithm;
use countersign_core::factor::{Factor, FactorState, Held, Means};
use countersign_core::ids::{FactorId, SubjectId};

use countersign_core::time::Timestamp;
use serde::Serialize;

use crate::answer::Text;
use crate::subjects::Person;

/// The wire form of a factor.
#[derive(Debug, Serialize)]
pub(crate) struct FactorView {
    id: Text<FactorId>,
    object: &'static str,
    livemode: bool,
    subject: Text<SubjectId>,
    r#type: &'static str,
    status: &'static str,
    locked: bool,
    locked_until: Option<Text<Timestamp>>,
    name: Option<String>,
    strength: Strength,
    parameters: Parameters,
    codes_remaining: Option<usize>,
    push: Option<PushView>,
    serial: Option<String>,
    created_at: Text<Timestamp>,
    activated_at: Option<Text<Timestamp>>,
    last_used_at: Option<Text<Timestamp>>,
    expires_at: Option<Text<Timestamp>>,
    removed_at: Option<Text<Timestamp>>,
}

/// What a factor is worth, without flattery: nothing here resists a person who types a code into the wrong page
/// (NIST SP 800-63B-4, 3.2.5).
#[derive(Debug, Serialize)]
struct Strength {
    kind: &'static str,
    restricted: bool,
    phishing_resistant: bool,
}

/// Of a device: how it learns of a challenge.
#[derive(Debug, Serialize)]
pub(crate) struct PushView {
    /// Whether it told a push token: then it is woken, where a push provider is configured.
    pub(crate) wakes: bool,
}

/// What a factor works with; null where its type has no such thing.
#[derive(Debug, Default, Serialize)]
struct Parameters {
    algorithm: Option<&'static str>,
    digits: Option<u8>,
    period: Option<u16>,
    counter: Option<u64>,
    /// After a restore, a counter-based token needs two codes in a row before it is accepted again.
    resync_required: Option<bool>,
    suite: Option<String>,
}

impl FactorView {
    /// The view of a factor of this person at an instant.
    pub(crate) fn new(person: &Person<'_>, factor: &Factor, now: Timestamp) -> Self {
        let private = person.factor(factor);
        let held = factor.held(now);
        let pending = factor.state_at(now) == FactorState::Pending;
        Self {
            id: Text(factor.id),
            object: "factor",
            livemode: person.row.tenant.mode.is_live(),
            subject: Text(person.row.id),
            r#type: factor.kind().as_str(),
            status: factor.state_at(now).as_str(),
            locked: held.is_some(),
            locked_until: match held {
                Some(Held::Until(until)) => Some(Text(until)),
                Some(Held::Blocked) | None => None,
            },
            name: private.name,
            strength: Strength { kind: "possession", restricted: false, phishing_resistant: false },
            parameters: Parameters::of(&factor.means),
            codes_remaining: factor.codes_left(),
            push: matches!(factor.means, Means::Push { .. })
                .then(|| PushView { wakes: private.push.is_some() }),
            serial: private.serial,
            created_at: Text(factor.created_at),
            activated_at: factor.activated_at.map(Text),
            last_used_at: factor.last_used_at.map(Text),
            expires_at: pending.then(|| Text(factor.expires_at())),
            removed_at: factor.removed_at.map(Text),
        }
    }
}

impl Parameters {
    fn of(means: &Means) -> Self {
        match means {
            Means::Totp { algorithm, digits, period, .. } => Self {
                algorithm: Some(algorithm.as_str()),
                digits: Some(*digits),
                period: Some(*period),
                ..Self::default()
            },
            Means::Hotp { algorithm, digits, counter, resync } => Self {
                algorithm: Some(algorithm.as_str()),
                digits: Some(*digits),
                counter: Some(*counter),
                resync_required: Some(*resync),
                ..Self::default()
            },
            Means::Ocra { suite, counter } => {
                Self { suite: Some(suite.clone()), counter: Some(*counter), ..Self::default() }
            }
            Means::BackupCodes { .. } => Self::default(),
            Means::Push { algorithm, public_key } => {
                let algorithm = (!public_key.is_empty()).then_some(algorithm);
                Self {
                    algorithm: algorithm.map(|known: &SignatureAlgorithm| known.as_str()),
                    ..Self::default()
                }
            }
        }
    }
}
