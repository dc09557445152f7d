//! Every statement of the engine, with the types of its parameters. `docs/postgres.md` lists the constructs used: all
//! of them are known to PostgreSQL, CockroachDB and YugabyteDB.
//!
//! Sets of rows travel as one array per column and are spread by `unnest`, so a batch of any size is one statement per
//! table.

use tokio_postgres::types::Type;

/// The database's clock, in microseconds since 1970.
macro_rules! now {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000000)::INT8"
    };
}

macro_rules! statements {
    ($($(#[$doc:meta])* $name:ident($($type:ident),*) = $text:expr;)+) => {
        /// A statement by its name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Sql {
            $($(#[$doc])* $name,)+
        }

        impl Sql {
            /// All of them, in the order of their discriminants.
            pub(super) const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// What the server is told.
            pub(super) const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// The types of `$1`, `$2` …
            pub(super) fn types(self) -> Vec<Type> {
                match self {
                    $(Self::$name => vec![$(Type::$type),*],)+
                }
            }
        }
    };
}

statements! {
    // ── a turn: lane, reservations, locks, reads
    /// The lane's row, locked before anything else: whoever holds it is the only one who may commit its next batch.
    Lane(INT8, BYTEA) = "SELECT batch, entries FROM lane WHERE id = $1 AND holder = $2 FOR UPDATE";
    /// Reserves an id for each recipient that has none. Waits for whoever reserves the same one.
    Reserve(BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY) =
        "INSERT INTO recipient_index (tenant, digest, recipient)
         SELECT k.tenant, k.digest, k.recipient FROM unnest($1, $2, $3) AS k (tenant, digest, recipient)
         ORDER BY k.tenant, k.digest
         ON CONFLICT (tenant, digest) DO NOTHING";
    /// The same with a ring of several roots: `$4` keeps the digests of one person together; who is known under any of
    /// them gets no new id.
    ReserveOfMany(BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, INT8_ARRAY) =
        "INSERT INTO recipient_index (tenant, digest, recipient)
         SELECT k.tenant, k.digest, k.recipient
         FROM unnest($1, $2, $3, $4) AS k (tenant, digest, recipient, person)
         WHERE NOT EXISTS (
           SELECT 1 FROM unnest($1, $2, $4) AS o (tenant, digest, person)
           JOIN recipient_index i ON i.tenant = o.tenant AND i.digest = o.digest WHERE o.person = k.person)
         ORDER BY k.tenant, k.digest
         ON CONFLICT (tenant, digest) DO NOTHING";
    /// Locks the ledgers of the named recipients, verifications and deliveries, in the order of their ids. With `UNION ALL`
    /// PostgreSQL drops a row that it waited for: the recheck of the changed row finds it in no branch.
    Lock(BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY) =
        "SELECT r.id FROM recipient r WHERE r.id IN (
           SELECT i.recipient FROM unnest($1, $2) AS k (tenant, digest)
           JOIN recipient_index i ON i.tenant = k.tenant AND i.digest = k.digest
           UNION
           SELECT v.recipient FROM unnest($3, $4) AS k (tenant, id)
           JOIN verification v ON v.tenant = k.tenant AND v.id = k.id
           UNION
           SELECT d.recipient FROM unnest($5, $6) AS k (tenant, id)
           JOIN delivery d ON d.tenant = k.tenant AND d.id = k.id)
         ORDER BY r.id FOR UPDATE OF r";
    /// What the blind indexes lead to. The body is null where an id is reserved only.
    Recipients(BYTEA_ARRAY, BYTEA_ARRAY) =
        "SELECT i.tenant, i.digest, i.recipient, r.body FROM unnest($1, $2) AS k (tenant, digest)
         JOIN recipient_index i ON i.tenant = k.tenant AND i.digest = k.digest
         LEFT JOIN recipient r ON r.id = i.recipient";
    /// Ledger rows by id.
    RecipientsById(BYTEA_ARRAY) =
        "SELECT r.id, r.body FROM unnest($1) AS k (id) JOIN recipient r ON r.id = k.id";
    /// The named verifications and those of the named deliveries, with their ledger rows.
    Verifications(BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY) =
        "SELECT v.body, r.body FROM (
           SELECT n.tenant, n.id FROM unnest($1, $2) AS n (tenant, id)
           UNION
           SELECT d.tenant, d.verification FROM unnest($3, $4) AS m (tenant, id)
           JOIN delivery d ON d.tenant = m.tenant AND d.id = m.id) AS k
         JOIN verification v ON v.tenant = k.tenant AND v.id = k.id
         JOIN recipient r ON r.id = v.recipient";
    /// All deliveries of the named verifications, and of those of the named deliveries.
    Deliveries(BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY) =
        "SELECT o.body FROM (
           SELECT n.id FROM unnest($1) AS n (id)
           UNION
           SELECT d.verification FROM unnest($2, $3) AS m (tenant, id)
           JOIN delivery d ON d.tenant = m.tenant AND d.id = m.id) AS k
         JOIN delivery o ON o.verification = k.id";
    /// What is kept of idempotent requests.
    Replays(BYTEA_ARRAY) = "SELECT o.key, o.body FROM unnest($1) AS k (key) JOIN once o ON o.key = k.key";
    /// The clock in microseconds, read after the locks; the active root; the last committed instant and stamp; the epoch.
    Instant() = concat!(
        "SELECT ", now!(), ", (SELECT value FROM meta WHERE key = 'active_root'),
           coalesce(max(at), 0), coalesce(max(stamp), 0), (SELECT value FROM meta WHERE key = 'epoch') FROM lane"
    );

    // ── a turn: locks and reads of subjects, only where commands name some
    /// Locks the subjects that names, ids, factors and challenges lead to, in the order of their ids.
    LockSubjects(
        BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY
    ) =
        "SELECT s.id FROM subject s WHERE (s.tenant, s.id) IN (
           SELECT i.tenant, i.subject FROM unnest($1, $2) AS k (tenant, digest)
           JOIN subject_index i ON i.tenant = k.tenant AND i.digest = k.digest
           UNION
           SELECT k.tenant, k.id FROM unnest($3, $4) AS k (tenant, id)
           UNION
           SELECT f.tenant, f.subject FROM unnest($5, $6) AS k (tenant, id)
           JOIN factor f ON f.tenant = k.tenant AND f.id = k.id
           UNION
           SELECT c.tenant, c.subject FROM unnest($7, $8) AS k (tenant, id)
           JOIN challenge c ON c.tenant = k.tenant AND c.id = k.id)
         ORDER BY s.id FOR UPDATE OF s";
    SubjectsByName(BYTEA_ARRAY, BYTEA_ARRAY) =
        "SELECT i.tenant, i.digest, s.body FROM unnest($1, $2) AS k (tenant, digest)
         JOIN subject_index i ON i.tenant = k.tenant AND i.digest = k.digest
         JOIN subject s ON s.tenant = i.tenant AND s.id = i.subject";
    SubjectsById(BYTEA_ARRAY, BYTEA_ARRAY) =
        "SELECT s.body FROM unnest($1, $2) AS k (tenant, id)
         JOIN subject s ON s.tenant = k.tenant AND s.id = k.id";
    SubjectsByFactor(BYTEA_ARRAY, BYTEA_ARRAY) =
        "SELECT f.tenant, f.id, s.body FROM unnest($1, $2) AS k (tenant, id)
         JOIN factor f ON f.tenant = k.tenant AND f.id = k.id
         JOIN subject s ON s.tenant = f.tenant AND s.id = f.subject";
    /// The named challenges with the subjects they ask.
    Challenges(BYTEA_ARRAY, BYTEA_ARRAY) =
        "SELECT c.body, s.body FROM unnest($1, $2) AS k (tenant, id)
         JOIN challenge c ON c.tenant = k.tenant AND c.id = k.id
         JOIN subject s ON s.tenant = c.tenant AND s.id = c.subject";

    // ── a turn: writes
    InsertRecipients(BYTEA_ARRAY, BYTEA_ARRAY) =
        "INSERT INTO recipient (id, body) SELECT k.id, k.body FROM unnest($1, $2) AS k (id, body)";
    UpdateRecipients(BYTEA_ARRAY, BYTEA_ARRAY) =
        "UPDATE recipient SET body = k.body FROM unnest($1, $2) AS k (id, body) WHERE recipient.id = k.id";
    ReleaseReserved(BYTEA_ARRAY, BYTEA_ARRAY) =
        "DELETE FROM recipient_index WHERE (tenant, digest) IN (
           SELECT k.tenant, k.digest FROM unnest($1, $2) AS k (tenant, digest))";
    InsertVerifications(BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY) =
        "INSERT INTO verification (tenant, id, recipient, subject, body)
         SELECT k.tenant, k.id, k.recipient, k.subject, k.body
         FROM unnest($1, $2, $3, $4, $5) AS k (tenant, id, recipient, subject, body)";
    UpdateVerifications(BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY) =
        "UPDATE verification SET body = k.body FROM unnest($1, $2, $3) AS k (tenant, id, body)
         WHERE verification.tenant = k.tenant AND verification.id = k.id";
    InsertDeliveries(BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, INT8_ARRAY, BYTEA_ARRAY) =
        "INSERT INTO delivery (tenant, id, verification, recipient, due, body)
         SELECT k.tenant, k.id, k.verification, k.recipient, k.due, k.body
         FROM unnest($1, $2, $3, $4, $5, $6) AS k (tenant, id, verification, recipient, due, body)";
    UpdateDeliveries(BYTEA_ARRAY, BYTEA_ARRAY, INT8_ARRAY, BYTEA_ARRAY) =
        "UPDATE delivery SET due = k.due, body = k.body FROM unnest($1, $2, $3, $4) AS k (tenant, id, due, body)
         WHERE delivery.tenant = k.tenant AND delivery.id = k.id";
    InsertJournal(INT8, INT8, INT8_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY) =
        "INSERT INTO journal (lane, n, stamp, verification, body)
         SELECT $1, k.n, $2, k.verification, k.body FROM unnest($3, $4, $5) AS k (n, verification, body)";
    DropSubjectIndexes(BYTEA_ARRAY, BYTEA_ARRAY) =
        "DELETE FROM subject_index WHERE (tenant, subject) IN (
           SELECT k.tenant, k.subject FROM unnest($1, $2) AS k (tenant, subject))";
    InsertSubjects(BYTEA_ARRAY, BYTEA_ARRAY, INT8_ARRAY, BYTEA_ARRAY) =
        "INSERT INTO subject (tenant, id, removed_at, body) SELECT k.tenant, k.id, k.removed_at, k.body
         FROM unnest($1, $2, $3, $4) AS k (tenant, id, removed_at, body)";
    UpdateSubjects(BYTEA_ARRAY, BYTEA_ARRAY, INT8_ARRAY, BYTEA_ARRAY) =
        "UPDATE subject SET removed_at = k.removed_at, body = k.body
         FROM unnest($1, $2, $3, $4) AS k (tenant, id, removed_at, body)
         WHERE subject.tenant = k.tenant AND subject.id = k.id";
    /// All names of new subjects, each under every root: of two that make the same one, the second finds the first.
    InsertSubjectIndexes(BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY) =
        "INSERT INTO subject_index (tenant, digest, subject) SELECT k.tenant, k.digest, k.subject
         FROM unnest($1, $2, $3) AS k (tenant, digest, subject) ORDER BY k.tenant, k.digest";
    InsertFactors(BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY) =
        "INSERT INTO factor (id, tenant, subject) SELECT k.id, k.tenant, k.subject
         FROM unnest($1, $2, $3) AS k (id, tenant, subject)";
    InsertChallenges(BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY) =
        "INSERT INTO challenge (tenant, id, subject, body) SELECT k.tenant, k.id, k.subject, k.body
         FROM unnest($1, $2, $3, $4) AS k (tenant, id, subject, body)";
    UpdateChallenges(BYTEA_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY) =
        "UPDATE challenge SET body = k.body FROM unnest($1, $2, $3) AS k (tenant, id, body)
         WHERE challenge.tenant = k.tenant AND challenge.id = k.id";
    ForgetOnce(BYTEA_ARRAY) =
        "DELETE FROM once WHERE key IN (SELECT k.key FROM unnest($1) AS k (key))";
    InsertOnce(BYTEA_ARRAY, INT8_ARRAY, BYTEA_ARRAY) =
        "INSERT INTO once (key, at, body) SELECT k.key, k.at, k.body FROM unnest($1, $2, $3) AS k (key, at, body)
         ORDER BY k.key";
    /// The last statement of a batch: numbers it.
    AdvanceLane(INT8, INT8, INT8, INT8, INT8) =
        "UPDATE lane SET batch = $2, entries = $3, at = $4, stamp = $5 WHERE id = $1";
    /// Every lane: when somebody accepts that the clock went back.
    SetClock(INT8) = "UPDATE lane SET at = $1 WHERE at > $1";

    // ── projects and keys
    Project(BYTEA) = "SELECT body FROM project WHERE id = $1";
    LockProject(BYTEA) = "SELECT body FROM project WHERE id = $1 FOR UPDATE";
    Projects() = "SELECT body FROM project ORDER BY id";
    PutProject(BYTEA, BYTEA) =
        "INSERT INTO project (id, body) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET body = excluded.body";
    LockKey(BYTEA) = "SELECT body FROM api_key WHERE id = $1 FOR UPDATE";
    KeyByPrefix(TEXT) = "SELECT k.body, p.body FROM api_key k JOIN project p ON p.id = k.project WHERE k.prefix = $1";
    KeysOfProject(BYTEA) = "SELECT body FROM api_key WHERE project = $1 ORDER BY id";
    PutKey(BYTEA, BYTEA, TEXT, BYTEA) =
        "INSERT INTO api_key (id, project, prefix, body) VALUES ($1, $2, $3, $4)
         ON CONFLICT (id) DO UPDATE SET body = excluded.body";

    // ── reads
    VerificationsBefore(BYTEA, BYTEA, INT8) =
        "SELECT body FROM verification WHERE tenant = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    VerificationsOfSubject(BYTEA, BYTEA, BYTEA, INT8) =
        "SELECT body FROM verification WHERE tenant = $1 AND subject = $2 AND id < $3 ORDER BY id DESC LIMIT $4";
    VerificationsOfRecipient(BYTEA, BYTEA, INT8) =
        "SELECT body FROM verification WHERE recipient = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    VerificationsBetween(BYTEA, BYTEA, BYTEA, INT8) =
        "SELECT body FROM verification WHERE tenant = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4";
    DeliveriesLatest(BYTEA, INT8) = "SELECT body FROM delivery WHERE tenant = $1 ORDER BY id DESC LIMIT $2";
    SubjectsBefore(BYTEA, BYTEA, INT8) =
        "SELECT body FROM subject WHERE tenant = $1 AND id < $2 AND removed_at IS NULL ORDER BY id DESC LIMIT $3";
    ChallengesBefore(BYTEA, BYTEA, INT8) =
        "SELECT c.body, s.body FROM challenge c JOIN subject s ON s.tenant = c.tenant AND s.id = c.subject
         WHERE c.tenant = $1 AND c.id < $2 ORDER BY c.id DESC LIMIT $3";
    ChallengesBetween(BYTEA, BYTEA, BYTEA, INT8) =
        "SELECT body FROM challenge WHERE tenant = $1 AND id > $2 AND id < $3 ORDER BY id LIMIT $4";
    ChallengesOfSubject(BYTEA, BYTEA, BYTEA, INT8) =
        "SELECT c.body, s.body FROM challenge c JOIN subject s ON s.tenant = c.tenant AND s.id = c.subject
         WHERE c.tenant = $1 AND c.subject = $2 AND c.id < $3 ORDER BY c.id DESC LIMIT $4";
    TenantOfFactor(BYTEA) = "SELECT tenant FROM factor WHERE id = $1";
    History(BYTEA) = "SELECT body FROM journal WHERE verification = $1 ORDER BY stamp, lane, n LIMIT 1000";
    Journal(INT8, INT8) =
        "SELECT r.first + j.n - r.n, j.body FROM journal_run r
         JOIN journal j ON j.lane = r.lane AND j.n >= r.n AND j.n < r.n + r.length
         WHERE r.first >= (SELECT coalesce(max(s.first), 0) FROM journal_run s WHERE s.first <= $1 + 1)
           AND r.first <= $1 + $2 AND r.first + j.n - r.n > $1
         ORDER BY 1 LIMIT $2";

    // ── deliveries that are due
    Claim(INT8, INT8) =
        "SELECT body FROM delivery WHERE due IS NOT NULL AND due <= $1 ORDER BY due LIMIT $2
         FOR UPDATE SKIP LOCKED";

    /// Waiting ones of one tenant that become due in a while; for test clocks that are ahead. The tenant is compared in a way
    /// that its index is no use for: that one has all deliveries there ever were.
    DueLater(BYTEA, INT8, INT8) =
        "SELECT body FROM delivery
         WHERE due IS NOT NULL AND due > $2 AND due <= $3 AND (tenant = $1) IS TRUE ORDER BY due
         FOR UPDATE SKIP LOCKED";

    // ── receipts
    PutMessages(TEXT_ARRAY, TEXT_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, INT8_ARRAY) =
        "INSERT INTO sent_message (provider, message, tenant, delivery, at)
         SELECT k.provider, k.message, k.tenant, k.delivery, k.at
         FROM unnest($1, $2, $3, $4, $5) AS k (provider, message, tenant, delivery, at)
         ORDER BY k.provider, k.message
         ON CONFLICT (provider, message)
         DO UPDATE SET tenant = excluded.tenant, delivery = excluded.delivery, at = excluded.at";
    PutEarly(TEXT_ARRAY, TEXT_ARRAY, BYTEA_ARRAY, BYTEA_ARRAY, INT8_ARRAY, BYTEA_ARRAY) =
        "INSERT INTO early_receipt (provider, message, tenant, delivery, at, body)
         SELECT k.provider, k.message, k.tenant, k.delivery, k.at, k.body
         FROM unnest($1, $2, $3, $4, $5, $6) AS k (provider, message, tenant, delivery, at, body)
         ORDER BY k.provider, k.message
         ON CONFLICT (provider, message) DO UPDATE SET tenant = excluded.tenant, delivery = excluded.delivery,
           at = excluded.at, body = excluded.body";
    StrikeEarly(TEXT_ARRAY, TEXT_ARRAY) =
        "DELETE FROM early_receipt WHERE (provider, message) IN (
           SELECT k.provider, k.message FROM unnest($1, $2) AS k (provider, message))";
    Message(TEXT, TEXT) = "SELECT tenant, delivery FROM sent_message WHERE provider = $1 AND message = $2";
    DeliveryOfAny(BYTEA_ARRAY, BYTEA) =
        "SELECT d.tenant, d.id FROM unnest($1) AS k (tenant) JOIN delivery d ON d.tenant = k.tenant AND d.id = $2";
    EarlyWaiting() = "SELECT count(*) FROM early_receipt";
    EarlyKnown(INT8) =
        "SELECT e.provider, e.message, coalesce(m.tenant, e.tenant), coalesce(m.delivery, e.delivery), e.body
         FROM early_receipt e LEFT JOIN sent_message m ON m.provider = e.provider AND m.message = e.message
         WHERE m.delivery IS NOT NULL OR e.delivery IS NOT NULL ORDER BY e.at LIMIT $1";

    // ── nodes, leases, numbers
    Heartbeat(BYTEA, BYTEA) = concat!(
        "INSERT INTO node (id, seen, ring) VALUES ($1, ", now!(), ", $2)
         ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, ring = excluded.ring RETURNING seen"
    );
    Leave(BYTEA) = "DELETE FROM node WHERE id = $1";
    /// Takes or renews a lease of `$3` microseconds; a row comes back when this node has it. A lease that ends later than
    /// any can was given by a clock that has been set back since.
    TakeLease(TEXT, BYTEA, INT8) = concat!(
        "INSERT INTO lease (task, node, until) VALUES ($1, $2, ", now!(), " + $3)
         ON CONFLICT (task) DO UPDATE SET node = excluded.node, until = excluded.until
         WHERE lease.node = excluded.node OR lease.until < ", now!(), "
           OR lease.until > ", now!(), " + 2 * $3 RETURNING until"
    );
    /// Holds the lease's row, if it is still this node's: nobody else can take it before this transaction ends.
    HoldLease(TEXT, BYTEA) = concat!(
        "SELECT until FROM lease WHERE task = $1 AND node = $2 AND until > ", now!(), " FOR UPDATE"
    );
    ReleaseLease(TEXT, BYTEA) = "DELETE FROM lease WHERE task = $1 AND node = $2";
    /// The rings of the nodes heard of within `$1` microseconds.
    LiveRings(INT8) = concat!("SELECT ring FROM node WHERE seen > ", now!(), " - $1");
    /// Nodes not heard of for `$1` microseconds.
    ForgetNodes(INT8) = concat!("DELETE FROM node WHERE seen < ", now!(), " - $1");
    /// A lane whose node was not heard of for `$1` microseconds. Never one of this node's own, however late its word: two
    /// lanes with one row would each take the other's commit for its own.
    AdoptableLane(INT8, BYTEA) = concat!(
        "SELECT l.id FROM lane l WHERE l.node <> $2 AND NOT EXISTS (
           SELECT 1 FROM node n WHERE n.id = l.node AND n.seen > ", now!(), " - $1)
         ORDER BY l.id LIMIT 1 FOR UPDATE OF l SKIP LOCKED"
    );
    AdoptLane(INT8, BYTEA, BYTEA) = "UPDATE lane SET node = $2, holder = $3 WHERE id = $1";
    NewLane(BYTEA, BYTEA) =
        "INSERT INTO lane (id, node, holder, batch, entries, at, stamp)
         SELECT coalesce(max(id), 0) + 1, $1, $2, 0, 0, coalesce(max(at), 0), coalesce(max(stamp), 0) FROM lane
         RETURNING id";
    /// How far a lane's batches are committed; waits for one that is being committed.
    SettleLane(INT8) = "SELECT holder, batch FROM lane WHERE id = $1 FOR UPDATE";
    /// The first `$1` batches without numbers, in the order of their commits as far as one could see another's.
    Unnumbered(INT8) =
        "SELECT l.id, b.stamp, b.n, b.length FROM lane l
         LEFT JOIN journal_lane c ON c.lane = l.id
         CROSS JOIN LATERAL (
           SELECT j.stamp, min(j.n) AS n, count(*) AS length FROM journal j
           WHERE j.lane = l.id AND j.n > coalesce(c.numbered, 0) GROUP BY j.stamp) AS b
         ORDER BY b.stamp, l.id LIMIT $1";
    InsertRuns(INT8_ARRAY, INT8_ARRAY, INT8_ARRAY, INT8_ARRAY, INT8_ARRAY) =
        "INSERT INTO journal_run (first, lane, n, length, stamp)
         SELECT k.first, k.lane, k.n, k.length, k.stamp
         FROM unnest($1, $2, $3, $4, $5) AS k (first, lane, n, length, stamp)";
    NumberedUpTo(INT8_ARRAY, INT8_ARRAY) =
        "INSERT INTO journal_lane (lane, numbered) SELECT k.lane, k.n FROM unnest($1, $2) AS k (lane, n)
         ON CONFLICT (lane) DO UPDATE SET numbered = excluded.numbered";

    // ── what is kept of the store itself
    Meta(TEXT) = "SELECT value FROM meta WHERE key = $1";
    KeepMeta(TEXT, BYTEA) = "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING";
    PutMeta(TEXT, BYTEA) =
        "INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value";
    SetMeta(TEXT, BYTEA) = "UPDATE meta SET value = $2 WHERE key = $1";
    /// Only ever a higher one, whatever the leader saw that asks for it: numbers are big-endian, so their order is that of
    /// their bytes.
    ActivateRoot(BYTEA) = "UPDATE meta SET value = $1 WHERE key = 'active_root' AND value < $1";

    // ── settings of dialects
    Setting(BYTEA, TEXT, BYTEA) = "SELECT body FROM setting WHERE tenant = $1 AND kind = $2 AND id = $3";
    Settings(BYTEA, TEXT) = "SELECT body FROM setting WHERE tenant = $1 AND kind = $2 ORDER BY id";
    CountSettings(BYTEA, TEXT) = "SELECT count(*) FROM setting WHERE tenant = $1 AND kind = $2";
    PutSetting(BYTEA, TEXT, BYTEA, BYTEA) =
        "INSERT INTO setting (tenant, kind, id, body) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant, kind, id) DO UPDATE SET body = excluded.body";
    RemoveSetting(BYTEA, TEXT, BYTEA) = "DELETE FROM setting WHERE tenant = $1 AND kind = $2 AND id = $3";

    // ── counters of budgets
    NewBudget(BYTEA, INT8) =
        "INSERT INTO budget (id, day, reserved) VALUES ($1, $2, 0) ON CONFLICT (id, day) DO NOTHING";
    LockBudget(BYTEA, INT8) = "SELECT reserved FROM budget WHERE id = $1 AND day = $2 FOR UPDATE";
    SetBudget(BYTEA, INT8, INT8) = "UPDATE budget SET reserved = $3 WHERE id = $1 AND day = $2";
    Budgets(INT8) = "SELECT id, reserved FROM budget WHERE day = $1 ORDER BY id";
    RetireBudget(BYTEA, INT8) = "DELETE FROM budget WHERE id = $1 AND day < $2";

    // ── retention, in small steps
    RetireOnce(INT8, INT8) =
        "DELETE FROM once WHERE key IN (
           SELECT key FROM once WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    RetireMessages(INT8, INT8) =
        "DELETE FROM sent_message WHERE (provider, message) IN (
           SELECT provider, message FROM sent_message WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    RetireEarly(INT8, INT8) =
        "DELETE FROM early_receipt WHERE (provider, message) IN (
           SELECT provider, message FROM early_receipt WHERE at < $1 ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED)";
    RetireVerifications(BYTEA, BYTEA, INT8) =
        "DELETE FROM verification WHERE (tenant, id) IN (
           SELECT tenant, id FROM verification WHERE tenant = $1 AND id < $2 ORDER BY id LIMIT $3
           FOR UPDATE SKIP LOCKED)";
    RetireDeliveries(BYTEA, BYTEA, INT8) =
        "DELETE FROM delivery WHERE (tenant, id) IN (
           SELECT tenant, id FROM delivery WHERE tenant = $1 AND id < $2 ORDER BY id LIMIT $3
           FOR UPDATE SKIP LOCKED)";
    RetireChallenges(BYTEA, BYTEA, INT8) =
        "DELETE FROM challenge WHERE (tenant, id) IN (
           SELECT tenant, id FROM challenge WHERE tenant = $1 AND id < $2 ORDER BY id LIMIT $3
           FOR UPDATE SKIP LOCKED)";
    RetireSubjects(INT8, INT8) =
        "DELETE FROM subject WHERE (tenant, id) IN (
           SELECT tenant, id FROM subject WHERE removed_at < $1 ORDER BY removed_at LIMIT $2
           FOR UPDATE SKIP LOCKED) RETURNING tenant, id";
    RetireFactors(BYTEA_ARRAY, BYTEA_ARRAY) =
        "DELETE FROM factor WHERE (tenant, subject) IN (
           SELECT k.tenant, k.subject FROM unnest($1, $2) AS k (tenant, subject))";
    /// The oldest runs. Stamps are not in their order, and not indexed: whoever reads them stops at the first that stays.
    OldestRuns(INT8) = "SELECT first, lane, n, length, stamp FROM journal_run ORDER BY first LIMIT $1";
    RetireJournal(INT8, INT8, INT8) = "DELETE FROM journal WHERE lane = $1 AND n >= $2 AND n < $3";
    RetireRun(INT8) = "DELETE FROM journal_run WHERE first = $1";
}
