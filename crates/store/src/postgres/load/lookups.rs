//! What was read, row by row, for the loading that all engines share. Each row is asked for once.

use countersign_core::challenge::Challenge;
use countersign_core::command::Recorded;
use countersign_core::delivery::Delivery;
use countersign_core::ids::{ChallengeId, DeliveryId, FactorId, RecipientId, SubjectId, VerificationId};
use countersign_core::keys::Digest;
use countersign_core::ledger::RecipientRow;
use countersign_core::subject::SubjectRow;
use countersign_core::tenant::Tenant;
use countersign_core::verification::Verification;

use super::super::Failure;
use super::Fetched;
use crate::load::Rows;

impl Rows for Fetched {
    type Error = Failure;

    fn replay(&mut self, key: &Digest) -> Result<Option<Recorded>, Failure> {
        Ok(self.replays.remove(key))
    }

    fn recipient_by_index(
        &mut self,
        tenant: &Tenant,
        digest: &Digest,
    ) -> Result<Option<RecipientId>, Failure> {
        Ok(self.indexes.get(&(*tenant, *digest)).copied())
    }

    fn recipient(&mut self, id: RecipientId) -> Result<Option<RecipientRow>, Failure> {
        Ok(self.recipients.remove(&id))
    }

    fn verification(&mut self, tenant: &Tenant, id: VerificationId) -> Result<Option<Verification>, Failure> {
        Ok(self.verifications.remove(&(*tenant, id)))
    }

    fn carried_by(&mut self, tenant: &Tenant, id: DeliveryId) -> Result<Option<VerificationId>, Failure> {
        Ok(self.places.get(&(*tenant, id)).copied())
    }

    fn deliveries_of(&mut self, id: VerificationId) -> Result<Vec<Delivery>, Failure> {
        Ok(self.deliveries.remove(&id).unwrap_or_default())
    }

    fn subject_by_index(&mut self, tenant: &Tenant, digest: &Digest) -> Result<Option<SubjectId>, Failure> {
        Ok(self.subjects.indexes.get(&(*tenant, *digest)).copied())
    }

    fn subject_of_factor(&mut self, tenant: &Tenant, id: FactorId) -> Result<Option<SubjectId>, Failure> {
        Ok(self.subjects.factors.get(&(*tenant, id)).copied())
    }

    fn subject(&mut self, tenant: &Tenant, id: SubjectId) -> Result<Option<SubjectRow>, Failure> {
        Ok(self.subjects.rows.remove(&(*tenant, id)))
    }

    fn challenge(&mut self, tenant: &Tenant, id: ChallengeId) -> Result<Option<Challenge>, Failure> {
        Ok(self.subjects.challenges.remove(&(*tenant, id)))
    }
}
