import type { BatchState } from '../../domain/batch-state.ts';
import { notFound } from '../../domain/errors.ts';
import { MESSAGE_STATE_NAMES, type StateCounts } from '../../domain/message-state.ts';
import type { BatchDetail, BatchView } from '../../http/batch-stores.ts';
import { attachmentSummaries } from './attachments.ts';
import type { Queryable } from './pool.ts';
import { isUuid } from './providers.ts';

const COUNT_COLUMNS = MESSAGE_STATE_NAMES.map(
  (state) => `coalesce(sum(c.${state}), 0)::int AS ${state}`,
).join(', ');
/** A batch with its provider and the sums of its chunks' counters. */
export const BATCH_VIEW = `
  SELECT b.*, p.name AS provider_name, p.kind AS provider_kind, p.state AS provider_state, p.pause_reason, p.limits, k.*
  FROM batches b JOIN providers p ON p.id = b.provider_id
  CROSS JOIN LATERAL (SELECT ${COUNT_COLUMNS} FROM chunks c WHERE c.batch_id = b.id) k`;
/** Over which the current speed is measured. */
const SPEED_WINDOW_SECONDS = 5;

/** @throws AppError `batch_not_found` */
export async function readBatch(db: Queryable, accountId: string, id: string): Promise<BatchDetail> {
  if (!isUuid(id)) throw notFound('batch', id);
  const { rows } = await db.query({
    name: 'batch-view',
    text: `${BATCH_VIEW} WHERE b.account_id = $1 AND b.id = $2`,
    values: [accountId, id],
  });
  const row = rows[0];
  if (!row) throw notFound('batch', id);
  return {
    ...batchView(row),
    template: row.template,
    options: row.options,
    attachments: await attachmentSummaries(db, id),
    preflight: row.preflight,
    ...(await pace(db, id, row.state)),
  };
}

/** How fast the batch moves now: what the leased and just finished chunks settled, by their row versions. */
async function pace(
  db: Queryable,
  id: string,
  state: BatchState,
): Promise<{ settledRecently: number; nextRetryAt: Date | null }> {
  if (state !== 'sending') return { settledRecently: 0, nextRetryAt: null };
  const { rows } = await db.query({
    name: 'batch-pace',
    text: `SELECT (SELECT min(due_at) FROM deferrals WHERE batch_id = $1) AS next_retry_at,
             (SELECT count(*) FROM messages m JOIN LATERAL (
                SELECT first_n, last_n FROM chunks c WHERE c.batch_id = $1 AND c.ns IS NULL AND c.state IN ('leased') LIMIT 8
              ) k ON m.n BETWEEN k.first_n AND k.last_n
              WHERE m.batch_id = $1 AND m.updated_at > now() - interval '${SPEED_WINDOW_SECONDS} seconds') AS settled`,
    values: [id],
  });
  return { settledRecently: rows[0].settled / SPEED_WINDOW_SECONDS, nextRetryAt: rows[0].next_retry_at };
}

// biome-ignore lint/suspicious/noExplicitAny: a row as pg types it
export function batchView(row: any): BatchView {
  const counts = Object.fromEntries(MESSAGE_STATE_NAMES.map((state) => [state, row[state]])) as StateCounts;
  return {
    id: row.id,
    name: row.name,
    channel: row.channel,
    provider: {
      id: row.provider_id,
      name: row.provider_name,
      kind: row.provider_kind,
      state: row.provider_state,
      pauseReason: row.pause_reason,
      limits: row.limits,
    },
    from: row.sender,
    replyTo: row.reply_to,
    state: row.state,
    total: row.total,
    counts,
    scheduledAt: row.scheduled_at,
    createdAt: row.created_at,
    startedAt: row.started_at,
    finishedAt: row.finished_at,
    note: row.note,
  };
}
