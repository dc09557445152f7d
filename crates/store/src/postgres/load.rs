//! Locks the ledgers of a batch and reads what stands on them, in one round trip; in a second one, where a recipient
//! still has open verifications.

mod lookups;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use countersign_core::batch::Loaded;
use countersign_core::command::{Command, Needs, Recorded, Request, Root};
use countersign_core::delivery::Delivery;
use countersign_core::ids::{DeliveryId, RecipientId, SubjectId, VerificationId};
use countersign_core::keys::Digest;
use countersign_core::ledger::RecipientRow;
use countersign_core::limits::IDEMPOTENCY_LIFETIME;
use countersign_core::tenant::Tenant;
use countersign_core::time::Timestamp;
use countersign_core::verification::Verification;
use tokio_postgres::Row;

use super::rows::{blob, body, bytes};
use super::session::Session;
use super::sql::Sql;
use super::{Failure, subjects};

/// A tenant's bytes and a key inside it.
pub(super) type Key<const N: usize> = ([u8; 17], [u8; N]);

/// What a batch names, and the ids it reserves.
pub(super) struct Wanted {
    recipients: BTreeSet<Key<32>>,
    verifications: BTreeSet<Key<16>>,
    deliveries: BTreeSet<Key<16>>,
    once: BTreeSet<[u8; 32]>,
    /// Per blind index: the reserved id, and which person of the batch it belongs to.
    reserved: BTreeMap<Key<32>, ([u8; 16], i64)>,
    /// Whether a person has several blind indexes, one under each root.
    many_roots: bool,
    pub(super) subjects: subjects::Wanted,
}

impl Wanted {
    /// What `batch` names. Ids for people seen for the first time are made for `now`, which need not be exact.
    pub(super) fn of(batch: &[&Request], now: Timestamp) -> Self {
        let mut wanted = Self {
            recipients: BTreeSet::new(),
            verifications: BTreeSet::new(),
            deliveries: BTreeSet::new(),
            once: BTreeSet::new(),
            reserved: BTreeMap::new(),
            many_roots: false,
            subjects: subjects::Wanted::default(),
        };
        for (request, person) in batch.iter().zip(0..) {
            let tenant = request.tenant.to_bytes();
            wanted.once.extend(request.once.map(|once| once.key.0));
            match request.root() {
                Root::Recipient(index) => {
                    wanted.many_roots |= index.folded.len() > 1;
                    wanted.recipients.extend(index.folded.iter().map(|digest| (tenant, digest.0)));
                    if matches!(&request.command, Command::Create(create) if !create.dry_run) {
                        let id = *request.recipient_id(now).as_bytes();
                        for digest in &index.folded {
                            wanted.reserved.entry((tenant, digest.0)).or_insert((id, person));
                        }
                    }
                }
                Root::Verification(id) => drop(wanted.verifications.insert((tenant, *id.as_bytes()))),
                Root::Delivery(id) => drop(wanted.deliveries.insert((tenant, *id.as_bytes()))),
                Root::Subject(command) => wanted.subjects.add(tenant, command),
                Root::Nothing => {}
            }
        }
        wanted
    }

    /// Reserves ids; see [`Sql::Reserve`].
    pub(super) async fn reserve(&self, session: &Session) -> Result<(), Failure> {
        if self.reserved.is_empty() {
            return Ok(());
        }
        let (tenants, digests) = columns(self.reserved.keys());
        let ids: Vec<&[u8]> = self.reserved.values().map(|(id, _)| id.as_slice()).collect();
        if self.many_roots {
            let people: Vec<i64> = self.reserved.values().map(|(_, person)| *person).collect();
            session.execute(Sql::ReserveOfMany, &[&tenants, &digests, &ids, &people]).await?;
        } else {
            session.execute(Sql::Reserve, &[&tenants, &digests, &ids]).await?;
        }
        Ok(())
    }

    /// Locks the ledgers, those of recipients first; answers their ids.
    pub(super) async fn lock(&self, session: &Session) -> Result<Locked, Failure> {
        let (recipients, subjects) =
            futures_util::join!(self.lock_recipients(session), self.subjects.lock(session));
        Ok(Locked { recipients: recipients?, subjects: subjects? })
    }

    async fn lock_recipients(&self, session: &Session) -> Result<BTreeSet<RecipientId>, Failure> {
        if self.recipients.is_empty() && self.verifications.is_empty() && self.deliveries.is_empty() {
            return Ok(BTreeSet::new());
        }
        let (of, digests) = columns(&self.recipients);
        let (verifications_of, verifications) = columns(&self.verifications);
        let (deliveries_of, deliveries) = columns(&self.deliveries);
        let rows = session
            .query(
                Sql::Lock,
                &[&of, &digests, &verifications_of, &verifications, &deliveries_of, &deliveries],
            )
            .await?;
        rows.iter().map(|row| bytes(row, 0).map(RecipientId::from_bytes)).collect()
    }

    /// Reads everything by what the batch names. Each part is a statement of its own, and all of them begin after the
    /// locks are held, so none can see what was before.
    pub(super) async fn read(&self, session: &Session) -> Result<Found, Failure> {
        let (recipients, verifications, deliveries, replays, subjects) = futures_util::join!(
            self.read_recipients(session),
            self.read_verifications(session),
            self.read_deliveries(session),
            self.read_replays(session),
            self.subjects.read(session),
        );
        Ok(Found {
            recipients: recipients?,
            verifications: verifications?,
            deliveries: deliveries?,
            replays: replays?,
            subjects: subjects?,
        })
    }

    async fn read_recipients(&self, session: &Session) -> Result<Vec<Row>, Failure> {
        if self.recipients.is_empty() {
            return Ok(Vec::new());
        }
        let (tenants, digests) = columns(&self.recipients);
        session.query(Sql::Recipients, &[&tenants, &digests]).await
    }

    async fn read_verifications(&self, session: &Session) -> Result<Vec<Row>, Failure> {
        if self.verifications.is_empty() && self.deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let (tenants, ids) = columns(&self.verifications);
        let (deliveries_of, deliveries) = columns(&self.deliveries);
        session.query(Sql::Verifications, &[&tenants, &ids, &deliveries_of, &deliveries]).await
    }

    async fn read_deliveries(&self, session: &Session) -> Result<Vec<Row>, Failure> {
        if self.verifications.is_empty() && self.deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let (_, ids) = columns(&self.verifications);
        let (deliveries_of, deliveries) = columns(&self.deliveries);
        session.query(Sql::Deliveries, &[&ids, &deliveries_of, &deliveries]).await
    }

    async fn read_replays(&self, session: &Session) -> Result<Vec<Row>, Failure> {
        if self.once.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<&[u8]> = self.once.iter().map(<[u8; 32]>::as_slice).collect();
        session.query(Sql::Replays, &[&keys]).await
    }
}

pub(super) fn columns<'a, const N: usize>(
    keys: impl IntoIterator<Item = &'a Key<N>>,
) -> (Vec<&'a [u8]>, Vec<&'a [u8]>) {
    keys.into_iter().map(|(tenant, key)| (tenant.as_slice(), key.as_slice())).unzip()
}

/// The ledgers that are locked.
pub(super) struct Locked {
    recipients: BTreeSet<RecipientId>,
    subjects: BTreeSet<SubjectId>,
}

/// Rows as the server sent them.
pub(super) struct Found {
    recipients: Vec<Row>,
    verifications: Vec<Row>,
    deliveries: Vec<Row>,
    replays: Vec<Row>,
    subjects: subjects::Found,
}

/// The rows of a batch, ready for the loading that all engines share.
#[derive(Default)]
pub(super) struct Fetched {
    indexes: BTreeMap<(Tenant, Digest), RecipientId>,
    recipients: BTreeMap<RecipientId, RecipientRow>,
    verifications: BTreeMap<(Tenant, VerificationId), Verification>,
    deliveries: BTreeMap<VerificationId, Vec<Delivery>>,
    /// Where the deliveries that the batch names stand.
    places: BTreeMap<(Tenant, DeliveryId), VerificationId>,
    replays: BTreeMap<Digest, Recorded>,
    subjects: subjects::Fetched,
}

impl Fetched {
    /// Reads the rows, and those that can only be asked for now: the remembered verifications of recipients, and the
    /// recipients of idempotent requests.
    ///
    /// # Errors
    /// [`Failure::Conflict`] when a ledger came to be after the locks were taken.
    pub(super) async fn of(
        session: &Session,
        batch: &[&Request],
        wanted: &Wanted,
        locked: &Locked,
        found: Found,
    ) -> Result<Self, Failure> {
        let subjects = subjects::Fetched::of(&found.subjects, &locked.subjects)?;
        let mut fetched = Self { subjects, ..Self::default() };
        let locked = &locked.recipients;
        for row in &found.recipients {
            fetched.take_index(row, locked)?;
        }
        fetched.take_verifications(&found.verifications, Some(locked))?;
        fetched.take_deliveries(&found.deliveries)?;
        for row in &found.replays {
            fetched.replays.insert(Digest(bytes(row, 0)?), body(row, 1)?);
        }
        if wanted.many_roots {
            fetched.one_ledger_each(batch, wanted)?;
        }
        fetched.complete(session, batch).await?;
        Ok(fetched)
    }

    fn take_index(&mut self, row: &Row, locked: &BTreeSet<RecipientId>) -> Result<(), Failure> {
        let (tenant, digest): ([u8; 17], _) = (bytes(row, 0)?, Digest(bytes(row, 1)?));
        let id = RecipientId::from_bytes(bytes(row, 2)?);
        let tenant = Tenant::from_bytes(&tenant).ok_or_else(|| Failure::Corrupt("a tenant".to_owned()))?;
        self.indexes.insert((tenant, digest), id);
        if blob(row, 3)?.is_some() {
            if !locked.contains(&id) {
                return Err(Failure::Conflict);
            }
            if let Entry::Vacant(place) = self.recipients.entry(id) {
                place.insert(body(row, 3)?);
            }
        }
        Ok(())
    }

    fn take_verifications(
        &mut self,
        rows: &[Row],
        locked: Option<&BTreeSet<RecipientId>>,
    ) -> Result<(), Failure> {
        for row in rows {
            let verification: Verification = body(row, 0)?;
            let id = verification.recipient;
            if locked.is_some_and(|locked| !locked.contains(&id)) {
                return Err(Failure::Conflict);
            }
            if let Entry::Vacant(place) = self.recipients.entry(id) {
                place.insert(body(row, 1)?);
            }
            self.verifications.insert((verification.tenant, verification.id), verification);
        }
        Ok(())
    }

    fn take_deliveries(&mut self, rows: &[Row]) -> Result<(), Failure> {
        for row in rows {
            let delivery: Delivery = body(row, 0)?;
            self.places.insert((delivery.tenant, delivery.id), delivery.verification);
            self.deliveries.entry(delivery.verification).or_default().push(delivery);
        }
        Ok(())
    }

    /// With several roots a person has several blind indexes, and two nodes may have begun with different ones: then
    /// what this batch reserved is given up and it begins anew, and finds the other's.
    fn one_ledger_each(&self, batch: &[&Request], wanted: &Wanted) -> Result<(), Failure> {
        for request in batch {
            let Root::Recipient(index) = request.root() else { continue };
            let ids: BTreeSet<_> = index
                .folded
                .iter()
                .filter_map(|digest| self.indexes.get(&(request.tenant, *digest)))
                .collect();
            let ours = |id: &&RecipientId| {
                wanted.reserved.values().any(|(reserved, _)| reserved == id.as_bytes())
                    && !self.recipients.contains_key(*id)
            };
            if ids.len() > 1 && ids.iter().any(ours) {
                return Err(Failure::Conflict);
            }
        }
        Ok(())
    }

    async fn complete(&mut self, session: &Session, batch: &[&Request]) -> Result<(), Failure> {
        let mut verifications = BTreeSet::new();
        let mut with_deliveries: Vec<[u8; 16]> = Vec::new();
        for request in batch {
            let Root::Recipient(index) = request.root() else { continue };
            let ids = index.folded.iter().find_map(|digest| self.indexes.get(&(request.tenant, *digest)));
            let Some(row) = ids.and_then(|id| self.recipients.get(id)) else { continue };
            let all = request.needs() == Needs::Recent;
            for recent in row.recent.iter().filter(|recent| recent.open || all) {
                verifications.insert((request.tenant.to_bytes(), *recent.id.as_bytes()));
                with_deliveries.extend(all.then_some(*recent.id.as_bytes()));
            }
        }
        let known = |id: &RecipientId| self.recipients.contains_key(id);
        let of_replays: BTreeSet<_> =
            self.replays.values().filter_map(|recorded| recorded.recipient).filter(|id| !known(id)).collect();
        if !verifications.is_empty() {
            let (tenants, ids) = columns(&verifications);
            let none: Vec<&[u8]> = Vec::new();
            let rows = session.query(Sql::Verifications, &[&tenants, &ids, &none, &none]).await?;
            self.take_verifications(&rows, None)?;
        }
        if !with_deliveries.is_empty() {
            let ids: Vec<&[u8]> = with_deliveries.iter().map(<[u8; 16]>::as_slice).collect();
            let none: Vec<&[u8]> = Vec::new();
            for id in &with_deliveries {
                self.deliveries.remove(&VerificationId::from_bytes(*id));
            }
            let rows = session.query(Sql::Deliveries, &[&ids, &none, &none]).await?;
            self.take_deliveries(&rows)?;
        }
        if !of_replays.is_empty() {
            let ids: Vec<&[u8]> = of_replays.iter().map(|id| id.as_bytes().as_slice()).collect();
            for row in session.query(Sql::RecipientsById, &[&ids]).await? {
                self.recipients.insert(RecipientId::from_bytes(bytes(&row, 0)?), body(&row, 1)?);
            }
        }
        let told =
            batch.iter().filter_map(|request| Some((request.tenant, self.replays.get(&request.once?.key)?)));
        self.subjects.complete(session, batch, told).await
    }

    /// The blind indexes this batch reserved for people nobody knows yet, with the reserved ids.
    pub(super) fn reserved(&self, wanted: &Wanted) -> Vec<(RecipientId, Key<32>)> {
        let unknown = self.indexes.iter().filter(|(_, id)| !self.recipients.contains_key(id));
        let keys = unknown.map(|((tenant, digest), id)| (*id, (tenant.to_bytes(), digest.0)));
        keys.filter(|(_, key)| wanted.reserved.contains_key(key)).collect()
    }

    /// Keys of idempotency records that no longer count at `now`.
    pub(super) fn outlived(&self, now: Timestamp) -> Vec<Vec<u8>> {
        let old = |recorded: &Recorded| now.since(recorded.at) >= IDEMPOTENCY_LIFETIME;
        self.replays.iter().filter(|(_, recorded)| old(recorded)).map(|(key, _)| key.0.to_vec()).collect()
    }

    /// What `batch` stands on at `now`, with the ids that were reserved for people it sees for the first time.
    pub(super) fn load(mut self, batch: &[&Request], now: Timestamp) -> Result<Loaded, Failure> {
        let mut loaded = crate::load::load(&mut self, batch, now)?;
        for id in loaded.indexes.values() {
            let ledger = loaded.ledgers.entry(*id).or_default();
            ledger.reserved = ledger.recipient.is_none().then_some(*id);
        }
        Ok(loaded)
    }
}
