//! What becomes of a message in test mode: it lands in the outbox, or in what the scenario of its number says.

use std::time::Duration;

use countersign_core::command::Job;
use countersign_core::delivery::{Attempt, DeliveryState, Fault};
use countersign_core::receipt::Fate;
use countersign_core::routing::TEST_OUTBOX;
use countersign_core::scenario::providers as scenario;

use super::{Round, Worker};
use crate::carriers::refused;
use crate::provider::ErrorClass;

/// How late the scenario `…0011` is delivered.
const LATE: Duration = Duration::from_secs(20);

impl Worker {
    /// The providers of test mode: the outbox, and those of the scenario numbers.
    pub(super) fn play(&self, name: &str, job: &Job) -> Result<Round, Box<Attempt>> {
        let now = self.options.clock.now();
        let taken = |provider: &str| Attempt {
            at: now,
            provider: provider.to_owned(),
            error: None,
            message_id: None,
            cost: None,
        };
        let reported = |provider: &str, report| {
            let sent = Round::ended(vec![taken(provider)], DeliveryState::Sent);
            Ok(Round { receipts: true, report, ..sent })
        };
        let due = job.delivery.id.created_at().plus(LATE);
        match name {
            scenario::LATE if now < due => {
                Ok(Round { retry_at: Some(due), ..Round::ended(Vec::new(), DeliveryState::Queued) })
            }
            scenario::LOSES => reported(name, None),
            scenario::DELIVERS => reported(name, Some(Fate::Delivered)),
            scenario::UNDELIVERED => {
                let class = ErrorClass::RecipientRejected.as_str().to_owned();
                reported(name, Some(Fate::Failed { class, detail: "the scenario says so".to_owned() }))
            }
            scenario::FAILS => {
                let attempt =
                    refused(now, name, Fault::Provider, true, "unavailable", "the scenario says so");
                Err(Box::new(attempt))
            }
            scenario::LATE => Ok(Round::ended(vec![taken(TEST_OUTBOX)], DeliveryState::Sent)),
            _ => Ok(Round::ended(vec![taken(name)], DeliveryState::Sent)),
        }
    }
}
