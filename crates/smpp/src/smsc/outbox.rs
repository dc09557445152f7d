//! Receipts on their way to whoever is bound to receive them.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::sync::mpsc;

use crate::delivery::State;

/// Receipts kept while nobody can receive; more are dropped, oldest first.
const KEPT: usize = 10_000;

/// A receipt that is to be delivered.
#[derive(Debug, Clone)]
pub(super) struct Due {
    /// The id as receipts write it.
    pub(super) receipt_id: String,
    /// The id as the answer wrote it.
    pub(super) message_id: String,
    pub(super) state: State,
    /// The recipient of the message, from whom a receipt seems to come.
    pub(super) source: String,
    pub(super) destination: String,
}

/// The receipts of all connections.
#[derive(Debug, Default)]
pub(super) struct Outbox(Mutex<Inside>);

#[derive(Debug, Default)]
struct Inside {
    receivers: Vec<mpsc::UnboundedSender<Due>>,
    waiting: VecDeque<Due>,
}

impl Outbox {
    /// A connection that receives; it is given what waits.
    pub(super) fn join(&self) -> mpsc::UnboundedReceiver<Due> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for due in inside.waiting.drain(..) {
            let _ = sender.send(due);
        }
        inside.receivers.push(sender);
        receiver
    }

    /// Gives a receipt to the first connection that still receives.
    pub(super) fn post(&self, due: Due) {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inside.receivers.retain(|receiver| !receiver.is_closed());
        let mut due = Some(due);
        for receiver in &inside.receivers {
            let Some(one) = due.take() else { return };
            if let Err(mpsc::error::SendError(back)) = receiver.send(one) {
                due = Some(back);
            }
        }
        if let Some(due) = due {
            if inside.waiting.len() == KEPT {
                inside.waiting.pop_front();
            }
            inside.waiting.push_back(due);
        }
    }
}
