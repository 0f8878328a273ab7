import { checkQuietHours, type QuietHours } from '../../domain/schedule.ts';
import type { Announcements } from '../../pipeline/dispatcher.ts';
import type { PlannerStore } from '../../pipeline/planner.ts';
import { GIVE_BACK } from './chunks.ts';
import { notify } from './notifications.ts';
import { type Client, type Pool, transaction } from './pool.ts';

/** Messages in a retry chunk, as in a range chunk. */
const RETRY_CHUNK = 500;
/** Retry chunks made in one round; what is left waits a tick. */
const RETRY_ROUND = 20 * RETRY_CHUNK;
/** Providers try for about a day to hand over an event (Svix 28 hours). */
const EVENTS_COME_AGAIN = '2 days';
/** How long an Idempotency-Key stands for its first request. */
export const KEY_KEPT_FOR = '24 hours';
const SESSION_GRACE = '1 day';
/** A scheduled batch is sent late up to this, unless it says otherwise: a newsletter is still one the next morning. */
const DEFAULT_LATE_HOURS = 12;
/** Ready chunks looked at for one announcement; senders find the rest when they work. */
const ANNOUNCE_AT_MOST = 10_000;

export class PostgresPlanning implements PlannerStore {
  private readonly pool: Pool;
  private readonly announcements: Announcements | null;

  /** @param announcements where ready chunks are announced beside NOTIFY; null without NATS */
  constructor(pool: Pool, announcements: Announcements | null) {
    this.pool = pool;
    this.announcements = announcements;
  }

  async announceReady(): Promise<void> {
    if (!this.announcements) return;
    const { rows } = await this.pool.query<{ lane: string; chunks: number }>(
      `SELECT lane, count(*)::int AS chunks FROM (SELECT lane FROM chunks WHERE state = 'ready' LIMIT ${ANNOUNCE_AT_MOST}) ready GROUP BY lane`,
    );
    await this.announcements.announce(rows);
  }

  async startDue(): Promise<number> {
    return transaction(this.pool, async (client) => {
      const { rows } = await client.query<{ id: string; held: boolean }>(START_DUE);
      for (const { id, held } of rows) if (!held) await makeReady(client, id);
      return rows.length;
    });
  }

  async applyQuietHours(now: Date): Promise<number> {
    const { rows } = await this.pool.query<{ id: string; quiet: boolean; hours: QuietHours }>(
      `SELECT id, quiet, options->'quietHours' AS hours FROM batches WHERE state = 'sending' AND options ? 'quietHours' LIMIT 10000`,
    );
    let changed = 0;
    for (const { id, quiet, hours } of rows) {
      const { allowed, nextAllowed } = checkQuietHours(hours, now);
      if (allowed !== quiet) continue;
      await transaction(this.pool, (client) =>
        allowed ? endQuiet(client, id) : beginQuiet(client, id, nextAllowed),
      );
      changed++;
    }
    return changed;
  }

  async returnExpired(): Promise<number> {
    const { rowCount } = await this.pool.query(
      `UPDATE chunks c SET ${GIVE_BACK} WHERE (batch_id, no) IN (
         SELECT batch_id, no FROM chunks WHERE state = 'leased' AND lease_until < now() LIMIT 1000 FOR UPDATE SKIP LOCKED
       )`,
    );
    if (rowCount) await notify(this.pool, 'chunk_ready', '');
    return rowCount ?? 0;
  }

  async gatherRetries(): Promise<number> {
    const { rows } = await this.pool.query<{ batch_id: string; ns: number[] }>(
      `SELECT batch_id, array_agg(n ORDER BY n) AS ns FROM (
         SELECT batch_id, n FROM deferrals WHERE due_at <= now() ORDER BY due_at LIMIT ${RETRY_ROUND}
       ) due GROUP BY batch_id`,
    );
    let gathered = 0;
    for (const { batch_id, ns } of rows) {
      for (let at = 0; at < ns.length; at += RETRY_CHUNK)
        gathered += await this.gather(batch_id, ns.slice(at, at + RETRY_CHUNK));
    }
    if (gathered) await notify(this.pool, 'chunk_ready', '');
    return gathered;
  }

  private gather(batchId: string, ns: number[]): Promise<number> {
    return transaction(this.pool, async (client) => {
      // Locked against a pause or cancel at the same moment.
      const batch = await client.query<{ state: string }>(
        'SELECT state, quiet FROM batches WHERE id = $1 FOR UPDATE',
        [batchId],
      );
      await client.query('DELETE FROM deferrals WHERE batch_id = $1 AND n = ANY($2)', [batchId, ns]);
      if (batch.rows[0]?.state === 'cancelled') return 0;
      const { rowCount } = await client.query(
        'UPDATE messages SET state = 0 WHERE batch_id = $1 AND n = ANY($2) AND state = 2',
        [batchId, ns],
      );
      await client.query(
        `WITH b AS (UPDATE batches SET next_chunk = next_chunk + 1 WHERE id = $1
                    RETURNING id, account_id, provider_id, priority, CASE WHEN state = 'paused' OR quiet THEN 'paused' ELSE 'ready' END AS chunk_state, next_chunk - 1 AS no)
         INSERT INTO chunks (batch_id, no, account_id, lane, first_n, last_n, ns, priority, state, ready_at, queued, deferred)
         SELECT id, no, account_id, provider_id, 0, 0, $2, priority, chunk_state,
           now(), $3::int, -$3::int FROM b`,
        [batchId, ns, rowCount],
      );
      return rowCount ?? 0;
    });
  }

  async finishBatches(): Promise<number> {
    // In this order, since a batch with work left is told by its chunks; and not NOT EXISTS for deferrals, which
    // the planner turns into a scan of all of them: three million that wait are three million reads a second.
    const { rowCount } = await this.pool.query(
      `UPDATE batches b SET state = 'completed', finished_at = now(), note = NULL
       WHERE state = 'sending'
         AND NOT EXISTS (SELECT 1 FROM chunks c WHERE c.batch_id = b.id AND c.state IN ('ready', 'leased', 'paused'))
         AND (SELECT n FROM deferrals d WHERE d.batch_id = b.id ORDER BY n LIMIT 1) IS NULL`,
    );
    return rowCount ?? 0;
  }

  async prune(): Promise<void> {
    await this.pool.query(`DELETE FROM sessions WHERE expires_at < now() - interval '${SESSION_GRACE}'`);
    await this.pool.query(
      `DELETE FROM idempotency_keys WHERE created_at < now() - interval '${KEY_KEPT_FOR}'`,
    );
    await this.pool.query(`DELETE FROM seen_events WHERE seen_at < now() - interval '${EVENTS_COME_AGAIN}'`);
    await this.pool.query(`DELETE FROM workers WHERE seen_at < now() - interval '1 hour'`);
    await this.pool.query(
      `SELECT create_message_partition((date_trunc('month', now() AT TIME ZONE 'UTC') + make_interval(months => m))::date)
       FROM generate_series(1, 2) m`,
    );
  }
}

/** A batch whose time was missed by more than its `lateHours` waits for somebody to decide. */
const START_DUE = `
  UPDATE batches b SET
    state = CASE WHEN d.held THEN 'paused' ELSE 'sending' END,
    started_at = CASE WHEN d.held THEN NULL ELSE now() END,
    scheduled_at = CASE WHEN d.held THEN NULL ELSE b.scheduled_at END,
    note = CASE WHEN d.held THEN 'its time, ' || to_char(b.scheduled_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || ', was missed by more than ' || d.late_hours || ' h; resume sends it now' END
  FROM (
    SELECT id, late_hours, scheduled_at < now() - make_interval(secs => 3600 * late_hours) AS held FROM (
      SELECT id, scheduled_at, coalesce((options->>'lateHours')::float, ${DEFAULT_LATE_HOURS}) AS late_hours
      FROM batches WHERE state = 'scheduled' AND scheduled_at <= now() LIMIT 100 FOR UPDATE SKIP LOCKED
    ) due
  ) d WHERE b.id = d.id RETURNING b.id, d.held`;

async function beginQuiet(client: Client, batchId: string, until: Date): Promise<void> {
  await client.query('UPDATE batches SET quiet = true, note = $2 WHERE id = $1', [
    batchId,
    `quiet hours until ${until.toISOString()}`,
  ]);
  await holdChunks(client, batchId);
}

async function endQuiet(client: Client, batchId: string): Promise<void> {
  await client.query('UPDATE batches SET quiet = false, note = NULL WHERE id = $1', [batchId]);
  await makeReady(client, batchId);
}

/** Closes a batch's chunks to the senders; those in flight end with their window. */
export async function holdChunks(client: Client, batchId: string): Promise<void> {
  await client.query(
    `UPDATE chunks SET state = CASE state WHEN 'ready' THEN 'paused' ELSE state END, halt = CASE state WHEN 'leased' THEN 'paused' END
     WHERE batch_id = $1 AND state IN ('ready', 'leased')`,
    [batchId],
  );
  await notify(client, 'batch_control', batchId);
}

/** Opens a batch's chunks to the senders. */
export async function makeReady(client: Client, batchId: string): Promise<void> {
  await client.query(
    `UPDATE chunks SET state = 'ready', ready_at = now() WHERE batch_id = $1 AND state IN ('draft', 'paused')`,
    [batchId],
  );
  await client.query(
    `UPDATE chunks SET halt = NULL WHERE batch_id = $1 AND state = 'leased' AND halt = 'paused'`,
    [batchId],
  );
  await notify(client, 'chunk_ready', '');
  await notify(client, 'planner', '');
}
