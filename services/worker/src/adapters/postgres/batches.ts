import type { BatchAction, BatchState } from '../../domain/batch-state.ts';
import { AppError, notFound } from '../../domain/errors.ts';
import {
  MESSAGE_STATE_NAMES,
  MESSAGE_STATES,
  type MessageState,
  type StateCounts,
} from '../../domain/message-state.ts';
import { uuid7 } from '../../domain/uuid7.ts';
import type {
  AttemptHistory,
  BatchDetail,
  BatchStore,
  BatchView,
  MessageView,
  NewBatch,
  Page,
  PreflightMark,
  QueueView,
  RetryRequest,
} from '../../http/stores.ts';
import type { BatchContent, QueuedMessage } from '../../pipeline/chunk-store.ts';
import { persist } from '../../pipeline/persist.ts';
import { attachmentSummaries, storeAttachments } from './attachments.ts';
import { actOnBatch } from './batch-actions.ts';
import { batchContent, queuedRecipients } from './batch-content.ts';
import { attemptsOf, listMessages } from './messages.ts';
import { type Client, type Pool, transaction } from './pool.ts';
import { isUuid } from './providers.ts';
import { retryMessages } from './retry.ts';
import { liveSenders } from './worker-registry.ts';

const COUNT_COLUMNS = MESSAGE_STATE_NAMES.map(
  (state) => `coalesce(sum(c.${state}), 0)::int AS ${state}`,
).join(', ');
const VIEW = `
  SELECT b.*, p.name AS provider_name, p.kind AS provider_kind, p.state AS provider_state, p.pause_reason, p.limits, k.*
  FROM batches b JOIN providers p ON p.id = b.provider_id
  CROSS JOIN LATERAL (SELECT ${COUNT_COLUMNS} FROM chunks c WHERE c.batch_id = b.id) k`;
/** States of messages that a provider took, or may have taken. */
const WENT_OUT = (['sent', 'delivered', 'bounced', 'complained', 'uncertain'] as const).map(
  (state) => MESSAGE_STATES[state],
);
/** Over which the current speed is measured. */
const SPEED_WINDOW_SECONDS = 5;

export class PostgresBatches implements BatchStore {
  private readonly pool: Pool;
  private readonly log: Parameters<typeof persist>[1];

  constructor(pool: Pool, log: Parameters<typeof persist>[1]) {
    this.pool = pool;
    this.log = log;
  }

  async create(accountId: string, batch: NewBatch): Promise<string> {
    const id = uuid7();
    await transaction(this.pool, (client) => insertBatch(client, accountId, id, batch));
    return id;
  }

  async get(accountId: string, id: string): Promise<BatchDetail> {
    if (!isUuid(id)) throw notFound('batch', id);
    const { rows } = await this.pool.query({
      name: 'batch-view',
      text: `${VIEW} WHERE b.account_id = $1 AND b.id = $2`,
      values: [accountId, id],
    });
    const row = rows[0];
    if (!row) throw notFound('batch', id);
    const [attachments, pace] = await Promise.all([
      attachmentSummaries(this.pool, id),
      this.pace(id, row.state),
    ]);
    return {
      ...view(row),
      template: row.template,
      options: row.options,
      attachments,
      preflight: row.preflight,
      ...pace,
    };
  }

  /** How fast the batch moves now: what the leased and just finished chunks settled, by their row versions. */
  private async pace(
    id: string,
    state: BatchState,
  ): Promise<{ settledRecently: number; nextRetryAt: Date | null }> {
    if (state !== 'sending') return { settledRecently: 0, nextRetryAt: null };
    const { rows } = await this.pool.query({
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

  async list(accountId: string, page: Page): Promise<BatchView[]> {
    const { rows } = await this.pool.query(
      `${VIEW} WHERE b.account_id = $1 AND ($2::uuid IS NULL OR b.id < $2) ORDER BY b.id DESC LIMIT $3`,
      [accountId, page.cursor, page.limit],
    );
    return rows.map(view);
  }

  async messages(
    accountId: string,
    id: string,
    state: MessageState | null,
    page: Page,
  ): Promise<MessageView[]> {
    const batch = await this.get(accountId, id);
    return listMessages(this.pool, batch, state, page);
  }

  attempts(batchId: string, n: number): Promise<AttemptHistory> {
    return attemptsOf(this.pool, batchId, n);
  }

  liveSenders(): Promise<number> {
    return liveSenders(this.pool);
  }

  async act(accountId: string, id: string, action: BatchAction): Promise<void> {
    if (!isUuid(id)) throw notFound('batch', id);
    await persist(
      () => transaction(this.pool, (client) => actOnBatch(client, accountId, id, action)),
      this.log,
    );
  }

  async retry(accountId: string, id: string, request: RetryRequest): Promise<number> {
    if (!isUuid(id)) throw notFound('batch', id);
    return persist(
      () => transaction(this.pool, (client) => retryMessages(client, accountId, id, request)),
      this.log,
    );
  }

  async content(accountId: string, id: string): Promise<BatchContent> {
    const content = isUuid(id) ? await batchContent(this.pool, id) : null;
    if (content?.accountId !== accountId) throw notFound('batch', id);
    return content;
  }

  recipients(id: string, accountId: string): AsyncIterable<QueuedMessage[]> {
    return queuedRecipients(this.pool, id, accountId);
  }

  async sentLastDay(providerId: string): Promise<number> {
    const { rows } = await this.pool.query<{ sent: number }>(
      `SELECT count(*) AS sent FROM batches b JOIN messages m ON m.batch_id = b.id
       WHERE b.provider_id = $1 AND b.started_at IS NOT NULL AND (b.finished_at IS NULL OR b.finished_at > now() - interval '1 day')
         AND m.updated_at > now() - interval '1 day' AND m.state = ANY($2::smallint[])`,
      [providerId, WENT_OUT],
    );
    return rows[0]!.sent;
  }

  async keepPreflight(id: string, mark: PreflightMark): Promise<void> {
    await this.pool.query('UPDATE batches SET preflight = $2 WHERE id = $1', [id, mark]);
  }

  async remove(accountId: string, id: string): Promise<void> {
    const batch = await this.get(accountId, id);
    const removed = await transaction(this.pool, async (client) => {
      const draft = await client.query(
        `SELECT 1 FROM batches WHERE account_id = $1 AND id = $2 AND state = 'draft' FOR UPDATE`,
        [accountId, id],
      );
      if (draft.rowCount !== 1) return false;
      for (const table of ['messages', 'chunks'])
        await client.query(`DELETE FROM ${table} WHERE batch_id = $1`, [id]);
      await client.query('DELETE FROM batches WHERE id = $1', [id]);
      return true;
    });
    if (!removed)
      throw new AppError(
        'batch_state_conflict',
        409,
        `A batch that is ${batch.state} cannot be removed; only a draft.`,
      );
  }

  async queue(accountId: string): Promise<QueueView[]> {
    const { rows } = await this.pool.query(
      `SELECT p.id AS "providerId", p.name AS provider, p.state, p.pause_reason AS "pauseReason",
         count(DISTINCT c.batch_id) AS batches, coalesce(sum(c.queued), 0)::int AS queued,
         coalesce(sum(c.sending), 0)::int AS sending, coalesce(sum(c.deferred), 0)::int AS deferred,
         min(c.ready_at) FILTER (WHERE c.state = 'ready') AS "oldestReadyAt"
       FROM providers p LEFT JOIN batches b ON b.provider_id = p.id AND b.state IN ('sending', 'paused')
       LEFT JOIN chunks c ON c.batch_id = b.id AND (c.state IN ('ready', 'leased', 'paused') OR c.deferred <> 0)
       WHERE p.account_id = $1 AND p.removed_at IS NULL GROUP BY p.id ORDER BY p.id`,
      [accountId],
    );
    return rows;
  }
}

async function insertBatch(client: Client, accountId: string, id: string, batch: NewBatch): Promise<void> {
  await client.query(
    `INSERT INTO batches (id, account_id, name, channel, provider_id, sender, reply_to, template, scheduled_at, options)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [
      id,
      accountId,
      batch.name,
      batch.channel,
      batch.providerId,
      batch.from,
      batch.replyTo,
      batch.template,
      batch.scheduledAt,
      batch.options,
    ],
  );
  await storeAttachments(client, id, batch.attachments);
}

// biome-ignore lint/suspicious/noExplicitAny: a row as pg types it
function view(row: any): BatchView {
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
