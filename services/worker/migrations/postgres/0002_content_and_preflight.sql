-- Up Migration
-- Files that go with every message of a batch.
CREATE TABLE batch_attachments (
  batch_id uuid NOT NULL REFERENCES batches ON DELETE CASCADE,
  no int NOT NULL,
  filename text NOT NULL,
  content_type text NOT NULL,
  -- Set for inline files: cid:…
  content_id text,
  content bytea NOT NULL,
  PRIMARY KEY (batch_id, no)
);

-- The last preflight of a batch, and for how many recipients it was: a batch that changed needs another one.
ALTER TABLE batches ADD COLUMN preflight json;

-- The same file uploaded twice adds nobody: its digest says so, whatever the policy for duplicates is.
ALTER TABLE imports ADD COLUMN sha256 bytea, ADD COLUMN updated int NOT NULL DEFAULT 0;

-- Down Migration
ALTER TABLE imports DROP COLUMN sha256, DROP COLUMN updated;
ALTER TABLE batches DROP COLUMN preflight;
DROP TABLE batch_attachments;
