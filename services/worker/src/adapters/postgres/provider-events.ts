import { MESSAGE_STATES } from '../../domain/message-state.ts';
import { EVENT_FROM, type ProviderEvent, stateOf, strongest } from '../../domain/provider-event.ts';
import type { EventIntake, EventQueue, EventStore, TakenEvent } from '../../pipeline/event-tracker.ts';
import { type Client, type Pool, transaction } from './pool.ts';

const { bounced, complained, deferred, delivered, queued, sent, uncertain } = MESSAGE_STATES;
const AGAIN_AFTER = '2 seconds';

/** Intake without NATS: a table. */
export class PostgresEventQueue implements EventIntake, EventQueue<number> {
  private readonly pool: Pool;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  async put(event: ProviderEvent): Promise<void> {
    await this.pool.query('INSERT INTO provider_events (event) VALUES ($1)', [event]);
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

/**
 * Moves messages on, upwards only, and their counters where they belong. Rows without an outcome are not locked:
 * they are the sender's.
 */
const APPLY = `
  WITH e AS (
    SELECT * FROM unnest($2::int[], $3::smallint[], $4::text[], $5::text[]) AS e(n, state, code, detail)
  ), picked AS (
    SELECT m.n, m.state AS old, e.state, e.code, e.detail, h.no FROM e
    JOIN messages m ON m.batch_id = $1 AND m.n = e.n AND m.n = ANY($2::int[])
    CROSS JOIN LATERAL (
      SELECT no FROM chunks c WHERE c.batch_id = $1 AND c.ns IS NULL AND c.first_n <= m.n ORDER BY c.first_n DESC LIMIT 1
    ) h
    WHERE m.state = ANY($6::smallint[]) AND (e.state > m.state OR m.state = ${uncertain})
    FOR UPDATE OF m
  ), changed AS (
    UPDATE messages m SET state = p.state, code = coalesce(p.code, m.code), detail = coalesce(p.detail, m.detail), updated_at = now()
    FROM picked p WHERE m.batch_id = $1 AND m.n = p.n
  ), d AS (
    SELECT no,
      count(*) FILTER (WHERE old = ${sent}) AS from_sent, count(*) FILTER (WHERE old = ${delivered}) AS from_delivered,
      count(*) FILTER (WHERE old = ${bounced}) AS from_bounced, count(*) FILTER (WHERE old = ${uncertain}) AS from_uncertain,
      count(*) FILTER (WHERE state = ${delivered}) AS delivered, count(*) FILTER (WHERE state = ${bounced}) AS bounced,
      count(*) FILTER (WHERE state = ${complained}) AS complained
    FROM picked GROUP BY no
  )
  UPDATE chunks c SET sent = c.sent - d.from_sent, delivered = c.delivered - d.from_delivered + d.delivered,
    bounced = c.bounced - d.from_bounced + d.bounced, complained = c.complained + d.complained, uncertain = c.uncertain - d.from_uncertain
  FROM d WHERE c.batch_id = $1 AND c.no = d.no`;

export class PostgresEventStore implements EventStore {
  private readonly pool: Pool;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  async apply(events: ProviderEvent[]): Promise<{ early: ProviderEvent[]; unmatched: number }> {
    const early: ProviderEvent[] = [];
    let unmatched = 0;
    for (const ofBatch of byBatch(events)) {
      const { accountId, batchId } = ofBatch[0]!;
      const known = await this.waiting(accountId, batchId, ofBatch);
      const ours = ofBatch.filter((event) => known.has(event.n));
      const ready = strongest(ours.filter((event) => !known.get(event.n)));
      if (ready.length) await transaction(this.pool, (client) => applyToBatch(client, batchId, ready));
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

async function applyToBatch(client: Client, batchId: string, events: ProviderEvent[]): Promise<void> {
  await client.query(APPLY, [
    batchId,
    events.map((event) => event.n),
    events.map((event) => MESSAGE_STATES[stateOf(event)]),
    events.map((event) => event.code),
    events.map((event) => event.detail),
    EVENT_FROM,
  ]);
  const dead = events.filter(
    (event) => event.type === 'complained' || (event.type === 'bounced' && event.permanent),
  );
  if (dead.length === 0) return;
  await client.query(
    `INSERT INTO suppressions (account_id, address, reason)
     SELECT b.account_id, lower(m.address), e.reason FROM unnest($2::int[], $3::text[]) e(n, reason)
     JOIN messages m ON m.batch_id = $1 AND m.n = e.n JOIN batches b ON b.id = m.batch_id ON CONFLICT DO NOTHING`,
    [batchId, dead.map((event) => event.n), dead.map((event) => event.type)],
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
