-- Small rows a dialect keeps per tenant: services, limits, lists. Only an older program does not know them, so it still runs.
CREATE TABLE setting (
  tenant BLOB NOT NULL, kind TEXT NOT NULL, id BLOB NOT NULL, body BLOB NOT NULL, PRIMARY KEY (tenant, kind, id)
) WITHOUT ROWID;
