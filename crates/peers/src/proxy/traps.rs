//! Cutting a connection at one request.

/// When the connection is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// The server does not see the request.
    BeforeRequest,
    /// The client does not see the answer.
    BeforeReply,
}

/// Waits for a request.
#[derive(Debug)]
pub(super) struct Trap {
    needle: Vec<u8>,
    pub(super) moment: Moment,
}

/// The last bytes that a client sent: a request may come in several pieces.
#[derive(Debug, Default)]
pub(super) struct Tail(Vec<u8>);

impl Trap {
    pub(super) fn new(needle: &[u8], moment: Moment) -> Self {
        assert!(!needle.is_empty(), "nothing is contained in everything");
        Self { needle: needle.to_owned(), moment }
    }

    /// Whether `chunk` completes the needle, which may have begun in `tail`.
    pub(super) fn is_completed_by(&self, tail: &Tail, chunk: &[u8]) -> bool {
        let keep = tail.0.len().min(self.needle.len() - 1);
        let sent = [&tail.0[tail.0.len() - keep..], chunk].concat();
        sent.windows(self.needle.len()).any(|window| window == self.needle)
    }
}

impl Tail {
    /// As long as needles reasonably are.
    const LENGTH: usize = 256;

    pub(super) fn push(&mut self, chunk: &[u8]) {
        self.0.extend_from_slice(&chunk[chunk.len().saturating_sub(Self::LENGTH)..]);
        self.0.drain(..self.0.len().saturating_sub(Self::LENGTH));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_needle_is_found_in_one_piece_or_in_two() {
        let trap = Trap::new(b"COMMIT", Moment::BeforeReply);
        let mut tail = Tail::default();
        assert!(trap.is_completed_by(&tail, b"Q....COMMIT;"));
        assert!(!trap.is_completed_by(&tail, b"INSERT COM"));
        tail.push(b"INSERT COM");
        assert!(trap.is_completed_by(&tail, b"MIT"));
        assert!(!trap.is_completed_by(&tail, b"MENT"));
    }

    #[test]
    fn a_needle_that_passed_before_the_trap_was_set_does_not_count() {
        let mut tail = Tail::default();
        tail.push(b"COMMIT");
        assert!(!Trap::new(b"COMMIT", Moment::BeforeReply).is_completed_by(&tail, b"; BEGIN"));
    }
}
