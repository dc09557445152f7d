//! Limits on starts by a value the customer names: so many in a span that begins with the first. Per node, in memory,
//! bounded; when nothing can be forgotten, unknown values are refused.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;

use crate::time::Timestamp;

/// Values remembered per node.
pub const MAX_VALUES: usize = 100_000;

/// One span of one value.
#[derive(Debug, Clone, Copy)]
struct Span {
    until: Timestamp,
    taken: u64,
}

/// What one value may take of one bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish<K> {
    /// Bucket and value.
    pub key: K,
    /// How many in a span.
    pub most: u64,
    /// The length of a span.
    pub interval: Duration,
}

/// The spans that run.
#[derive(Debug)]
pub struct Buckets<K> {
    most: usize,
    spans: HashMap<K, Span>,
}

impl<K: Eq + Hash + Copy> Buckets<K> {
    /// Remembers at most `most` values.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { most, spans: HashMap::new() }
    }

    /// Takes one of every bucket, or none of any.
    ///
    /// # Errors
    /// The first bucket that is used up, by its place in `wishes`, and when it has room again.
    pub fn take(&mut self, wishes: &[Wish<K>], now: Timestamp) -> Result<(), (usize, Timestamp)> {
        for (nth, wish) in wishes.iter().enumerate() {
            let running = self.spans.get(&wish.key).filter(|span| span.until > now);
            let full = wish.most == 0 || running.is_some_and(|span| span.taken >= wish.most);
            if full {
                return Err((nth, running.map_or_else(|| now.plus(wish.interval), |span| span.until)));
            }
        }
        if self.spans.len() + wishes.len() > self.most {
            self.spans.retain(|_, span| span.until > now);
            let unknown = wishes.iter().position(|wish| !self.spans.contains_key(&wish.key));
            if let Some(nth) = unknown.filter(|_| self.spans.len() + wishes.len() > self.most) {
                return Err((nth, now.plus(wishes[nth].interval)));
            }
        }
        for wish in wishes {
            let fresh = Span { until: now.plus(wish.interval), taken: 0 };
            let span = self.spans.entry(wish.key).or_insert(fresh);
            if span.until <= now {
                *span = fresh;
            }
            span.taken += 1;
        }
        Ok(())
    }

    /// Gives back what was taken for something that failed and will be tried again.
    pub fn give_back(&mut self, wishes: &[Wish<K>]) {
        for wish in wishes {
            if let Some(span) = self.spans.get_mut(&wish.key) {
                span.taken = span.taken.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    fn wish(key: u8, most: u64) -> Wish<u8> {
        Wish { key, most, interval: Duration::from_secs(60) }
    }

    #[test]
    fn as_many_as_the_bucket_holds_and_not_one_more() {
        let mut buckets = Buckets::new(10);
        for n in 0..3 {
            assert_eq!(buckets.take(&[wish(1, 3)], at(n)), Ok(()), "{n}");
        }
        assert_eq!(buckets.take(&[wish(1, 3)], at(59)), Err((0, at(60))));
        assert_eq!(buckets.take(&[wish(2, 3)], at(59)), Ok(()), "another value");
        assert_eq!(buckets.take(&[wish(1, 3)], at(60)), Ok(()));
        assert_eq!(buckets.take(&[wish(3, 0)], at(0)), Err((0, at(60))));
    }

    #[test]
    fn one_full_bucket_takes_nothing_of_the_others() {
        let mut buckets = Buckets::new(10);
        assert_eq!(buckets.take(&[wish(1, 1), wish(2, 9)], at(0)), Ok(()));
        for _ in 0..20 {
            assert_eq!(buckets.take(&[wish(2, 2), wish(1, 1)], at(1)), Err((1, at(60))));
        }
        assert_eq!(buckets.take(&[wish(2, 2)], at(2)), Ok(()), "nothing was taken in vain");
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_once() {
        let mut buckets = Buckets::new(10);
        assert_eq!(buckets.take(&[wish(1, 1)], at(0)), Ok(()));
        buckets.give_back(&[wish(1, 1), wish(2, 1)]);
        assert_eq!(buckets.take(&[wish(1, 1)], at(1)), Ok(()));
        assert_eq!(buckets.take(&[wish(1, 1)], at(2)), Err((0, at(60))));
    }

    #[test]
    fn a_full_memory_refuses_values_it_does_not_know_until_a_span_ends() {
        let mut buckets = Buckets::new(2);
        assert_eq!(buckets.take(&[wish(1, 9)], at(0)), Ok(()));
        assert_eq!(buckets.take(&[wish(2, 9)], at(30)), Ok(()));
        assert_eq!(buckets.take(&[wish(3, 9)], at(31)), Err((0, at(91))));
        assert_eq!(buckets.take(&[wish(1, 9)], at(31)), Ok(()), "a known one goes on");
        assert_eq!(buckets.take(&[wish(3, 9)], at(60)), Ok(()));
    }
}
