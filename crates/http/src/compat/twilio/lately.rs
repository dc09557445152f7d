//! What this process did lately, for as long as it matters. Two spans of memory, the older of which is dropped as a whole:
//! nothing is walked through, and it stays bounded.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use countersign_core::ids::{KeyId, VerificationId};
use countersign_core::keys::Digest;
use countersign_core::tenant::Tenant;
use tokio::time::Instant;

/// Which send of a start each caller was told of: by tenant, service and recipient, the verification and its sends so
/// far. A send nobody was told of is repeated by a client that saw an error (twilio-java sends a start up to three times
/// after a 5xx), not by a person who wants another message. What is forgotten too early makes a quick second message go
/// unsent, which is the safe side.
pub(crate) type Told = Lately<(Tenant, [u8; 16], Option<Digest>), (VerificationId, u8)>;

/// Whose recipient each pair named itself when it started a verification: showing it to that pair reveals nothing. What
/// is forgotten too early is a read that the journal gets to know of.
pub(crate) type Named = Lately<(KeyId, VerificationId), ()>;

/// Facts known for one span at least, and for two at most.
pub(crate) struct Lately<K, V> {
    span: Duration,
    /// Facts of one span.
    most: usize,
    spans: Mutex<Spans<K, V>>,
}

struct Spans<K, V> {
    since: Instant,
    now: HashMap<K, V>,
    before: HashMap<K, V>,
}

impl<K: Eq + Hash, V: Copy> Lately<K, V> {
    pub(crate) fn new(span: Duration, most: usize) -> Self {
        let spans = Spans { since: Instant::now(), now: HashMap::new(), before: HashMap::new() };
        Self { span, most, spans: Mutex::new(spans) }
    }

    /// What was noted of this key, as far as it matters still.
    pub(crate) fn of(&self, key: &K) -> Option<V> {
        let spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        spans.now.get(key).or_else(|| spans.before.get(key)).copied()
    }

    /// Notes a fact. What finds no room is forgotten.
    pub(crate) fn note(&self, key: K, value: V) {
        let mut spans = self.spans.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.since.elapsed() >= self.span {
            spans.before = std::mem::take(&mut spans.now);
            spans.since = Instant::now();
        }
        if spans.now.len() < self.most {
            spans.now.insert(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_fact_is_known_for_a_span_at_least() {
        let (span, lately) = (Duration::from_secs(2), Lately::new(Duration::from_secs(2), 9));
        tokio::time::advance(span / 2).await;
        lately.note(1, "a");
        assert_eq!((lately.of(&1), lately.of(&2)), (Some("a"), None));
        tokio::time::advance(span).await;
        lately.note(2, "b");
        assert_eq!(lately.of(&1), Some("a"), "the span before is kept");
        tokio::time::advance(span).await;
        lately.note(2, "b");
        assert_eq!(lately.of(&1), None);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_kept_than_there_is_room_for() {
        let lately = Lately::new(Duration::from_secs(2), 2);
        for key in 1..=3 {
            lately.note(key, ());
        }
        assert_eq!([1, 2, 3].map(|key| lately.of(&key).is_some()), [true, true, false]);
    }
}
