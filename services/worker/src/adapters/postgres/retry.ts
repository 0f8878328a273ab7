import { type BatchState, RETRYABLE_STATES } from '../../domain/batch-state.ts';
import { AppError, notFound } from '../../domain/errors.ts';
import { MESSAGE_STATES } from '../../domain/message-state.ts';
import type { RetryRequest } from '../../http/batch-stores.ts';
import { notify } from './notifications.ts';
import { makeReady } from './planning.ts';
import type { Client } from './pool.ts';

const { bounced, deferred, failed, uncertain } = MESSAGE_STATES;

/** Turns final messages into deferred ones that are due now; the planner gathers them like any other retry. */
const AGAIN = `
  WITH picked AS (
    SELECT m.n, m.state, c.no FROM chunks c JOIN messages m ON m.batch_id = c.batch_id AND m.n BETWEEN c.first_n AND c.last_n
    WHERE c.batch_id = $1 AND c.ns IS NULL AND (c.failed > 0 OR c.bounced > 0 OR c.uncertain > 0)
      AND m.batch_id = $1 AND m.state = ANY($2::smallint[])
    FOR UPDATE OF m
  ), changed AS (
    UPDATE messages m SET state = ${deferred}, attempts = 0 FROM picked p WHERE m.batch_id = $1 AND m.n = p.n
  ), due AS (
    INSERT INTO deferrals (batch_id, n, due_at) SELECT $1, n, now() FROM picked ON CONFLICT (batch_id, n) DO UPDATE SET due_at = now()
  ), d AS (
    SELECT no, count(*) AS moved, count(*) FILTER (WHERE state = ${failed}) AS failed,
      count(*) FILTER (WHERE state = ${bounced}) AS bounced, count(*) FILTER (WHERE state = ${uncertain}) AS uncertain
    FROM picked GROUP BY no
  ), counted AS (
    UPDATE chunks c SET deferred = c.deferred + d.moved, failed = c.failed - d.failed, bounced = c.bounced - d.bounced,
      uncertain = c.uncertain - d.uncertain
    FROM d WHERE c.batch_id = $1 AND c.no = d.no RETURNING d.moved
  ) SELECT coalesce(sum(moved), 0)::int AS moved FROM counted`;

/** Another round for failed, bounced or uncertain messages, and another provider for what is not sent yet. */
export async function retryMessages(
  client: Client,
  accountId: string,
  id: string,
  request: RetryRequest,
): Promise<number> {
  const { rows } = await client.query<{ state: BatchState }>(
    'SELECT state FROM batches WHERE account_id = $1 AND id = $2 FOR UPDATE',
    [accountId, id],
  );
  const batch = rows[0];
  if (!batch) throw notFound('batch', id);
  if (!RETRYABLE_STATES.includes(batch.state)) {
    throw new AppError(
      'batch_state_conflict',
      409,
      `A batch that is ${batch.state} cannot be retried; only one that is ${RETRYABLE_STATES.join(', ')}.`,
    );
  }
  if (request.providerId) {
    await client.query('UPDATE batches SET provider_id = $2 WHERE id = $1', [id, request.providerId]);
    await client.query(`UPDATE chunks SET lane = $2 WHERE batch_id = $1 AND state <> 'done'`, [
      id,
      request.providerId,
    ]);
    // Whoever holds a chunk gives it back after its window; it is then ready in the new lane.
    await notify(client, 'batch_control', id);
  }
  const moved =
    request.states.length === 0
      ? 0
      : (
          await client.query<{ moved: number }>(AGAIN, [
            id,
            request.states.map((state) => MESSAGE_STATES[state]),
          ])
        ).rows[0]!.moved;
  if (moved > 0 && batch.state !== 'paused')
    await client.query(`UPDATE batches SET state = 'sending', finished_at = NULL WHERE id = $1`, [id]);
  if (moved > 0) await client.query('UPDATE batches SET retried_at = now() WHERE id = $1', [id]);
  if (batch.state !== 'paused') await makeReady(client, id);
  return moved;
}
