//! Gathers the rows a batch of commands stands on. The same for every engine that reads row by row.

use countersign_core::batch::Loaded;
use countersign_core::challenge::Challenge;
use countersign_core::command::{Command, Needs, Recorded, Request, Root};
use countersign_core::delivery::{Delivery, DeliveryState};
use countersign_core::ids::{ChallengeId, DeliveryId, FactorId, RecipientId, SubjectId, VerificationId};
use countersign_core::keys::Digest;
use countersign_core::ledger::RecipientRow;
use countersign_core::subject::{Aim, SubjectCommand, SubjectRow};
use countersign_core::tenant::Tenant;
use countersign_core::time::Timestamp;
use countersign_core::verification::Verification;

/// What an engine can look up, inside the transaction of the batch.
pub(crate) trait Rows {
    type Error;

    fn replay(&mut self, key: &Digest) -> Result<Option<Recorded>, Self::Error>;
    fn recipient_by_index(
        &mut self,
        tenant: &Tenant,
        digest: &Digest,
    ) -> Result<Option<RecipientId>, Self::Error>;
    fn recipient(&mut self, id: RecipientId) -> Result<Option<RecipientRow>, Self::Error>;
    fn verification(
        &mut self,
        tenant: &Tenant,
        id: VerificationId,
    ) -> Result<Option<Verification>, Self::Error>;
    /// The verification whose code a delivery carries.
    fn carried_by(&mut self, tenant: &Tenant, id: DeliveryId) -> Result<Option<VerificationId>, Self::Error>;
    fn deliveries_of(&mut self, id: VerificationId) -> Result<Vec<Delivery>, Self::Error>;
    fn subject_by_index(
        &mut self,
        tenant: &Tenant,
        digest: &Digest,
    ) -> Result<Option<SubjectId>, Self::Error>;
    fn subject_of_factor(&mut self, tenant: &Tenant, id: FactorId) -> Result<Option<SubjectId>, Self::Error>;
    fn subject(&mut self, tenant: &Tenant, id: SubjectId) -> Result<Option<SubjectRow>, Self::Error>;
    fn challenge(&mut self, tenant: &Tenant, id: ChallengeId) -> Result<Option<Challenge>, Self::Error>;
}

/// Whether a worker may claim a delivery at `now`, which is `seen` by its tenant's clock. What is to be sent waits for the
/// engine's clock, for so do leases; a step of a workflow waits for the tenant's, which a test moves.
pub(crate) fn is_due(delivery: &Delivery, now: Timestamp, seen: Timestamp) -> bool {
    let waits_for_step = seen > now && delivery.state != DeliveryState::Queued;
    let step = waits_for_step && delivery.step_at.is_some_and(|at| at <= seen);
    delivery.due.is_some_and(|due| due <= now || step)
}

/// Loads what `batch` needs, each row once.
pub(crate) fn load<R: Rows>(rows: &mut R, batch: &[&Request], now: Timestamp) -> Result<Loaded, R::Error> {
    let mut loading = Loading { rows, loaded: Loaded { now, ..Loaded::default() } };
    for request in batch {
        loading.request(request)?;
    }
    Ok(loading.loaded)
}

struct Loading<'a, R> {
    rows: &'a mut R,
    loaded: Loaded,
}

impl<R: Rows> Loading<'_, R> {
    fn request(&mut self, request: &Request) -> Result<(), R::Error> {
        let tenant = &request.tenant;
        if let Some(once) = request.once
            && !self.loaded.replays.contains_key(&once.key)
            && let Some(recorded) = self.rows.replay(&once.key)?
        {
            if let Some(recipient) = recorded.recipient {
                self.recipient(recipient)?;
            }
            if let Some(subject) = recorded.subject {
                self.subject(tenant, subject)?;
            }
            self.loaded.replays.insert(once.key, recorded);
        }
        match request.root() {
            Root::Recipient(index) => {
                for digest in &index.folded {
                    self.index(tenant, digest)?;
                }
                let ids =
                    index.folded.iter().filter_map(|digest| self.loaded.indexes.get(&(*tenant, *digest)));
                if let Some(id) = ids.copied().next() {
                    self.remembered(tenant, id, request.needs())?;
                }
            }
            Root::Verification(id) => {
                let with_deliveries = !matches!(request.command, Command::Expire(_) | Command::Report(..));
                self.verification(tenant, id, with_deliveries)?;
            }
            Root::Nothing => {}
            Root::Delivery(id) => {
                if let Some(verification) = self.rows.carried_by(tenant, id)? {
                    self.verification(tenant, verification, true)?;
                }
            }
            Root::Subject(command) => self.subject_command(tenant, command)?,
        }
        Ok(())
    }

    fn subject_command(&mut self, tenant: &Tenant, command: &SubjectCommand) -> Result<(), R::Error> {
        let id = self.aimed(tenant, &command.aim)?;
        if let Some(id) = id {
            self.subject(tenant, id)?;
        }
        if let Some(also) = command.also() {
            self.challenge(tenant, also)?;
        }
        if command.needs_open() {
            let ledger = id.and_then(|id| self.loaded.subjects.ledgers.get(&id));
            let row = ledger.and_then(|ledger| ledger.subject.as_ref());
            for open in row.map(|row| row.open.clone()).unwrap_or_default() {
                self.challenge(tenant, open)?;
            }
        }
        Ok(())
    }

    /// The subject that is meant, with what leads to it.
    fn aimed(&mut self, tenant: &Tenant, aim: &Aim) -> Result<Option<SubjectId>, R::Error> {
        match aim {
            Aim::Name(name) => {
                for digest in &name.index {
                    let key = (*tenant, *digest);
                    if !self.loaded.subjects.indexes.contains_key(&key)
                        && let Some(id) = self.rows.subject_by_index(tenant, digest)?
                    {
                        self.loaded.subjects.indexes.insert(key, id);
                    }
                }
                let known = |digest: &Digest| self.loaded.subjects.indexes.get(&(*tenant, *digest)).copied();
                Ok(name.index.iter().find_map(known))
            }
            Aim::Id(id) => Ok(Some(*id)),
            Aim::Factor(id) => {
                if !self.loaded.subjects.factors.contains_key(id)
                    && let Some(subject) = self.rows.subject_of_factor(tenant, *id)?
                {
                    self.loaded.subjects.factors.insert(*id, subject);
                }
                Ok(self.loaded.subjects.factors.get(id).copied())
            }
            Aim::Challenge(id) => self.challenge(tenant, *id),
        }
    }

    fn subject(&mut self, tenant: &Tenant, id: SubjectId) -> Result<(), R::Error> {
        let ledger = self.loaded.subjects.ledgers.entry(id).or_default();
        if ledger.subject.is_none() {
            ledger.subject = self.rows.subject(tenant, id)?;
        }
        Ok(())
    }

    /// A challenge with its subject; answers whom it asks.
    fn challenge(&mut self, tenant: &Tenant, id: ChallengeId) -> Result<Option<SubjectId>, R::Error> {
        if let Some(subject) = self.loaded.subjects.challenges.get(&id) {
            return Ok(Some(*subject));
        }
        let Some(challenge) = self.rows.challenge(tenant, id)? else { return Ok(None) };
        let subject = challenge.subject;
        self.subject(tenant, subject)?;
        self.loaded.subjects.challenges.insert(id, subject);
        self.loaded.subjects.ledgers.entry(subject).or_default().challenges.insert(id, challenge);
        Ok(Some(subject))
    }

    fn index(&mut self, tenant: &Tenant, digest: &Digest) -> Result<(), R::Error> {
        if !self.loaded.indexes.contains_key(&(*tenant, *digest))
            && let Some(id) = self.rows.recipient_by_index(tenant, digest)?
        {
            self.loaded.indexes.insert((*tenant, *digest), id);
        }
        Ok(())
    }

    fn recipient(&mut self, id: RecipientId) -> Result<(), R::Error> {
        let ledger = self.loaded.ledgers.entry(id).or_default();
        if ledger.recipient.is_none() {
            ledger.recipient = self.rows.recipient(id)?;
        }
        Ok(())
    }

    fn remembered(&mut self, tenant: &Tenant, id: RecipientId, needs: Needs) -> Result<(), R::Error> {
        self.recipient(id)?;
        let row = self.loaded.ledgers.get(&id).and_then(|ledger| ledger.recipient.as_ref());
        let wanted: Vec<_> = row
            .map(|row| row.recent.iter().filter(|recent| recent.open || needs == Needs::Recent).collect())
            .unwrap_or_default();
        let wanted: Vec<_> = wanted.into_iter().map(|recent| recent.id).collect();
        for verification in wanted {
            self.verification(tenant, verification, needs == Needs::Recent)?;
        }
        Ok(())
    }

    fn verification(
        &mut self,
        tenant: &Tenant,
        id: VerificationId,
        with_deliveries: bool,
    ) -> Result<(), R::Error> {
        let recipient = match self.loaded.verifications.get(&id) {
            Some(recipient) => *recipient,
            None => {
                let Some(verification) = self.rows.verification(tenant, id)? else { return Ok(()) };
                let recipient = verification.recipient;
                self.recipient(recipient)?;
                self.loaded.verifications.insert(id, recipient);
                self.loaded.ledgers.entry(recipient).or_default().verifications.insert(id, verification);
                recipient
            }
        };
        let known = |delivery: &Delivery| delivery.verification == id;
        let ledger = self.loaded.ledgers.entry(recipient).or_default();
        if with_deliveries && !ledger.deliveries.values().any(known) {
            for delivery in self.rows.deliveries_of(id)? {
                self.loaded.deliveries.insert(delivery.id, recipient);
                ledger.deliveries.insert(delivery.id, delivery);
            }
        }
        Ok(())
    }
}
