//! Waiting for programs that tell nobody when they are done.

use std::time::{Duration, Instant};

/// Between two looks.
const STEP: Duration = Duration::from_millis(2);

/// Asks `probe` again and again until it answers; panics with `what` after `limit`.
///
/// For events outside of this process that nothing announces (a file that appears, a process that ends). Inside
/// one process, wait for the event itself.
#[track_caller]
pub fn until<T>(what: &str, limit: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = now() + limit;
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(now() < deadline, "waited {limit:?} in vain for {what}");
        pause(STEP);
    }
}

#[expect(clippy::disallowed_methods, reason = "real programs live in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "another program's progress can only be looked at")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_late_is_waited_for() {
        let mut looks = 0;
        let found = until("the third look", Duration::from_secs(5), || {
            looks += 1;
            (looks == 3).then_some("there")
        });
        assert_eq!(found, "there");
    }

    #[test]
    #[should_panic(expected = "in vain for a miracle")]
    fn what_never_comes_is_named() {
        until("a miracle", Duration::from_millis(5), || None::<()>);
    }
}
