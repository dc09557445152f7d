//! Instants and the two ports through which the outside world's time and randomness come in.

use std::time::Duration;

use minicbor::{Decode, Encode};

/// An instant: milliseconds since 1970-01-01T00:00:00Z, leap seconds ignored (POSIX time).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Timestamp(#[n(0)] i64);

impl Timestamp {
    /// The instant `millis` milliseconds after the epoch.
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since the epoch, rounded down (the `NumericDate` of RFC 7519).
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This instant moved later; stops at the end of time instead of wrapping.
    #[must_use]
    pub const fn plus(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis_of(span)))
    }

    /// This instant moved earlier; stops at the beginning of time instead of wrapping.
    #[must_use]
    pub const fn minus(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis_of(span)))
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        let millis = self.0.saturating_sub(earlier.0);
        Duration::from_millis(if millis > 0 { millis.unsigned_abs() } else { 0 })
    }
}

const fn millis_of(span: Duration) -> i64 {
    let millis = span.as_millis();
    if millis > i64::MAX as u128 { i64::MAX } else { millis as i64 }
}

/// Where the present comes from. The only real one is made in the binary.
pub trait Clock: Send + Sync + 'static {
    /// The present instant.
    fn now(&self) -> Timestamp;
}

/// Where unpredictable bytes come from. The only real one is made in the binary.
pub trait EntropySource: Send + Sync + 'static {
    /// Fills `bytes` with unpredictable bytes; a source that cannot must abort the process, not return.
    fn fill(&self, bytes: &mut [u8]);
}

/// The randomness of one request, drawn once, so that deciding again after a conflict gives the same ids.
#[derive(Clone)]
pub struct Entropy {
    /// Random tails of the time-ordered ids a decision may mint.
    pub ids: [[u8; 10]; 8],
    /// Nonces of the values a decision may seal.
    pub nonces: [[u8; 12]; 3],
    /// The data key of a recipient seen for the first time.
    pub data_key: [u8; 32],
}

impl Entropy {
    /// Draws all of it from `source`.
    #[must_use]
    pub fn draw(source: &dyn EntropySource) -> Self {
        let mut pool = [0_u8; 8 * 10 + 3 * 12 + 32];
        source.fill(&mut pool);
        let mut rest = pool.as_slice();
        let mut entropy = Self { ids: [[0; 10]; 8], nonces: [[0; 12]; 3], data_key: [0; 32] };
        for id in &mut entropy.ids {
            take(&mut rest, id);
        }
        for nonce in &mut entropy.nonces {
            take(&mut rest, nonce);
        }
        take(&mut rest, &mut entropy.data_key);
        entropy
    }
}

/// The clock stands further behind what was committed than a small correction explains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockWentBack {
    /// By how much.
    pub by: Duration,
}

/// The instant of the next decision: what the clock shows, never behind the `last` committed instant.
///
/// # Errors
/// When the clock is behind by more than [`crate::limits::CLOCK_TOLERANCE`]: then either the past or the present is
/// wrong, and only a person can tell which.
pub fn next_instant(last: Timestamp, clock: Timestamp) -> Result<Timestamp, ClockWentBack> {
    let by = last.since(clock);
    if by > crate::limits::CLOCK_TOLERANCE { Err(ClockWentBack { by }) } else { Ok(clock.max(last)) }
}

fn take(rest: &mut &[u8], into: &mut [u8]) {
    let (head, tail) = rest.split_at(into.len());
    into.copy_from_slice(head);
    *rest = tail;
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::CLOCK_TOLERANCE;

    #[test]
    fn a_small_step_back_is_waited_out_and_a_large_one_refused() {
        let last = Timestamp::from_millis(60_000);
        let at = |behind| next_instant(last, last.minus(behind));
        let milli = Duration::from_millis(1);
        assert_eq!(next_instant(last, last.plus(milli)), Ok(last.plus(milli)));
        for behind in [Duration::ZERO, CLOCK_TOLERANCE - milli, CLOCK_TOLERANCE] {
            assert_eq!(at(behind), Ok(last));
        }
        assert_eq!(at(CLOCK_TOLERANCE + milli), Err(ClockWentBack { by: CLOCK_TOLERANCE + milli }));
    }

    #[test]
    fn arithmetic_saturates_and_never_goes_negative() {
        let start = Timestamp::from_millis(1_000);
        assert_eq!(start.plus(Duration::from_secs(2)).since(start), Duration::from_secs(2));
        assert_eq!(start.since(start.plus(Duration::from_secs(2))), Duration::ZERO);
        assert_eq!(Timestamp::from_millis(i64::MAX).plus(Duration::MAX).millis(), i64::MAX);
        assert_eq!(Timestamp::from_millis(-1).seconds(), -1);
    }
}
