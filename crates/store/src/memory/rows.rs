//! The look-ups of a batch.

use countersign_core::challenge::Challenge;
use countersign_core::command::Recorded;
use countersign_core::delivery::Delivery;
use countersign_core::ids::{ChallengeId, DeliveryId, FactorId, RecipientId, SubjectId, VerificationId};
use countersign_core::keys::Digest;
use countersign_core::ledger::RecipientRow;
use countersign_core::subject::SubjectRow;
use countersign_core::tenant::Tenant;
use countersign_core::verification::Verification;

use super::Tables;
use crate::load::Rows;

impl Rows for &Tables {
    type Error = std::convert::Infallible;

    fn replay(&mut self, key: &Digest) -> Result<Option<Recorded>, Self::Error> {
        Ok(self.once.get(key).cloned())
    }

    fn recipient_by_index(
        &mut self,
        tenant: &Tenant,
        digest: &Digest,
    ) -> Result<Option<RecipientId>, Self::Error> {
        Ok(self.indexes.get(&(*tenant, *digest)).copied())
    }

    fn recipient(&mut self, id: RecipientId) -> Result<Option<RecipientRow>, Self::Error> {
        Ok(self.recipients.get(&id).cloned())
    }

    fn verification(
        &mut self,
        tenant: &Tenant,
        id: VerificationId,
    ) -> Result<Option<Verification>, Self::Error> {
        Ok(self.verifications.get(&(*tenant, id)).cloned())
    }

    fn carried_by(&mut self, tenant: &Tenant, id: DeliveryId) -> Result<Option<VerificationId>, Self::Error> {
        Ok(self.deliveries.get(&(*tenant, id)).map(|delivery| delivery.verification))
    }

    fn deliveries_of(&mut self, id: VerificationId) -> Result<Vec<Delivery>, Self::Error> {
        Ok(self.deliveries.values().filter(|delivery| delivery.verification == id).cloned().collect())
    }

    fn subject_by_index(
        &mut self,
        tenant: &Tenant,
        digest: &Digest,
    ) -> Result<Option<SubjectId>, Self::Error> {
        Ok(self.subjects.indexes.get(&(*tenant, *digest)).copied())
    }

    fn subject_of_factor(&mut self, tenant: &Tenant, id: FactorId) -> Result<Option<SubjectId>, Self::Error> {
        let owner = self.subjects.factors.get(&id).filter(|(of, _)| of == tenant);
        Ok(owner.map(|(_, subject)| *subject))
    }

    fn subject(&mut self, tenant: &Tenant, id: SubjectId) -> Result<Option<SubjectRow>, Self::Error> {
        Ok(self.subjects.rows.get(&(*tenant, id)).cloned())
    }

    fn challenge(&mut self, tenant: &Tenant, id: ChallengeId) -> Result<Option<Challenge>, Self::Error> {
        Ok(self.subjects.challenges.get(&(*tenant, id)).cloned())
    }
}
