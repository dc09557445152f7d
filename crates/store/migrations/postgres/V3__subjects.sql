-- Subjects with their factors and challenges. Only an older program does not know them, so it still runs.
-- A subject's row is its ledger: its factors lie in it. When it was removed stands beside it for lists and retention.
CREATE TABLE subject (
  tenant BYTEA NOT NULL, id BYTEA NOT NULL, removed_at BIGINT, body BYTEA NOT NULL, PRIMARY KEY (tenant, id)
) WITH (fillfactor = 60);
CREATE INDEX subject_removed_at ON subject (removed_at) WHERE removed_at IS NOT NULL;

-- Keyed by something random, like recipient_index. A subject that is removed loses its rows here.
CREATE TABLE subject_index (
  tenant BYTEA NOT NULL, digest BYTEA NOT NULL, subject BYTEA NOT NULL, PRIMARY KEY (tenant, digest)
);
CREATE INDEX subject_index_subject ON subject_index (tenant, subject);

-- Whose a factor is: a device knows nothing but its factor.
CREATE TABLE factor (id BYTEA PRIMARY KEY, tenant BYTEA NOT NULL, subject BYTEA NOT NULL);
CREATE INDEX factor_subject ON factor (tenant, subject);

CREATE TABLE challenge (
  tenant BYTEA NOT NULL, id BYTEA NOT NULL, subject BYTEA NOT NULL, body BYTEA NOT NULL, PRIMARY KEY (tenant, id)
) WITH (fillfactor = 60);
CREATE INDEX challenge_subject ON challenge (tenant, subject, id);
