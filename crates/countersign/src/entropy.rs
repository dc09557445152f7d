//! Real randomness: the only place where it comes in.

use std::cell::RefCell;

use countersign_core::time::EntropySource;
use zeroize::{Zeroize as _, Zeroizing};

/// Bytes drawn at once: what about four requests need. Drawing costs the same for one byte as for many.
const RESERVE: usize = 768;

/// The random generator of AWS-LC, seeded by the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemEntropy;

/// Random bytes of one thread that nobody got yet. A byte that is handed out is wiped.
struct Reserve {
    bytes: Zeroizing<[u8; RESERVE]>,
    left: usize,
}

thread_local! {
    static OF_THREAD: RefCell<Reserve> =
        RefCell::new(Reserve { bytes: Zeroizing::new([0; RESERVE]), left: 0 });
}

impl EntropySource for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        OF_THREAD.with_borrow_mut(|reserve| reserve.fill(bytes));
    }
}

impl Reserve {
    fn fill(&mut self, wanted: &mut [u8]) {
        if wanted.len() > RESERVE {
            return draw(wanted);
        }
        if wanted.len() > self.left {
            draw(self.bytes.as_mut_slice());
            self.left = RESERVE;
        }
        let fresh = &mut self.bytes[self.left - wanted.len()..self.left];
        wanted.copy_from_slice(fresh);
        fresh.zeroize();
        self.left -= wanted.len();
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the source that everyone else takes as an argument")]
fn draw(bytes: &mut [u8]) {
    if aws_lc_rs::rand::fill(bytes).is_err() {
        // Going on would mean predictable keys and codes.
        std::process::abort();
    }
}

/// `N` random bytes.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemEntropy.fill(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(random::<32>(), random::<32>());
    }

    #[test]
    fn no_byte_is_handed_out_twice_or_kept() {
        let mut seen = std::collections::HashSet::new();
        for _ in 0..4 * RESERVE / 16 {
            assert!(seen.insert(random::<16>()), "16 bytes came twice");
        }
        OF_THREAD.with_borrow(|reserve| assert!(reserve.bytes[reserve.left..].iter().all(|byte| *byte == 0)));
        assert_ne!(random::<{ RESERVE + 1 }>()[..RESERVE], random::<RESERVE>());
    }
}
