import { MESSAGE_STATES } from '../../domain/message-state.ts';
import {
  EVENT_FROM,
  isDead,
  type ProviderEvent,
  RANK_DEAD,
  RANK_DELIVERED,
  RANK_SENT,
  RANK_TEMPORARY,
  rankOf,
  stateOf,
  strongest,
} from '../../domain/provider-event.ts';
import type { EventIntake, EventQueue, EventStore, TakenEvent } from '../../pipeline/event-tracker.ts';
import { putEngagement } from './engagement.ts';
import { type Client, type Pool, transaction } from './pool.ts';

const { bounced, complained, deferred, delivered, failed, queued, sent, suppressed, uncertain } =
  MESSAGE_STATES;
const AGAIN_AFTER = '2 seconds';

/** Intake without NATS: a table. */
export class PostgresEventQueue implements EventIntake, EventQueue<number> {
  private readonly pool: Pool;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  async put(events: ProviderEvent[]): Promise<void> {
    await this.pool.query('INSERT INTO provider_events (event) SELECT unnest($1::json[])', [
      events.map((event) => JSON.stringify(event)),
    ]);
  }

  async take(limit: number): Promise<TakenEvent<number>[]> {
    const { rows } = await this.pool.query<{ id: number; event: ProviderEvent; received_at: Date }>(
      'SELECT id, event, received_at FROM provider_events WHERE due_at <= now() ORDER BY due_at, id LIMIT $1',
      [limit],
    );
    return rows.map((row) => ({ event: row.event, receivedAt: row.received_at, handle: row.id }));
  }

  async settle(done: TakenEvent<number>[], later: TakenEvent<number>[]): Promise<void> {
    await this.pool.query(
      `WITH gone AS (DELETE FROM provider_events WHERE id = ANY($1::bigint[]))
       UPDATE provider_events SET due_at = now() + interval '${AGAIN_AFTER}' WHERE id = ANY($2::bigint[])`,
      [done.map((one) => one.handle), later.map((one) => one.handle)],
    );
  }
}

/** How much the state of a message says, as domain/provider-event.ts ranks events. */
const RANK = `CASE m.state WHEN ${bounced} THEN CASE WHEN m.soft THEN ${RANK_TEMPORARY} ELSE ${RANK_DEAD} END
  WHEN ${delivered} THEN ${RANK_DELIVERED} ELSE ${RANK_SENT} END`;

/**
 * Moves messages on, upwards only, and their counters where they belong. Rows without an outcome are not locked:
 * they are the sender's.
 */
const APPLY = `
  WITH e AS (
    SELECT * FROM unnest($2::int[], $3::smallint[], $4::int[], $5::boolean[], $6::text[], $7::text[])
      AS e(n, state, rank, soft, code, detail)
  ), picked AS (
    SELECT m.n, m.state AS old, e.state, e.soft, e.code, e.detail, h.no FROM e
    JOIN messages m ON m.batch_id = $1 AND m.n = e.n AND m.n = ANY($2::int[])
    CROSS JOIN LATERAL (
      SELECT no FROM chunks c WHERE c.batch_id = $1 AND c.ns IS NULL AND c.first_n <= m.n ORDER BY c.first_n DESC LIMIT 1
    ) h
    WHERE m.state = ANY($8::smallint[]) AND e.rank > ${RANK}
    FOR UPDATE OF m
  ), changed AS (
    UPDATE messages m SET state = p.state, soft = CASE WHEN p.soft THEN true END, code = coalesce(p.code, m.code),
      detail = coalesce(p.detail, m.detail), updated_at = now()
    FROM picked p WHERE m.batch_id = $1 AND m.n = p.n
  ), d AS (
    SELECT no,
      count(*) FILTER (WHERE old = ${sent}) AS from_sent, count(*) FILTER (WHERE old = ${delivered}) AS from_delivered,
      count(*) FILTER (WHERE old = ${bounced}) AS from_bounced, count(*) FILTER (WHERE old = ${uncertain}) AS from_uncertain,
      count(*) FILTER (WHERE state = ${delivered}) AS delivered, count(*) FILTER (WHERE state = ${bounced}) AS bounced,
      count(*) FILTER (WHERE state = ${complained}) AS complained, count(*) FILTER (WHERE state = ${failed}) AS failed,
      count(*) FILTER (WHERE state = ${suppressed}) AS suppressed
    FROM picked GROUP BY no
  )
  UPDATE chunks c SET sent = c.sent - d.from_sent, delivered = c.delivered - d.from_delivered + d.delivered,
    bounced = c.bounced - d.from_bounced + d.bounced, complained = c.complained + d.complained,
    failed = c.failed + d.failed, suppressed = c.suppressed + d.suppressed, uncertain = c.uncertain - d.from_uncertain
  FROM d WHERE c.batch_id = $1 AND c.no = d.no`;

const SUPPRESS = `
  INSERT INTO suppressions (account_id, address, reason)
  SELECT b.account_id, lower(m.address), e.reason FROM unnest($2::int[], $3::text[]) e(n, reason)
  JOIN messages m ON m.batch_id = $1 AND m.n = e.n JOIN batches b ON b.id = m.batch_id ON CONFLICT DO NOTHING`;

const ENGAGEMENT: readonly string[] = ['opened', 'clicked', 'unsubscribed'];

export class PostgresEventStore implements EventStore {
  private readonly pool: Pool;
  private readonly outbox: boolean;

  /** @param outbox whether engagement is wanted, that is whether ClickHouse is configured */
  constructor(pool: Pool, outbox: boolean) {
    this.pool = pool;
    this.outbox = outbox;
  }

  async apply(events: ProviderEvent[]): Promise<{ early: ProviderEvent[]; unmatched: number }> {
    const early: ProviderEvent[] = [];
    let unmatched = 0;
    for (const ofBatch of byBatch(events)) {
      const { accountId, batchId } = ofBatch[0]!;
      const known = await this.waiting(accountId, batchId, ofBatch);
      const ours = ofBatch.filter((event) => known.has(event.n));
      const ready = ours.filter((event) => !known.get(event.n));
      if (ready.length)
        await transaction(this.pool, (client) => applyToBatch(client, batchId, ready, this.outbox));
      early.push(...ours.filter((event) => known.get(event.n)));
      unmatched += ofBatch.length - ours.length;
    }
    return { early, unmatched };
  }

  /**
   * The account's messages that exist, and whether each is still without an outcome. Whoever signs an event may
   * write any id into it: one of another account's message is as unknown here as one that was never given out.
   */
  private async waiting(
    accountId: string,
    batchId: string,
    events: ProviderEvent[],
  ): Promise<Map<number, boolean>> {
    const { rows } = await this.pool.query<{ n: number; waiting: boolean }>(
      `SELECT n, state IN (${queued}, ${deferred}) AS waiting FROM messages
       WHERE batch_id = $1 AND n = ANY($2::int[]) AND EXISTS (SELECT FROM batches WHERE id = $1 AND account_id = $3)`,
      [batchId, events.map((event) => event.n), accountId],
    );
    return new Map(rows.map((row) => [row.n, row.waiting]));
  }
}

async function applyToBatch(
  client: Client,
  batchId: string,
  events: ProviderEvent[],
  outbox: boolean,
): Promise<void> {
  const states = strongest(
    events.filter((event) => stateOf(event) !== null),
    ({ n }) => n,
  );
  if (states.length)
    await client.query(APPLY, [
      batchId,
      states.map((event) => event.n),
      states.map((event) => MESSAGE_STATES[stateOf(event)!]),
      states.map(rankOf),
      states.map((event) => event.type === 'bounced' && !event.permanent),
      states.map((event) => event.code),
      states.map((event) => event.detail),
      EVENT_FROM,
    ]);
  const dead = events.filter(isDead);
  if (dead.length)
    await client.query(SUPPRESS, [batchId, dead.map((event) => event.n), dead.map((event) => event.type)]);
  const engagement = events.filter(({ type }) => ENGAGEMENT.includes(type));
  if (outbox && engagement.length)
    await putEngagement(
      client,
      batchId,
      engagement.map(({ n, type, url }) => ({ n, type, code: url ?? '' })),
    );
}

/** Events of one account's batch together. */
function byBatch(events: ProviderEvent[]): ProviderEvent[][] {
  const batches = new Map<string, ProviderEvent[]>();
  for (const event of events) {
    const key = `${event.accountId} ${event.batchId}`;
    batches.set(key, [...(batches.get(key) ?? []), event]);
  }
  return [...batches.values()];
}
