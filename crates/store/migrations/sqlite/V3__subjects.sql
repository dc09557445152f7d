-- Subjects with their factors and challenges. Only an older program does not know them, so it still runs.
-- A subject's row is its ledger: its factors lie in it. When it was removed stands beside it for lists and retention.
CREATE TABLE subject (
  tenant BLOB NOT NULL, id BLOB NOT NULL, removed_at INTEGER, body BLOB NOT NULL, PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX subject_removed_at ON subject (removed_at) WHERE removed_at IS NOT NULL;

-- Keyed by something random, like recipient_index. A subject that is removed loses its rows here.
CREATE TABLE subject_index (
  tenant BLOB NOT NULL, digest BLOB NOT NULL, subject BLOB NOT NULL, PRIMARY KEY (tenant, digest)
) WITHOUT ROWID;
CREATE INDEX subject_index_subject ON subject_index (tenant, subject);

-- Whose a factor is: a device knows nothing but its factor.
CREATE TABLE factor (id BLOB PRIMARY KEY, tenant BLOB NOT NULL, subject BLOB NOT NULL) WITHOUT ROWID;
CREATE INDEX factor_subject ON factor (tenant, subject);

CREATE TABLE challenge (
  tenant BLOB NOT NULL, id BLOB NOT NULL, subject BLOB NOT NULL, body BLOB NOT NULL, PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX challenge_subject ON challenge (tenant, subject, id);
