-- Up Migration

-- Accounts and the people and programs that act for them.
CREATE TABLE accounts (
  id uuid PRIMARY KEY,
  name text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE users (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES accounts,
  email text NOT NULL,
  password_hash text NOT NULL,
  -- Known to everyone who read the README: refused when NODE_ENV=production.
  development boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX users_email ON users (lower(email));

CREATE TABLE sessions (
  token_hash bytea PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_expiry ON sessions (expires_at);

CREATE TABLE api_keys (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES accounts,
  name text NOT NULL,
  key_hash bytea NOT NULL UNIQUE,
  prefix text NOT NULL,
  development boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz
);

-- A provider configuration is also a lane: the unit of fairness and of rate limits.
CREATE TABLE providers (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES accounts,
  name text NOT NULL,
  kind text NOT NULL,
  settings jsonb NOT NULL,
  -- Encrypted settings (AES-256-GCM), JSON inside.
  secrets bytea,
  limits jsonb NOT NULL DEFAULT '{}',
  state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused')),
  pause_reason text,
  version int NOT NULL DEFAULT 1,
  created_at timestamptz NOT NULL DEFAULT now(),
  removed_at timestamptz
);
CREATE UNIQUE INDEX providers_name ON providers (account_id, name) WHERE removed_at IS NULL;

CREATE TABLE suppressions (
  account_id uuid NOT NULL REFERENCES accounts,
  -- addressKey(): lower case.
  address text COLLATE "C" NOT NULL,
  reason text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account_id, address)
);

CREATE TABLE batches (
  id uuid PRIMARY KEY,
  account_id uuid NOT NULL REFERENCES accounts,
  name text NOT NULL,
  channel text NOT NULL,
  provider_id uuid NOT NULL REFERENCES providers,
  sender text,
  reply_to text,
  template jsonb NOT NULL,
  options jsonb NOT NULL DEFAULT '{}',
  state text NOT NULL DEFAULT 'draft',
  total int NOT NULL DEFAULT 0,
  next_chunk int NOT NULL DEFAULT 1,
  priority int NOT NULL DEFAULT 0,
  scheduled_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  finished_at timestamptz,
  -- From here the maximum age of retries counts, when somebody asked for another round.
  retried_at timestamptz,
  -- Held back by quiet hours; state stays 'sending'.
  quiet boolean NOT NULL DEFAULT false,
  -- Why the batch is where it is, for people: "provider paused: 535 …".
  note text
);
CREATE INDEX batches_by_account ON batches (account_id, id DESC);
CREATE INDEX batches_open ON batches (id) WHERE state IN ('sending', 'paused');
CREATE INDEX batches_quiet ON batches (id) WHERE state = 'sending' AND options ? 'quietHours';
CREATE INDEX batches_due ON batches (scheduled_at) WHERE state = 'scheduled';

-- The first eight bytes a UUIDv7 of that instant has (RFC 9562 §5.7): partition bounds.
CREATE FUNCTION uuid7_floor(at timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
  SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '00000000000000000000')::uuid
$$;

-- One row a recipient. `state` is the number in domain/message-state.ts and is not indexed, so that an
-- outcome is a HOT update. The fill factor leaves room for new versions of all rows of a page, since a window is one
-- transaction: with 70 a message cost 15 % more, and more so in large batches (docs/benchmarks.md).
CREATE TABLE messages (
  batch_id uuid NOT NULL,
  n int NOT NULL,
  state smallint NOT NULL DEFAULT 0,
  attempts smallint NOT NULL DEFAULT 0,
  address text COLLATE "C" NOT NULL,
  vars json,
  provider_message_id text,
  code text,
  detail text,
  updated_at timestamptz,
  PRIMARY KEY (batch_id, n)
) PARTITION BY RANGE (batch_id);
CREATE TABLE messages_other PARTITION OF messages DEFAULT WITH (fillfactor = 70);

CREATE FUNCTION create_message_partition(month date) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format(
    'CREATE TABLE IF NOT EXISTS messages_%s PARTITION OF messages FOR VALUES FROM (%L) TO (%L) WITH (fillfactor = 45)',
    to_char(month, 'YYYY_MM'), uuid7_floor(month::timestamp AT TIME ZONE 'UTC'),
    uuid7_floor((month + interval '1 month')::timestamp AT TIME ZONE 'UTC'));
END $$;
SELECT create_message_partition((date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => m))::date)
FROM generate_series(0, 2) m;

-- The unit of dispatch and ownership: a range of n, or for retries a list. The counters of the chunks of a
-- batch add up to its total at every moment. A retry chunk's counters are deltas while it is in flight; what
-- becomes of its messages is counted in the range chunk that they belong to.
CREATE TABLE chunks (
  batch_id uuid NOT NULL,
  no int NOT NULL,
  account_id uuid NOT NULL,
  lane uuid NOT NULL,
  first_n int NOT NULL,
  last_n int NOT NULL,
  ns int[],
  state text NOT NULL DEFAULT 'draft' CHECK (state IN ('draft', 'ready', 'leased', 'paused', 'done')),
  priority int NOT NULL DEFAULT 0,
  lease_owner text,
  lease_until timestamptz,
  epoch int NOT NULL DEFAULT 0,
  -- Write-ahead mark: messages after it were surely not sent. A position in `ns` for retry chunks.
  attempted_upto int NOT NULL DEFAULT 0,
  ready_at timestamptz,
  -- The batch was paused or cancelled while the chunk is leased: its owner marks no further window.
  halt text CHECK (halt IN ('paused', 'cancelled')),
  queued int NOT NULL DEFAULT 0,
  sending int NOT NULL DEFAULT 0,
  deferred int NOT NULL DEFAULT 0,
  sent int NOT NULL DEFAULT 0,
  delivered int NOT NULL DEFAULT 0,
  bounced int NOT NULL DEFAULT 0,
  complained int NOT NULL DEFAULT 0,
  failed int NOT NULL DEFAULT 0,
  suppressed int NOT NULL DEFAULT 0,
  cancelled int NOT NULL DEFAULT 0,
  uncertain int NOT NULL DEFAULT 0,
  PRIMARY KEY (batch_id, no)
) WITH (fillfactor = 50);
CREATE INDEX chunks_ready ON chunks (lane, priority DESC, batch_id, no) WHERE state = 'ready';
-- Not on lease_until: every settlement renews it, and an indexed column would end HOT updates.
CREATE INDEX chunks_leased ON chunks (batch_id, no) WHERE state = 'leased';
CREATE INDEX chunks_unfinished ON chunks (batch_id) WHERE state IN ('ready', 'leased', 'paused');
CREATE INDEX chunks_by_range ON chunks (batch_id, first_n) WHERE ns IS NULL;

-- Messages that wait for another try.
CREATE TABLE deferrals (
  batch_id uuid NOT NULL,
  n int NOT NULL,
  due_at timestamptz NOT NULL,
  PRIMARY KEY (batch_id, n)
);
CREATE INDEX deferrals_due ON deferrals (due_at);

-- Every attempt that did not end in acceptance; the accepted one is in the message itself.
CREATE TABLE attempts (
  batch_id uuid NOT NULL,
  n int NOT NULL,
  attempt smallint NOT NULL,
  at timestamptz NOT NULL,
  outcome text NOT NULL,
  code text,
  detail text
);
CREATE INDEX attempts_message ON attempts (batch_id, n);

-- What an upload brought in, and what it did not.
CREATE TABLE imports (
  id uuid PRIMARY KEY,
  batch_id uuid NOT NULL REFERENCES batches ON DELETE CASCADE,
  accepted int NOT NULL,
  rejected int NOT NULL,
  duplicates int NOT NULL,
  suppressed int NOT NULL,
  facts jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX imports_batch ON imports (batch_id, id);
CREATE TABLE import_rejects (
  import_id uuid NOT NULL REFERENCES imports ON DELETE CASCADE,
  row int NOT NULL,
  column_name text,
  reason text NOT NULL,
  text text NOT NULL
);
CREATE INDEX import_rejects_import ON import_rejects (import_id, row);

-- Events on their way to ClickHouse; one row a settled window. Written only when ClickHouse is configured.
CREATE TABLE outbox (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  account_id uuid NOT NULL,
  batch_id uuid NOT NULL,
  payload json NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

-- The newest messages a mock provider took, for viewing.
CREATE TABLE mock_messages (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  provider_id uuid NOT NULL REFERENCES providers ON DELETE CASCADE,
  message json NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX mock_messages_provider ON mock_messages (provider_id, id DESC);

-- Provider webhooks as they came in; the tracker applies them.
CREATE TABLE provider_events (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  event json NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  -- An event may come before the outcome it belongs to is written: then it is tried again.
  due_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX provider_events_due ON provider_events (due_at, id);

-- Idempotency-Key of POST /api/batches, kept for 24 hours.
CREATE TABLE idempotency_keys (
  account_id uuid NOT NULL,
  key text NOT NULL,
  body_hash bytea NOT NULL,
  status int,
  response json,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (account_id, key)
);
CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at);

-- Worker processes and their heartbeat: how many senders share a limit, and who is alive.
CREATE TABLE workers (
  id text PRIMARY KEY,
  roles text[] NOT NULL,
  started_at timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now()
);

-- Down Migration
DROP TABLE workers, idempotency_keys, provider_events, mock_messages, outbox, import_rejects, imports, attempts,
  deferrals, chunks, messages, batches, suppressions, providers, api_keys, sessions, users, accounts;
DROP FUNCTION create_message_partition, uuid7_floor;
