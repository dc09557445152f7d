//! Old verifications by the million: copies of real ones, made by the database itself.
//!
//! Through HTTP, ten million would take hours. A copy has the bytes of a real row but for the ids, which are in
//! their columns and in the body alike, so whoever walks over old rows finds what a month's work would have left.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, anyhow, ensure};

use super::Database;

/// Verifications per statement and table.
const CHUNK: u64 = 250_000;
const CHECKPOINT_EVERY: u64 = 4 * CHUNK;
/// The copies lie evenly between these two ages. Retention keeps what is younger than 30 days, and a code that somebody
/// waits for is younger than the other.
const OLDEST: Duration = Duration::from_secs(29 * 24 * 60 * 60);
const YOUNGEST: Duration = Duration::from_secs(60 * 60);
/// Replays are kept for a day: the busiest one leaves this many.
const ONCE_MOST: u64 = 200_000;
const ONCE_OLDEST_MILLIS: u64 = 23 * 60 * 60 * 1000;
/// The copies' journal is the work of one lane whose node is gone. The next node that needs a lane adopts it.
const LANE: u64 = 1_000_000;
/// Entries of the journal under one run of numbers.
const RUN_ENTRIES: u64 = 1_000;

/// An approved verification with all that belongs to it, in hexadecimal.
const TEMPLATE: &str = "\
SELECT encode(v.tenant, 'hex'), encode(v.id, 'hex'), encode(v.recipient, 'hex'), encode(d.id, 'hex'), \
  encode(v.body, 'hex'), encode(r.body, 'hex'), encode(d.body, 'hex'), \
  encode(created.body, 'hex'), encode(ended.body, 'hex'), \
  (SELECT encode(body, 'hex') FROM once ORDER BY octet_length(body) DESC LIMIT 1) \
FROM verification v JOIN recipient r ON r.id = v.recipient \
JOIN delivery d ON d.verification = v.id AND d.due IS NULL \
CROSS JOIN LATERAL (SELECT body FROM journal WHERE verification = v.id ORDER BY stamp, lane, n LIMIT 1) AS created \
CROSS JOIN LATERAL (SELECT body FROM journal WHERE verification = v.id ORDER BY stamp DESC, lane, n DESC LIMIT 1) \
  AS ended ORDER BY v.id LIMIT 1";

/// What is copied; bodies as SQL that puts the ids of a copy in.
struct Template {
    tenant: String,
    verification: String,
    recipient: String,
    delivery: String,
    created: String,
    ended: String,
    once: String,
}

impl Database {
    /// Adds `count` copies of verifications that were checked through the API. No node may run.
    pub(crate) fn fill(&self, count: u64) -> anyhow::Result<()> {
        let start = Instant::now();
        let template = self.template()?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let (oldest, span) = (now.saturating_sub(OLDEST).as_millis(), (OLDEST - YOUNGEST).as_millis());
        let millis = format!("({oldest} + c.n * {span} / {count})::int8");
        for first in (1..=count).step_by(usize::try_from(CHUNK)?) {
            let last = count.min(first + CHUNK - 1);
            self.all_at_once(&template.copies(&millis, first, last))?;
            // A disk that holds the rows needs no room for all of their log as well.
            if last.is_multiple_of(CHECKPOINT_EVERY) {
                self.ask("CHECKPOINT")?;
            }
            eprintln!("stored {last} in {:.0} s", start.elapsed().as_secs_f64());
        }
        self.ask(&template.replays(now.as_millis(), count.min(ONCE_MOST)))?;
        self.number(count, &millis)?;
        // With what autovacuum would soon do anyway, in the midst of what is measured.
        self.ask("VACUUM (ANALYZE); CHECKPOINT")?;
        let size = self.ask("SELECT pg_size_pretty(pg_database_size(current_database()))")?;
        eprintln!("stored {count} verifications in {:.0} s: {size}", start.elapsed().as_secs_f64());
        Ok(())
    }

    fn template(&self) -> anyhow::Result<Template> {
        let line = self.ask(TEMPLATE)?;
        let [tenant, id, recipient, delivery, bodies @ ..] = &line.split('|').collect::<Vec<_>>()[..] else {
            return Err(anyhow!("no approved verification to copy: {line:?}"));
        };
        let with_ids = |body: &str| {
            [(id, "verification"), (recipient, "recipient"), (delivery, "delivery")]
                .into_iter()
                .fold(format!(r"'\x{body}'::bytea"), |body, (id, name)| {
                    body.replace(id, &format!(r"'::bytea || k.{name} || '\x"))
                })
        };
        let bodies: Vec<_> = bodies.iter().map(|body| with_ids(body)).collect();
        let [verification, ledger, sent, created, ended, once] =
            <[String; 6]>::try_from(bodies).map_err(|bodies| anyhow!("{} bodies", bodies.len()))?;
        ensure!(verification.contains("k.verification"), "a verification's body without its id");
        let tenant = format!(r"'\x{tenant}'::bytea");
        Ok(Template { tenant, verification, recipient: ledger, delivery: sent, created, ended, once })
    }

    /// Runs statements side by side.
    fn all_at_once(&self, statements: &[String]) -> anyhow::Result<()> {
        std::thread::scope(|scope| {
            let running: Vec<_> = statements.iter().map(|sql| scope.spawn(move || self.ask(sql))).collect();
            running.into_iter().try_for_each(|one| {
                one.join().map_err(|_| anyhow!("a thread that asked the database panicked"))?.map(drop)
            })
        })
    }

    /// Numbers the copies' journal behind what is numbered already, and gives its lane up. Whoever ran before is gone for
    /// certain: their lanes and their lease are free at once.
    fn number(&self, count: u64, millis: &str) -> anyhow::Result<()> {
        let next = self.ask("SELECT encode(value, 'hex') FROM meta WHERE key = 'journal_next'")?;
        let next = u64::from_str_radix(&next, 16).context("no number for the next entry")?;
        let entries = 2 * count;
        let nobody = format!(r"'\x{}'", "00".repeat(16));
        self.ask(&format!(
            "BEGIN;
             INSERT INTO journal_run (first, lane, n, length, stamp)
             SELECT {next} - 1 + r.n, {LANE}, r.n, r.length,
               (SELECT stamp FROM journal j WHERE j.lane = {LANE} AND j.n = r.n + r.length - 1)
             FROM (SELECT n, least({RUN_ENTRIES}, {entries} + 1 - n) AS length
                   FROM generate_series(1, {entries}::int8, {RUN_ENTRIES}) AS n) AS r;
             INSERT INTO journal_lane (lane, numbered) VALUES ({LANE}, {entries});
             INSERT INTO lane (id, node, holder, batch, entries, at, stamp)
             SELECT {LANE}, {nobody}, {nobody}, {entries}, {entries}, {millis}, {millis} * 1000 + 1
             FROM (SELECT {count}::int8 AS n) AS c;
             UPDATE meta SET value = int8send({next} + {entries}) WHERE key = 'journal_next';
             DELETE FROM node;
             DELETE FROM lease;
             COMMIT"
        ))
        .map(drop)
    }
}

impl Template {
    /// A statement for each table.
    fn copies(&self, millis: &str, first: u64, last: u64) -> [String; 5] {
        let Self { tenant, verification, recipient, delivery, created, ended, .. } = self;
        // UUIDs of version 7 as the server makes them, with fewer random bits.
        let id = |name: &str| {
            format!(
                r"substring(int8send(m.millis) FROM 3) || '\x700080'::bytea
                  || substring(sha256(('{name}' || m.n)::bytea) FROM 1 FOR 7) AS {name}"
            )
        };
        // `OFFSET`: each id is computed once, not wherever it stands.
        let copies = format!(
            "(SELECT m.n, m.millis, {}, {}, {}
              FROM (SELECT c.n, {millis} AS millis FROM generate_series({first}, {last}::int8) AS c (n)) AS m
              OFFSET 0) AS k",
            id("verification"),
            id("recipient"),
            id("delivery")
        );
        [
            // In their order, as far as a chunk goes: every page is touched once.
            format!(
                "INSERT INTO recipient_index (tenant, digest, recipient)
                 SELECT {tenant}, sha256(k.n::text::bytea), k.recipient FROM {copies} ORDER BY 2"
            ),
            format!("INSERT INTO recipient (id, body) SELECT k.recipient, {recipient} FROM {copies}"),
            format!(
                "INSERT INTO verification (tenant, id, recipient, body)
                 SELECT {tenant}, k.verification, k.recipient, {verification} FROM {copies}"
            ),
            format!(
                "INSERT INTO delivery (tenant, id, verification, recipient, body)
                 SELECT {tenant}, k.delivery, k.verification, k.recipient, {delivery} FROM {copies}"
            ),
            format!(
                "INSERT INTO journal (lane, n, stamp, verification, body)
                 SELECT {LANE}, 2 * k.n - 1 + e.nth, k.millis * 1000 + e.nth, k.verification,
                   CASE e.nth WHEN 0 THEN {created} ELSE {ended} END
                 FROM {copies} CROSS JOIN (VALUES (0), (1)) AS e (nth) ORDER BY 2"
            ),
        ]
    }

    /// What is kept of the last day's requests.
    fn replays(&self, now: u128, count: u64) -> String {
        let once = self
            .once
            .replace("k.verification", "k.id")
            .replace("k.recipient", "k.id")
            .replace("k.delivery", "k.id");
        format!(
            "INSERT INTO once (key, at, body)
             SELECT sha256(('once' || k.n)::bytea), {now} - k.n * {ONCE_OLDEST_MILLIS} / {count}, {once}
             FROM (SELECT n, substring(sha256(n::text::bytea) FROM 1 FOR 16) AS id
                   FROM generate_series(1, {count}::int8) AS n) AS k ORDER BY 1"
        )
    }
}
