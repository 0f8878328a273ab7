-- Up Migration
-- Chunks with messages that nobody knows the end of: few, and asked for every few seconds.
CREATE INDEX chunks_uncertain ON chunks (batch_id) WHERE uncertain > 0;

-- When a provider last called its webhook; never means that nobody told it where to call.
ALTER TABLE providers ADD COLUMN events_seen_at timestamptz;

-- Down Migration
ALTER TABLE providers DROP COLUMN events_seen_at;
DROP INDEX chunks_uncertain;
