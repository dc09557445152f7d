//! Which delivery a provider's id of a message leads to, and the receipts that came before anybody knew.

use std::collections::BTreeMap;
use std::time::Duration;

use countersign_core::ids::DeliveryId;
use countersign_core::limits::{EARLY_RECEIPT_KEPT, MESSAGE_KEPT};
use countersign_core::receipt::{About, EarlyReceipt, MessageKey, SentMessage};
use countersign_core::store::{EarlyReceipts, KnownReceipt};
use countersign_core::tenant::Tenant;
use countersign_core::time::Timestamp;

#[derive(Default)]
pub(super) struct Receipts {
    messages: BTreeMap<MessageKey, SentMessage>,
    early: BTreeMap<MessageKey, EarlyReceipt>,
}

impl Receipts {
    pub(super) fn apply(
        &mut self,
        messages: BTreeMap<MessageKey, SentMessage>,
        early: BTreeMap<MessageKey, Option<EarlyReceipt>>,
    ) {
        self.messages.extend(messages);
        for (key, early) in early {
            match early {
                Some(early) => drop(self.early.insert(key, early)),
                None => drop(self.early.remove(&key)),
            }
        }
    }

    /// The delivery a receipt is about, of those that are stored.
    pub(super) fn addressee<'a>(
        &self,
        provider: String,
        about: &About,
        mut deliveries: impl Iterator<Item = &'a (Tenant, DeliveryId)>,
    ) -> Option<(Tenant, DeliveryId)> {
        match about {
            About::Message(_) => {
                let message = self.messages.get(&MessageKey::of(provider, about))?;
                Some((message.tenant, message.delivery))
            }
            About::Delivery(id) => deliveries.find(|(_, known)| known == id).copied(),
        }
    }

    pub(super) fn early(&self, most: usize) -> EarlyReceipts {
        let known = self.early.iter().filter_map(|(key, early)| {
            let message = self.messages.get(key).map(|message| (message.tenant, message.delivery));
            let (tenant, delivery) = message.or(early.of)?;
            Some(KnownReceipt { key: key.clone(), receipt: early.receipt.clone(), tenant, delivery })
        });
        EarlyReceipts { known: known.take(most).collect(), waiting: self.early.len() }
    }

    /// Removes what nobody will ask for any more, at most `most` of each; how many went.
    pub(super) fn retire(&mut self, most: usize, now: Timestamp) -> u64 {
        let gone = retire(&mut self.messages, most, |row| now.since(row.at), MESSAGE_KEPT);
        gone + retire(&mut self.early, most, |row| now.since(row.at), EARLY_RECEIPT_KEPT)
    }
}

fn retire<T>(
    rows: &mut BTreeMap<MessageKey, T>,
    most: usize,
    age: impl Fn(&T) -> Duration,
    kept: Duration,
) -> u64 {
    let mut gone = 0;
    rows.retain(|_, row| {
        let goes = age(row) > kept && gone < most;
        gone += usize::from(goes);
        !goes
    });
    gone as u64
}
