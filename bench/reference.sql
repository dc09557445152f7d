-- What an ordinary application would do for one verification, row by row, one transaction per command: the same tables,
-- the same rows, the same sizes as the engine writes, and the reads that a decision needs. It decides nothing, and it
-- keeps no `lane` row, which it would not need. 26 round trips; the engine shares its few among all who wait.
--
-- Run by `cargo xtask bench --store postgres` as `pgbench --protocol=prepared --file=bench/reference.sql`, with
-- `start` (ids grow from there), `tenant`, and a body of the usual size for each table.
\set start :start + 1

-- create
BEGIN;
SELECT body FROM once WHERE key = sha256(int8send(:start) || int8send(:client_id) || '\x01');
SELECT i.recipient, r.body FROM recipient_index i JOIN recipient r ON r.id = i.recipient
  WHERE i.tenant = :tenant::bytea AND i.digest = sha256(int8send(:start) || int8send(:client_id));
INSERT INTO recipient_index (tenant, digest, recipient)
  VALUES (:tenant::bytea, sha256(int8send(:start) || int8send(:client_id)), int8send(:start) || int8send(:client_id));
INSERT INTO recipient (id, body) VALUES (int8send(:start) || int8send(:client_id), :recipient_body::bytea);
INSERT INTO verification (tenant, id, recipient, body)
  VALUES (:tenant::bytea, int8send(:start) || int8send(:client_id), int8send(:start) || int8send(:client_id),
          :verification_body::bytea);
INSERT INTO delivery (tenant, id, verification, recipient, due, body)
  VALUES (:tenant::bytea, int8send(:start) || int8send(:client_id), int8send(:start) || int8send(:client_id),
          int8send(:start) || int8send(:client_id), :start::bigint, :delivery_body::bytea);
INSERT INTO journal (lane, n, stamp, verification, body)
  VALUES (-1 - :client_id::bigint, 2 * :start::bigint, :start::bigint, int8send(:start) || int8send(:client_id),
          :journal_body::bytea);
INSERT INTO once (key, at, body)
  VALUES (sha256(int8send(:start) || int8send(:client_id) || '\x01'), :start::bigint, :once_body::bytea);
COMMIT;

-- sent
BEGIN;
SELECT r.id FROM recipient r JOIN delivery d ON d.recipient = r.id
  WHERE d.tenant = :tenant::bytea AND d.id = int8send(:start) || int8send(:client_id) FOR UPDATE OF r;
SELECT v.body, r.body FROM verification v JOIN recipient r ON r.id = v.recipient
  WHERE v.tenant = :tenant::bytea AND v.id = int8send(:start) || int8send(:client_id);
SELECT body FROM delivery WHERE verification = int8send(:start) || int8send(:client_id);
UPDATE delivery SET due = NULL, body = :delivery_body::bytea
  WHERE tenant = :tenant::bytea AND id = int8send(:start) || int8send(:client_id);
COMMIT;

-- check
BEGIN;
SELECT body FROM once WHERE key = sha256(int8send(:start) || int8send(:client_id) || '\x02');
SELECT r.id FROM recipient r JOIN verification v ON v.recipient = r.id
  WHERE v.tenant = :tenant::bytea AND v.id = int8send(:start) || int8send(:client_id) FOR UPDATE OF r;
SELECT v.body, r.body FROM verification v JOIN recipient r ON r.id = v.recipient
  WHERE v.tenant = :tenant::bytea AND v.id = int8send(:start) || int8send(:client_id);
SELECT body FROM delivery WHERE verification = int8send(:start) || int8send(:client_id);
UPDATE recipient SET body = :recipient_body::bytea WHERE id = int8send(:start) || int8send(:client_id);
UPDATE verification SET body = :verification_body::bytea
  WHERE tenant = :tenant::bytea AND id = int8send(:start) || int8send(:client_id);
INSERT INTO journal (lane, n, stamp, verification, body)
  VALUES (-1 - :client_id::bigint, 2 * :start::bigint + 1, :start::bigint, int8send(:start) || int8send(:client_id),
          :journal_body::bytea);
INSERT INTO once (key, at, body)
  VALUES (sha256(int8send(:start) || int8send(:client_id) || '\x02'), :start::bigint, :once_body::bytea);
COMMIT;
