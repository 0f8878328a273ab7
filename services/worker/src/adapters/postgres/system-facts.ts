import type { SystemFacts, SystemFactsStore } from '../../metrics/system-facts.ts';
import type { Pool } from './pool.ts';
import { ALIVE_FOR } from './worker-registry.ts';

/** Open batches looked at; a system with more is described by the oldest ones. */
const MAX_OPEN = 1000;
const MAX_PROVIDERS = 100;

/** Chunks of open batches, read through their primary key; 20,000 rows for a batch of ten million. */
const OPEN = `
  SELECT b.id, p.name AS provider, b.state = 'paused' OR b.quiet OR p.state = 'paused' AS held,
    k.queued, k.sending, k.deferred, k.settled, k.leased, extract(epoch FROM now() - k.oldest_ready)::float AS oldest_ready
  FROM (SELECT * FROM batches WHERE state IN ('sending', 'paused') ORDER BY id LIMIT ${MAX_OPEN}) b
  JOIN providers p ON p.id = b.provider_id
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(queued), 0)::int AS queued, coalesce(sum(sending), 0)::int AS sending,
      coalesce(sum(deferred), 0)::int AS deferred,
      coalesce(sum(sent + delivered + bounced + complained + failed + suppressed + cancelled + uncertain), 0)::int AS settled,
      count(*) FILTER (WHERE state = 'leased')::int AS leased, min(ready_at) FILTER (WHERE state = 'ready') AS oldest_ready
    FROM chunks c WHERE c.batch_id = b.id
  ) k`;

const PROVIDERS = `
  SELECT name, bool_or(state = 'paused') AS paused FROM providers WHERE removed_at IS NULL
  GROUP BY name ORDER BY bool_or(state = 'paused') DESC, name LIMIT ${MAX_PROVIDERS}`;

const BATCHES = `
  SELECT s.state, coalesce(k.count, 0) AS count FROM (VALUES ('scheduled'), ('sending'), ('paused')) s(state) LEFT JOIN (
    SELECT state, count(*)::int AS count FROM batches WHERE state IN ('sending', 'paused') GROUP BY state
    UNION ALL SELECT 'scheduled', count(*)::int FROM batches WHERE state = 'scheduled'
  ) k USING (state)`;

/** Ids of the outbox grow without gaps but for those of rolled back windows. */
const SCALARS = `
  SELECT (SELECT coalesce(sum(uncertain), 0)::int FROM chunks WHERE uncertain > 0) AS uncertain,
    (SELECT coalesce(max(id) - min(id) + 1, 0) FROM outbox) AS outbox_rows,
    coalesce((SELECT extract(epoch FROM now() - created_at)::float FROM outbox ORDER BY id LIMIT 1), 0) AS outbox_oldest,
    (SELECT count(*)::int FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
    current_setting('max_connections')::int AS max_connections, pg_database_size(current_database()) AS bytes,
    (SELECT coalesce(extract(epoch FROM now() - min(xact_start)), 0)::float FROM pg_stat_activity
     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()) AS oldest_transaction`;

const WORKERS = `
  SELECT role, count(*)::int AS count FROM workers, unnest(roles) role WHERE seen_at > now() - interval '${ALIVE_FOR}' GROUP BY role`;

interface OpenRow {
  id: string;
  provider: string;
  held: boolean;
  queued: number;
  sending: number;
  deferred: number;
  settled: number;
  leased: number;
  oldest_ready: number | null;
}

export class PostgresSystemFacts implements SystemFactsStore {
  private readonly pool: Pool;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  async read(): Promise<SystemFacts> {
    const open = (await this.pool.query<OpenRow>({ name: 'facts-open', text: OPEN })).rows;
    const providers = await this.pool.query<{ name: string; paused: boolean }>(PROVIDERS);
    const batches = await this.pool.query<{ state: string; count: number }>(BATCHES);
    const workers = await this.pool.query<{ role: string; count: number }>(WORKERS);
    const [scalars] = (await this.pool.query(SCALARS)).rows;
    return {
      queues: byProvider(
        open,
        providers.rows.map(({ name }) => name),
      ),
      open: open.map((row) => ({
        id: row.id,
        provider: row.provider,
        inQueue: row.queued + row.sending,
        settled: row.settled,
        held: row.held,
      })),
      batches: batches.rows,
      providers: providers.rows,
      leasedChunks: open.reduce((sum, row) => sum + row.leased, 0),
      uncertain: scalars.uncertain,
      outbox: { rows: scalars.outbox_rows, oldestSeconds: scalars.outbox_oldest },
      workers: workers.rows,
      database: {
        bytes: scalars.bytes,
        connections: scalars.connections,
        maxConnections: scalars.max_connections,
        oldestTransactionSeconds: scalars.oldest_transaction,
      },
    };
  }
}

/** Every provider has its line, with zeros when nothing of it is open. */
function byProvider(open: OpenRow[], names: string[]): SystemFacts['queues'] {
  const queues = new Map(
    [...names, ...open.map((row) => row.provider)].map((provider) => [
      provider,
      { provider, queued: 0, sending: 0, deferred: 0, oldestReadySeconds: null as number | null },
    ]),
  );
  for (const row of open) {
    const queue = queues.get(row.provider)!;
    queue.queued += row.queued;
    queue.sending += row.sending;
    queue.deferred += row.deferred;
    if (row.oldest_ready !== null && !row.held)
      queue.oldestReadySeconds = Math.max(queue.oldestReadySeconds ?? 0, row.oldest_ready);
  }
  return [...queues.values()];
}
