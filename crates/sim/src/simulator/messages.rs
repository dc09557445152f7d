//! What becomes of messages: taken, failed, reported on, followed by the next step of a workflow. None of it may approve or end
//! a verification, and only a step may send.

use countersign_core::command::{Command, Request, Sent};
use countersign_core::delivery::{Attempt, AttemptError, Delivery, DeliveryState, Fault};
use countersign_core::ids::DeliveryId;
use countersign_core::receipt::Fate;
use countersign_core::store::Store as _;
use countersign_core::time::{Clock as _, Timestamp};
use countersign_core::verification::Status;

use super::{World, now};
use crate::Requests;

impl World {
    /// Something becomes of the latest messages of one of the latest verifications.
    pub(super) fn messages(&mut self) -> Result<(), String> {
        let Some(index) = self.some_known() else { return Ok(()) };
        (0..3).try_for_each(|_| self.message(index))
    }

    fn message(&mut self, index: usize) -> Result<(), String> {
        let (id, tenant) = (self.known[index].id, self.known[index].tenant);
        let of = self.tenants[tenant].tenant;
        // Reading shows the engine the time, too.
        self.seen = self.seen.max(self.clock.now());
        let Ok(Some(shown)) = now(self.store.verification(of, id)) else { return Ok(()) };
        let before = shown.verification;
        let current = before.workflow.as_ref().and_then(|workflow| workflow.delivery);
        let latest = shown.deliveries.into_iter().max_by_key(|row| (current == Some(row.id), row.id));
        let Some(delivery) = latest else { return Ok(()) };
        let (what, request) = self.turn(tenant, &delivery);
        let steps = matches!(request.command, Command::Step(_));
        // Mostly a worker claims it when it is due.
        if let Some(due) = delivery.due.filter(|_| steps && self.random.below(4) > 0) {
            self.clock.set(due.max(self.clock.now()));
        }
        self.trace.push(format!("{what} {} of {id}", delivery.id));
        self.submit(request)?;
        let Ok(Some(after)) = now(self.store.verification(of, id)) else { return Ok(()) };
        let after = after.verification;
        if (after.status, after.checks_used, after.generation)
            != (before.status, before.checks_used, before.generation)
        {
            return Err(format!("{what} changed {id} from {:?} to {:?}", before.status, after.status));
        }
        if after.sends == before.sends {
            return Ok(());
        }
        if !steps || before.status != Status::Pending || self.seen >= before.expires_at {
            return Err(format!("invariant 7: {what} sent for {id}, which was {:?}", before.status));
        }
        self.tally.stepped += 1;
        self.note_send(index)
    }

    fn turn(&self, tenant: usize, delivery: &Delivery) -> (&'static str, Request) {
        let (mine, id) = (&self.tenants[tenant], delivery.id);
        let message = id.to_string();
        let report = |fate| mine.receipt(&message, fate, Some(id));
        let undelivered =
            || Fate::Failed { class: "unavailable".to_owned(), detail: "switched off".to_owned() };
        let waits = delivery.state == DeliveryState::Queued;
        match self.random.below(8) {
            0..4 if waits => ("taken", mine.taken(id, &message)),
            4 => ("failed", failed(mine, id)),
            5 => ("delivered", report(Fate::Delivered)),
            6 => ("undelivered", report(undelivered())),
            7 => ("taken once more", mine.taken(id, &message)),
            _ => ("step", mine.of(Command::Step(id))),
        }
    }
}

/// No provider takes it, through no fault of the recipient.
fn failed(mine: &Requests, delivery: DeliveryId) -> Request {
    let error = AttemptError {
        fault: Fault::Provider,
        retry: false,
        class: "unavailable".to_owned(),
        detail: "The provider is down.".to_owned(),
    };
    let attempts = vec![Attempt {
        at: Timestamp::default(),
        provider: crate::GATEWAY.to_owned(),
        error: Some(error),
        message_id: None,
        cost: None,
    }];
    let state = DeliveryState::Failed;
    mine.of(Command::Sent(Sent { delivery, attempts, state, retry_at: None, receipts: false }))
}
