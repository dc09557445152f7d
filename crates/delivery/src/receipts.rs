//! Where receipts go, whichever door they come through: to the delivery they are about, or to wait until somebody knows it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_core::command::{Command, Request, Snapshot};
use countersign_core::delivery::Fault;
use countersign_core::health::Board;
use countersign_core::limits::MAX_EARLY_RECEIPTS;
use countersign_core::receipt::{About, Fate, Receipt, ReceiptTaker, Told};
use countersign_core::store::{KnownReceipt, Store, Unavailable};
use countersign_core::tenant::Tenant;
use countersign_core::time::{Clock, Entropy, EntropySource};

use crate::limits::MESSAGE_ID_CHARS;
use crate::provider::ErrorClass;

/// Receipts that waited and are carried out at once.
const SETTLE_MOST: usize = 256;

/// Carries receipts out. Any node takes any receipt: which delivery it is about stands in the store.
/// Clones are the same.
#[derive(Clone)]
pub struct ReceiptSink(Arc<Inner>);

struct Inner {
    store: Arc<dyn Store>,
    entropy: Arc<dyn EntropySource>,
    /// Where the health of the providers is judged, with the clock it is judged by.
    board: Arc<Board>,
    clock: Arc<dyn Clock>,
    /// How many more may wait for their message, as far as this node knows.
    room: AtomicUsize,
}

impl ReceiptSink {
    /// A sink into this store. What the network says of a provider's messages is told to `board`.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        entropy: Arc<dyn EntropySource>,
        board: Arc<Board>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let room = AtomicUsize::new(MAX_EARLY_RECEIPTS);
        Self(Arc::new(Inner { store, entropy, board, clock, room }))
    }

    /// Carries a receipt out, or keeps it until its message is known. `true` once that is committed, or when there is
    /// nothing to do: the provider may be told that it arrived. `false` when it should bring it again.
    pub async fn take(&self, provider: &str, receipt: Receipt) -> bool {
        self.carry(provider, receipt).await.unwrap_or_else(|error| {
            tracing::warn!(provider, %error, "a receipt was not taken; the provider is to bring it again");
            false
        })
    }

    async fn carry(&self, provider: &str, receipt: Receipt) -> Result<bool, Unavailable> {
        let named = match &receipt.about {
            About::Message(name) => !name.is_empty() && name.chars().count() <= MESSAGE_ID_CHARS,
            About::Delivery(_) => true,
        };
        if receipt.fate == Fate::Underway || !named {
            return Ok(true);
        }
        let found = self.0.store.addressee(provider.to_owned(), receipt.about.clone()).await?;
        if found.is_none() && matches!(receipt.about, About::Delivery(_)) {
            tracing::debug!(provider, "a receipt for a delivery that is not here, or not any more");
            return Ok(true);
        }
        if found.is_none() && !self.has_room() {
            tracing::warn!(provider, "too many receipts wait for messages that nobody here knows");
            return Ok(false);
        }
        let (tenant, of) = found.map_or((Tenant::STORE, None), |(tenant, id)| (tenant, Some(id)));
        self.submit(tenant, Told { provider: provider.to_owned(), receipt, of, kept: false }).await?;
        Ok(true)
    }

    /// Carries out what waited and can be placed now. Called about each second, by every node: what two nodes do at once
    /// counts once.
    pub async fn settle(&self) {
        let early = match self.0.store.early_receipts(SETTLE_MOST).await {
            Ok(early) => early,
            Err(error) => {
                tracing::warn!(%error, "receipts that wait could not be read; the next tick tries again");
                return;
            }
        };
        self.0.room.store(MAX_EARLY_RECEIPTS.saturating_sub(early.waiting), Ordering::Relaxed);
        for KnownReceipt { key, receipt, tenant, delivery } in early.known {
            let told = Told { provider: key.provider, receipt, of: Some(delivery), kept: true };
            if let Err(error) = self.submit(tenant, told).await {
                tracing::warn!(%error, "a receipt that waited was not carried out; the next tick tries again");
                return;
            }
        }
    }

    async fn submit(&self, tenant: Tenant, told: Told) -> Result<(), Unavailable> {
        let entropy = Entropy::draw(self.0.entropy.as_ref());
        let (provider, fate) = (told.provider.clone(), fault(&told.receipt.fate));
        let command = Command::Receipt(Box::new(told));
        let outcome = self.0.store.submit(Request::of_system(tenant, entropy, command)).await?;
        // One that changed nothing, because it is late or repeated, says nothing about the provider either.
        let moved = |snapshot: &Snapshot| {
            snapshot.delivery.as_ref().is_some_and(|delivery| delivery.state_at == snapshot.at)
        };
        if outcome.answer.snapshot().is_some_and(moved) {
            self.0.board.receipt(&provider, fate, self.0.clock.now());
        }
        Ok(())
    }

    fn has_room(&self) -> bool {
        let taken = |room: usize| room.checked_sub(1);
        self.0.room.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_ok()
    }
}

/// What a fate says of the provider. A number that cannot be reached is not its fault.
fn fault(fate: &Fate) -> Result<(), Fault> {
    match fate {
        Fate::Underway | Fate::Delivered => Ok(()),
        Fate::Failed { class, .. } if class == ErrorClass::RecipientRejected.as_str() => {
            Err(Fault::Recipient)
        }
        Fate::Failed { .. } => Err(Fault::Provider),
    }
}

impl ReceiptTaker for ReceiptSink {
    fn take<'a>(
        &'a self,
        provider: &'a str,
        receipt: Receipt,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>> {
        Box::pin(self.take(provider, receipt))
    }
}
