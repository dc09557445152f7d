//! Who a request belongs to: project and mode, together part of every key, counter and index.

use minicbor::{Decode, Encode};

use crate::ids::ProjectId;

/// Live sends reach people; test sends reach the outbox only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(index_only)]
pub enum Mode {
    /// Nothing leaves the machine.
    #[n(0)]
    Test,
    /// Messages go to providers.
    #[n(1)]
    Live,
}

impl Mode {
    /// The byte that stands for it in derived values.
    #[must_use]
    pub const fn tag(self) -> u8 {
        match self {
            Self::Test => 0,
            Self::Live => 1,
        }
    }

    /// `livemode` in answers.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Live)
    }
}

/// A project in one of its two modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub struct Tenant {
    /// The project.
    #[n(0)]
    pub project: ProjectId,
    /// Its mode.
    #[n(1)]
    pub mode: Mode,
}

impl Tenant {
    /// Stands in entries that concern no project but the store as a whole.
    pub const STORE: Self = Self { project: ProjectId::from_bytes([0; 16]), mode: Mode::Live };

    /// The tenant of its seventeen bytes; `None` when they are no tenant's.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 17]) -> Option<Self> {
        let (project, mode) = bytes.split_at(16);
        let mode = [Mode::Test, Mode::Live].into_iter().find(|known| [known.tag()] == mode)?;
        Some(Self { project: ProjectId::from_bytes(project.try_into().ok()?), mode })
    }

    /// Seventeen bytes that sort a tenant's rows together: the project's id and the mode.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 17] {
        let mut bytes = [0; 17];
        bytes[..16].copy_from_slice(self.project.as_bytes());
        bytes[16] = self.mode.tag();
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_tenant_are_read_back() {
        for mode in [Mode::Test, Mode::Live] {
            let tenant = Tenant { project: ProjectId::from_bytes([7; 16]), mode };
            assert_eq!(Tenant::from_bytes(&tenant.to_bytes()), Some(tenant));
        }
        assert_eq!(Tenant::from_bytes(&[9; 17]), None);
    }
}
