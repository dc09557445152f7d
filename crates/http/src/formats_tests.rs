//! The vectors of `docs/formats.md` that this crate has to meet, read from that page.

use std::collections::BTreeMap;

use countersign_core::ids::{ChallengeId, ProjectId, VerificationId};
use countersign_core::keys::{Digest, Keys, Root, RootId, RootState};
use countersign_core::tenant::{Mode, Tenant};
use countersign_core::time::Timestamp;
use zeroize::Zeroizing;

pub(crate) const PAGE: &str = include_str!("../../../docs/formats.md");
/// The instant of the page.
pub(crate) const AT: Timestamp = Timestamp::from_millis(1_700_000_000_123);

/// The lines `key = value` of one vector block of the page.
pub(crate) struct Vector(BTreeMap<&'static str, &'static str>);

impl Vector {
    pub(crate) fn named(name: &str) -> Self {
        let head = format!("```vector {name}\n");
        let (_, rest) = PAGE.split_once(&head).unwrap_or_else(|| panic!("no vector {name:?} in formats.md"));
        let (body, _) = rest.split_once("```").unwrap();
        Self(body.lines().map(|line| line.split_once(" = ").unwrap()).collect())
    }

    pub(crate) fn text(&self, key: &str) -> &'static str {
        self.0.get(key).unwrap_or_else(|| panic!("no line {key:?}"))
    }

    pub(crate) fn digest(&self, key: &str) -> Digest {
        Digest(self.array(key))
    }

    fn array<const N: usize>(&self, key: &str) -> [u8; N] {
        let bytes = data_encoding::HEXLOWER.decode(self.text(key).as_bytes()).unwrap();
        bytes.try_into().unwrap()
    }
}

/// The keys of the page.
pub(crate) fn keys() -> Keys {
    let given = Vector::named("given");
    let id = RootId(given.text("root_id").parse().unwrap());
    let root = Root { id, state: RootState::Active, secret: Zeroizing::new(given.array("root")) };
    Keys::derive(&[root], given.array("epoch")).unwrap()
}

/// The project of the page in a mode.
pub(crate) fn tenant(mode: Mode) -> Tenant {
    Tenant { project: ProjectId::from_bytes(Vector::named("given").array("project")), mode }
}

/// The verification of the page.
pub(crate) fn verification() -> VerificationId {
    VerificationId::from_bytes(Vector::named("given").array("verification"))
}

/// The challenge of the page.
pub(crate) fn challenge() -> ChallengeId {
    ChallengeId::from_bytes(Vector::named("given").array("challenge"))
}
