import { MESSAGE_STATES } from '../../domain/message-state.ts';
import type { BatchContent, QueuedMessage } from '../../pipeline/chunk-store.ts';
import { loadAttachments } from './attachments.ts';
import type { Pool } from './pool.ts';

const PAGE = 1000;

/** What sending needs to know of a batch. */
export async function batchContent(pool: Pool, batchId: string): Promise<BatchContent | null> {
  const { rows } = await pool.query('SELECT * FROM batches WHERE id = $1', [batchId]);
  const row = rows[0];
  if (!row) return null;
  return {
    id: row.id,
    accountId: row.account_id,
    channel: row.channel,
    sender: row.sender,
    replyTo: row.reply_to,
    template: row.template,
    uncertainPolicy: row.options.uncertainPolicy ?? 'resend',
    missingVariables: row.options.missingVariables ?? 'error',
    defaults: row.options.defaults,
    overrides: row.options.overrides ?? {},
    tracking: row.options.tracking ?? { clicks: false, opens: false },
    unsubscribe: row.options.unsubscribe === true,
    attachments: await loadAttachments(pool, batchId),
    timezone: row.options.timezone ?? 'UTC',
    startedAt: row.retried_at ?? row.started_at ?? row.created_at,
  };
}

/** Recipients that have no outcome yet, and those that are suppressed already, page by page. */
export async function* queuedRecipients(
  pool: Pool,
  batchId: string,
  accountId: string,
): AsyncGenerator<QueuedMessage[]> {
  for (let after = 0; ; ) {
    const { rows } = await pool.query<QueuedMessage>({
      name: 'queued-recipients',
      text: `SELECT m.n, m.n AS position, m.address, m.vars::text AS vars, m.attempts, s.hit IS NOT NULL OR m.state = ${MESSAGE_STATES.suppressed} AS suppressed
             FROM messages m LEFT JOIN LATERAL (
               SELECT true AS hit FROM suppressions s WHERE s.account_id = $2 AND s.address = lower(m.address) LIMIT 1
             ) s ON true
             WHERE m.batch_id = $1 AND m.n > $3 AND m.state IN (${MESSAGE_STATES.queued}, ${MESSAGE_STATES.suppressed})
             ORDER BY m.n LIMIT ${PAGE}`,
      values: [batchId, accountId, after],
    });
    if (rows.length > 0) yield rows;
    if (rows.length < PAGE) return;
    after = rows.at(-1)!.n;
  }
}
