-- Small rows a dialect keeps per tenant: services, limits, lists. Only an older program does not know them, so it still runs.
CREATE TABLE setting (
  tenant BYTEA NOT NULL, kind TEXT NOT NULL, id BYTEA NOT NULL, body BYTEA NOT NULL, PRIMARY KEY (tenant, kind, id)
);
