import { MESSAGE_STATES } from '../../domain/message-state.ts';
import type {
  BatchContent,
  ChunkStore,
  ClaimedChunk,
  Lane,
  Mark,
  OutboxPayload,
  QueuedMessage,
  Settlement,
  SettleResult,
} from '../../pipeline/chunk-store.ts';
import { batchContent } from './batch-content.ts';
import type { Pool, QueryConfig } from './pool.ts';
import type { SecretBox } from './secret-box.ts';
import { SETTLE_RANGE, SETTLE_RETRY } from './settle-sql.ts';

/** Ready lanes by skipping through the index from lane to lane, however many chunks each has. */
const READY_LANES = `
  WITH RECURSIVE lane AS (
    (SELECT lane FROM chunks WHERE state = 'ready' ORDER BY lane LIMIT 1)
    UNION ALL
    SELECT (SELECT c.lane FROM chunks c WHERE c.state = 'ready' AND c.lane > l.lane ORDER BY c.lane LIMIT 1)
    FROM lane l WHERE l.lane IS NOT NULL
  )
  SELECT p.id, p.account_id, p.name, p.kind, p.settings, p.secrets, p.limits, p.version
  FROM lane l JOIN providers p ON p.id = l.lane WHERE p.state = 'active'`;

const CLAIM = `
  WITH next AS (
    SELECT batch_id, no FROM chunks WHERE lane = $1 AND state = 'ready'
    ORDER BY priority DESC, batch_id, no LIMIT 1 FOR UPDATE SKIP LOCKED
  )
  UPDATE chunks c
  SET state = 'leased', lease_owner = $2, lease_until = now() + make_interval(secs => $3 / 1000.0), epoch = c.epoch + 1
  FROM next WHERE c.batch_id = next.batch_id AND c.no = next.no
  RETURNING c.batch_id, c.no, c.epoch, c.attempted_upto, c.first_n, c.last_n, c.ns`;

/** LIMIT keeps the planner from hashing the account's whole suppression list for one chunk. */
const SUPPRESSED = `LEFT JOIN LATERAL (
    SELECT true AS hit FROM suppressions s WHERE s.account_id = $2 AND s.address = lower(m.address) LIMIT 1
  ) s ON true`;
const LOAD_COLUMNS = 'm.n, m.address, m.vars::text AS vars, m.attempts, s.hit IS NOT NULL AS suppressed';
const LOAD_RANGE = `
  SELECT ${LOAD_COLUMNS}, m.n AS position FROM messages m ${SUPPRESSED}
  WHERE m.batch_id = $1 AND m.n BETWEEN $3 AND $4 AND m.state = ${MESSAGE_STATES.queued} ORDER BY m.n`;
const LOAD_LIST = `
  SELECT ${LOAD_COLUMNS}, u.position::int AS position
  FROM unnest($3::int[]) WITH ORDINALITY u(n, position) JOIN messages m ON m.batch_id = $1 AND m.n = u.n AND m.n = ANY($3::int[])
  ${SUPPRESSED}
  WHERE m.state = ${MESSAGE_STATES.queued} ORDER BY u.position`;

/**
 * Gives leased chunks back: ready again, paused, or done with the rest cancelled. A retry chunk of a cancelled
 * batch drops its deltas, since its messages count as cancelled where they belong.
 */
export const GIVE_BACK = `
    state = CASE c.halt WHEN 'paused' THEN 'paused' WHEN 'cancelled' THEN 'done' ELSE 'ready' END,
    halt = NULL, lease_owner = NULL, lease_until = NULL, ready_at = now(), sending = 0,
    queued = CASE WHEN c.halt = 'cancelled' THEN 0 ELSE c.queued + c.sending END,
    cancelled = CASE WHEN c.halt <> 'cancelled' OR c.halt IS NULL THEN c.cancelled
                     WHEN c.ns IS NULL THEN c.cancelled + c.queued + c.sending ELSE 0 END`;

/** Ownership of chunks on PostgreSQL. */
export class PostgresChunks implements ChunkStore {
  private readonly pool: Pool;
  private readonly secrets: SecretBox;

  constructor(pool: Pool, secrets: SecretBox) {
    this.pool = pool;
    this.secrets = secrets;
  }

  async readyLanes(): Promise<Lane[]> {
    const { rows } = await this.pool.query({ name: 'ready-lanes', text: READY_LANES });
    return rows.map((row) => ({
      id: row.id,
      accountId: row.account_id,
      provider: {
        id: row.id,
        name: row.name,
        kind: row.kind,
        settings: { ...row.settings, ...this.secrets.open(row.secrets) },
        limits: row.limits,
        version: row.version,
      },
    }));
  }

  async claim(lane: string, owner: string, leaseMs: number): Promise<ClaimedChunk | null> {
    const { rows } = await this.pool.query({ name: 'claim', text: CLAIM, values: [lane, owner, leaseMs] });
    const row = rows[0];
    if (!row) return null;
    return {
      batchId: row.batch_id,
      no: row.no,
      epoch: row.epoch,
      attemptedUpto: row.attempted_upto,
      firstN: row.first_n,
      lastN: row.last_n,
      ns: row.ns,
    };
  }

  async load(chunk: ClaimedChunk, accountId: string): Promise<QueuedMessage[]> {
    const query: QueryConfig = chunk.ns
      ? { name: 'load-list', text: LOAD_LIST, values: [chunk.batchId, accountId, chunk.ns] }
      : {
          name: 'load-range',
          text: LOAD_RANGE,
          values: [chunk.batchId, accountId, chunk.firstN, chunk.lastN],
        };
    return (await this.pool.query(query)).rows;
  }

  async batch(batchId: string): Promise<BatchContent> {
    return (await batchContent(this.pool, batchId))!;
  }

  async settle(
    chunk: ClaimedChunk,
    owner: string,
    settled: Settlement[],
    next: Mark | null,
    outbox: OutboxPayload | null,
    leaseMs: number,
  ): Promise<SettleResult> {
    const statement = chunk.ns ? SETTLE_RETRY : SETTLE_RANGE;
    const { rows } = await this.pool.query({
      ...statement,
      values: [
        chunk.batchId,
        chunk.no,
        chunk.epoch,
        owner,
        leaseMs,
        next?.upto ?? null,
        next?.count ?? 0,
        ...columns(settled),
        outbox?.accountId ?? null,
        outbox && JSON.stringify(outbox),
      ],
    });
    const row = rows[0];
    return row ? { owned: true, marked: next !== null && row.sending_allowed } : { owned: false };
  }

  async finish(chunk: ClaimedChunk, owner: string): Promise<void> {
    await this.pool.query({
      name: 'finish',
      text: `UPDATE chunks SET state = 'done', lease_owner = NULL, lease_until = NULL
             WHERE batch_id = $1 AND no = $2 AND epoch = $3 AND lease_owner = $4 AND state = 'leased'`,
      values: [chunk.batchId, chunk.no, chunk.epoch, owner],
    });
  }

  async release(chunk: ClaimedChunk, owner: string): Promise<void> {
    await this.pool.query({
      name: 'release',
      text: `UPDATE chunks c SET ${GIVE_BACK}, attempted_upto = 0
             WHERE batch_id = $1 AND no = $2 AND epoch = $3 AND lease_owner = $4 AND state = 'leased'`,
      values: [chunk.batchId, chunk.no, chunk.epoch, owner],
    });
  }

  async renew(chunk: ClaimedChunk, owner: string, leaseMs: number): Promise<boolean> {
    const { rowCount } = await this.pool.query({
      name: 'renew',
      text: `UPDATE chunks SET lease_until = now() + make_interval(secs => $5 / 1000.0)
             WHERE batch_id = $1 AND no = $2 AND epoch = $3 AND lease_owner = $4 AND state = 'leased' AND lease_until > now()`,
      values: [chunk.batchId, chunk.no, chunk.epoch, owner, leaseMs],
    });
    return rowCount === 1;
  }

  async pauseProvider(providerId: string, reason: string): Promise<void> {
    await this.pool.query(
      `UPDATE providers SET state = 'paused', pause_reason = $2, version = version + 1 WHERE id = $1 AND state = 'active'`,
      [providerId, reason],
    );
  }

  async suppress(accountId: string, address: string, reason: string): Promise<void> {
    await this.pool.query(
      `INSERT INTO suppressions (account_id, address, reason) VALUES ($1, lower($2), $3) ON CONFLICT DO NOTHING`,
      [accountId, address, reason],
    );
  }
}

/** The settlements as the column arrays that the statement unnests. */
function columns(settled: Settlement[]): unknown[] {
  return [
    settled.map((s) => s.n),
    settled.map((s) => MESSAGE_STATES[s.followUp.state]),
    settled.map((s) => s.attempt),
    settled.map((s) => s.followUp.providerMessageId),
    settled.map((s) => s.followUp.code),
    settled.map((s) => s.followUp.detail),
    settled.map((s) => s.followUp.dueAt?.toISOString() ?? null),
  ];
}
