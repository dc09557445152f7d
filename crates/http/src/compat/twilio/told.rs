//! Which send of a start each caller was told of lately. A send nobody was told of is repeated by a client that saw an
//! error (twilio-java sends a start up to three times after a 5xx), not by a person who wants another message.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use countersign_core::ids::VerificationId;
use countersign_core::keys::Digest;
use countersign_core::limits::REPEATED_WITHIN;
use countersign_core::tenant::Tenant;
use tokio::time::Instant;

use crate::limits;

/// Tenant, service, recipient.
pub(crate) type Person = (Tenant, [u8; 16], Option<Digest>);
/// The verification, and its sends so far.
type Send = (VerificationId, u8);

/// Two spans of memory, the older of which is dropped as a whole: nothing is walked through, and it stays bounded.
pub(crate) struct Told(Mutex<Spans>);

struct Spans {
    since: Instant,
    now: HashMap<Person, Send>,
    before: HashMap<Person, Send>,
}

impl Told {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Spans { since: Instant::now(), now: HashMap::new(), before: HashMap::new() }))
    }

    /// The send this person's caller was told of, as far as it matters still.
    pub(crate) fn lately(&self, person: &Person) -> Option<Send> {
        let spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        spans.now.get(person).or_else(|| spans.before.get(person)).copied()
    }

    /// Notes that the answer about a send is on its way. What finds no room is forgotten: then a quick second message
    /// is not sent, which is the safe side.
    pub(crate) fn note(&self, person: Person, send: Send) {
        let mut spans = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spans.since.elapsed() >= REPEATED_WITHIN {
            spans.before = std::mem::take(&mut spans.now);
            spans.since = Instant::now();
        }
        if spans.now.len() < limits::MAX_TOLD {
            spans.now.insert(person, send);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_told_is_known_for_two_seconds_at_least() {
        let told = Told::new();
        let person = |n| (Tenant::STORE, [n; 16], None);
        let send = (VerificationId::from_bytes([1; 16]), 1);
        tokio::time::advance(REPEATED_WITHIN / 2).await;
        told.note(person(1), send);
        assert_eq!((told.lately(&person(1)), told.lately(&person(2))), (Some(send), None));
        tokio::time::advance(REPEATED_WITHIN).await;
        told.note(person(2), send);
        assert_eq!(told.lately(&person(1)), Some(send), "the span before is kept");
        tokio::time::advance(REPEATED_WITHIN).await;
        told.note(person(2), send);
        assert_eq!(told.lately(&person(1)), None);
    }
}
