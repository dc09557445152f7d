-- Bodies are CBOR maps that skip what they do not know, so an older node reads what a newer one wrote.
-- Ids are time-ordered: rows of the present lie together, whatever is stored already.

CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE project (id BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE api_key (
  id BLOB PRIMARY KEY, project BLOB NOT NULL, prefix TEXT NOT NULL UNIQUE, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX api_key_project ON api_key (project);

-- The only table keyed by something random; small, so that it stays in memory.
CREATE TABLE recipient_index (
  tenant BLOB NOT NULL, digest BLOB NOT NULL, recipient BLOB NOT NULL, PRIMARY KEY (tenant, digest)
) WITHOUT ROWID;

CREATE TABLE recipient (id BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE verification (
  tenant BLOB NOT NULL, id BLOB NOT NULL, recipient BLOB NOT NULL, subject BLOB, body BLOB NOT NULL,
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX verification_recipient ON verification (recipient, id);
CREATE INDEX verification_subject ON verification (tenant, subject, id) WHERE subject IS NOT NULL;

CREATE TABLE delivery (
  tenant BLOB NOT NULL, id BLOB NOT NULL, verification BLOB NOT NULL, due INTEGER, body BLOB NOT NULL,
  PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX delivery_verification ON delivery (verification, id);
CREATE INDEX delivery_due ON delivery (due) WHERE due IS NOT NULL;

CREATE TABLE journal (
  seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, verification BLOB, leaf BLOB NOT NULL, body BLOB NOT NULL
);
CREATE INDEX journal_verification ON journal (verification, seq) WHERE verification IS NOT NULL;

CREATE TABLE once (seq INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, at INTEGER NOT NULL, body BLOB NOT NULL);
