//! Real randomness: the only place where it comes in.

use countersign_core::time::EntropySource;

/// The random generator of AWS-LC, seeded by the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemEntropy;

impl EntropySource for SystemEntropy {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the source that everyone else takes as an argument"
    )]
    fn fill(&self, bytes: &mut [u8]) {
        if aws_lc_rs::rand::fill(bytes).is_err() {
            // Going on would mean predictable keys and codes.
            std::process::abort();
        }
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
}
