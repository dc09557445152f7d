-- What is reserved of each budget per day. An older program does not know it, so it still runs.
CREATE TABLE budget (
  id BYTEA NOT NULL, day BIGINT NOT NULL, reserved BIGINT NOT NULL, PRIMARY KEY (id, day)
);
