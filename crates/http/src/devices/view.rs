//! What devices are shown: never a number, never a proof, never more of a person than they must show.

use countersign_core::challenge::Challenge;
use countersign_core::factor::{FactorPrivate, FactorState};
use countersign_core::ids::{ChallengeId, FactorId};
use countersign_core::keys::Keys;
use countersign_core::time::Timestamp;
use serde::Serialize;

use super::Device;
use crate::answer::Text;
use crate::app::App;
use crate::factors::view::PushView;
use crate::subjects::{Person, Told};
use crate::verifications::view::{Metadata, TransactionView};

/// A device that enrolled, or changed.
#[derive(Serialize)]
pub(crate) struct DeviceView {
    object: &'static str,
    livemode: bool,
    factor: Text<FactorId>,
    status: &'static str,
    name: Option<String>,
    push: PushView,
    issuer: String,
}

impl DeviceView {
    pub(crate) fn new(app: &App, device: &Device, told: &Told) -> Self {
        let person = Person::open(&app.services.keys, &told.snapshot.subject);
        let factor = told.snapshot.factor();
        let FactorPrivate { name, push, .. } = factor.map(|factor| person.factor(factor)).unwrap_or_default();
        Self {
            object: "device",
            livemode: device.tenant.mode.is_live(),
            factor: Text(device.factor),
            status: factor.map_or(FactorState::Active, |factor| factor.state).as_str(),
            name,
            push: PushView { wakes: push.is_some() },
            issuer: device.project.brand.clone(),
        }
    }
}

/// A challenge as the person sees it on the device. `transaction` is what the device has to sign.
#[derive(Serialize)]
pub(crate) struct DeviceChallengeView {
    id: Text<ChallengeId>,
    object: &'static str,
    livemode: bool,
    status: &'static str,
    purpose: &'static str,
    issuer: String,
    message: Option<String>,
    details: Metadata,
    transaction: Option<TransactionView>,
    expires_at: Text<Timestamp>,
    created_at: Text<Timestamp>,
}

impl DeviceChallengeView {
    pub(crate) fn new(
        device: &Device,
        keys: &Keys,
        person: &Person<'_>,
        challenge: &Challenge,
        now: Timestamp,
    ) -> Self {
        let private = person.challenge(challenge);
        Self {
            id: Text(challenge.id),
            object: "device_challenge",
            livemode: device.tenant.mode.is_live(),
            status: challenge.status_at(keys, now).status(),
            purpose: challenge.purpose.as_str(),
            issuer: device.project.brand.clone(),
            message: private.message,
            details: Metadata(private.details),
            transaction: private.transaction.as_ref().map(TransactionView::from),
            expires_at: Text(challenge.expires_at),
            created_at: Text(challenge.created_at),
        }
    }
}
