//! Receipts: what providers say later about the messages they took, from whichever door, to the store.

mod sink;

pub use sink::ReceiptSink;
