import type { BatchAction } from '../../domain/batch-state.ts';
import { AppError, notFound } from '../../domain/errors.ts';
import { MESSAGE_STATES, type MessageState } from '../../domain/message-state.ts';
import type {
  AttemptHistory,
  BatchDetail,
  BatchStore,
  BatchView,
  MessageView,
  PreflightMark,
  QueueView,
  RetryRequest,
} from '../../http/batch-stores.ts';
import type { Page } from '../../http/stores.ts';
import type { BatchContent, QueuedMessage } from '../../pipeline/chunk-store.ts';
import { persist } from '../../pipeline/persist.ts';
import { actOnBatch } from './batch-actions.ts';
import { batchContent, queuedRecipients } from './batch-content.ts';
import { BATCH_VIEW, batchView, readBatch } from './batch-reading.ts';
import { attemptsOf, listMessages } from './messages.ts';
import { type Pool, transaction } from './pool.ts';
import { isUuid } from './providers.ts';
import { retryMessages } from './retry.ts';
import { liveSenders } from './worker-registry.ts';

/** States of messages that a provider took, or may have taken. */
const WENT_OUT = (['sent', 'delivered', 'bounced', 'complained', 'uncertain'] as const).map(
  (state) => MESSAGE_STATES[state],
);
export class PostgresBatches implements BatchStore {
  private readonly pool: Pool;
  private readonly log: Parameters<typeof persist>[1];

  constructor(pool: Pool, log: Parameters<typeof persist>[1]) {
    this.pool = pool;
    this.log = log;
  }

  get(accountId: string, id: string): Promise<BatchDetail> {
    return readBatch(this.pool, accountId, id);
  }

  async list(accountId: string, page: Page): Promise<BatchView[]> {
    const { rows } = await this.pool.query(
      `${BATCH_VIEW} WHERE b.account_id = $1 AND ($2::uuid IS NULL OR b.id < $2) ORDER BY b.id DESC LIMIT $3`,
      [accountId, page.cursor, page.limit],
    );
    return rows.map(batchView);
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
