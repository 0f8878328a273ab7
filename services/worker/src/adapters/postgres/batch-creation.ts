import { uuid7 } from '../../domain/uuid7.ts';
import type {
  BatchCreation,
  CreatedBatch,
  Creation,
  NewBatch,
  RequestKey,
  RequestOutcome,
} from '../../http/batch-stores.ts';
import { storeAttachments } from './attachments.ts';
import { actOnBatch } from './batch-actions.ts';
import { readBatch } from './batch-reading.ts';
import { importRecipients } from './imports.ts';
import { KEY_KEPT_FOR } from './planning.ts';
import { type Client, type Pool, type Queryable, transaction } from './pool.ts';

interface KeyRow {
  same: boolean;
  status: number | null;
  response: unknown;
}

/** $1 account, $2 key, $3 hash of the body. */
const CLAIM = `INSERT INTO idempotency_keys (account_id, key, body_hash) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`;
/** A key whose request failed is free for any other, and so is one whose time is over; not while its request runs. */
const RECLAIM = `
  UPDATE idempotency_keys SET body_hash = $3, status = NULL, response = NULL, created_at = now()
  WHERE (account_id, key) IN (
    SELECT account_id, key FROM idempotency_keys WHERE account_id = $1 AND key = $2
      AND (status IS NULL AND body_hash <> $3 OR created_at < now() - interval '${KEY_KEPT_FOR}')
    FOR UPDATE SKIP LOCKED)`;
const READ = `
  SELECT body_hash = $3 AS same, status, response FROM idempotency_keys
  WHERE account_id = $1 AND key = $2 AND created_at >= now() - interval '${KEY_KEPT_FOR}'`;

/**
 * Makes batches whole or not at all: the batch, its recipients, the start of sending, and the answer under its key are
 * one transaction. A request that runs holds a lock on its key's row, which ends with its connection: after a crash the
 * key is free at once, and there is nothing to clean up.
 */
export class PostgresBatchCreation implements BatchCreation {
  private readonly pool: Pool;

  constructor(pool: Pool) {
    this.pool = pool;
  }

  create(accountId: string, creation: Creation): Promise<CreatedBatch> {
    return transaction(this.pool, (client) => createBatch(client, accountId, creation));
  }

  async recall(accountId: string, key: RequestKey): Promise<RequestOutcome | null> {
    const row = await readKey(this.pool, accountId, key);
    return row && row.status !== null ? outcomeOf(row) : null;
  }

  async once(
    accountId: string,
    key: RequestKey,
    creation: Creation,
    answer: (created: CreatedBatch) => { status: number; body: unknown },
  ): Promise<RequestOutcome> {
    const values = [accountId, key.key, key.bodyHash];
    await this.pool.query(CLAIM, values);
    await this.pool.query(RECLAIM, values);
    return transaction(this.pool, async (client) => {
      const { rows } = await client.query<KeyRow>(`${READ} FOR UPDATE SKIP LOCKED`, values);
      if (!rows[0]) return outcomeOf(await readKey(client, accountId, key));
      if (rows[0].status !== null || !rows[0].same) return outcomeOf(rows[0]);
      const reply = answer(await createBatch(client, accountId, creation));
      await client.query(
        'UPDATE idempotency_keys SET status = $3, response = $4 WHERE account_id = $1 AND key = $2',
        [accountId, key.key, reply.status, JSON.stringify(reply.body)],
      );
      return { is: 'new', ...reply };
    });
  }
}

async function readKey(db: Queryable, accountId: string, key: RequestKey): Promise<KeyRow | null> {
  const { rows } = await db.query<KeyRow>(READ, [accountId, key.key, key.bodyHash]);
  return rows[0] ?? null;
}

/** What a request is told whose key is there already; a row that went away meanwhile is worth another try. */
function outcomeOf(row: KeyRow | null): RequestOutcome {
  if (row && !row.same) return { is: 'other-request' };
  return row && row.status !== null
    ? { is: 'answered', status: row.status, body: row.response }
    : { is: 'running' };
}

async function createBatch(
  client: Client,
  accountId: string,
  { batch, recipients, send, checkSend }: Creation,
): Promise<CreatedBatch> {
  const id = uuid7();
  await insertBatch(client, accountId, id, batch);
  const imported =
    recipients && (await importRecipients(client, accountId, id, recipients.bytes, recipients.options));
  if (send) {
    if (checkSend) checkSend(await readBatch(client, accountId, id));
    await actOnBatch(client, accountId, id, 'send');
  }
  return { batch: await readBatch(client, accountId, id), imported };
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
