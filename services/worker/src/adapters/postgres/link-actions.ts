import { addressKey } from '../../domain/channel.ts';
import type { LinkActions, LinkRecipient } from '../../http/stores.ts';
import type { OutboxPayload } from '../../pipeline/chunk-store.ts';
import { type Client, type Pool, transaction } from './pool.ts';

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
      if (rowCount === 1 && this.outbox) await putEvent(client, batchId, n, UNSUBSCRIBED, '');
    });
  }

  async record(batchId: string, n: number, type: 'clicked' | 'opened', target: string): Promise<void> {
    if (this.outbox) await putEvent(this.pool, batchId, n, type, target.slice(0, 500));
  }
}

async function putEvent(
  client: Pick<Client, 'query'>,
  batchId: string,
  n: number,
  type: string,
  code: string,
): Promise<void> {
  const { rows } = await client.query<{ account_id: string; channel: string; provider: string }>(
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
    n: [n],
    attempt: [0],
    type: [type],
    code: [code],
  };
  await client.query('INSERT INTO outbox (account_id, batch_id, payload) VALUES ($1, $2, $3)', [
    batch.account_id,
    batchId,
    payload,
  ]);
}
