import { addressKey } from '../../domain/channel.ts';
import type { LinkActions, LinkRecipient } from '../../http/stores.ts';
import { putEngagement } from './engagement.ts';
import { type Pool, transaction } from './pool.ts';

export const UNSUBSCRIBED = 'unsubscribed';

/** What recipients do with public links: they are found by the message that the link's signature names. */
export class PostgresLinkActions implements LinkActions {
  private readonly pool: Pool;
  private readonly outbox: boolean;

  /** @param outbox whether events are wanted, that is whether ClickHouse is configured */
  constructor(pool: Pool, outbox: boolean) {
    this.pool = pool;
    this.outbox = outbox;
  }

  async recipient(batchId: string, n: number): Promise<LinkRecipient | null> {
    const { rows } = await this.pool.query<LinkRecipient>({
      name: 'link-recipient',
      text: `SELECT b.account_id AS "accountId", m.address, x.address IS NOT NULL AS unsubscribed
             FROM messages m JOIN batches b ON b.id = m.batch_id
             LEFT JOIN suppressions x ON x.account_id = b.account_id AND x.address = lower(m.address)
             WHERE m.batch_id = $1 AND m.n = $2`,
      values: [batchId, n],
    });
    return rows[0] ?? null;
  }

  async unsubscribe(batchId: string, n: number, { accountId, address }: LinkRecipient): Promise<void> {
    await transaction(this.pool, async (client) => {
      const { rowCount } = await client.query(
        'INSERT INTO suppressions (account_id, address, reason) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING',
        [accountId, addressKey(address), UNSUBSCRIBED],
      );
      if (rowCount === 1 && this.outbox)
        await putEngagement(client, batchId, [{ n, type: UNSUBSCRIBED, code: '' }]);
    });
  }

  async record(batchId: string, n: number, type: 'clicked' | 'opened', target: string): Promise<void> {
    if (this.outbox) await putEngagement(this.pool, batchId, [{ n, type, code: target }]);
  }
}
