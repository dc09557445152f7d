-- Bodies are CBOR maps that skip what they do not know, so an older node reads what a newer one wrote.
-- Ids are time-ordered: rows of the present lie together, whatever is stored already. Instants are milliseconds
-- since 1970; stamps, and what nodes owe each other, microseconds.

CREATE TABLE meta (key TEXT PRIMARY KEY, value BYTEA NOT NULL);

CREATE TABLE project (id BYTEA PRIMARY KEY, body BYTEA NOT NULL);

CREATE TABLE api_key (
  id BYTEA PRIMARY KEY, project BYTEA NOT NULL, prefix TEXT NOT NULL UNIQUE, body BYTEA NOT NULL
);
CREATE INDEX api_key_project ON api_key (project);

-- The only table keyed by something random; small, so that it stays in memory.
CREATE TABLE recipient_index (
  tenant BYTEA NOT NULL, digest BYTEA NOT NULL, recipient BYTEA NOT NULL, PRIMARY KEY (tenant, digest)
);

-- Rows that change soon after they were written leave room for that on their page.
CREATE TABLE recipient (id BYTEA PRIMARY KEY, body BYTEA NOT NULL) WITH (fillfactor = 60);

CREATE TABLE verification (
  tenant BYTEA NOT NULL, id BYTEA NOT NULL, recipient BYTEA NOT NULL, subject BYTEA, body BYTEA NOT NULL,
  PRIMARY KEY (tenant, id)
) WITH (fillfactor = 60);
CREATE INDEX verification_recipient ON verification (recipient, id);
CREATE INDEX verification_subject ON verification (tenant, subject, id) WHERE subject IS NOT NULL;

CREATE TABLE delivery (
  tenant BYTEA NOT NULL, id BYTEA NOT NULL, verification BYTEA NOT NULL, recipient BYTEA NOT NULL, due BIGINT,
  body BYTEA NOT NULL, PRIMARY KEY (tenant, id)
) WITH (fillfactor = 60);
CREATE INDEX delivery_verification ON delivery (verification);
CREATE INDEX delivery_due ON delivery (due) WHERE due IS NOT NULL;

-- A lane is one connection's row: the batch it committed last, how many journal entries it wrote, and when. The stamp is
-- the same in microseconds, but never goes back and is greater than that of any batch this one could see.
CREATE TABLE lane (
  id BIGINT PRIMARY KEY, node BYTEA NOT NULL, holder BYTEA NOT NULL, batch BIGINT NOT NULL, entries BIGINT NOT NULL,
  at BIGINT NOT NULL, stamp BIGINT NOT NULL
);

-- Entries are counted per lane, without gaps. A run gives `length` of them, from the `n`-th on, consecutive numbers.
CREATE TABLE journal (
  lane BIGINT NOT NULL, n BIGINT NOT NULL, stamp BIGINT NOT NULL, verification BYTEA, body BYTEA NOT NULL,
  PRIMARY KEY (lane, n)
);
CREATE INDEX journal_verification ON journal (verification) WHERE verification IS NOT NULL;
CREATE TABLE journal_run (
  first BIGINT PRIMARY KEY, lane BIGINT NOT NULL, n BIGINT NOT NULL, length BIGINT NOT NULL, stamp BIGINT NOT NULL
);
CREATE TABLE journal_lane (lane BIGINT PRIMARY KEY, numbered BIGINT NOT NULL);

CREATE TABLE once (key BYTEA PRIMARY KEY, at BIGINT NOT NULL, body BYTEA NOT NULL);
CREATE INDEX once_at ON once (at);

-- Who is alive, what it holds, and who does the periodic work.
CREATE TABLE node (id BYTEA PRIMARY KEY, seen BIGINT NOT NULL, ring BYTEA NOT NULL);
CREATE TABLE lease (task TEXT PRIMARY KEY, node BYTEA NOT NULL, until BIGINT NOT NULL);
