-- What a provider's id of a message leads to, for providers that give receipts. Only an older program does not know the
-- tables, so it still runs: receipts of messages it sends are then of nobody.
CREATE TABLE sent_message (
  seq INTEGER PRIMARY KEY, provider TEXT NOT NULL, message TEXT NOT NULL, tenant BLOB NOT NULL, delivery BLOB NOT NULL,
  at INTEGER NOT NULL, UNIQUE (provider, message)
);
-- Receipts that came before their message was known. They wait for minutes, so the table is small.
CREATE TABLE early_receipt (
  seq INTEGER PRIMARY KEY, provider TEXT NOT NULL, message TEXT NOT NULL, tenant BLOB, delivery BLOB, at INTEGER NOT NULL,
  body BLOB NOT NULL, UNIQUE (provider, message)
);
