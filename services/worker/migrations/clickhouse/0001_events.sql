-- One row an event of a message. The key is deterministic, so an event that arrives twice is one row after
-- merging, and `FINAL` counts it once before.
CREATE TABLE IF NOT EXISTS events (
  account_id UUID,
  batch_id UUID,
  n UInt32,
  attempt UInt16,
  type LowCardinality(String),
  provider LowCardinality(String),
  channel LowCardinality(String),
  code LowCardinality(String),
  at DateTime64(3, 'UTC')
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(at)
ORDER BY (account_id, batch_id, n, attempt, type)
