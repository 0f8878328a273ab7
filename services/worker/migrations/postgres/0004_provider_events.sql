-- Up Migration
-- A bounce that was temporary: a delivery that is told of later counts. NULL takes no room.
ALTER TABLE messages ADD COLUMN soft boolean;

-- Events that providers sent, kept as long as they may send them again.
CREATE TABLE seen_events (
  provider_id uuid NOT NULL REFERENCES providers ON DELETE CASCADE,
  event_id text NOT NULL,
  seen_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (provider_id, event_id)
);
CREATE INDEX seen_events_age ON seen_events (seen_at);

-- Down Migration
DROP TABLE seen_events;
ALTER TABLE messages DROP COLUMN soft;
