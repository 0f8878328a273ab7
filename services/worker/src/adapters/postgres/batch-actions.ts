import { allowedFrom, type BatchAction, type BatchState, transition } from '../../domain/batch-state.ts';
import { AppError, notFound } from '../../domain/errors.ts';
import { notify } from './notifications.ts';
import { holdChunks, makeReady } from './planning.ts';
import type { Client } from './pool.ts';

/** Moves a batch from state to state, and its chunks with it. @throws AppError `batch_state_conflict`, `batch_empty` */
export async function actOnBatch(
  client: Client,
  accountId: string,
  id: string,
  action: BatchAction,
): Promise<void> {
  const { rows } = await client.query<{
    state: BatchState;
    total: number;
    started_at: Date | null;
    scheduled_at: Date | null;
  }>(
    'SELECT state, total, started_at, scheduled_at FROM batches WHERE account_id = $1 AND id = $2 FOR UPDATE',
    [accountId, id],
  );
  const batch = rows[0];
  if (!batch) throw notFound('batch', id);
  const to = transition(batch.state, action);
  if (!to) {
    throw new AppError(
      'batch_state_conflict',
      409,
      `A batch that is ${batch.state} cannot be told to ${action}; only one that is ${allowedFrom(action).join(', ')}.`,
    );
  }
  if (action === 'send' && batch.total === 0) {
    throw new AppError('batch_empty', 409, 'The batch has no recipients.', {
      fix: `Upload them first: POST /api/batches/${id}/recipients`,
    });
  }
  if (to === batch.state) return;
  if (action === 'pause') await pause(client, id);
  else if (action === 'cancel') await cancel(client, id);
  else await open(client, id, batch);
}

/** Sends now, or at the scheduled time when that is still to come. */
async function open(
  client: Client,
  id: string,
  batch: { state: BatchState; started_at: Date | null; scheduled_at: Date | null },
) {
  const waits =
    batch.started_at === null &&
    batch.state !== 'scheduled' &&
    batch.scheduled_at !== null &&
    batch.scheduled_at > new Date();
  if (waits) {
    await client.query(`UPDATE batches SET state = 'scheduled' WHERE id = $1`, [id]);
    return;
  }
  await client.query(
    `UPDATE batches SET state = 'sending', started_at = coalesce(started_at, now()) WHERE id = $1`,
    [id],
  );
  await makeReady(client, id);
}

async function pause(client: Client, id: string): Promise<void> {
  await client.query(`UPDATE batches SET state = 'paused' WHERE id = $1`, [id]);
  await holdChunks(client, id);
}

/** Whatever is not in flight is cancelled at once; chunks in flight follow when their window is settled. */
async function cancel(client: Client, id: string): Promise<void> {
  await client.query(`UPDATE batches SET state = 'cancelled', finished_at = now() WHERE id = $1`, [id]);
  await client.query('DELETE FROM deferrals WHERE batch_id = $1', [id]);
  await client.query(
    `UPDATE chunks c SET
       state = CASE state WHEN 'leased' THEN state ELSE 'done' END,
       halt = CASE state WHEN 'leased' THEN 'cancelled' END,
       cancelled = CASE WHEN ns IS NOT NULL AND state <> 'leased' THEN 0
                        WHEN state = 'leased' THEN cancelled + deferred
                        ELSE cancelled + deferred + queued END,
       deferred = 0,
       queued = CASE state WHEN 'leased' THEN queued ELSE 0 END
     WHERE batch_id = $1`,
    [id],
  );
  await notify(client, 'batch_control', id);
  await notify(client, 'planner', '');
}
