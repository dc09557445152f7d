-- What a provider's id of a message leads to, for providers that give receipts. Only an older program does not know the
-- tables, so it still runs: receipts of messages it sends are then of nobody.
CREATE TABLE sent_message (
  provider TEXT NOT NULL, message TEXT NOT NULL, tenant BYTEA NOT NULL, delivery BYTEA NOT NULL, at BIGINT NOT NULL,
  PRIMARY KEY (provider, message)
);
CREATE INDEX sent_message_at ON sent_message (at);
-- Receipts that came before their message was known. They wait for minutes, so the table is small.
CREATE TABLE early_receipt (
  provider TEXT NOT NULL, message TEXT NOT NULL, tenant BYTEA, delivery BYTEA, at BIGINT NOT NULL, body BYTEA NOT NULL,
  PRIMARY KEY (provider, message)
);
