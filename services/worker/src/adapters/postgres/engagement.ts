import type { OutboxPayload } from '../../pipeline/chunk-store.ts';
import type { Queryable } from './pool.ts';

const MAX_CODE = 500;

/** What a recipient did with a message; `code` is the link of a click. */
export interface Engagement {
  n: number;
  type: string;
  code: string;
}

/** Puts what recipients did on its way to ClickHouse; it is kept nowhere else. */
export async function putEngagement(db: Queryable, batchId: string, events: Engagement[]): Promise<void> {
  const { rows } = await db.query<{ account_id: string; channel: string; provider: string }>(
    'SELECT b.account_id, b.channel, p.name AS provider FROM batches b JOIN providers p ON p.id = b.provider_id WHERE b.id = $1',
    [batchId],
  );
  const batch = rows[0];
  if (!batch) return;
  const payload: OutboxPayload = {
    accountId: batch.account_id,
    batchId,
    provider: batch.provider,
    channel: batch.channel,
    at: new Date().toISOString(),
    n: events.map(({ n }) => n),
    attempt: events.map(() => 0),
    type: events.map(({ type }) => type),
    code: events.map(({ code }) => code.slice(0, MAX_CODE)),
  };
  await db.query('INSERT INTO outbox (account_id, batch_id, payload) VALUES ($1, $2, $3)', [
    batch.account_id,
    batchId,
    payload,
  ]);
}
