//! The quota of an API key: a generic cell rate algorithm (ITU-T I.371), whose whole state is one instant per key.

use std::time::Duration;

use crate::time::Timestamp;

/// So many requests in so much time, spread evenly, with the whole of it as the largest burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Requests per window; at least one.
    pub requests: u32,
    /// The window.
    pub window: Duration,
}

/// How a key stands after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The state to keep: microseconds since the epoch until which the quota is used.
    pub used_until: i64,
    /// Requests that would be let through at once.
    pub remaining: u32,
    /// Until the whole quota is back.
    pub full_in: Duration,
}

impl Quota {
    /// Takes one request of a key whose kept state is `used_until` (zero for a new key).
    ///
    /// # Errors
    /// How long to wait when the quota is used up; the state stays as it was.
    pub fn take(&self, used_until: i64, now: Timestamp) -> Result<Standing, Duration> {
        let window = micros(self.window);
        let each = (window / i64::from(self.requests.max(1))).max(1);
        let now = now.millis().saturating_mul(1000);
        let after = used_until.max(now).saturating_add(each);
        let ahead = after.saturating_sub(now);
        if ahead > window {
            return Err(Duration::from_micros((ahead - window).unsigned_abs()));
        }
        let remaining = u32::try_from((window - ahead) / each).unwrap_or(u32::MAX);
        Ok(Standing { used_until: after, remaining, full_in: Duration::from_micros(ahead.unsigned_abs()) })
    }
}

fn micros(span: Duration) -> i64 {
    i64::try_from(span.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUOTA: Quota = Quota { requests: 6, window: Duration::from_secs(60) };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_millis(seconds * 1000)
    }

    #[test]
    fn a_burst_of_the_whole_quota_passes_and_not_one_more() {
        let mut used = 0;
        for left in (0..6).rev() {
            let standing = QUOTA.take(used, at(100)).unwrap();
            assert_eq!(standing.remaining, left);
            used = standing.used_until;
        }
        assert_eq!(QUOTA.take(used, at(100)), Err(Duration::from_secs(10)));
        assert_eq!(QUOTA.take(used, at(109)), Err(Duration::from_secs(1)));
        assert!(QUOTA.take(used, at(110)).is_ok());
        assert_eq!(QUOTA.take(used, at(160)).unwrap().remaining, 5, "all is back after the window");
    }

    #[test]
    fn more_requests_than_microseconds_do_not_divide_by_zero() {
        let quota = Quota { requests: u32::MAX, window: Duration::from_micros(1) };
        assert!(quota.take(0, at(1)).is_ok());
    }
}
