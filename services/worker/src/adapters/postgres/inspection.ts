import { readdir } from 'node:fs/promises';
import { MIGRATIONS_DIR } from './migrate.ts';
import { type Pool, sqlState } from './pool.ts';
import { eventSource } from './providers.ts';
import type { SecretBox } from './secret-box.ts';
import { PostgresSystemFacts } from './system-facts.ts';

/** What an operator wants to know of a system, across accounts; for `batchsender doctor`, which has the database's password. */
export interface Inspection {
  /** Database clock minus ours, milliseconds. */
  clockSkewMs: number;
  pendingMigrations: string[];
  senders: number;
  planners: number;
  /** Leases that ran out and were not given back: no planner leads. */
  expiredLeases: number;
  queues: { provider: string; queued: number; oldestReadySeconds: number | null }[];
  uncertain: { batch: string; count: number }[];
  pausedProviders: { name: string; reason: string | null }[];
  outbox: { rows: number; oldestSeconds: number };
  /** Providers that take events, sent messages, and never called. */
  silentWebhooks: { id: string; name: string }[];
  developmentCredentials: { users: number; keys: number };
  senderDomains: string[];
}

const UNDEFINED_TABLE = '42P01';
const MAX_LISTED = 10;
/** Longer than a planner takes from one round to the next, however busy it is. */
const OVERDUE = '60 seconds';
/** Time for the provider's first event. */
const FIRST_EVENT_WITHIN = '10 minutes';
const RECENT = '30 days';

export async function inspect(pool: Pool, secrets: SecretBox): Promise<Inspection> {
  const sent = Date.now();
  const { rows: clock } = await pool.query<{ now: Date }>('SELECT clock_timestamp() AS now');
  const clockSkewMs = Math.round(clock[0]!.now.getTime() - (sent + Date.now()) / 2);
  const pendingMigrations = await pending(pool);
  if (pendingMigrations.length > 0) return { ...NOTHING, clockSkewMs, pendingMigrations };
  const facts = await new PostgresSystemFacts(pool).read();
  const alive = (role: string) => facts.workers.find((one) => one.role === role)?.count ?? 0;
  return {
    clockSkewMs,
    pendingMigrations,
    senders: alive('sender'),
    planners: alive('planner'),
    expiredLeases: await count(
      pool,
      `SELECT count(*)::int AS count FROM chunks WHERE state = 'leased' AND lease_until < now() - interval '${OVERDUE}'`,
    ),
    queues: facts.queues
      .filter(({ queued }) => queued > 0)
      .map(({ provider, queued, oldestReadySeconds }) => ({ provider, queued, oldestReadySeconds })),
    uncertain: await uncertain(pool),
    pausedProviders: await pausedProviders(pool),
    outbox: facts.outbox,
    silentWebhooks: await silentWebhooks(pool, secrets),
    developmentCredentials: {
      users: await count(pool, 'SELECT count(*)::int AS count FROM users WHERE development'),
      keys: await count(
        pool,
        'SELECT count(*)::int AS count FROM api_keys WHERE development AND revoked_at IS NULL',
      ),
    },
    senderDomains: await senderDomains(pool),
  };
}

const NOTHING: Omit<Inspection, 'clockSkewMs' | 'pendingMigrations'> = {
  senders: 0,
  planners: 0,
  expiredLeases: 0,
  queues: [],
  uncertain: [],
  pausedProviders: [],
  outbox: { rows: 0, oldestSeconds: 0 },
  silentWebhooks: [],
  developmentCredentials: { users: 0, keys: 0 },
  senderDomains: [],
};

async function pending(pool: Pool): Promise<string[]> {
  const files = (await readdir(`${MIGRATIONS_DIR}/postgres`)).map((name) => name.replace(/\.sql$/, ''));
  try {
    const { rows } = await pool.query<{ name: string }>('SELECT name FROM schema_migrations');
    const applied = new Set(rows.map(({ name }) => name));
    return files.filter((name) => !applied.has(name)).sort();
  } catch (error) {
    if (sqlState(error) === UNDEFINED_TABLE) return files.sort();
    throw error;
  }
}

async function count(pool: Pool, sql: string): Promise<number> {
  return (await pool.query<{ count: number }>(sql)).rows[0]!.count;
}

async function uncertain(pool: Pool): Promise<Inspection['uncertain']> {
  const { rows } = await pool.query<{ batch: string; count: number }>(
    `SELECT batch_id AS batch, sum(uncertain)::int AS count FROM chunks WHERE uncertain > 0
     GROUP BY batch_id ORDER BY batch_id DESC LIMIT ${MAX_LISTED}`,
  );
  return rows;
}

async function pausedProviders(pool: Pool): Promise<Inspection['pausedProviders']> {
  const { rows } = await pool.query<{ name: string; reason: string | null }>(
    `SELECT name, pause_reason AS reason FROM providers WHERE state = 'paused' AND removed_at IS NULL
     ORDER BY name LIMIT ${MAX_LISTED}`,
  );
  return rows;
}

async function silentWebhooks(pool: Pool, secrets: SecretBox): Promise<Inspection['silentWebhooks']> {
  const { rows } = await pool.query<{
    id: string;
    name: string;
    settings: Record<string, unknown>;
    secrets: Buffer | null;
  }>(
    `SELECT p.id, p.name, p.settings, p.secrets FROM providers p
     WHERE p.removed_at IS NULL AND p.events_seen_at IS NULL AND p.kind <> 'mock' AND EXISTS (
       SELECT 1 FROM batches b WHERE b.provider_id = p.id AND b.started_at < now() - interval '${FIRST_EVENT_WITHIN}'
     ) ORDER BY p.name LIMIT ${MAX_LISTED}`,
  );
  return rows
    .filter((row) => eventSource('', row.settings, secrets.open(row.secrets)) !== null)
    .map(({ id, name }) => ({ id, name }));
}

async function senderDomains(pool: Pool): Promise<string[]> {
  const { rows } = await pool.query<{ domain: string }>(
    `SELECT DISTINCT lower(substring(b.sender FROM '@([^>[:space:]]+)')) AS domain
     FROM batches b JOIN providers p ON p.id = b.provider_id
     WHERE b.id > uuid7_floor(now() - interval '${RECENT}') AND b.channel = 'email' AND p.kind <> 'mock'
       AND b.sender IS NOT NULL ORDER BY 1 LIMIT ${MAX_LISTED}`,
  );
  return rows.map(({ domain }) => domain);
}
