//! Routes and providers, to look at: which there are, how they stand, and why a message would go where it goes.

pub(crate) mod list;
pub(crate) mod providers;
pub(crate) mod resolve;

use countersign_core::command::Snapshot;
use countersign_core::delivery::DeliveryState;
use countersign_core::health::Circuit;
use countersign_core::recipient::Country;
use countersign_core::routing::{Route, Senders};
use countersign_core::tenant::Tenant;
use countersign_core::time::Timestamp;
use serde::Serialize;

use crate::answer::Text;
use crate::app::App;

/// What messages that a provider took in a country came to.
#[derive(Serialize)]
pub(crate) struct ConversionView {
    pub(crate) country: Text<Country>,
    pub(crate) sent: u32,
    pub(crate) approved: u32,
    /// The lower end of the 95 % Wilson interval, in thousandths; null while there are too few messages.
    pub(crate) lower_bound: Option<u16>,
}

/// Whom messages come from.
#[derive(Serialize)]
struct SendersView {
    elsewhere: Option<String>,
    of_country: std::collections::BTreeMap<String, String>,
}

impl From<&Senders> for SendersView {
    fn from(senders: &Senders) -> Self {
        let of_country = senders.of_country.iter();
        Self {
            elsewhere: senders.elsewhere.clone(),
            of_country: of_country.map(|(country, sender)| (country.to_string(), sender.clone())).collect(),
        }
    }
}

/// Whether a caller may see a route: operators all, a project those that could serve it.
fn may_see(bound_to: Option<Tenant>, route: &Route) -> bool {
    bound_to.is_none_or(|tenant| route.projects.is_empty() || route.projects.contains(&tenant.project))
}

/// From when on an open circuit is probed.
fn open_until(circuit: Circuit) -> Option<Text<Timestamp>> {
    match circuit {
        Circuit::Open(until) => Some(Text(until)),
        Circuit::Closed | Circuit::HalfOpen => None,
    }
}

/// Tells the board of an approval: the provider that took the latest message did its work.
pub(crate) fn note_approval(app: &App, snapshot: &Snapshot) {
    let taken = |state| matches!(state, DeliveryState::Sent | DeliveryState::Delivered);
    let Some(delivery) = snapshot.delivery.as_ref().filter(|delivery| taken(delivery.state)) else { return };
    if let Some(provider) = delivery.provider() {
        app.services.board.approved(provider, snapshot.verification.country());
    }
}
