-- What is reserved of each budget per day. An older program does not know it, so it still runs.
CREATE TABLE budget (
  id BLOB NOT NULL, day INTEGER NOT NULL, reserved INTEGER NOT NULL, PRIMARY KEY (id, day)
) WITHOUT ROWID;
