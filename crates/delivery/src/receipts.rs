//! From the providers that are told receipts to whoever records them.

use std::future::Future;
use std::pin::Pin;

use countersign_core::receipt::Receipt;
use tokio::sync::mpsc;

/// Takes what was read, whichever door it came through.
pub trait ReceiptTaker: Send + Sync + 'static {
    /// Carries a receipt out, or keeps it until its message is known. `true` once it is recorded or safely queued, so
    /// that the provider may be told that it arrived; `false` when it should bring it again.
    fn take<'a>(
        &'a self,
        provider: &'a str,
        receipt: Receipt,
    ) -> Pin<Box<dyn Future<Output = bool> + Send + 'a>>;
}

/// Receipts that may wait to be recorded; more are left with the carrier, which brings them again.
const WAITING: usize = 4_096;

/// Where providers put receipts. Clones are the same.
#[derive(Debug, Clone)]
pub struct ReceiptSink(mpsc::Sender<(String, Receipt)>);

/// The queue between the providers and whoever records: what comes out is the provider's name and its receipt.
#[must_use]
pub fn queue() -> (ReceiptSink, mpsc::Receiver<(String, Receipt)>) {
    let (sender, receiver) = mpsc::channel(WAITING);
    (ReceiptSink(sender), receiver)
}

impl ReceiptSink {
    /// Takes a receipt; `true` once it is recorded or safely queued. On `false` the carrier is to be asked to bring
    /// it again.
    pub async fn take(&self, provider: &str, receipt: Receipt) -> bool {
        self.0.try_send((provider.to_owned(), receipt)).is_ok()
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

#[cfg(test)]
mod tests {
    use countersign_core::receipt::{About, Fate};

    use super::*;

    #[tokio::test]
    async fn what_finds_no_room_stays_with_the_carrier() {
        let (sink, mut queue) = queue();
        let receipt = || Receipt { about: About::Message("7".to_owned()), fate: Fate::Delivered };
        for _ in 0..WAITING {
            assert!(sink.take("carrier", receipt()).await);
        }
        assert!(!sink.take("carrier", receipt()).await);
        assert_eq!(queue.recv().await, Some(("carrier".to_owned(), receipt())));
        assert!(sink.take("carrier", receipt()).await);
        drop(queue);
        assert!(!sink.take("carrier", receipt()).await);
    }
}
